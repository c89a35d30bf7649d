"""How long a plan will take (layer 2): from recorded times where there are any, else from rough rates."""

import statistics
from collections.abc import Mapping

from backbench.sweep.grid import Stage
from backbench.sweep.plan import Plan
from backbench.sweep.shards import Shard, rough_seconds
from backbench.sweep.status import Status

JOB_SECONDS = 3.0
TRACK_SECONDS = 0.04
START_SECONDS = 8.0


def members(plan: Plan, status: Status) -> dict[str, float]:
    """Expected seconds of every needed member: by recorded members of its family and their size, else a rough rate."""
    seen: dict[tuple[str, str], list[float]] = {}
    for key, record in status.records.items():
        stage = plan.stages[key]
        paces = seen.setdefault((stage.kind, stage.family), [])
        paces.append(record["provenance"]["seconds"] / rough_seconds(stage))
    medians = {family: statistics.median(values) for family, values in seen.items()}
    return {key: _expected(plan.stages[key], medians) for key in status.needed}


def shard_seconds(shard: Shard, expected: Mapping[str, float]) -> float:
    """Expected seconds of a job, its start included; 0 where it has nothing to do."""
    work = [expected[member] for member in shard.members if member in expected]
    return sum(work) + JOB_SECONDS if work else 0.0


def total(plan: Plan, expected: Mapping[str, float], cores: int) -> float:
    """Expected seconds of the whole launch on `cores` cores; an estimate to a factor of about two at first."""
    if not expected:
        return 0.0
    chain = {"dataset", "audit", "images", "features", "matrix", "neighbours"}
    serial = sum(shard_seconds(s, expected) for s in plan.shards.values() if s.kind in chain)
    heads = sum(shard_seconds(s, expected) for s in plan.shards.values() if s.kind not in chain)
    return START_SECONDS + serial + heads / max(cores, 1) + TRACK_SECONDS * len(plan.runs)


def _expected(stage: Stage, medians: Mapping[tuple[str, str], float]) -> float:
    """The rough rate at the pace at which members of the family were seen to go."""
    return rough_seconds(stage) * medians.get((stage.kind, stage.family), 1.0)
