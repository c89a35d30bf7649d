"""Pictures that are wanted: where each is stored, and the key that says what it is made from."""

import hashlib
import importlib.metadata
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from backbench import hashing
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import Row
from backbench.pictures import index
from backbench.pictures.catalogue import Kind
from backbench.pictures.source import Source, Sweep
from backbench.store import Store

log = logging.getLogger(__name__)

# The parts of a record that a picture may show, and what pictures of a sweep say of the machine; times are left out.
SHOWN = ("code", "status", "reason", "metrics", "notes", "info")
MACHINE = ("device", "cpu")
NOT_IN_FILES = re.compile(r"[^\w.=-]+", re.ASCII)


@dataclass(frozen=True)
class Order:
    """A picture that is wanted: `name` is that of its files in `folder`, `key` says what it is made from.

    `lacks` is the reason why there is no such picture, `failure` what went wrong while finding out. `asked` is True
    where somebody named it: such pictures are kept up to date with those that a sweep ends with.
    """

    folder: Path
    name: str
    kind: Kind
    source: Source | Sweep
    key: str
    options: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    lacks: str | None = None
    failure: str | None = None
    asked: bool = False

    @property
    def drawable(self) -> bool:
        return self.lacks is None and self.failure is None

    @property
    def png(self) -> Path:
        return self.folder / f"{self.name}.png"

    @property
    def entry(self) -> dict[str, Any]:
        """Its entry in the index before it is drawn."""
        kind = {"kind": self.kind.name, "title": self.kind.title, "category": self.kind.category}
        more = {name: getattr(self, name) for name in ("dataset", "options", "asked", "lacks", "failure")}
        return {
            **kind,
            "order": self.kind.order,
            "key": self.key,
            **{name: value for name, value in more.items() if value},
        }

    def drawn(self, caption: str) -> dict[str, Any]:
        """Its entry in the index once it is drawn."""
        return {**self.entry, "caption": caption, "png": f"{self.name}.png", "csv": f"{self.name}.csv"}

    def failed(self, reason: str) -> dict[str, Any]:
        """Its entry in the index where drawing it went wrong."""
        return {**self.entry, "failure": reason}


@dataclass(frozen=True)
class Desk:
    """Makes orders, and remembers the digests of records for the next ones."""

    store: Store
    _digests: dict[tuple[str, bool], str] = field(default_factory=dict)
    _sources: dict[str, Source] = field(default_factory=dict)

    def run(self, row: Row, kind: Kind, asked: bool = False) -> Order:
        """A picture of one run."""
        source = self._sources.setdefault(row.config_hash, Source(row, self.store))
        subjects = [row.stages[name] for name in kind.subjects if name in row.stages]
        members = row.plan.stages if kind.across else plans.ancestors(row.plan.stages, subjects)
        of = [row.config_hash, row.collection]
        key = self._key(kind, of, {member: self._content(member, row.records) for member in members})
        lacks, failure = _reasons(kind, source)
        folder = run_folder(row.config_hash)
        return Order(folder, kind.name, kind, source, key, lacks=lacks, failure=failure, asked=asked)

    def sweep(self, sweep: Sweep, kind: Kind, suffix: str = "", options: Mapping[str, str] | None = None) -> Order:
        """A picture of a sweep on one data set; `suffix` distinguishes data sets, `options` are what was asked for."""
        first, options = sweep.rows[0], dict(options or {})
        shown = {member: self._content(member, first.records, machine=True) for member in sweep.plan.stages}
        key = self._key(kind, [sweep.plan.sweep, first.stages["dataset"], options], shown)
        name = "-".join(part for part in (kind.name, suffix, *options.values()) if part)
        lacks, failure = _reasons(kind, sweep)
        return Order(
            sweep_folder(sweep.plan),
            NOT_IN_FILES.sub("_", name),
            kind,
            sweep,
            key,
            options,
            first.collection,
            lacks,
            failure,
            asked=bool(options),
        )

    def _content(self, member: str, records: Mapping[str, Mapping[str, Any]], machine: bool = False) -> str:
        if (member, machine) not in self._digests:
            self._digests[member, machine] = _digest(records[member], machine) if member in records else ""
        return self._digests[member, machine]

    @staticmethod
    def _key(kind: Kind, of: Any, shown: Mapping[str, str]) -> str:
        return hashing.digest([kind.name, of, kind.code, dict(shown), drawn_with()])


def sweeps(plan: Plan, rows: Sequence[Row], store: Store) -> Iterator[tuple[Sweep, str]]:
    """The data sets of a sweep, each with the suffix of its files' names: empty where it is the only one."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.stages["dataset"], []).append(row)
    names = [group[0].collection for group in groups.values()]
    for (member, group), name in zip(groups.items(), names, strict=True):
        more = f"-{hashing.short(member)}" if names.count(name) > 1 else ""
        yield Sweep(plan, group, store), f"{name}{more}" if len(groups) > 1 else ""


def run_folder(config_hash: str) -> Path:
    """The folder of the pictures of a run."""
    return index.root() / hashing.short(config_hash)


def sweep_folder(plan: Plan) -> Path:
    """Where the pictures of a sweep are kept; those in the sweep's own folder are links to them."""
    return index.root() / "sweeps" / hashing.short(plan.sweep)


@cache
def drawn_with() -> str:
    """The libraries that a picture's bytes depend on."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("matplotlib", "pillow"))


def words(error: Exception) -> str:
    """An error as a reason."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _reasons(kind: Kind, source: Source | Sweep) -> tuple[str | None, str | None]:
    """Why there is no such picture, and what went wrong while finding out."""
    try:
        return kind.lacks(source), None
    except Exception as error:  # one kind that is broken must not keep the others from being drawn
        log.warning("%s: %s", kind.name, words(error), exc_info=True)
        return None, words(error)


def _digest(record: Mapping[str, Any], machine: bool) -> str:
    body = {name: record.get(name) for name in SHOWN}
    body["arrays"] = {name: entry["sha256"] for name, entry in record["arrays"].items()}
    if machine:
        body["machine"] = {name: record["provenance"].get(name) for name in MACHINE}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
