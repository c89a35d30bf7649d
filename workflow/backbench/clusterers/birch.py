"""BIRCH (Zhang et al. 1996): a tree of clustering features condenses the rows once, and Ward's tree of its leaves is
cut for every k.

Equals `sklearn.cluster.Birch` with an integer `n_clusters` up to the names of the clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from backbench import clusterers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _leaves
    from backbench.metrics.near import Near

AXES = frozenset({"k"})
# With more rows, the quantile is over a sample of evenly spaced ones: the neighbours of all would take hours
SAMPLED_ABOVE, SAMPLE = 20_000, 1_000
BLOCKS_MB = 96
# Most leaves that the model of memory allows for, with the distances among them
LEAVES = 15_000


@dataclass(frozen=True)
class Params:
    """One of `threshold` and `threshold_quantile` is null.

    `threshold_quantile` sets the threshold to that quantile, over the rows, of the distance to the nearest other row,
    which suits features of any scale.
    """

    threshold: Annotated[float, Range(above=0)] | None
    threshold_quantile: Annotated[float, Range(low=0, high=1)] | None
    branching_factor: Annotated[int, Range(low=2)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = clusterers.too_many(k, n)
    if (params.threshold is None) == (params.threshold_quantile is None):
        reasons.append(
            "birch takes one of threshold and threshold_quantile, the other null; received "
            f"{params.threshold}, {params.threshold_quantile}"
        )
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The features of as many leaves as there are rows, Ward's distances among them, and labels of each member."""
    leaves = min(n, LEAVES)
    return BLOCKS_MB + (8 * leaves * leaves + 24 * n * d + (1024 + 16 * count) * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.002, n=1.0, d=0.1, shared=Cost(0.5, n=1.6, d=0.56)).at(n, d, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    return ("euclidean", 1) if params.threshold_quantile is not None and 1 < n <= SAMPLED_ABOVE else None


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> "_Shared":
    """The leaves of the rows (n, d) and their trees, by parameters."""
    shared = _Shared(x, near)
    for params in dict.fromkeys(member.params for member in members):
        shared.attempt(params)
    return shared


def fit(shared: "_Shared", x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the threshold and the number of leaves."""
    leaves = shared.leaves(task.params)
    if leaves.count < task.clusters:
        raise ValueError(
            f"birch found {leaves.count} subclusters at threshold {leaves.threshold:g}, fewer than k = {task.k}: lower "
            "threshold or threshold_quantile"
        )
    return leaves.labels(task.clusters), {"threshold": leaves.threshold, "subclusters": leaves.count}


class _Shared:
    """Leaves by parameters, each computed once."""

    def __init__(self, x: "np.ndarray", near: "Near"):
        """For rows (n, d)."""
        self._x, self._near, self._once = x, near, threads.Once()

    def attempt(self, params: Params) -> None:
        """Compute what `params` need; a failure is raised for the member that asks."""
        self._once.attempt(params, partial(self._leaves, params))

    def leaves(self, params: Params) -> "_leaves.Leaves":
        return self._once.get(params, partial(self._leaves, params))

    def _leaves(self, params: Params) -> "_leaves.Leaves":
        from backbench.clusterers import _leaves

        threshold = params.threshold
        if threshold is None:
            assert params.threshold_quantile is not None  # `problems` refuses two nulls
            sample = SAMPLE if len(self._x) > SAMPLED_ABOVE else None
            make = partial(_leaves.threshold, self._x, self._near, params.threshold_quantile, sample)
            threshold = self._once.get(params.threshold_quantile, make)
        return _leaves.Leaves(self._x, threshold, params.branching_factor)
