"""Spectral clustering (Ng et al. 2002, von Luxburg 2007): one eigendecomposition for all seeds and many k.

Equals `sklearn.cluster.SpectralClustering` as far as eigenvectors are determined. A member works from the first k of
16, 32, 64 ... eigenvectors, the fewest that suffice for its k: members share them without affecting one another.
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

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 128
# Vectors of an iteration, with copies of them, for a usual number of clusters
VECTORS = 160


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.SpectralClustering`; `n_neighbors` or `gamma` goes with its affinity."""

    affinity: Literal["nearest_neighbors", "rbf"]
    n_neighbors: Annotated[int, Range(low=2)] | None
    gamma: Annotated[float, Range(above=0)] | None
    assign_labels: Literal["kmeans", "cluster_qr"]
    n_init: Annotated[int, Range(low=1)]
    eigen_tol: Annotated[float, Range(low=0)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = clusterers.too_many(k, n)
    by_graph = params.affinity == "nearest_neighbors"
    if (params.n_neighbors is not None) != by_graph or (params.gamma is not None) == by_graph:
        reasons.append(
            "spectral takes n_neighbors with affinity = nearest_neighbors and gamma with rbf, the other null; "
            f"received n_neighbors = {params.n_neighbors}, gamma = {params.gamma} with {params.affinity}"
        )
    elif params.n_neighbors is not None and params.n_neighbors > n:
        reasons.append(f"n_neighbors = {params.n_neighbors} of {n} rows: it counts the row itself, so at most {n}")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The kernel, or the graph and the search for it; the vectors of an iteration; the k-means of each member."""
    affinity = 8.0 * n * n if params.affinity == "rbf" else 16.0 * n * d + 160.0 * n * (params.n_neighbors or 1)
    return BLOCKS_MB + (affinity + 8 * n * d + 8 * n * (VECTORS + 64 * count)) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.06, n=1.0, d=0.1, k=1.9, shared=Cost(0.55, n=1.35, d=0.45)).at(n, d, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    count = min((params.n_neighbors or 1) - 1, n - 1)
    return ("euclidean", count) if params.affinity == "nearest_neighbors" and count > 0 else None


class Shared:
    """Affinities and eigenvectors, computed when first needed."""

    def __init__(self, x: "np.ndarray", near: "Near"):
        """For rows (n, d)."""
        self._x, self._near, self._once = x, near, threads.Once()

    def embedding(self, params: Params, count: int) -> tuple["np.ndarray", "np.ndarray"]:
        """The leading eigenvalues (count,) and vectors (n, count) of the affinity of `params`."""
        key = (params.affinity, params.n_neighbors, params.gamma, params.eigen_tol, count)
        return self._once.get(key, partial(self._embedding, params, count))

    def attempt(self, params: Params, count: int) -> None:
        """Compute them; a failure is raised for the member that asks."""
        key = (params.affinity, params.n_neighbors, params.gamma, params.eigen_tol, count)
        self._once.attempt(key, partial(self._embedding, params, count))

    def _embedding(self, params: Params, count: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Eigenvalues (count,) and vectors (n, count)."""
        from backbench.clusterers import _spectrum

        if params.affinity == "rbf":
            assert params.gamma is not None  # `problems` refuses null
            return _spectrum.embedding(_spectrum.kernel(self._x, params.gamma), count, params.eigen_tol)
        assert params.n_neighbors is not None
        rows, _ = self._near.nearest("euclidean", params.n_neighbors - 1)
        return _spectrum.embedding(_spectrum.graph(rows), count, params.eigen_tol)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> Shared:
    """The affinities of the rows (n, d) and the eigenvectors for all members."""
    from backbench.clusterers import _spectrum

    shared = Shared(x, near)
    n, d = x.shape
    for task in members:
        if task.clusters > 1 and not problems(task.params, n, d, task.k):
            shared.attempt(task.params, _spectrum.bucket(task.clusters, n))
    return shared


def fit(shared: Shared, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), and the gap between the k-th and the next eigenvalue."""
    import numpy as np

    from backbench.clusterers import _spectrum

    k = task.clusters
    if k == 1:
        return np.zeros(len(x), dtype=np.int64), {"eigengap": None}
    values, vectors = shared.embedding(task.params, _spectrum.bucket(k, len(x)))
    maps = np.ascontiguousarray(vectors[:, :k])
    gap = float(values[k - 1] - values[k]) if k < len(values) else None
    if task.params.assign_labels == "cluster_qr":
        return _spectrum.cluster_qr(maps), {"eigengap": gap}
    return _by_kmeans(maps, task), {"eigengap": gap}


def _by_kmeans(maps: "np.ndarray", task: clusterers.Task) -> "np.ndarray":
    """Labels (n,) by k-means of the eigenvectors (n, k)."""
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters=task.k, n_init=task.params.n_init, random_state=task.seed)
    return model.fit(maps).labels_.astype("int64")
