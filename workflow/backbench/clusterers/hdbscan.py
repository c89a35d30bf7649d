"""HDBSCAN (Campello et al. 2013): members with the same `min_samples` share neighbours, spanning tree and linkage.

Equals `sklearn.cluster.HDBSCAN`, with memory proportional to the number of rows. If distances other than core
distances are equal, several trees are shortest, and the clusters are those of one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.clusterers import _footprint
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _condensed, _crossing, _reachability
    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.HDBSCAN`."""

    min_cluster_size: Annotated[int, Range(low=2)]
    min_samples: Annotated[int, Range(low=1)] | None
    cluster_selection_method: Literal["eom", "leaf"]
    cluster_selection_epsilon: Annotated[float, Range(low=0)]
    allow_single_cluster: bool
    metric: Literal["euclidean"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    if n < 2:
        return [f"hdbscan of {n} rows: it needs at least two"]
    reasons = []
    if params.min_cluster_size > n:
        reasons.append(f"min_cluster_size = {params.min_cluster_size} of {n} rows: no cluster could be that large")
    if params.min_samples is not None and params.min_samples > n:
        reasons.append(f"min_samples = {params.min_samples} of {n} rows: it is at most the number of rows")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """As for DBSCAN, plus the linkage and its graph as lists."""
    rank = _rank(params)
    return _footprint.memory_mb(rank, n, d, count) + n * (160 * rank + 512 * count) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.015, n=1.0, d=0.0, shared=Cost(0.3, n=1.7, d=0.65)).at(n, d, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    return _footprint.neighbours(_rank(params), n)


class Shared:
    """Linkages by `min_samples` and condensed trees, computed when first needed."""

    def __init__(self, x: "np.ndarray", ranks: Sequence[int], near: "Near"):
        """For rows (n, d)."""
        self._x, self._ranks, self._near = x, ranks, near
        self._once = threads.Once()
        self._once.attempt("trees", self._trees)

    def condensed(self, rank: int, min_cluster_size: int) -> "_condensed.Condensed":
        """The tree of clusters of at least `min_cluster_size` rows."""
        return self._once.get((rank, min_cluster_size), partial(self._condense, rank, min_cluster_size))

    def _condense(self, rank: int, min_cluster_size: int) -> "_condensed.Condensed":
        from backbench.clusterers import _condensed

        return _condensed.condense(self._once.get(rank, partial(self._linkage, rank)), min_cluster_size)

    def _linkage(self, rank: int) -> "_condensed.Linkage":
        from backbench.clusterers import _condensed, _crossing, _reachability

        known, trees = self._once.get("trees", self._trees)
        near = _reachability.neighbour_edges(known, rank, rank - 1)
        joined = _crossing.joined(trees[rank], near)
        return _condensed.linkage(joined, len(self._x))

    def _trees(self) -> "tuple[_reachability.Graph, dict[int, _crossing.Edges]]":
        from backbench.clusterers import _reachability

        known = _reachability.graph(self._near, self._ranks)
        return known, _reachability.trees(self._x, known, self._ranks)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> Shared:
    """The neighbours of the rows (n, d) and the spanning trees of all members."""
    n, d = x.shape
    ranks = {_rank(member.params) for member in members if not problems(member.params, n, d, None)}
    return Shared(x, sorted(ranks), near)


def fit(shared: Shared, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), and how many clusters were candidates."""
    from backbench.clusterers import _condensed

    tree = shared.condensed(_rank(task.params), task.params.min_cluster_size)
    return _condensed.labels(tree, task.params), {"min_samples": _rank(task.params), "candidates": len(tree.parent)}


def _rank(params: Params) -> int:
    return params.min_cluster_size if params.min_samples is None else params.min_samples
