"""Images of each weighted sample in each cell of a cross table, counted by sparse products of integers."""

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

# Samples per block: few enough that its vectors stay in the cache, and fewer where there are many cells.
SAMPLES = 64
BYTES = 1 << 25
# Blocks of read-only weights are kept up to this size, as long as the weights live: all labelings of the same images
# are resampled alike, and to make the blocks takes longer than to count with them.
KEPT_BYTES = 1 << 26
_kept: dict[int, tuple[weakref.ref[np.ndarray], dict[type, tuple[int, list[np.ndarray]]]]] = {}


class Cells:
    """The non-empty cells (row, column) of a cross table, ordered by row, then by column.

    Parameters
    ----------
    rows, columns : (n,) codes 0, 1, ... of the row and the column of each image
    least : the least number of rows and columns, with or without images

    Attributes
    ----------
    row, column : codes (cells,) of each cell
    height, width : number of rows and of columns
    """

    def __init__(self, rows: np.ndarray, columns: np.ndarray, least: int = 0):
        """From codes (n,) of rows and columns."""
        self.height, self.width = (int(codes.max(initial=least - 1)) + 1 for codes in (rows, columns))
        codes = rows.astype(np.int64) * self.width + columns
        cells, place = np.unique(codes, return_inverse=True)
        self.row, self.column = np.divmod(cells, max(self.width, 1))
        self._images = adder(place, len(cells))
        self._rows, self._columns = adder(self.row, self.height), adder(self.column, self.width)

    def each(self, weights: np.ndarray, metric: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Values of `metric` for weights (resamples, n), from counts (cells, samples).

        These are (resamples,) where it gives (samples,), and (m, resamples) where it gives (m, samples).
        """
        size = max(1, min(SAMPLES, BYTES // (8 * max(len(self.row), 1))))
        parts = [metric(self._images @ block) for block in blocks(weights, np.int32, size)]
        return np.concatenate(parts, axis=-1)

    def by_row(self, counts: np.ndarray) -> np.ndarray:
        """Row sums (height, samples) of counts (cells, samples)."""
        return self._rows @ counts

    def by_column(self, counts: np.ndarray) -> np.ndarray:
        """Column sums (width, samples) of counts (cells, samples)."""
        return self._columns @ counts


def adder(codes: np.ndarray, count: int) -> Any:
    """The sparse matrix (count, n) that sums vectors (n,) by their codes (n,)."""
    from scipy.sparse import csc_array

    ends = np.arange(len(codes) + 1, dtype=np.int32)
    return csc_array((np.ones(len(codes), np.int32), codes.astype(np.int32), ends), shape=(count, len(codes)))


def blocks(weights: np.ndarray, kind: type, size: int = SAMPLES) -> Iterable[np.ndarray]:
    """Blocks (n, samples) of the weights (resamples, n), one row per image."""
    if weights.flags.writeable or weights.size * np.dtype(kind).itemsize > KEPT_BYTES:
        return _made(weights, kind, size)
    number = id(weights)
    if number not in _kept:
        _kept[number] = weakref.ref(weights, lambda _: _kept.pop(number, None)), {}
    by_kind = _kept[number][1]
    kept = by_kind.get(kind)
    if kept is None or kept[0] != size:
        kept = by_kind[kind] = size, list(_made(weights, kind, size))
    return kept[1]


def _made(weights: np.ndarray, kind: type, size: int) -> Iterator[np.ndarray]:
    """As `blocks` of the weights (resamples, n), one after the other; of no weights an empty block."""
    for start in range(0, max(1, len(weights)), size):
        yield np.ascontiguousarray(weights[start : start + size].T, dtype=kind)
