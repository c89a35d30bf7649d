"""Mean shift (Comaniciu and Meer 2002) with a flat kernel. Equals `sklearn.cluster.MeanShift`.

Every row climbs by itself, in time proportional to the square of their number, so it is for small collections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from backbench import clusterers
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
# Above so many rows a fit takes many minutes, and others give as good clusters in seconds.
MOST_ROWS = 10_000
BLOCKS_MB = 64


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.MeanShift`; one of `bandwidth` and `quantile` gives the radius, the other is null."""

    bandwidth: Annotated[float, Range(above=0)] | None
    quantile: Annotated[float, Range(above=0, high=1)] | None
    cluster_all: bool
    max_iter: Annotated[int, Range(low=1)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = []
    if (params.bandwidth is None) == (params.quantile is None):
        reasons.append(
            f"mean_shift takes one of bandwidth and quantile, the other null; received {params.bandwidth} and "
            f"{params.quantile}"
        )
    if params.quantile is not None and int(n * params.quantile) < 2:
        reasons.append(
            f"quantile = {params.quantile:g} of {n} rows is the row itself alone; give at least {2 / max(n, 2):.2g}"
        )
    if n > MOST_ROWS:
        reasons.append(
            f"{n:,} rows are too many: its time grows with their square, so it takes at most {MOST_ROWS:,}; finch, "
            "leiden and plscan find the number of clusters of many"
        )
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The rows in float64, in search trees and as peaks; distances of a block, of which a quantile is taken."""
    return BLOCKS_MB + (8 * n * d * (3 + 2 * count) + 16 * 500 * n * count) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(170.0, n=1.6, d=0.1).at(n, d, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> None:
    """Nothing that members share on the rows (n, d)."""


def fit(shared: None, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the radius and the number of rounds of the slowest row."""
    import numpy as np
    from sklearn.cluster import MeanShift, estimate_bandwidth

    params, rows = task.params, x.astype(np.float64)
    bandwidth = params.bandwidth
    if bandwidth is None:
        bandwidth = float(estimate_bandwidth(rows, quantile=params.quantile))
        if not bandwidth:
            raise ValueError(
                f"the {params.quantile:g} of the rows nearest to each are its duplicates, so that the radius is 0: "
                "raise clusterer.quantile, or give clusterer.bandwidth and quantile=null"
            )
    model = MeanShift(bandwidth=bandwidth, cluster_all=params.cluster_all, max_iter=params.max_iter, n_jobs=1).fit(rows)
    return model.labels_.astype(np.int64), {"bandwidth": bandwidth, "rounds": int(model.n_iter_)}
