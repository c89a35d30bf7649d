"""Whitening that changes the axes least (ZCA): the covariance of the fitted rows becomes the identity, in float64.

Bell and Sejnowski, "The 'independent components' of natural scenes are edge filters", Vision Research 37, 1997; Kessy,
Lewin and Strimmer, "Optimal whitening and decorrelation", The American Statistician 72, 2018, table 1 (ZCA):
W = cov^(-1/2). It is the whitened PCA of all components, rotated back to the columns; to keep fewer, use pca with
whiten.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

FITTED = True


@dataclass(frozen=True)
class Params:
    """Options. `epsilon` is added to the variance along every axis, so that small ones are not amplified."""

    epsilon: Annotated[float, Range(low=0.0)]


def problems(params: Params, n_fit: int, d: int) -> list[str]:
    return [] if n_fit > 1 else [f"whitening needs 2 fitted rows or more; there are {n_fit}"]


def width(params: Params, d: int) -> int:
    return d


def label(params: Params) -> str:
    return "whiten"


def seconds(params: Params, n: int, d: int) -> float:
    """Seconds of one core: a decomposition by its multiplications."""
    return min(n, d) * n * d / 1e10


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """Rows (n, d) whitened by those to fit on (m, d), float32."""
    from backbench.transforms import _components

    n_fit, d = fit_rows.shape
    reasons = problems(params, n_fit, d)
    if reasons:
        raise ValueError(reasons[0])
    return _components.zca(fit_rows, rows, params.epsilon)
