"""Principal components in float64 (`sklearn.decomposition.PCA`), each with a sign fixed by its largest loading."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

FITTED = True


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.decomposition.PCA`.

    `covariance_eigh` decomposes the covariance of the columns or the products of the rows, whichever is smaller; `full`
    the rows themselves, which takes longer and keeps small components exact. One of `n_components` and `variance` is
    null: `variance` keeps the fewest components that explain this share of the fitted rows' variance.
    """

    n_components: Annotated[int | None, Range(low=1)]
    whiten: bool
    solver: Literal["full", "covariance_eigh"]
    variance: Annotated[float | None, Range(above=0.0, high=1.0)] = None


def problems(params: Params, n_fit: int, d: int) -> list[str]:
    if (params.n_components is None) == (params.variance is None):
        return [
            f"received n_components = {params.n_components}, variance = {params.variance}; allowed: one of them, and "
            "null for the other"
        ]
    most = min(n_fit, d)
    if params.n_components is not None and params.n_components > most:
        return [f"n_components = {params.n_components} of {n_fit} fitted rows in {d} dimensions: at most {most}"]
    return []


def width(params: Params, d: int) -> int:
    """Number of columns; an upper bound if the variance decides."""
    return d if params.n_components is None else params.n_components


def label(params: Params) -> str:
    size = f"{params.variance:g}" if params.n_components is None else f"{params.n_components}"
    return f"pca{size}" + ("w" if params.whiten else "")


def seconds(params: Params, n: int, d: int) -> float:
    """Seconds of one core: a decomposition by its multiplications."""
    return min(n, d) * n * d / 1e10


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """Rows (n, d) on the principal axes of those to fit on (m, d), float32 (n, count)."""
    from backbench.transforms import _components

    n_fit, d = fit_rows.shape
    reasons = problems(params, n_fit, d)
    if reasons:
        raise ValueError(reasons[0])
    wanted = params.n_components if params.variance is None else params.variance
    assert wanted is not None  # `problems` refuses two nulls
    return _components.project(fit_rows, rows, wanted, params.solver, params.whiten)
