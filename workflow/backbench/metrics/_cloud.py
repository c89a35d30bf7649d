"""Rows of a matrix and the distances among them in blocks, on a grid that makes every sum of them exact (layer 1).

The rows are centred and divided by a power of two, so that none is longer than 1 and no digit is lost. One product of
rows that carry their squared length and a one beside them is a block of squared distances. A distance is rounded to a
multiple of 2^-g with the g at which a sum over all rows still fits into the 53 bits of a float64 (39 for 8,000 rows,
32 for a million): such sums have no rounding error, so that neither their order nor what is added up first counts.
"""

import functools

import numpy as np

from backbench.metrics import distances

NEAR = 2.0**-26
TILE_ROWS = 1024
FEWEST_MEASURED, MEASURED_SHARE = 4096, 1 / 32
GATHERED_BYTES = 1 << 20


class Cloud:
    """Rows in float64, centred and scaled, and their distances.

    Parameters
    ----------
    x : array of shape (n, d)

    Attributes
    ----------
    rows : (n, d + 2): the rows, their squared lengths and ones
    scale : the power of two that the rows were divided by
    """

    def __init__(self, x: np.ndarray):
        self.n, self.d = x.shape
        self._x = x
        self.rows = np.empty((self.n, self.d + 2))
        own = self.rows[:, : self.d]
        np.subtract(x, x.mean(axis=0, dtype=np.float64), out=own)
        lengths = squared_lengths(own)
        self.scale = _power_of_two(float(lengths.max(initial=0.0)) ** 0.5)
        own /= self.scale
        self.rows[:, self.d] = lengths / self.scale**2
        self.rows[:, self.d + 1] = 1.0
        self.magic = 3.0 * 2.0 ** (max(self.n, 2).bit_length() - 1)

    @functools.cached_property
    def twins(self) -> np.ndarray:
        """For each row the number of the first one that is the same."""
        found = distances.twins(self._x)
        return np.arange(self.n) if found is None else found

    def lengths(self, picked: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Distances (stop - start, len(picked)) on the grid, from rows `start` to `stop` to the rows `picked`."""
        left = against(self.rows[picked])
        found = np.empty((stop - start, len(picked)))
        for first in range(start, stop, TILE_ROWS):
            last = min(first + TILE_ROWS, stop)
            tile = found[first - start : last - start]
            self._squared(left, picked, first, tile)
            np.sqrt(tile, out=tile)
            tile += self.magic
            tile -= self.magic
        return found

    def squared(self, picked: np.ndarray) -> np.ndarray:
        """Squared distances (n, len(picked)) from all rows to the rows `picked`, off the grid."""
        found = np.empty((self.n, len(picked)))
        self._squared(against(self.rows[picked]), picked, 0, found)
        return found

    def _squared(self, left: np.ndarray, picked: np.ndarray, first: int, tile: np.ndarray) -> None:
        np.matmul(self.rows[first : first + len(tile)], left.T, out=tile)
        near = tile < NEAR
        if near.any():
            self.settle(tile, *np.nonzero(near), first, picked)

    def settle(self, tile: np.ndarray, row: np.ndarray, column: np.ndarray, first: int, picked: np.ndarray) -> None:
        """Measure the nearest pairs of a tile again, one by one, where the product has lost digits.

        Too many of them are left as they are but for identical rows, which are at 0.
        """
        one, other = row + first, picked[column]
        apart = one != other
        tile[row, column] = np.maximum(tile[row, column], 0.0) * apart
        most = most_measured(tile.size)
        if apart.sum() > most:
            apart = self.twins[one] != self.twins[other]
            tile[row[~apart], column[~apart]] = 0.0
        if 0 < apart.sum() <= most:
            tile[row[apart], column[apart]] = self._measured(one[apart], other[apart])

    def _measured(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        size = max(1, GATHERED_BYTES // (8 * self.d))
        own = self.rows[:, : self.d]
        return np.concatenate(
            [
                squared_lengths(own[one[start : start + size]] - own[other[start : start + size]])
                for start in range(0, len(one), size)
            ]
        )


def most_measured(pairs: int) -> int:
    """How many pairs of a tile may be measured one by one."""
    return max(FEWEST_MEASURED, int(pairs * MEASURED_SHARE))


def squared_lengths(rows: np.ndarray) -> np.ndarray:
    """Squared length of each row."""
    return np.einsum("ij,ij->i", rows, rows)


def against(rows: np.ndarray) -> np.ndarray:
    """The left factor of rows (m, d + 2) of a cloud: its product with other such rows is the squared distances."""
    left = rows * -2.0
    left[:, -2], left[:, -1] = 1.0, rows[:, -2]
    return left


def _power_of_two(bound: float) -> float:
    """The least power of two above `bound`; 1 for 0."""
    return float(2.0 ** np.frexp(bound)[1]) if bound > 0 else 1.0
