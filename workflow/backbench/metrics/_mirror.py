"""Candidates for the nearest rows of all rows among themselves: a product serves the row and the column.

Scores are squared distances, or the cosine with its sign changed, so that those of a block of rows to another one are,
transposed, those of the other one to it: half as many products as for other queries. What they cost in return, passes
over the scores, is little where rows have many columns.
"""

import threading
from itertools import chain

import numpy as np

from backbench import threads
from backbench.metrics import _rough

# Rows of a block; columns, rows and neighbours for which half the products are worth what each row keeps meanwhile
SIDE = 1024
COLUMNS, FEWEST, MOST, COUNT = 192, 3 * SIDE, 1 << 16, 32


def worthwhile(n: int, d: int, count: int) -> bool:
    """Whether the `count` nearest ones of rows (n, d) are found faster so."""
    return d >= COLUMNS and FEWEST <= n <= MOST and count <= COUNT


class Scan:
    """Candidates of every row, found at once; each block of them can be taken once."""

    def __init__(self, space: _rough.Space, count: int):
        """Look for `count` neighbours of each row of a space whose queries are its rows."""
        self._space, self._side, starts = space, _side(space), range(0, len(space), SIDE)
        self._fold = 1 << (_rough.fold(SIDE, count).bit_length() - 1)
        self._blocks = {start: self._block(start, count) for start in starts}
        self._locks = {start: threading.Lock() for start in starts}
        # Neighbouring tiles of the list concern different blocks.
        tiles = chain.from_iterable(zip(starts, starts[gap:], strict=False) for gap in range(len(starts)))
        for _ in threads.in_order(lambda tile: self._add(*tile), tiles):
            pass
        del self._side

    def size(self, count: int) -> int:
        """Queries in a block."""
        return SIDE

    def candidates(
        self, which: np.ndarray, excluded: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As of `neighbours.Finder`, for the rows `which` (m,) of a block."""
        block = self._blocks.pop(int(which[0]))
        return *block.candidates(), block.wide

    def _block(self, start: int, count: int) -> _rough.Block:
        which = np.arange(start, min(start + SIDE, len(self._space)))
        slack = self._space.slack(which, np.float32, mirrored=True)
        return _rough.Block(slack, count, 2 * count + _rough.SPARE, np.float32)

    def _add(self, row: int, column: int) -> None:
        """Let the blocks that start at a row and at a column take in their scores."""
        scores = _mirrored(self._side[row : row + SIDE], self._space) @ self._side[column : column + SIDE].T
        if row == column:
            np.fill_diagonal(scores, np.inf)
        else:
            with self._locks[column]:
                self._blocks[column].add_columns(row, scores, self._fold)
        missing = -scores.shape[1] % self._fold
        if missing:
            scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=np.inf)
        with self._locks[row]:
            self._blocks[row].add(column, scores, self._fold)


def _side(space: _rough.Space) -> np.ndarray:
    """The right side of the products, (n, d or d + 2), in float32."""
    side = np.ones((len(space), space.d if space.cosine else space.d + 2), np.float32)
    space.fill(side, np.arange(len(space)))
    return side


def _mirrored(right: np.ndarray, space: _rough.Space) -> np.ndarray:
    """The left side of the products for the rows of a right side (m, w)."""
    if space.cosine:
        return -right
    left = np.empty_like(right)
    np.multiply(right[:, : space.d], -2, out=left[:, : space.d])
    left[:, space.d], left[:, space.d + 1] = right[:, space.d + 1], right[:, space.d]
    return left
