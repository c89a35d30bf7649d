"""BIRCH (Zhang et al. 1996): a tree of clustering features condenses the rows once, and Ward's tree of its leaves is
cut for every k.

Equals `sklearn.cluster.Birch` with an integer `n_clusters` up to the names of the clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from backbench import clusterers, threads
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _leaves
    from backbench.metrics.near import Near

AXES = frozenset({"k"})
# Above, the quantile is that of the neighbours of so many rows, evenly spaced: those of all would take hours
SAMPLED_ABOVE, SAMPLE = 20_000, 1_000
BLOCKS_MB = 96
# Leaves that memory is set aside for, with the distances among them
LEAVES = 15_000


@dataclass(frozen=True)
class Params:
    """One of `threshold` and `threshold_quantile` is null.

    `threshold_quantile` takes as threshold that quantile, over the rows, of the distance to the nearest other row, so
    that it suits features of any scale.
    """

    threshold: Annotated[float, Range(above=0)] | None
    threshold_quantile: Annotated[float, Range(low=0, high=1)] | None
    branching_factor: Annotated[int, Range(low=2)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    found = clusterers.too_many(k, n)
    if (params.threshold is None) == (params.threshold_quantile is None):
        found.append(
            "birch takes one of threshold and threshold_quantile, the other null; received "
            f"{params.threshold}, {params.threshold_quantile}"
        )
    return found


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The features of as many leaves as there are rows, Ward's distances among them, and labels of each member."""
    leaves = min(n, LEAVES)
    return BLOCKS_MB + (8 * leaves * leaves + 24 * n * d + (1024 + 16 * count) * n) / clusterers.MB


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph."""
    return ("euclidean", 1) if params.threshold_quantile is not None and 1 < n <= SAMPLED_ABOVE else None


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> "_Shared":
    """The leaves and their trees, by their parameters."""
    shared = _Shared(x, near)
    for params in dict.fromkeys(member.params for member in members):
        shared.attempt(params)
    return shared


def fit(shared: "_Shared", x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    leaves = shared.leaves(task.params)
    if leaves.count < task.k:
        raise ValueError(
            f"birch found {leaves.count} subclusters at threshold {leaves.threshold:g}, fewer than k = {task.k}: lower "
            "threshold or threshold_quantile"
        )
    return leaves.labels(task.k), {"threshold": leaves.threshold, "subclusters": leaves.count}


class _Shared:
    """Leaves by parameters, each computed once."""

    def __init__(self, x: "np.ndarray", near: "Near"):
        self._x, self._near, self._once = x, near, threads.Once()

    def attempt(self, params: Params) -> None:
        """Compute what `params` need; a failure waits for the member that asks."""
        self._once.attempt(params, partial(self._leaves, params))

    def leaves(self, params: Params) -> "_leaves.Leaves":
        return self._once.get(params, partial(self._leaves, params))

    def _leaves(self, params: Params) -> "_leaves.Leaves":
        from backbench.clusterers import _leaves

        threshold = params.threshold or self._once.get(
            params.threshold_quantile, partial(_leaves.threshold, self._x, self._near, params.threshold_quantile)
        )
        return _leaves.Leaves(self._x, threshold, params.branching_factor)
