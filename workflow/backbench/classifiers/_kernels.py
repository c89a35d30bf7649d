"""Kernel matrices, block by block."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backbench import threads
from backbench.metrics import distances


def width(gamma: str | float, train: np.ndarray) -> float:
    """The number that scikit-learn takes for `gamma`."""
    if gamma == "scale":
        variance = train.var()
        return 1.0 / (train.shape[1] * variance) if variance else 1.0
    return 1.0 / train.shape[1] if gamma == "auto" else gamma


def rbf(rows: np.ndarray, train: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma |a - b|^2) of all pairs, (len(rows), len(train)); 1 where both are the same row."""
    own, other = ((side * side).sum(axis=1) for side in (rows, train))
    found = linear(rows, train)

    def finish(span: tuple[int, int]) -> None:
        block = found[slice(*span)]
        block *= -2.0
        block += own[slice(*span), None]
        block += other
        np.maximum(block, 0.0, out=block)
        if rows is train:
            np.fill_diagonal(block[:, slice(*span)], 0.0)
        block *= -gamma
        np.exp(block, out=block)

    _each(finish, found)
    return found


def linear(rows: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Inner products of all pairs, (len(rows), len(train))."""
    found = np.empty((len(rows), len(train)))
    _each(lambda span: np.matmul(rows[slice(*span)], train.T, out=found[slice(*span)]), found)
    return found


def _each(function: Callable[[tuple[int, int]], Any], found: np.ndarray) -> None:
    for _ in threads.in_order(function, distances.spans(*found.shape)):
        pass
