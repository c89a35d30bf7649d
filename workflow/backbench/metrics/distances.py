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
    """Rows (n, d) in float64 scaled to length 1; rows of zeros stay."""
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
        """Take the rows `x` (n, d)."""
        self.rows = np.ascontiguousarray(x, dtype=np.float64)
        self._twins = twins(x)
        if centred:
            self.rows = self.rows - self.rows.mean(axis=0)
        self._norms = (self.rows * self.rows).sum(axis=1)

    def squared(self, start: int, stop: int, first: int = 0) -> np.ndarray:
        """Squared distances (b, n - first) of rows `start` to `stop` to all from `first` on; 0 among identical rows."""
        squares: np.ndarray = self.rows[start:stop] @ self.rows[first:].T
        squares *= -2.0
        squares += self._norms[start:stop, None]
        squares += self._norms[None, first:]
        np.maximum(squares, 0.0, out=squares)
        here = np.arange(start, stop)
        squares[(here - start)[here >= first], (here - first)[here >= first]] = 0.0
        if self._twins is not None:
            squares[self._twins[start:stop, None] == self._twins[None, first:]] = 0.0
        return squares

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """(start, stop, squared distances (stop - start, n) to all rows) block by block, in order."""
        n = len(self.rows)
        return threads.in_order(lambda span: (*span, self.squared(*span)), spans(n, n))


def twins(x: np.ndarray) -> np.ndarray | None:
    """Number (n,) of the first row with the same values, for each row of (n, d); None where no two are the same."""
    clean = np.ascontiguousarray(x) + 0.0
    words = clean.view(np.uint32)
    names, first, codes = np.unique(row_hashes(words), return_index=True, return_inverse=True)
    if len(names) == len(words):
        return None
    firsts = first[codes]
    moved = np.flatnonzero(firsts != np.arange(len(firsts)))
    pieces = np.array_split(moved, 1 + moved.size // 4096)
    if not all((words[piece] == words[firsts[piece]]).all() for piece in pieces):
        firsts = _exact_twins(words)
    return None if np.array_equal(firsts, np.arange(len(firsts))) else firsts


def row_hashes(words: np.ndarray) -> np.ndarray:
    """A 64-bit number (n,) of each row (n, w) uint32: equal for equal rows, for others with odds of at most 2^-32."""
    factors = np.random.default_rng(0).integers(1 << 63, size=words.shape[1], dtype=np.uint64) * 2 + 1
    hashes = np.empty(len(words), dtype=np.uint64)
    for start, stop in spans(len(words), words.shape[1]):
        hashes[start:stop] = np.einsum("ij,j->i", words[start:stop].astype(np.uint64), factors)
    return hashes


def _exact_twins(words: np.ndarray) -> np.ndarray:
    """Number (n,) of the first row of words (n, w) uint32 that is the same, by comparing bytes."""
    rows = np.ascontiguousarray(words).view(np.dtype((np.void, words.shape[1] * words.itemsize))).ravel()
    _, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    return first[codes]
