"""Edges between parts of the rows: a search for the shortest ones, where a spanning tree needs it (`_reachability`).

Products of float32 find candidates among the rows whose reach allows an edge so short, or products of float64 where
these leave too many; the candidates are measured one by one in float64.
"""

from collections.abc import Iterator
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from backbench import threads
from backbench.metrics import _rough, distances, neighbours

# Most pairs per row that a block measures; rows of one part that are worth blocks of their own
PAIRS, LARGE = 32, 512
TILE_BYTES = 1 << 24


class Edges(NamedTuple):
    """Pairs of rows with their mutual reachability, each (edges,)."""

    a: np.ndarray
    b: np.ndarray
    length: np.ndarray


NONE = Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def joined(*edges: Edges) -> Edges:
    """The edges as a whole."""
    return Edges(*(np.concatenate(parts) for parts in zip(*edges, strict=True)))


class Rows:
    """The rows (n, d) as searches for all ranks compare them."""

    def __init__(self, x: np.ndarray):
        """Take the rows `x` (n, d)."""
        self.x, self._twins = x, distances.twins(x)

    @cached_property
    def space(self) -> _rough.Space:
        return _rough.Space(self.x, self.x, cosine=False)

    def copies(self, core: np.ndarray) -> Edges:
        """Each row that has the values of an earlier one, with the first such row; from core distances (n,)."""
        if self._twins is None:
            return NONE
        copies = np.flatnonzero(self._twins != np.arange(len(core)))
        return Edges(self._twins[copies], copies, core[copies])

    def search(self, core: np.ndarray, reach: np.ndarray, beyond: float) -> "Search":
        """A search of edges shorter than `beyond`, from core distances and reaches (n,); copies are left out."""
        kept = reach < beyond
        if self._twins is not None:
            kept &= self._twins == np.arange(len(kept))
        rows = np.flatnonzero(kept)
        rows = rows[np.argsort(reach[rows], kind="stable")]
        return Search(self, rows, reach[rows], core[rows])


class Search:
    """Rows (m,) by their reach: an edge outside of the neighbour graph is at least as long as the reach of its ends."""

    def __init__(self, rows: Rows, numbers: np.ndarray, reach: np.ndarray, core: np.ndarray):
        """Take the `numbers`, reaches and core distances (m,) of some rows, ascending by reach."""
        self._rows, self._numbers, self._reach, self._core = rows, numbers, reach, core
        self._closed = np.zeros(len(numbers), dtype=bool)

    def open(self, part: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """How many rows of each part may have edges shorter than its limit; `limits` (parts,), `part` (n,) of rows."""
        return np.bincount(part[self._numbers[self._opened(part, limits)]], minlength=len(limits))

    def close(self, without: np.ndarray) -> None:
        """Leave out from now on what no edge leaves: a mask (n,) of rows."""
        self._closed |= without[self._numbers]

    def shorter(self, part: np.ndarray, limits: np.ndarray, chosen: np.ndarray) -> Edges:
        """Edges that leave the parts in the mask `chosen` (parts,), the shortest ones among them.

        Parts whose shortest edge has the length in `limits` (parts,) may have none.
        """
        by_reach = part[self._numbers]
        asked = np.flatnonzero(self._opened(part, limits) & chosen[by_reach])
        blocks = self._blocks(asked, by_reach, limits)
        of_block = partial(self._of_block, part=by_reach, limits=limits)
        return joined(NONE, *threads.in_order(of_block, blocks))

    def _blocks(self, asked: np.ndarray, part: np.ndarray, limits: np.ndarray) -> Iterator["_Block"]:
        """Blocks of the places `asked` (b,) with the others that edges may lead to; large parts have their own."""
        sizes = np.bincount(part[asked], minlength=len(limits))
        groups = np.where(sizes[part[asked]] >= LARGE, part[asked], -1)
        for group in np.unique(groups):
            members = asked[groups == group]
            stops = np.searchsorted(self._reach, limits[part[members]])
            members = members[np.argsort(stops, kind="stable")]
            others, side = np.arange(stops.max()), self._side[: stops.max()]
            if group >= 0:
                others = np.flatnonzero(part[others] != group)
                side = side[others]
            stops = np.searchsorted(others, np.sort(stops))
            for start, stop in distances.spans(len(members), len(others)):
                last = int(stops[stop - 1])
                yield _Block(members[start:stop], others[:last], side[:last], mixed=group < 0)

    def _opened(self, part: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """Mask (m,) of the rows that edges below the `limits` (parts,) may leave; `part` (n,) is that of each row."""
        return (self._reach < limits[part[self._numbers]]) & ~self._closed

    @cached_property
    def _side(self) -> np.ndarray:
        """The rows (m, d) float32 in the order by reach, as the right side of products."""
        return self._rows.space.right(self._numbers, np.float32)

    def _of_block(self, block: "_Block", part: np.ndarray, limits: np.ndarray) -> Edges:
        """Edges of a block up to the `limits` (parts,); `part` (m,) is that of the rows in the order by reach."""
        asked, others = block.asked, block.others
        most, shortest, limits = PAIRS * len(asked), NONE, limits[part[asked]]
        for kind in (np.float32, np.float64):
            scores = self._scores(block, kind)
            if block.mixed:
                scores[part[asked, None] == part[others]] = np.inf
            close = self._close(scores, asked, limits)
            if len(close) > most:
                query, row = self._nearest(scores, block)
                shortest = self._measured(asked[query], others[row])
                lowest = np.full(int(part.max()) + 1, np.inf)
                np.minimum.at(lowest, part[asked[query]], shortest.length)
                limits = np.minimum(limits, lowest[part[asked]])
                close = self._close(scores, asked, limits)
            if len(close) <= most:
                query, row = np.divmod(close, len(others))
                return self._measured(asked[query], others[row])
        # Very many of equal length: others within rounding of the shortest add nothing.
        return shortest

    def _scores(self, block: "_Block", kind: type) -> np.ndarray:
        """Scores (b, c) of the others in a block for the rows that ask."""
        space = self._rows.space
        left = space.queries(self._numbers[block.asked], kind)
        if kind is np.float32:
            return left @ block.side.T
        scores, size = np.empty((len(left), len(block.others))), max(256, TILE_BYTES // (8 * left.shape[1]))
        for start in range(0, len(block.others), size):
            tile = self._numbers[block.others[start : start + size]]
            np.matmul(left, space.right(tile, kind).T, out=scores[:, start : start + len(tile)])
        return scores

    def _close(self, scores: np.ndarray, asked: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """Flat places of the scores (b, c) that may be of edges as short as the `limits` (b,)."""
        space, rows = self._rows.space, self._numbers[asked]
        bounds = space.score(rows, limits) + 2 * space.slack(rows, scores.dtype.type)
        return np.flatnonzero(scores <= bounds.astype(scores.dtype)[:, None])

    def _nearest(self, scores: np.ndarray, block: "_Block") -> tuple[np.ndarray, np.ndarray]:
        """Which rows of a block have an edge, and the other ends of their shortest ones; both (q,) are places in it.

        Core distances enter the scores (b, c).
        """
        core = self._rows.space.scores(self._numbers[block.asked], self._core[block.others], scores.dtype.type)
        np.maximum(scores, core, out=scores)
        row = scores.argmin(axis=1)
        query = np.flatnonzero(np.isfinite(scores[np.arange(len(row)), row]))
        return query, row[query]

    def _measured(self, a: np.ndarray, b: np.ndarray) -> Edges:
        """Edges between the rows at the places `a` and `b`, both (edges,)."""
        x, core = self._rows.x, np.maximum(self._core[a], self._core[b])
        a, b = self._numbers[a], self._numbers[b]
        return Edges(a, b, np.maximum(core, np.sqrt(neighbours.measured(x, x, a, b, None))))


class _Block(NamedTuple):
    """Places, in the order by reach, of rows that ask for edges (b,), of the other ends (c,), and their right side.

    In a `mixed` block some others are in the part of a row that asks.
    """

    asked: np.ndarray
    others: np.ndarray
    side: np.ndarray
    mixed: bool
