"""OPTICS (Ankerst et al. 1999): one ordering of the rows for all members with the same `min_samples` and metric.

Equals `sklearn.cluster.OPTICS`, from whose public functions it is made. The ordering is built row by row, in time
proportional to the square of the number of rows; with many rows DBSCAN and HDBSCAN are faster.
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

    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
BLOCKS_MB = 64


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.OPTICS`; `eps` goes with `cluster_method = dbscan`, the options below it with xi."""

    min_samples: Annotated[int, Range(low=2)]
    metric: Literal["euclidean", "cosine", "manhattan"]
    cluster_method: Literal["xi", "dbscan"]
    eps: Annotated[float, Range(above=0)] | None
    xi: Annotated[float, Range(above=0, high=1)]
    min_cluster_size: Annotated[int, Range(low=2)] | None
    predecessor_correction: bool


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = []
    if (params.eps is None) != (params.cluster_method == "xi"):
        reasons.append(
            "optics takes eps with cluster_method = dbscan, and null with xi; "
            f"received eps = {params.eps} with {params.cluster_method}"
        )
    if params.min_samples > n:
        reasons.append(f"min_samples = {params.min_samples} of {n} rows: it is at most the number of rows")
    if params.min_cluster_size is not None and params.min_cluster_size > n:
        reasons.append(f"min_cluster_size = {params.min_cluster_size} of {n} rows: it is at most the number of rows")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The rows in float64, copied for a search tree, and scikit-learn's neighbour searches in blocks."""
    return BLOCKS_MB + (24 * n * d + (512 + 16 * params.min_samples) * n + count * 64 * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(16.6, n=1.4, d=0.5).at(n, d, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The orderings of the rows (n, d), by `min_samples` and metric."""
    shared = threads.Once()
    n, d = x.shape
    sound = [member.params for member in members if not problems(member.params, n, d, None)]
    keys = dict.fromkeys((params.min_samples, params.metric) for params in sound)
    for _ in threads.as_done(lambda key: shared.attempt(key, partial(_ordering, x, *key)), keys):
        pass
    return shared


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d)."""
    from sklearn.cluster import cluster_optics_dbscan, cluster_optics_xi

    params = task.params
    key = (params.min_samples, params.metric)
    ordering, core, reachability, predecessor = shared.get(key, partial(_ordering, x, *key))
    if params.cluster_method == "dbscan":
        labels = cluster_optics_dbscan(
            reachability=reachability, core_distances=core, ordering=ordering, eps=params.eps
        )
        return labels.astype("int64"), {}
    labels, _ = cluster_optics_xi(
        reachability=reachability,
        predecessor=predecessor,
        ordering=ordering,
        min_samples=params.min_samples,
        min_cluster_size=params.min_cluster_size,
        xi=params.xi,
        predecessor_correction=params.predecessor_correction,
    )
    return labels.astype("int64"), {}


def _ordering(x: "np.ndarray", min_samples: int, metric: str) -> tuple["np.ndarray", ...]:
    """Ordering of the rows (n, d), core distances, reachabilities and predecessors, each (n,)."""
    import numpy as np
    from sklearn.cluster import compute_optics_graph

    return compute_optics_graph(
        x.astype(np.float64),
        min_samples=min_samples,
        max_eps=np.inf,
        metric=metric,
        p=2,
        metric_params=None,
        algorithm="auto",
        leaf_size=30,
        n_jobs=1,
    )
