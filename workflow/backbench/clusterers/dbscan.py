"""DBSCAN (Ester et al. 1996) for many radii in two passes over blocks of distances, without a neighbour graph.

Equals `sklearn.cluster.DBSCAN`: clusters are numbered by their first core point, and a border point goes to the first
cluster that reaches it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _radii
    from backbench.metrics.near import Near

AXES = frozenset()
BLOCKS_MB = 160


@dataclass(frozen=True)
class Params:
    """One of `eps` and `eps_quantile` is null.

    `eps_quantile` takes as radius that quantile, over the samples, of the distance to the `min_samples`-th neighbour
    (the sample itself is the first, as in scikit-learn), rounded up to six significant digits: the pairs that define it
    then lie inside, whatever the arithmetic.
    """

    eps: Annotated[float, Range(above=0)] | None
    eps_quantile: Annotated[float, Range(low=0, high=1)] | None
    min_samples: Annotated[int, Range(low=1)]
    metric: Literal["euclidean"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    found = []
    if (params.eps is None) == (params.eps_quantile is None):
        found.append(
            f"dbscan takes one of eps and eps_quantile, the other null; received {params.eps}, {params.eps_quantile}"
        )
    if params.min_samples > n:
        found.append(f"min_samples = {params.min_samples} of {n} rows: no point could be a core point")
    return found


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The rows in float64, blocks of distances with their pairs, and the border pairs of each member."""
    return BLOCKS_MB + (8 * n * d + count * 512 * n) / clusterers.MB


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> "_radii.Shared":
    """The clusters of all members."""
    from backbench.clusterers import _radii

    asked = dict.fromkeys(member.params for member in members)
    return _radii.Shared(x, [params for params in asked if not problems(params, *x.shape, None)])


def fit(shared: "_radii.Shared", x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    labels, eps, core = shared.result(task.params)
    return labels, {"eps": eps, "core_points": core}
