"""The scatter matrix of rows in float64, in blocks that depend on the number of rows alone."""

import numpy as np

from backbench import threads

BLOCK = 1024
# A matrix with more rows and more columns than this takes too long to factor.
LARGEST = 5000
TOO_LARGE = f"there are more than {LARGEST:,} rows and columns"
# Of the products of few rows, added to the diagonal before they are factored.
JITTER = 1e-9


def too_large(x: np.ndarray) -> bool:
    """Whether rows (n, d) are too many for their products, and columns for theirs."""
    return min(x.shape) > LARGEST


def coordinates(x: np.ndarray) -> np.ndarray:
    """The rows (n, d), or if there are no more of them than columns, rows (n, n) with the same scalar products.

    The latter are those of the centred rows, but for a share of `JITTER` of their mean squared length.
    """
    if x.shape[1] < len(x):
        return np.ascontiguousarray(x)
    from scipy import linalg

    centred = x - x.mean(axis=0, dtype=np.float64)
    products = centred @ centred.T
    least = JITTER * np.trace(products) / len(x) + np.finfo(float).tiny
    factor: np.ndarray = linalg.cholesky(products + least * np.eye(len(x)), lower=True)
    return factor


def of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean (d,) of rows (n, d), and the scatter matrix (d, d) around it."""
    mean = rows.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((len(mean), len(mean)))
    for part in threads.in_order(lambda span: _products(rows[span] - mean), spans(len(rows))):
        scatter += part
    return mean, scatter


def spans(n: int) -> list[slice]:
    """Blocks of n rows."""
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]


def _products(block: np.ndarray) -> np.ndarray:
    """The products (d, d) of the columns of a block (b, d)."""
    return block.T @ block
