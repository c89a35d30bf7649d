"""PLSCAN (Bot et al. 2025, arXiv 2512.16558): persistent leaves of HDBSCAN's tree, with no cluster size to choose.

Equals `fast_plscan.PLSCAN` on the exact spanning tree of mutual reachability distances, which comes from the shared
neighbours. If distances other than core distances are equal, or core distances are the longer ones, several trees are
shortest, and the package run on the rows may take another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, plugins, threads
from backbench.clusterers import _footprint
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _crossing
    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
PLACEMENT = "reach"
LAYERS = 5


@dataclass(frozen=True)
class Params:
    """Options of `fast_plscan.PLSCAN`; `persistence` is its ``persistence_measure``.

    The smallest cluster that it considers is of `min_samples` rows, its default.
    """

    min_samples: Annotated[int, Range(low=2)]
    persistence: Literal["size", "distance", "density", "size-distance", "size-density"]
    metric: Literal["euclidean"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = plugins.lacking("fast_plscan", "fast-plscan", "plscan")
    if params.min_samples >= n:
        reasons.append(f"min_samples = {params.min_samples} of {n} rows: a row has at most {n - 1} others")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """As for DBSCAN, plus the package's trees."""
    return _footprint.memory_mb(_rank(params), n, d, count) + 512 * n * count / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.003, n=1.0, d=0.0, shared=Cost(0.27, n=1.7, d=0.65)).at(n, d, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    return _footprint.neighbours(_rank(params), n)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The spanning trees of the rows (n, d), by `min_samples`."""
    shared, (n, d) = threads.Once(), x.shape
    ranks = sorted({_rank(member.params) for member in members if not problems(member.params, n, d, None)})
    if ranks:
        shared.attempt("trees", partial(_trees, x, ranks, near))
    return shared


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the smallest size of a cluster that persists most, and the numbers of clusters of
    the most persistent layers, largest clusters first; rows that are all the same are one cluster.
    """
    import numpy as np
    from fast_plscan import PLSCAN

    params, tree = task.params, shared.get("trees", dict)[_rank(task.params)]
    if not tree.length.any():
        return np.zeros(len(x), dtype=np.int64), {"min_cluster_size": None, "cluster_counts": "1"}
    model = PLSCAN(
        min_samples=params.min_samples,
        metric="precomputed",
        persistence_measure=params.persistence,
    )
    model.fit((np.column_stack(tree), len(x)))
    layers = model.cluster_layers(max_peaks=LAYERS)
    counts = " ".join(str(int(labels.max()) + 1) for _, labels, _ in reversed(layers))
    return model.labels_.astype(np.int64), {"min_cluster_size": _best(model), "cluster_counts": counts or None}


def _best(model: Any) -> float | None:
    """The size of cluster whose leaves persist most; None where nothing splits."""
    trace = model.persistence_trace_.to_numpy()
    return float(trace["min_size"][trace["persistence"].argmax()]) if len(trace) else None


def _rank(params: Params) -> int:
    """The rank of the neighbour at the core distance, the row itself being the first."""
    return params.min_samples + 1


def _trees(x: "np.ndarray", ranks: Sequence[int], near: "Near") -> "dict[int, _crossing.Edges]":
    """The spanning trees of the rows (n, d), by rank."""
    from backbench.clusterers import _reachability

    return _reachability.trees(x, _reachability.graph(near, ranks), ranks)
