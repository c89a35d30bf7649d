"""k-means by Lloyd's or Elkan's iterations from k-means++ seeds (`sklearn.cluster.KMeans`, whose results it equals)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.KMeans`."""

    init: Literal["k-means++", "random"]
    n_init: Annotated[int, Range(low=1)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(low=0)]
    algorithm: Literal["lloyd", "elkan"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    return clusterers.too_many(k, n)


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    return count * (4 * n * d + 64 * n) / clusterers.MB


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> None:
    """Nothing is shared: a start from another member's centres would change a result."""


def fit(shared: None, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    from sklearn.cluster import KMeans

    options = task.params
    model = KMeans(
        n_clusters=task.k,
        init=options.init,
        n_init=options.n_init,
        max_iter=options.max_iter,
        tol=options.tol,
        algorithm=options.algorithm,
        random_state=task.seed,
    ).fit(x)
    return model.labels_.astype("int64"), {"inertia": float(model.inertia_), "n_iter": int(model.n_iter_)}
