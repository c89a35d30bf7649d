"""Every column to zero mean and unit variance over the fitted rows (`sklearn.preprocessing.StandardScaler`).

A column that is constant over the fitted rows has no scale: it becomes 0 in all rows, whereas scikit-learn subtracts
the mean and leaves other rows with an arbitrary deviation.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FITTED = True


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.preprocessing.StandardScaler`."""

    with_mean: bool
    with_std: bool


def problems(params: Params, n_fit: int, d: int) -> list[str]:
    return [] if n_fit else ["standardise has no rows to fit on"]


def width(params: Params, d: int) -> int:
    return d


def label(params: Params) -> str:
    parts = {(True, True): "standardise", (True, False): "centre", (False, True): "scale", (False, False): "keep"}
    return parts[params.with_mean, params.with_std]


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """Rows (n, d) standardised by those to fit on (m, d), float32."""
    import numpy as np

    fitted = fit_rows.astype(np.float64)
    mean = fitted.mean(axis=0)
    spread = np.sqrt(((fitted - mean) ** 2).mean(axis=0))
    constant = fit_rows.max(axis=0) == fit_rows.min(axis=0)
    scaled = rows.astype(np.float64)
    if params.with_mean:
        scaled -= mean
    if params.with_std:
        scaled /= np.where(constant, 1.0, spread)
    scaled[:, constant] = 0.0
    return scaled.astype(np.float32)
