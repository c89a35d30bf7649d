"""Shards: which members one job computes, for how long and in how much memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbench import classifiers, clusterers, hashing, paths, plugins
from backbench.engine.cost import costs
from backbench.engine.grid import HEADS, Stage
from backbench.stage import KINDS, RECIPE, SCORES

BASE_MB = 700
TORCH_MB = 2000
# Families on one matrix share a job until it is expected to take this long: a short fit does not pay for a process.
JOB_SECONDS = 30.0
NAMED_FAMILIES = 3
# Kinds of which several shards may run beside each other, and threads that a shard of transforms has at most.
SHARING, TRANSFORM_THREADS = (*HEADS, SCORES, "matrix"), 2


@dataclass(frozen=True)
class Shard:
    """What one job computes: members of one kind on the same parents, whole families of them.

    A family is never divided, since its members share work. `id` is the digest of the requested members, whichever of
    them are pending; `family` names the families; `mem_mb` is what the job needs with one member at a
    time, `each_mb` what each further one beside it adds.
    """

    id: str
    kind: str
    family: str
    members: tuple[str, ...]
    mem_mb: int
    each_mb: int = 0

    @property
    def receipt(self) -> Path:
        """The file that says that every member of this shard has been dealt with."""
        return paths.receipts() / self.kind / f"{self.family}-{hashing.short(self.id)}.json"

    def memory(self, threads: int) -> int:
        """MB that the job needs with `threads` threads."""
        return self.mem_mb + self.each_mb * (min(threads, len(self.members)) - 1)

    @property
    def request(self) -> Path:
        """The file that says that fits of this shard are to be scored by themselves."""
        return self.receipt.with_suffix(".request.json")

    @property
    def log(self) -> Path:
        """The log of the job."""
        return paths.logs() / self.kind / f"{self.family}-{hashing.short(self.id)}.log"


def cut(stages: Mapping[str, Stage]) -> dict[str, Shard]:
    """The shards of all stages, by id; how images are prepared is a part of a hash and no job."""
    families: dict[tuple[Any, ...], list[Stage]] = {}
    for stage in stages.values():
        if stage.kind == RECIPE:
            continue
        key = (KINDS.index(stage.kind), tuple(sorted(stage.parents.items())), stage.family, _own(stage))
        families.setdefault(key, []).append(stage)
    shards = (_shard(pack) for pack in _packs(families, stages))
    return {shard.id: shard for shard in shards}


def scoring(stages: Mapping[str, Stage]) -> dict[str, Shard]:
    """By id, what one job scores of fits that are there: all on one matrix, which is read and passed over once."""
    matrices: dict[tuple[str, str], list[Stage]] = {}
    for stage in stages.values():
        if stage.kind in HEADS:
            matrices.setdefault(stage.parents["matrix"], []).append(stage)
    shards = (_scoring(members, stages) for members in matrices.values())
    return {shard.id: shard for shard in shards}


def _scoring(members: Sequence[Stage], stages: Mapping[str, Stage]) -> Shard:
    hashes = tuple(sorted(stage.hash for stage in members))
    before = stages[members[0].parents["matrix"][1]]
    features = stages[before.parents["features"][1]] if "features" in before.parents else before
    memory = int(max(_rows_mb(stage) for stage in members))
    return Shard(hashing.digest({"kind": SCORES, "members": hashes}), SCORES, features.family, hashes, memory)


def _own(stage: Stage) -> str:
    """Datasets, audits, features and judges have a job for each member: they share nothing."""
    return "" if stage.kind in (*HEADS, "matrix", "neighbours") else stage.hash


def _packs(families: Mapping[tuple[Any, ...], list[Stage]], stages: Mapping[str, Stage]) -> Iterator[list[list[Stage]]]:
    """Families of one kind on the same parents, together while they are short."""
    pack: list[list[Stage]] = []
    before, seconds = None, 0.0
    for key in sorted(families):
        place, cost = (key[:2], key[3]), costs.total(families[key], stages)
        if pack and (place != before or seconds + cost > JOB_SECONDS):
            yield pack
            pack, seconds = [], 0.0
        pack.append(families[key])
        before, seconds = place, seconds + cost
    if pack:
        yield pack


def _shard(pack: Sequence[list[Stage]]) -> Shard:
    stages = [stage for family in pack for stage in family]
    hashes = tuple(sorted(stage.hash for stage in stages))
    kind, names = stages[0].kind, [family[0].family for family in pack]
    name = "-".join(names) if len(names) <= NAMED_FAMILIES else f"{len(names)}_families"
    needed = [family_mb(family) for family in pack]
    memory = (int(max(alone for alone, _ in needed)), int(max(more for _, more in needed)))
    return Shard(hashing.digest({"kind": kind, "members": hashes}), kind, name, hashes, *memory)


def family_mb(members: Sequence[Stage]) -> tuple[float, float]:
    """MB that a family needs, the interpreter with its libraries included, and what a further member of it adds."""
    kind = members[0].kind
    if kind == "matrix":
        return 2 * BASE_MB + max(map(_values_mb, members)), 0.0
    if kind in ("dataset", "audit", "features", "judge"):
        return (TORCH_MB if kind in ("features", "judge") else 2 * BASE_MB), 0.0
    base = max(map(_rows_mb, members))
    if kind in ("neighbours", "retrieval"):
        return base, 0.0
    distinct = {(repr(_options(stage)), stage.about["n"]): stage for stage in members}.values()
    alone, two = (max(_plugin_mb(stage, count) for stage in distinct) for count in (1, 2))
    return base + alone, max(two - alone, 0.0)


def _rows_mb(stage: Stage) -> float:
    """MB of the interpreter with its libraries, and of the rows."""
    return BASE_MB + _values_mb(stage)


def _values_mb(stage: Stage) -> float:
    """MB of the rows, of a copy, and of what is made of them, in float64."""
    rows = stage.about["n"] + stage.about.get("unused", 0)
    return float(3 * rows * stage.about["d"] * 8 / 2**20)


def _options(stage: Stage) -> Mapping[str, Any]:
    """The options of the plugin of a fit."""
    options: Mapping[str, Any] = stage.config[_plugin(stage)]
    return options


def _plugin(stage: Stage) -> str:
    return "classifier" if stage.kind == "classification" else "clusterer"


def _plugin_mb(stage: Stage, count: int) -> float:
    """MB of fits like `stage`, `count` at a time."""
    kind, about, family = _plugin(stage), stage.about, stage.family
    params, n, d = plugins.params(kind, _options(stage)), about["n"], about["d"]
    if kind == "clusterer":
        return clusterers.load(family).memory_mb(params, n, d, count)
    return classifiers.load(family).memory_mb(params, n, about["queries"], d, count)


def fair_threads(shards: Iterable[Shard], stages: Mapping[str, Stage], cores: int) -> dict[str, int]:
    """Threads of each shard of fits, scores or transforms: its share of the work that may run beside it, at least one.

    Few transforms have a use for more than `TRANSFORM_THREADS`.
    """
    members = {shard.id: [stages[member] for member in shard.members] for shard in shards if shard.kind in SHARING}
    work = {key: (group[0].kind == "matrix", costs.total(group, stages)) for key, group in members.items()}
    everything = {kind: sum(cost for other, cost in work.values() if other == kind) or 1.0 for kind in (True, False)}
    most = {True: min(cores, TRANSFORM_THREADS), False: cores}
    return {key: min(most[kind], max(1, round(cores * cost / everything[kind]))) for key, (kind, cost) in work.items()}
