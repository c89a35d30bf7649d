"""Louvain (Blondel et al. 2008) and Leiden (Traag et al. 2019) on the graph of nearest neighbours, by scikit-network.

Equals `sknetwork.clustering.Leiden` and `Louvain` with shuffled rows, on the graph of `_links`. Leiden's refinement
draws from the C library's generator, which the seed sets; so fits take turns.
"""

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, plugins, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    from backbench.metrics.near import Near

AXES = frozenset({"seed"})
BLOCKS_MB = 64
NOISE = -1
_turn = threading.Lock()


@dataclass(frozen=True)
class Params:
    """The graph, and the options `resolution` and ``method`` of scikit-network."""

    method: Literal["leiden", "louvain"]
    n_neighbors: Annotated[int, Range(low=1)]
    graph: Literal["union", "mutual"]
    weights: Literal["connectivity", "fuzzy", "jaccard"]
    resolution: Annotated[float, Range(above=0)]
    metric: Literal["euclidean", "cosine"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = plugins.lacking("sknetwork", "scikit-network", "graph")
    if params.n_neighbors >= n:
        reasons.append(f"n_neighbors = {params.n_neighbors} of {n} rows: a row has at most {n - 1} others")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The search for neighbours, the graph with copies, and those of a fit."""
    graph = 16.0 * 2 * params.n_neighbors * n
    return BLOCKS_MB + (20 * n * d + 4 * graph + count * 64 * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.125, n=1.2, d=0.0, shared=Cost(0.42, n=1.7, d=0.4)).at(n, d, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    return params.metric, params.n_neighbors


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The graphs of the rows (n, d), by their options."""
    shared, (n, d) = threads.Once(), x.shape
    sound = [member.params for member in members if not problems(member.params, n, d, None)]
    for params in sorted(dict.fromkeys(sound), key=lambda params: -params.n_neighbors):
        shared.attempt(_of_graph(params), partial(_graph, params, near))
    return shared


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), and the modularity of the clusters at resolution 1."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from sknetwork.clustering import Leiden, Louvain, get_modularity

    params = task.params
    graph: csr_array = shared.get(_of_graph(params), lambda: None)
    if not graph.nnz:
        return np.full(len(x), NOISE), {"modularity": None}
    matrix, kind = csr_matrix(graph, copy=True), Leiden if params.method == "leiden" else Louvain
    quiet = {"return_probs": False, "return_aggregate": False}
    model = kind(resolution=params.resolution, shuffle_nodes=True, random_state=task.seed, **quiet)
    with _turn:
        ctypes.CDLL(None).srand(task.seed)
        labels = model.fit_predict(matrix).astype(np.int64)
    modularity = float(get_modularity(matrix, labels))
    return np.where(np.diff(graph.indptr) > 0, labels, NOISE), {"modularity": modularity}


def _of_graph(params: Params) -> tuple[Any, ...]:
    return params.metric, params.n_neighbors, params.graph, params.weights


def _graph(params: Params, near: "Near") -> "csr_array":
    """The graph (n, n) of the neighbours."""
    from backbench.clusterers import _links

    return _links.links(*near.nearest(params.metric, params.n_neighbors), params.graph, params.weights)
