"""k-means from small batches of rows (Sculley 2010; `sklearn.cluster.MiniBatchKMeans`, whose results it equals)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 32


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.MiniBatchKMeans`; `init_size` null is three batches, or 3 k if that is more."""

    init: Literal["k-means++", "random"]
    n_init: Annotated[int, Range(low=1)]
    init_size: Annotated[int, Range(low=1)] | None
    batch_size: Annotated[int, Range(low=1)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(low=0)]
    max_no_improvement: Annotated[int, Range(low=0)] | None
    reassignment_ratio: Annotated[float, Range(low=0)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = clusterers.too_many(k, n)
    if k is not None and params.init_size is not None and params.init_size < k:
        reasons.append(f"init_size = {params.init_size} rows cannot start k = {k} clusters: take at least k, or null")
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """Batches and the rows that start the clusters; the matrix is read in place."""
    rows = 3 * params.batch_size + (params.init_size or 3 * params.batch_size)
    return BLOCKS_MB + count * (48 * n + 8 * d * min(rows, 3 * n)) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to `n_init`."""
    return params.n_init / 3 * Cost(0.0341, n=0.75, d=0.75).at(n, d, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> None:
    """Nothing is shared for rows (n, d): a start from another member's centres would change a result."""


def fit(shared: None, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), at most k distinct ones, the inertia and the number of iterations."""
    from sklearn.cluster import MiniBatchKMeans

    from backbench.clusterers import _draws

    model = MiniBatchKMeans(n_clusters=task.k, random_state=_draws.Draws(task.seed), **asdict(task.params)).fit(x)
    return model.labels_.astype("int64"), {"inertia": float(model.inertia_), "n_iter": int(model.n_iter_)}
