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
        self._twins = _twins(x)
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


def _twins(x: np.ndarray) -> np.ndarray | None:
    """Number of the first row with the same values, for each row; None where no two rows are the same."""
    clean = np.ascontiguousarray(x) + 0.0
    first: dict[bytes, int] = {}
    twins = np.array([first.setdefault(row.tobytes(), i) for i, row in enumerate(clean)], dtype=np.int64)
    return None if len(first) == len(clean) else twins
