"""DBSCAN (Ester et al. 1996) for many radii from one spanning forest, with memory proportional to the number of rows.

Equals `sklearn.cluster.DBSCAN`: clusters are numbered by their first core point, and a border point joins the first
cluster that reaches it. Only a pair whose distance is `eps` to the last bit may be told otherwise: here the distance is
compared with `eps`, in scikit-learn's trees the square of the one with the square of the other in float64, and its
brute force rounds the squares of float32 rows before that, so that scikit-learn's own algorithms differ in such a pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers
from backbench.clusterers import _footprint
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _radii
    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Params:
    """One of `eps`, `eps_quantile` and `eps_knee` gives the radius; the others are null, null and false.

    `eps_quantile` takes that quantile, over the samples, of the distance to the `min_samples`-th nearest sample, and
    `eps_knee` the knee of the sorted distances. Each sample counts itself as the first, as in scikit-learn's
    `min_samples`: with `min_samples = 5` it is the distance to the fourth other sample. Both are rounded up to six
    significant digits, so that the pairs that define them lie inside the radius whatever the arithmetic.
    """

    eps: Annotated[float, Range(above=0)] | None
    eps_quantile: Annotated[float, Range(low=0, high=1)] | None
    min_samples: Annotated[int, Range(low=1)]
    metric: Literal["euclidean"]
    eps_knee: bool = False


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = []
    if (params.eps is not None) + (params.eps_quantile is not None) + params.eps_knee != 1:
        reasons.append(
            "dbscan takes one of eps and eps_quantile, the other null, or eps_knee = true and both null; "
            f"received {params.eps}, {params.eps_quantile}, eps_knee = {params.eps_knee}"
        )
    if params.min_samples > n:
        reasons.append(f"min_samples = {params.min_samples} of {n} rows: no point could be a core point")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    return _footprint.memory_mb(params.min_samples, n, d, count)


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.003, n=1.0, d=0.0, shared=Cost(0.22, n=1.7, d=0.65)).at(n, d, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    return _footprint.neighbours(params.min_samples, n)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> "_radii.Shared":
    """The neighbours of the rows (n, d) and the spanning trees of all members."""
    from backbench.clusterers import _radii

    n, d = x.shape
    distinct = dict.fromkeys(member.params for member in members)
    return _radii.Shared(x, [params for params in distinct if not problems(params, n, d, None)], near)


def fit(shared: "_radii.Shared", x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the radius and the number of core points."""
    labels, eps, core = shared.result(task.params)
    return labels, {"eps": eps, "eps_from": _source(task.params), "core_points": core}


def _source(params: Params) -> str:
    if params.eps is not None:
        return "given"
    return "knee" if params.eps_knee else f"quantile {params.eps_quantile:g}"
