"""Labels of a partition in canonical form, and tables of counts."""

import numpy as np

from backbench import hashing

NOISE = -1
OUTSIDE = -2
DENSE_NAMES = 4


def canonical(labels: np.ndarray) -> np.ndarray:
    """Labels (n,) renamed 0, 1, ... by first appearance, as int32; negative ones (noise, out of scope) stay."""
    part = np.asarray(labels).astype(np.int32)
    inside = part >= 0
    kept: np.ndarray = part[inside]
    if kept.max(initial=-1) >= DENSE_NAMES * len(part):
        kept = np.unique(kept, return_inverse=True)[1]
    first = np.full(int(kept.max(initial=-1)) + 1, len(kept))
    # Of several values for one place the last one stays: in reverse order, that of the first row.
    first[kept[::-1]] = np.arange(len(kept))[::-1]
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    part[inside] = rank[kept]
    return part


def digest(labels: np.ndarray) -> str:
    """SHA-256 of a partition (n,): equal where two labelings differ by the names of their clusters alone."""
    return hashing.array_digest(canonical(labels))


def clusters(labels: np.ndarray) -> int:
    """Number of clusters in labels (n,), noise not counted."""
    return len(np.unique(labels[labels >= 0]))


def crosstab(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Counts (row codes, column codes) int64 of pairs of codes 0, 1, ..., (n,) each."""
    shape = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)
    return np.bincount(rows * max(shape[1], 1) + columns, minlength=shape[0] * shape[1]).reshape(shape)


def named_digest(labels: np.ndarray) -> str:
    """SHA-256 of labels (n,) whose names count, such as predicted classes."""
    return hashing.array_digest(np.asarray(labels).astype(np.int32))
