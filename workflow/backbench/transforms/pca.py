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
    rows themselves, which takes longer and keeps small components exact.
    """

    n_components: Annotated[int, Range(low=1)]
    whiten: bool
    solver: Literal["full", "covariance_eigh"]


def problems(params: Params, n_fit: int, d: int) -> list[str]:
    most = min(n_fit, d)
    if params.n_components > most:
        return [f"n_components = {params.n_components} of {n_fit} fitted rows in {d} dimensions: at most {most}"]
    return []


def width(params: Params, d: int) -> int:
    return params.n_components


def label(params: Params) -> str:
    return f"pca{params.n_components}" + ("w" if params.whiten else "")


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    from backbench.transforms import _components

    reasons = problems(params, *fit_rows.shape)
    if reasons:
        raise ValueError(reasons[0])
    return _components.project(fit_rows, rows, params.n_components, params.solver, params.whiten)
