"""Genie (Gagolewski et al. 2016): single linkage that also joins small clusters while their sizes are too unequal.

Equals `genieclust.Genie`: its tree does not depend on k, so a single one is built and cut for every k.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, plugins, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k"})
BLOCKS_MB = 32
METRICS = {"euclidean": "l2"}


@dataclass(frozen=True)
class Params:
    """Options of `genieclust.Genie`; `M` neighbours smooth the distances (mutual reachability), 0 leaves them."""

    gini_threshold: Annotated[float, Range(low=0, high=1)]
    M: Annotated[int, Range(low=0)]
    metric: Literal["euclidean"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = clusterers.too_many(k, n)
    reasons += plugins.lacking("genieclust", "genieclust (AGPL)", "genie")
    if n <= params.M:
        reasons.append(f"M = {params.M} neighbours of {n} rows: M is less than the number of rows")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """Two copies of the rows, neighbours and the tree; labels of each member."""
    return BLOCKS_MB + (16 * n * d + (512 + 32 * params.M + 48 * count) * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.01, n=1.0, d=0.0, shared=Cost(1.2, n=1.96, d=1.0)).at(n, d, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The trees of the rows (n, d), by parameters."""
    shared = threads.Once()
    for params in dict.fromkeys(member.params for member in members):
        shared.attempt(params, partial(_tree, x, params))
    return shared


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d)."""
    from backbench.clusterers import _trees

    merges = shared.get(task.params, partial(_tree, x, task.params))
    return _trees.cut(merges, task.clusters), {}


def _tree(x: "np.ndarray", params: Params) -> "np.ndarray":
    """Merges (n - 1, 2) of the rows (n, d), numbered as scipy does, in their order."""
    import numpy as np

    if len(x) == 1:
        return np.empty((0, 2))
    import genieclust
    import quitefastmst

    # It may have been loaded only now, and would start with all cores
    quitefastmst.omp_set_num_threads(1)
    model = genieclust.Genie(1, gini_threshold=params.gini_threshold, M=params.M, metric=METRICS[params.metric])
    return model.fit(x).children_
