"""Rows of a matrix and the distances among them in blocks, on a grid that makes every sum of them exact.

The rows are centred and divided by a power of two, so that none is longer than 1 and no digit is lost. One product of
rows that carry their squared length and a one beside them is a block of squared distances. A distance is rounded to a
multiple of 2^-g with the g at which a sum over all rows still fits into the 53 bits of a float64 (39 for 8,000 rows,
32 for a million): such sums have no rounding error, so that neither their order nor what is added up first counts.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from backbench import threads
from backbench.metrics import distances

NEAR, ROUGH_NEAR = 2.0**-26, 2.0**-8
TILE_ROWS, PLACED_ROWS = 1024, 1024
# Rows on both sides of a product in float32: with fewer they are slower.
ROUGH_ROWS, ROUGH_WIDTH = 256, 512
ROUGH_MOST = 1 << 25
# Rows that are looked at for near pairs, and the share of these from which products of float64 are quicker.
LOOKED_AT, NEAR_SHARE = 512, 2.0**-6
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
        """Place the rows `x` (n, d)."""
        self.n, self.d = x.shape
        self._x = x
        self.rows = np.empty((self.n, self.d + 2))
        mean = x.mean(axis=0, dtype=np.float64)
        for _ in threads.in_order(lambda span: self._place(span, x[span] - mean), self._blocks()):
            pass
        self.scale = _power_of_two(float(self.rows[:, self.d].max(initial=0.0)) ** 0.5)
        for _ in threads.in_order(self._rescale, self._blocks()):
            pass
        self.magic = 3.0 * 2.0 ** (max(self.n, 2).bit_length() - 1)

    def _blocks(self) -> list[slice]:
        """Blocks of rows, of about the same size."""
        ends = np.linspace(0, self.n, 1 + -(-self.n // PLACED_ROWS)).astype(int).tolist()
        return [slice(*pair) for pair in itertools.pairwise(ends)]

    def _place(self, span: slice, centred: np.ndarray) -> None:
        """Write a block of centred rows (b, d), and their squared lengths."""
        placed = self.rows[span, : self.d]
        placed[:] = centred
        self.rows[span, self.d] = squared_lengths(placed)

    def _rescale(self, span: slice) -> None:
        """Divide a block of rows by the scale."""
        self.rows[span, : self.d] /= self.scale
        self.rows[span, self.d] /= self.scale**2
        self.rows[span, self.d + 1] = 1.0

    @functools.cached_property
    def twins(self) -> np.ndarray:
        """For each row the number of the first one that is the same, (n,)."""
        firsts = distances.twins(self._x)
        return np.arange(self.n) if firsts is None else firsts

    def lengths(self, picked: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Distances (stop - start, m) on the grid, from rows `start` to `stop` to the rows `picked` (m,)."""
        return next(self.chunks(picked, [(start, stop)]))

    def chunks(self, picked: np.ndarray, spans: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
        """Distances (stop - start, m) as of `lengths`, span by span; the next ones overwrite them."""
        left = against(self.rows[picked])
        held = np.empty((_longest(spans), len(picked)))
        for start, stop in spans:
            lengths = held[: stop - start]
            for first in range(start, stop, TILE_ROWS):
                tile = lengths[first - start : first - start + TILE_ROWS]
                self._squared(left, picked, first, tile)
                np.sqrt(tile, out=tile)
                tile += self.magic
                tile -= self.magic
            yield lengths

    def squared(self, picked: np.ndarray) -> np.ndarray:
        """Squared distances (n, m) from all rows to the rows `picked` (m,), off the grid."""
        squares = np.empty((self.n, len(picked)))
        self._squared(against(self.rows[picked]), picked, 0, squares)
        return squares

    def _squared(self, left: np.ndarray, picked: np.ndarray, first: int, tile: np.ndarray) -> None:
        """Fill a tile (t, m) with the squared distances from the rows from `first` on to `picked` (m,)."""
        np.matmul(self.rows[first : first + len(tile)], left.T, out=tile)
        near = tile < NEAR
        if near.any():
            row, column = np.nonzero(near)
            self.settle(tile, row, column, first, picked)

    def settle(self, tile: np.ndarray, row: np.ndarray, column: np.ndarray, first: int, picked: np.ndarray) -> None:
        """Measure the nearest pairs of a tile (t, m) again, one by one, where the product has lost digits.

        The pairs are at `row` and `column` (p,). Too many of them are left as they are, but for identical rows, which
        are at 0.
        """
        left, right = row + first, picked[column]
        apart = left != right
        tile[row, column] = np.maximum(tile[row, column], 0.0) * apart
        most = most_measured(tile.size)
        if apart.sum() > most:
            apart = self.twins[left] != self.twins[right]
            tile[row[~apart], column[~apart]] = 0.0
        if 0 < apart.sum() <= most:
            tile[row[apart], column[apart]] = self.measured(left[apart], right[apart])

    def measured(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Squared distances (p,) of pairs of rows, `left` (p,) and `right` (p,)."""
        size = max(1, GATHERED_BYTES // (8 * self.d))
        placed = self.rows[:, : self.d]
        return np.concatenate(
            [
                squared_lengths(placed[left[start : start + size]] - placed[right[start : start + size]])
                for start in range(0, len(left), size)
            ]
        )


class Rough:
    """The distances of a cloud by products of float32, in less than half the time, on the same grid.

    A square is off by at most about 2^-22 in units of the cloud. Pairs nearer than `ROUGH_NEAR` are measured again. The
    others are multiples of 2^-27 as they are, which is on the grid of up to 2^25 rows.
    """

    def __init__(self, cloud: Cloud):
        """Share the rows of `cloud`, fewer than `ROUGH_MOST`."""
        self.cloud, self.n = cloud, cloud.n

    def suits(self, picked: np.ndarray) -> bool:
        """Whether few pairs are near, of some rows from all over and the first of the rows `picked` (m,).

        In a cloud with rows far outside, all others are near each other.
        """
        rows = np.linspace(0, self.n - 1, min(self.n, LOOKED_AT)).astype(int)
        squares = self.cloud.rows[rows] @ against(self.cloud.rows[picked[:LOOKED_AT]]).T
        return float((squares < ROUGH_NEAR).mean()) <= NEAR_SHARE + 1 / len(rows)

    def chunks(self, picked: np.ndarray, spans: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
        """As `Cloud.chunks`: distances (stop - start, m) to at most `ROUGH_WIDTH` rows `picked`, in one buffer."""
        left = filled(against(self.cloud.rows[picked]), ROUGH_WIDTH)
        held, tile = np.empty((_longest(spans), len(picked))), np.empty((ROUGH_ROWS, ROUGH_WIDTH), np.float32)
        for start, stop in spans:
            lengths = held[: stop - start]
            for first in range(start, stop, ROUGH_ROWS):
                which = np.arange(first, min(first + ROUGH_ROWS, stop))
                rows = filled(self.cloud.rows[first : first + len(which)], ROUGH_ROWS)
                self.measure(tile, rows, left, which, picked, lengths[first - start :][: len(which)])
            yield lengths

    def measure(
        self,
        tile: np.ndarray,
        rows: np.ndarray,
        left: np.ndarray,
        which: np.ndarray,
        picked: np.ndarray,
        lengths: np.ndarray,
    ) -> None:
        """Write the distances from the rows `which` (t,) to `picked` (m,) into `lengths` (t, m).

        The product is written to `tile` (ROUGH_ROWS, ROUGH_WIDTH) float32. The `rows` (ROUGH_ROWS, d + 2) and their
        left factors (ROUGH_WIDTH, d + 2) are `filled` up: of small products BLAS adds in another order, and the bits
        of a pair are not to depend on its company.
        """
        np.matmul(rows, left.T, out=tile)
        tile[len(which) :], tile[:, len(picked) :] = 1.0, 1.0
        near, flat = np.flatnonzero(tile < ROUGH_NEAR), tile.reshape(-1)
        flat[near] = np.maximum(flat[near], 0)
        lengths[:] = np.sqrt(tile, out=tile)[: len(which), : len(picked)]
        # A root may be rounded up to the limit.
        row, column = np.divmod(near[flat[near] < ROUGH_NEAR**0.5], ROUGH_WIDTH)
        if len(row):
            measured = np.sqrt(self.cloud.measured(which[row], picked[column]))
            lengths[row, column] = measured + self.cloud.magic - self.cloud.magic


def filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows (m, d + 2) as (size, d + 2) float32, filled up with zeros."""
    full = np.empty((size, rows.shape[1]), np.float32)
    full[: len(rows)], full[len(rows) :] = rows, 0
    return full


def _longest(spans: Sequence[tuple[int, int]]) -> int:
    """Rows of the longest of some spans of rows."""
    return max(stop - start for start, stop in spans)


def most_measured(pairs: int) -> int:
    """How many pairs of a tile may be measured one by one."""
    return max(FEWEST_MEASURED, int(pairs * MEASURED_SHARE))


def squared_lengths(rows: np.ndarray) -> np.ndarray:
    """Squared lengths (m,) of rows (m, d)."""
    return np.einsum("ij,ij->i", rows, rows)


def against(rows: np.ndarray) -> np.ndarray:
    """The left factor (m, d + 2) of such rows of a cloud: its product with other rows is the squared distances."""
    left = rows * -2.0
    left[:, -2], left[:, -1] = 1.0, rows[:, -2]
    return left


def _power_of_two(bound: float) -> float:
    """The least power of two above `bound`; 1 for 0."""
    return float(2.0 ** np.frexp(bound)[1]) if bound > 0 else 1.0
