"""What one MLflow run says: its name, status, parameters, metrics and tags, and the digest over them (no mlflow)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from backbench import hashing
from backbench.store import DONE, FAILED

PENDING = "pending"
FINISHED, BROKEN = "FINISHED", "FAILED"
WHOLE = (FINISHED, BROKEN)

CONFIG_HASH, SUMMARY = "config_hash", "sweep_summary"
# MLflow's page shortens a tag from both sides where key and value have more than 15 characters each: of a key beside a
# long value, nothing but its first letter is left.
RESULT, CONFIG, UNDEFINED, FAILURE = "backbench.result", "config", "backbench.undefined", "failure"
# What earlier versions called the tag of the configuration.
FORMER_CONFIG = "backbench.config"
PASSING = (UNDEFINED, FAILURE, FORMER_CONFIG)
# The saved view of the experiment that a summary run is best looked at with.
VIEW = "backbench.view"

# MLflow 3.17 cuts tags at 8,000 and parameters at 6,000 characters in silence; managed servers take 5,000 and 500.
TAG_CHARACTERS, PARAM_CHARACTERS = 5000, 500


# Values of a metric by step.
Curve = Mapping[int, float]


@dataclass(frozen=True)
class Attached:
    """A file that a run carries as an artifact, within a folder or at the root of its artifacts."""

    path: Path
    folder: str = ""


@dataclass(frozen=True)
class Data:
    """The data set of a run as MLflow shows it: `digest` tells samples and splits apart, `profile` says how many."""

    name: str
    digest: str
    source_type: str
    source: str
    profile: Mapping[str, Any]
    context: str


@dataclass(frozen=True)
class RunRow:
    """One run of the grid, joined from the store.

    `params`, `tags` and `config` belong to the hash and to the recorded results, never to the process that tracks:
    otherwise every launch would find them changed. `metrics` may hold NaN, which is named in a tag and not logged;
    `curves` hold values by step.
    """

    config_hash: str
    name: str
    status: str
    params: Mapping[str, str | int | float | bool]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    config: Mapping[str, Any]
    start_ms: int
    end_ms: int
    reason: str | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    files: tuple[Attached, ...] = ()
    data: Data | None = None


@dataclass(frozen=True)
class Summary:
    """The one run of a whole sweep: counts and best values, curves over k, and files such as the leaderboard."""

    name: str
    metrics: Mapping[str, float]
    start_ms: int
    end_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Attached, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    data: Data | None = None


@dataclass(frozen=True)
class Experiment:
    """Where runs are recorded: its name, the tags of its saved views, and the name that earlier versions gave it."""

    name: str
    views: Mapping[str, str] = field(default_factory=dict)
    former: str = ""


@dataclass(frozen=True)
class Entry:
    """A run as MLflow is to show it; `key` and `value` are the tag by which it is found again."""

    key: str
    value: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    start_ms: int
    end_ms: int
    files: tuple[Attached, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    data: Data | None = None

    @property
    def identity(self) -> tuple[str, str]:
        return self.key, self.value

    @cached_property
    def result(self) -> str:
        """Digest of everything that the run says."""
        content = (self.name, self.status, self.params, self.metrics, self.tags, self.start_ms, self.end_ms)
        curves = {name: sorted(curve.items()) for name, curve in self.curves.items()}
        files = [[file.folder, file.path.name, hashing.file_digest(file.path)] for file in self.files]
        return hashing.digest([*content, files, curves, asdict(self.data) if self.data else None])


@dataclass(frozen=True)
class Seen:
    """What decides whether a recorded run is written again."""

    run_id: str
    status: str
    result: str | None
    of_sweep: bool

    def says(self, entry: Entry) -> bool:
        """Whether the run is whole and holds exactly this entry."""
        return self.status == entry.status and self.result == entry.result

    def serves(self, entry: Entry) -> bool:
        """Whether the run carries the tag of the sweep, which its summary does not."""
        return self.of_sweep or entry.key == SUMMARY


def by_identity(runs: Iterable[tuple[tuple[str, str], Seen]]) -> dict[tuple[str, str], list[Seen]]:
    """Runs grouped by identity; the one to keep comes first, and is the same for every observer."""
    groups: dict[tuple[str, str], list[Seen]] = {}
    for identity, seen in runs:
        groups.setdefault(identity, []).append(seen)
    for group in groups.values():
        group.sort(key=lambda seen: (seen.status not in WHOLE, seen.run_id))
    return groups


def is_draft(tags: Mapping[str, str]) -> bool:
    """Whether a run is one of ours that has not got its identity yet: on a server, the last thing that it gets."""
    return RESULT in tags and not {CONFIG_HASH, SUMMARY} & set(tags)


def sweep_tag(sweep: str) -> str:
    """Tag that a run carries for every sweep it belongs to.

    The separator is an underscore: MLflow's filter language reads ``tags.sweep.1e5...`` as a number.
    """
    return f"sweep_{hashing.short(sweep)}"


def row_entry(row: RunRow) -> Entry:
    """The MLflow run of a finished or failed row."""
    metrics, undefined = _finite(row.metrics)
    tags = {**row.tags, **split_config(row.config)}
    if undefined:
        tags[UNDEFINED] = ",".join(undefined)
    if row.status == FAILED:
        tags[FAILURE] = row.reason or "no reason recorded"
    return Entry(
        key=CONFIG_HASH,
        value=row.config_hash,
        name=f"{row.name} {hashing.short(row.config_hash)}".strip(),
        status=FINISHED if row.status == DONE else BROKEN,
        params={name: _cut(_text(value), PARAM_CHARACTERS) for name, value in row.params.items()},
        metrics=metrics,
        tags=_cut_all(tags),
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        files=row.files,
        curves=row.curves,
        data=row.data,
    )


def summary_entry(summary: Summary, sweep: str) -> Entry:
    """The MLflow run that sums up a sweep; it carries no config hash."""
    metrics, _ = _finite(summary.metrics)
    return Entry(
        key=SUMMARY,
        value=hashing.short(sweep),
        name=summary.name,
        status=FINISHED,
        params={},
        metrics=metrics,
        tags=_cut_all(summary.tags),
        start_ms=summary.start_ms,
        end_ms=summary.end_ms,
        files=summary.files,
        curves=summary.curves,
        data=summary.data,
    )


def passing(tags: Iterable[str], entry: Entry) -> list[str]:
    """The tags of a run that an entry no longer has."""
    former = (key for key in tags if key in PASSING or key.startswith(f"{FORMER_CONFIG}."))
    return [key for key in former if key not in entry.tags]


def split_config(config: Mapping[str, Any]) -> dict[str, str]:
    """The resolved configuration as tags: canonical JSON, in as many pieces as the length limit asks for."""
    text = hashing.canonical_json(config)
    pieces = [text[start : start + TAG_CHARACTERS] for start in range(0, len(text), TAG_CHARACTERS)]
    return {CONFIG if index == 0 else f"{CONFIG}.{index + 1}": piece for index, piece in enumerate(pieces)}


def join_config(tags: Mapping[str, str]) -> str:
    """The canonical JSON that `split_config` made, empty where a run has none."""
    name = CONFIG if CONFIG in tags else FORMER_CONFIG
    pieces, key = [], name
    while key in tags:
        pieces.append(tags[key])
        key = f"{name}.{len(pieces) + 1}"
    return "".join(pieces)


def _finite(metrics: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
    finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    return finite, sorted(set(metrics) - set(finite))


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cut_all(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: _cut(str(value), TAG_CHARACTERS) for name, value in tags.items()}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
