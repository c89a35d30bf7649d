"""Gaussian mixture by expectation maximisation in float64 (equals `sklearn.mixture.GaussianMixture`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.mixture.GaussianMixture`."""

    covariance_type: Literal["full", "tied", "diag", "spherical"]
    reg_covar: Annotated[float, Range(low=0)]
    n_init: Annotated[int, Range(low=1)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(low=0)]
    init_params: Literal["kmeans", "k-means++", "random", "random_from_data"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    found = clusterers.too_many(k, n)
    needed = {"full": (k or 1) * (d + 1), "tied": d + 1}.get(params.covariance_type, 1)
    if n < needed:
        found.append(
            f"{params.covariance_type} covariance of {k} components in {d} dimensions needs {needed} rows; there are "
            f"{n}: reduce the dimensions (chain=pca50) or take covariance_type=diag"
        )
    return found


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The rows in float64 once; for each member three temporaries of that size; full covariances are smaller."""
    return (8 * n * d * (1 + 3 * count)) / clusterers.MB


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The rows in float64."""
    return threads.Once()


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    from sklearn.mixture import GaussianMixture

    options = task.params
    rows = shared.get("rows", lambda: x.astype("float64"))
    model = GaussianMixture(
        n_components=task.k,
        covariance_type=options.covariance_type,
        reg_covar=options.reg_covar,
        n_init=options.n_init,
        max_iter=options.max_iter,
        tol=options.tol,
        init_params=options.init_params,
        random_state=task.seed,
    )
    labels = model.fit_predict(rows).astype("int64")
    return labels, {
        "lower_bound": float(model.lower_bound_),
        "bic": float(model.bic(rows)),
        "n_iter": int(model.n_iter_),
    }
