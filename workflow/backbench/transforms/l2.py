"""Every row scaled to Euclidean length 1; rows of zeros stay as they are (`sklearn.preprocessing.normalize`)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FITTED = False


@dataclass(frozen=True)
class Params:
    """No options."""


def problems(params: Params, n_fit: int, d: int) -> list[str]:
    return []


def width(params: Params, d: int) -> int:
    return d


def label(params: Params) -> str:
    return "l2"


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """Rows (n, d) scaled to length 1, float32; those to fit on (m, d) play no part."""
    from backbench.metrics import distances

    return distances.unit_rows(rows).astype("float32")
