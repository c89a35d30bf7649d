"""FINCH (Sarfraz et al. 2019): clusters of first neighbours, level by level, one hierarchy for all members.

Written from the paper. Algorithm 1 gives the levels, algorithm 2 a required number of clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _first
    from backbench.metrics.near import Near

AXES = frozenset({"k"})
BLOCKS_MB = 64
LEVELS = 12


@dataclass(frozen=True)
class Params:
    """A level of the hierarchy, or null for k clusters; and the metric of first neighbours."""

    level: Annotated[int, Range(low=-LEVELS, high=LEVELS)] | None
    metric: Literal["cosine", "euclidean"]


def axes(params: Params) -> frozenset[str]:
    """A level has no k."""
    return AXES if params.level is None else frozenset()


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    return clusterers.too_many(k, n) if params.level is None else []


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The search; means of at most half as many clusters as rows, in float64, with copies; labels of each level."""
    return BLOCKS_MB + (20 * n * d + (128 + 32 * count) * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.003, n=1.0, d=0.3, shared=Cost(0.275, n=1.85, d=0.5)).at(n, d, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    return (params.metric, 1) if n > 1 else None


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The hierarchies of the rows (n, d), by metric."""
    shared = threads.Once()
    for metric in dict.fromkeys(member.params.metric for member in members):
        shared.attempt(metric, partial(_hierarchy, x, metric, near))
    return shared


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), and the numbers of clusters of the levels, finest first."""
    tree: _first.Hierarchy = shared.get(task.params.metric, lambda: None)
    info: dict[str, Any] = {"cluster_counts": " ".join(map(str, tree.counts)) or "1"}
    if task.params.level is None:
        return tree.cut(task.clusters), info
    labels, level = tree.level(task.params.level)
    if not tree.counts:
        info["note"] = "all rows are one cluster at once, so there is one level"
    elif not -len(tree.counts) <= task.params.level < len(tree.counts):
        info["note"] = f"level {task.params.level} is beyond the last of {len(tree.counts)}: this is level {level}"
    return labels, {**info, "level": level}


def _hierarchy(x: "np.ndarray", metric: Literal["cosine", "euclidean"], near: "Near") -> "_first.Hierarchy":
    """The hierarchy of the rows (n, d)."""
    import numpy as np

    from backbench.clusterers import _first

    first = near.nearest(metric, 1)[0][:, 0] if len(x) > 1 else np.zeros(1, dtype=np.int64)
    return _first.Hierarchy(x, first, metric)
