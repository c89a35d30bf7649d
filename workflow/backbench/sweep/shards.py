"""Shards: which members one job computes, for how long and in how much memory (layer 2)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import hashing, paths, plugins
from backbench.stage import KINDS
from backbench.sweep.grid import HEADS, Stage

BASE_MB = 700
TORCH_MB = 2000
# Families on one matrix share a job until it is expected to take this long: a short fit does not pay for a process.
JOB_SECONDS = 30.0
NAMED_FAMILIES = 3

# Seconds of one core for a member on 3,000 x 1,280 features; seen on a small machine.
ROUGH_SECONDS = {
    "dataset": 15.0,
    "audit": 5.0,
    "images": 4.0,
    "features": 20.0,
    "matrix": 3.0,
    "retrieval": 2.0,
    "clustering": 1.5,
    "classification": 3.0,
}
# Of two cores, seen with OpenVINO from MobileNetV2 (90) to ResNet-50 (140); a GPU is a hundred times as quick.
GFLOPS_PER_SECOND = 80.0
REFERENCE_IMAGES = 3000
REFERENCE = REFERENCE_IMAGES * 1280
SMALLEST = 0.05


@dataclass(frozen=True)
class Shard:
    """What one job computes: members of one kind on the same parents, whole families of them.

    A family is never divided, since its members share work. `id` is the digest of the requested members, whichever of
    them are pending; `family` names the families; `mem_mb` is what the job will need.
    """

    id: str
    kind: str
    family: str
    members: tuple[str, ...]
    mem_mb: int

    @property
    def receipt(self) -> Path:
        """The file that says that every member of this shard has been dealt with."""
        return paths.receipts() / self.kind / f"{self.family}-{hashing.short(self.id)}.json"

    @property
    def log(self) -> Path:
        """The log of the job."""
        return paths.logs() / self.kind / f"{self.family}-{hashing.short(self.id)}.log"


def cut(stages: Mapping[str, Stage]) -> dict[str, Shard]:
    """The shards of all stages, by id."""
    families: dict[tuple, list[Stage]] = {}
    for stage in stages.values():
        key = (KINDS.index(stage.kind), tuple(sorted(stage.parents.items())), stage.family, _own(stage))
        families.setdefault(key, []).append(stage)
    found = (_shard(pack) for pack in _packs(families))
    return {shard.id: shard for shard in found}


def rough_seconds(stage: Stage) -> float:
    """What a member may take where nothing like it has been recorded."""
    if "gflops" in stage.about:
        return max(stage.about["n"] * stage.about["gflops"] / GFLOPS_PER_SECOND, SMALLEST)
    if stage.kind in ("audit", "images", "features"):
        return max(ROUGH_SECONDS[stage.kind] * stage.about["n"] / REFERENCE_IMAGES, SMALLEST)
    if stage.kind not in ("clustering", "classification"):
        return ROUGH_SECONDS[stage.kind]
    size = stage.about["n"] * stage.about["d"] / REFERENCE
    return max(ROUGH_SECONDS[stage.kind] * size, SMALLEST)


def _own(stage: Stage) -> str:
    """Datasets, audits, images and features have a job for each member: they share nothing."""
    return "" if stage.kind in (*HEADS, "matrix") else stage.hash


def _packs(families: Mapping[tuple, list[Stage]]) -> Iterator[list[list[Stage]]]:
    """Families of one kind on the same parents, together while they are short."""
    pack: list[list[Stage]] = []
    before, seconds = None, 0.0
    for key in sorted(families):
        place, cost = (key[:2], key[3]), sum(map(rough_seconds, families[key]))
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
    mem_mb = max(_mem_mb(kind, family) for family in pack)
    return Shard(hashing.digest({"kind": kind, "members": hashes}), kind, name, hashes, mem_mb)


def _mem_mb(kind: str, members: Sequence[Stage]) -> int:
    """What a family needs at most: the interpreter with its libraries, and the plugin's own model."""
    if kind in ("dataset", "audit", "images", "features", "matrix"):
        return TORCH_MB if kind == "features" else 2 * BASE_MB
    about = members[0].about
    matrix = about["n"] * about["d"] * 8 / 2**20
    return int(BASE_MB + 3 * matrix + (0 if kind == "retrieval" else max(_plugin_mb(kind, members))))


def _plugin_mb(kind: str, members: Sequence[Stage]) -> Iterable[float]:
    plugin_kind, about = ("clusterer", "classifier")[kind == "classification"], members[0].about
    module = plugins.load(plugin_kind, members[0].family)
    shape = (about["n"], about["d"]) if kind == "clustering" else (about["n"], about["queries"], about["d"])
    for member in members:
        yield module.memory_mb(plugins.params(plugin_kind, member.config[plugin_kind]), *shape, 1)
