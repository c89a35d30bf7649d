"""The plan: a grid frozen into a file named by its own hash, with the shards that compute it."""

import contextlib
import gc
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.engine.grid import Grid, Run, Stage
from backbench.engine.plan.shards import Shard
from backbench.engine.plan.shards import cut as shards_of
from backbench.engine.plan.shards import scoring as scoring_of
from backbench.files import make_folder, replacing
from backbench.schema import ConfigError
from backbench.stage import RECIPE, SCORES
from backbench.store import Codes, Store

FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """A frozen sweep. `request` says how it was asked for; `sweep` names the set of its runs, whatever the code."""

    stages: Mapping[str, Stage]
    runs: Mapping[str, Run]
    shards: Mapping[str, Shard]
    request: Mapping[str, Any]
    hash: str
    sweep: str

    @property
    def path(self) -> Path:
        return paths.plans() / f"{self.hash}.json"

    @property
    def folder(self) -> Path:
        """Folder of the joined results of this sweep."""
        return paths.sweeps() / hashing.short(self.sweep)

    @property
    def tracked(self) -> Path:
        """The file that says that MLflow has been told."""
        return paths.receipts() / "track" / f"{hashing.short(self.sweep)}.json"

    def seen(self, store: Store) -> Store:
        """The store as the readers of this plan see it: results of its own code, of other code where there are none."""
        return store.of(self._codes)

    def own(self, store: Store) -> Store:
        """The store as the jobs of this plan see it: results of its own code, and no other."""
        return store.of(self._codes, others=False)

    @cached_property
    def _codes(self) -> Codes:
        return codes(self.stages)

    def shard_of(self, member: str) -> Shard:
        return self.shards[self._owners[member]]

    def ends(self) -> list[Path]:
        """Receipts of the shards that no other shard reads."""
        read = {ref for stage in self.stages.values() for _, ref in stage.reads.values()}
        return [shard.receipt for shard in self.shards.values() if not read & set(shard.members)]

    @cached_property
    def _owners(self) -> Mapping[str, str]:
        return {member: shard.id for shard in self.shards.values() for member in shard.members}

    @cached_property
    def scoring(self) -> Mapping[str, Shard]:
        """By id, what one job scores where fits are there and their scores are not: all fits on one matrix."""
        return scoring_of(self.stages)

    def scoring_of(self, member: str) -> Shard:
        """What a fit is scored with where it is scored by itself."""
        return self.scoring[self._scorers[member]]

    @cached_property
    def _scorers(self) -> Mapping[str, str]:
        return {member: shard.id for shard in self.scoring.values() for member in shard.members}

    def code(self, shard: Shard) -> str:
        """Digest of all the code that the members of a shard depend on, or that scores them."""
        stages = [self.stages[member] for member in shard.members]
        return hashing.digest(sorted({stage.scoring if shard.kind == SCORES else stage.code for stage in stages}))

    def parents(self, shard: Shard) -> list[Shard]:
        """The shards that go before this one: those that it reads, and for features of images the audit of these."""
        reads = [ref for member in shard.members for ref in self.stages[member].reads.values()]
        refs = dict.fromkeys(ref for kind, ref in reads if kind != RECIPE)
        prepared = shard.kind in ("features", "judge") and any(kind == RECIPE for kind, _ in reads)
        gates = [self._audits[member] for member in refs if prepared and member in self._audits]
        return [self.shard_of(member) for member in (*refs, *gates)]

    @cached_property
    def _audits(self) -> Mapping[str, str]:
        """The audit of each data set."""
        audits = (stage for stage in self.stages.values() if stage.kind == "audit")
        return {stage.parents["dataset"][1]: stage.hash for stage in audits}


def codes(stages: Mapping[str, Stage]) -> Codes:
    """By kind and hash the code whose results are those of `stages`, and the code of the scores of fits."""
    fits = {(stage.kind, key): stage.codes for key, stage in stages.items()}
    return fits | {(SCORES, key): (stage.scoring,) for key, stage in stages.items() if stage.scoring}


def freeze(grid: Grid, request: Mapping[str, Any]) -> Plan:
    """The plan of a grid; equal grids asked for in the same way make the same plan, byte for byte."""
    shards = shards_of(grid.stages)
    body = _body(grid.stages, grid.runs, shards, request)
    sweep = hashing.digest(sorted(grid.runs))
    return Plan(grid.stages, grid.runs, shards, request, hashing.large_digest(body), sweep)


def save(plan: Plan) -> Path:
    """Write the plan file, unless it is there."""
    if plan.path.is_file():
        plan.path.touch()
    else:
        make_folder(plan.path.parent)
        with replacing(plan.path.parent) as (handle, commit):
            handle.writelines(piece.encode("utf-8") for piece in _pieces(plan))
            commit(plan.path)
    return plan.path


def dumps(plan: Plan) -> str:
    """The text of a plan file."""
    return "".join(_pieces(plan))


def _pieces(plan: Plan) -> Iterator[str]:
    """The text of a plan file, entry by entry: that of a large sweep is longer than all else in memory."""
    rest = {"format": FORMAT, "hash": plan.hash, "request": dict(plan.request)}
    yield json.dumps(rest, sort_keys=True).removesuffix("}")
    yield ', "runs": '
    yield from _entries((key, dict(plan.runs[key].stages)) for key in sorted(plan.runs))
    yield f', "shards": {json.dumps(_shard_entries(plan.shards), sort_keys=True)}, "stages": '
    yield from _entries((key, _entry(plan.stages[key])) for key in sorted(plan.stages))
    yield f', "sweep": {json.dumps(plan.sweep)}}}'


def _entries(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """The JSON of an object with these entries, one by one."""
    yield "{"
    for number, (key, entry) in enumerate(entries):
        yield f"{', ' if number else ''}{json.dumps(key)}: {json.dumps(entry, sort_keys=True)}"
    yield "}"


def load(path: Path) -> Plan:
    """Read a plan file.

    Raises
    ------
    ConfigError
        If there is none, or it is of another format.
    """
    try:
        with collecting_nothing():
            body = json.loads(Path(path).read_text())
            if body["format"] != FORMAT:
                raise ConfigError(f"{path}: plan format {body['format']!r}; this version reads {FORMAT}. Plan again.")
            return _parse(body)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"no readable plan at {path} ({error}); make one with `backbench plan`.") from error


@contextlib.contextmanager
def collecting_nothing() -> Iterator[None]:
    """Let Python not look for cyclic garbage meanwhile: among a million objects that last it looks long for none."""
    active = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if active:
            gc.enable()


def _parse(body: Mapping[str, Any]) -> Plan:
    stages = {key: parse_stage(key, entry) for key, entry in body["stages"].items()}
    runs = {key: Run(key, entry) for key, entry in body["runs"].items()}
    shards = {entry["id"]: Shard(**{**entry, "members": tuple(entry["members"])}) for entry in body["shards"]}
    return Plan(stages, runs, shards, body["request"], body["hash"], body["sweep"])


def ancestors(stages: Mapping[str, Stage], members: Iterable[str]) -> set[str]:
    """`members` and every stage before them."""
    reached: set[str] = set()
    waiting = list(members)
    while waiting:
        member = waiting.pop()
        if member not in reached:
            reached.add(member)
            waiting.extend(ref for _, ref in stages[member].parents.values())
    return reached


def stage_entry(stage: Stage) -> dict[str, Any]:
    """A stage as plain JSON, without what only saves work."""
    return {
        "kind": stage.kind,
        "family": stage.family,
        "config": dict(stage.config),
        "local": dict(stage.local),
        "about": dict(stage.about),
        "parents": {role: list(ref) for role, ref in stage.parents.items()},
        "code": stage.code,
        **({"scoring": stage.scoring} if stage.scoring else {}),
    }


def _entry(stage: Stage) -> dict[str, Any]:
    aids = {role: list(ref) for role, ref in stage.aids.items()}
    saving = {"aids": aids, "same_code": [digest for digest in stage.same_code if digest]}
    return {**stage_entry(stage), **{key: value for key, value in saving.items() if value}}


def parse_stage(key: str, entry: Mapping[str, Any]) -> Stage:
    """A stage from plain JSON."""
    refs = {key: {role: tuple(ref) for role, ref in entry.get(key, {}).items()} for key in ("parents", "aids")}
    return Stage(**{**entry, **refs, "same_code": tuple(entry.get("same_code", ()))}, hash=key)


def _body(
    stages: Mapping[str, Stage], runs: Mapping[str, Run], shards: Mapping[str, Shard], request: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "request": dict(request),
        "stages": {key: _entry(stage) for key, stage in stages.items()},
        "runs": {key: dict(run.stages) for key, run in runs.items()},
        "shards": _shard_entries(shards),
    }


def _shard_entries(shards: Mapping[str, Shard]) -> list[dict[str, Any]]:
    return [{**asdict(shard), "members": list(shard.members)} for _, shard in sorted(shards.items())]
