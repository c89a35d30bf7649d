"""Distances in blocks of rows: nothing here holds an n x n matrix, and nothing depends on the number of threads."""

from collections.abc import Iterator

import numpy as np

from backbench import threads

BLOCK_BYTES = 1 << 24
FEWEST, MOST = 16, 512


def spans(count: int, columns: int) -> list[tuple[int, int]]:
    """Row ranges of blocks of `columns` float64 values a row; they depend on the sizes alone."""
    size = min(MOST, max(FEWEST, BLOCK_BYTES // (8 * max(columns, 1))))
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows in float64 scaled to length 1; rows of zeros stay."""
    rows = x.astype(np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


def rounding(d: int) -> float:
    """Bound of the relative rounding error of a dot product over `d` float64 values, with room to spare."""
    return 4 * (d + 4) * np.finfo(np.float64).eps


class Points:
    """Rows in float64 with what blocked Euclidean distances among them need.

    Parameters
    ----------
    x : array of shape (n, d)
    centred : subtract the mean first, which keeps digits where the mean is large
    """

    def __init__(self, x: np.ndarray, centred: bool = False):
        self.rows = np.ascontiguousarray(x, dtype=np.float64)
        self._twins = twins(x)
        if centred:
            self.rows = self.rows - self.rows.mean(axis=0)
        self._norms = (self.rows * self.rows).sum(axis=1)

    def squared(self, start: int, stop: int, first: int = 0) -> np.ndarray:
        """Squared distances of rows `start` to `stop` to all rows from `first` on; 0 among identical rows."""
        found = self.rows[start:stop] @ self.rows[first:].T
        found *= -2.0
        found += self._norms[start:stop, None]
        found += self._norms[None, first:]
        np.maximum(found, 0.0, out=found)
        here = np.arange(start, stop)
        found[(here - start)[here >= first], (here - first)[here >= first]] = 0.0
        if self._twins is not None:
            found[self._twins[start:stop, None] == self._twins[None, first:]] = 0.0
        return found

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """(start, stop, squared distances to all rows) block by block, in order."""
        n = len(self.rows)
        return threads.in_order(lambda span: (*span, self.squared(*span)), spans(n, n))


def twins(x: np.ndarray) -> np.ndarray | None:
    """Number of the first row with the same values, for each row; None where no two rows are the same."""
    clean = np.ascontiguousarray(x) + 0.0
    words = clean.view(np.uint32)
    names, first, codes = np.unique(_hashes(words), return_index=True, return_inverse=True)
    if len(names) == len(words):
        return None
    found = first[codes]
    moved = np.flatnonzero(found != np.arange(len(found)))
    if not all((words[own] == words[found[own]]).all() for own in np.array_split(moved, 1 + moved.size // 4096)):
        found = _exact_twins(words)
    return None if np.array_equal(found, np.arange(len(found))) else found


def _hashes(words: np.ndarray) -> np.ndarray:
    """A 64-bit number of each row of 32-bit words: equal for equal rows, and for others with odds of 2^-32 or less."""
    factors = np.random.default_rng(0).integers(1, 1 << 63, words.shape[1], dtype=np.uint64)
    found = np.zeros(len(words), dtype=np.uint64)
    for start, stop in spans(len(words), words.shape[1]):
        found[start:stop] = (words[start:stop] * (2 * factors + np.uint64(1))).sum(axis=1, dtype=np.uint64)
    return found


def _exact_twins(words: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(words).view(np.dtype((np.void, words.shape[1] * words.itemsize))).ravel()
    _, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    return first[codes]
