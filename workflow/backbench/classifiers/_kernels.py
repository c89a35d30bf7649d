"""Kernel matrices, block by block."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backbench import threads
from backbench.metrics import distances


def width(gamma: str | float, train: np.ndarray) -> float:
    """The number that scikit-learn takes for `gamma` with training rows (n, d)."""
    if gamma == "scale":
        variance = float(train.var())
        return 1.0 / (train.shape[1] * variance) if variance else 1.0
    if gamma == "auto":
        return 1.0 / train.shape[1]
    assert not isinstance(gamma, str)  # no other names are options
    return gamma


def rbf(rows: np.ndarray, train: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma |a - b|^2) (q, n) of all pairs of rows (q, d) and (n, d); 1 where both are the same row."""
    row_norms, train_norms = ((side * side).sum(axis=1) for side in (rows, train))
    kernel = linear(rows, train)

    def finish(span: tuple[int, int]) -> None:
        block = kernel[slice(*span)]
        block *= -2.0
        block += row_norms[slice(*span), None]
        block += train_norms
        np.maximum(block, 0.0, out=block)
        if rows is train:
            np.fill_diagonal(block[:, slice(*span)], 0.0)
        block *= -gamma
        np.exp(block, out=block)

    _each(finish, kernel)
    return kernel


def linear(rows: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Inner products (q, n) of all pairs of rows (q, d) and (n, d)."""
    products = np.empty((len(rows), len(train)))
    _each(lambda span: np.matmul(rows[slice(*span)], train.T, out=products[slice(*span)]), products)
    return products


def _each(function: Callable[[tuple[int, int]], Any], kernel: np.ndarray) -> None:
    """Call `function` for spans of the rows of a kernel (q, n)."""
    for _ in threads.in_order(function, distances.spans(*kernel.shape)):
        pass
