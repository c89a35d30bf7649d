"""Principal components in float64 (`sklearn.decomposition.PCA`), the sign of each fixed by its largest loading."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

FITTED = True


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.decomposition.PCA`.

    `covariance_eigh` decomposes the smaller of the covariance of the columns and the products of the rows, `full` the
    rows themselves, which takes longer and keeps small components exact. Of `n_components` and `variance` one is given
    and the other null: `variance` takes the fewest components that hold this share of the fitted rows' variance.
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
    """Number of columns; at most so many where the variance decides."""
    return d if params.n_components is None else params.n_components


def label(params: Params) -> str:
    size = f"{params.variance:g}" if params.n_components is None else f"{params.n_components}"
    return f"pca{size}" + ("w" if params.whiten else "")


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    from backbench.transforms import _components

    reasons = problems(params, *fit_rows.shape)
    if reasons:
        raise ValueError(reasons[0])
    wanted = params.n_components if params.variance is None else params.variance
    return _components.project(fit_rows, rows, wanted, params.solver, params.whiten)
