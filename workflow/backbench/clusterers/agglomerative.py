"""Agglomerative clustering: one tree per linkage and metric, cut for every k.

Equals `sklearn.cluster.AgglomerativeClustering` up to the names of the clusters. Up to `CONDENSED_ROWS` rows the tree
is scipy's, like scikit-learn's, so that even ties are broken alike. Above, it is fastcluster's (Müllner 2013): for
Ward and single linkage directly from the rows, without a distance matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from backbench import clusterers, threads
from backbench.cost import Cost

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k"})
CONDENSED_ROWS = 15_000
BLOCKS_MB = 64


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.AgglomerativeClustering`."""

    linkage: Literal["ward", "average", "complete", "single"]
    metric: Literal["euclidean", "cosine", "manhattan"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = clusterers.too_many(k, n)
    if params.linkage == "ward" and params.metric != "euclidean":
        reasons.append(f"ward linkage is defined for the euclidean metric only; received {params.metric!r}")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The n (n - 1) / 2 distances of the tree, or the rows and their joined clusters; labels of each member."""
    if n <= CONDENSED_ROWS:
        # scipy works on a copy of the distances, except for single linkage
        values = n * n * (0.5 if params.linkage == "single" else 1.0) + n * d
    elif params.linkage in ("ward", "single") and params.metric == "euclidean":
        values = 3 * n * d
    else:
        values = n * n / 2 + 2 * n * d
    return BLOCKS_MB + (8 * values + (128 + 48 * count) * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.001, n=1.0, d=0.0, shared=Cost(3.2, n=2.0, d=0.1)).at(n, d, k, count)


def way(params: Params) -> str:
    """``average`` for all linkages but Ward's: their times are recorded apart."""
    return "" if params.linkage == "ward" else "average"


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The trees of the rows (n, d), by parameters."""
    shared = threads.Once()
    for params in dict.fromkeys(member.params for member in members):
        shared.attempt(params, partial(_tree, x, params))
    return shared


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), and the height at which one more merge would leave k - 1 clusters."""
    from backbench.clusterers import _trees

    merges, k = shared.get(task.params, partial(_tree, x, task.params)), task.clusters
    height = float(merges[len(x) - k, 2]) if k > 1 else None
    return _trees.cut(merges, k), {"next_merge_height": height}


def _tree(x: "np.ndarray", params: Params) -> "np.ndarray":
    """Merges (n - 1, 4) of the rows (n, d)."""
    from backbench.clusterers import _trees

    return _trees.tree(x, params.linkage, params.metric, len(x) <= CONDENSED_ROWS)
