"""Exact nearest rows of a matrix that is searched many times.

The neighbours and distances are those of ``metrics.neighbours.nearest``, bit for bit. What that function computes of
the rows at each call (their lengths, their mean, which of them are copies) is computed once here, so that a single
query costs one product with the rows.

Products of float32 score the rows, and a few more than are asked for are measured in float64. If the last of these
scores lies behind the last neighbour by more than the rounding errors of both (Higham, "Accuracy and Stability of
Numerical Algorithms", 2002, section 3.1), no other row can be among the nearest. Otherwise, as with many copies of one
row, ``neighbours.nearest`` is asked.
"""

from collections.abc import Sequence

import numpy as np

from backbench import threads
from backbench.metrics import _rough, neighbours

# Queries of a block, rows of a tile, and rows that are measured beyond those asked for.
BLOCK, TILE, SPARE = 64, 8192, 32
# Lengths for which no product of float32 is too large or too small.
LEAST, MOST = 1e-12, 1e12
UNIT = float(np.finfo(np.float32).eps) / 2


class Exact:
    """The rows (n, d) of a space, ready to be searched; nothing is copied."""

    def __init__(self, rows: np.ndarray, metric: neighbours.Metric):
        """Look at every row of (n, d) once."""
        self._rows, self._metric, self._cosine = rows, metric, metric == "cosine"
        self._mean = np.zeros(rows.shape[1]) if self._cosine else rows.mean(axis=0, dtype=np.float64)
        self._lengths = lengths(rows, self._mean)
        self._farthest = float(self._lengths.max(initial=0.0))
        self._longest = self._farthest + float(np.sqrt(_rough.dots(self._mean[None], self._mean[None]))[0])
        inverse = np.divide(1.0, self._lengths, out=np.zeros(len(rows)), where=self._lengths > 0)
        self._factors = inverse.astype(np.float32) if self._cosine else np.square(self._lengths).astype(np.float32)
        some = self._lengths[self._lengths > 0]
        self._safe = rows.dtype == np.float32 and self._longest < MOST and bool(some.min(initial=1.0) > LEAST)

    def nearest(
        self, queries: np.ndarray, count: int, excluded: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances (q, count) of the nearest rows of queries (q, d), as ``neighbours.nearest`` gives them.

        `excluded` (q,) is the row that each query is itself, -1 for none.
        """
        limit = len(self._rows) - (excluded is not None)
        if not 1 <= count <= limit:
            raise ValueError(f"{count} neighbours are asked for; there are {limit} rows to choose from")
        if not self._safe:
            return neighbours.nearest(queries, self._rows, count, self._metric, excluded)
        blocks = [np.arange(start, min(start + BLOCK, len(queries))) for start in range(0, len(queries), BLOCK)]
        without = np.full(len(queries), -1) if excluded is None else excluded
        parts = list(threads.in_order(lambda which: self._block(queries[which], count, without[which]), blocks))
        if not parts:
            return np.empty((0, count), np.int64), np.empty((0, count))
        indices, distances, certain = (np.concatenate(each) for each in zip(*parts, strict=True))
        open_ = np.flatnonzero(~certain)
        if len(open_):
            left = None if excluded is None else excluded[open_]
            answer = neighbours.nearest(queries[open_], self._rows, count, self._metric, left)
            indices[open_], distances[open_] = answer
        return indices, distances

    def _block(
        self, queries: np.ndarray, count: int, excluded: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows and distances (m, count) of queries (m, d), and of which of them these are certain, (m,)."""
        left, slack = self._left(queries)
        depth = min(count + SPARE, len(self._rows))
        scores, rows = self._least(left, depth, excluded)
        last, bound = np.partition(scores, count - 1, axis=1)[:, count - 1], scores.max(axis=1)
        # A row that was left out scores at least `bound`, and would have to beat `last`.
        certain = (bound - last > 2 * slack) | (depth == len(self._rows))
        certain &= np.isfinite(last)
        query, place = np.nonzero(np.isfinite(scores))
        indices, distances = ranked(queries, self._rows, query, rows[query, place], count, self._metric)
        return indices, distances, certain

    def _left(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The left sides (m, d) float32 of the products for queries (m, d), and bounds (m,) of the scores' errors."""
        placed = queries.astype(np.float64) - self._mean
        length = np.sqrt(_rough.dots(placed, placed))
        if self._cosine:
            left = -np.divide(placed, length[:, None], out=np.zeros_like(placed), where=length[:, None] > 0)
            terms = np.ones(len(left))
        else:
            left = -2.0 * placed
            terms = 2 * length * self._longest + self._farthest**2 + (length + self._longest) ** 2
        outside = (length >= MOST) | ((length > 0) & (length <= LEAST))
        return left.astype(np.float32), np.where(outside, np.inf, 2 * UNIT * (left.shape[1] + 40) * terms)

    def _least(self, left: np.ndarray, depth: int, excluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The `depth` least scores (m, depth) for left sides (m, d), and their rows (m, depth), in no order.

        `excluded` (m,) are rows whose score is infinite.
        """
        scores, rows = np.empty((len(left), 0), np.float32), np.empty((len(left), 0), np.int64)
        for start in range(0, len(self._rows), TILE):
            part = self._rows[start : start + TILE]
            tile = left @ part.T
            factors = self._factors[start : start + TILE]
            tile = np.multiply(tile, factors, out=tile) if self._cosine else np.add(tile, factors, out=tile)
            here = np.flatnonzero((excluded >= start) & (excluded < start + len(part)))
            tile[here, excluded[here] - start] = np.inf
            near, numbers = _first(tile, np.broadcast_to(np.arange(start, start + len(part)), tile.shape), depth)
            both = np.concatenate([scores, near], axis=1), np.concatenate([rows, numbers], axis=1)
            scores, rows = _first(*both, depth)
        return scores, rows


def lengths(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Lengths (n,) of rows (n, d) from `mean` (d,), in float64."""
    values = np.empty(len(rows))
    for start, stop in _rough.chunks(len(rows), rows.shape[1]):
        part = rows[start:stop].astype(np.float64) - mean
        values[start:stop] = np.sqrt(_rough.dots(part, part))
    return values


def ranked(
    queries: np.ndarray,
    rows: np.ndarray,
    query: np.ndarray,
    row: np.ndarray,
    count: int,
    metric: neighbours.Metric,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of candidates, with distances in float64, (m, count); -1 and inf where a query has too few.

    Parameters
    ----------
    queries, rows : arrays (m, d) and (n, d)
    query, row : the candidates (p,): each query with a row
    """
    order = np.lexsort((row, query))
    query, row = query[order], row[order]
    numbers, place = np.unique(row, return_inverse=True)
    some = np.ascontiguousarray(rows[numbers])
    measures = None
    if metric == "cosine":
        zero = np.zeros(rows.shape[1])
        measures = lengths(queries, zero), lengths(some, zero)
    length = neighbours.measured(queries, some, query, place, measures)
    indices, distances = neighbours.ordered(query, row, length, (len(queries), count))
    return indices, distances if metric == "cosine" else np.sqrt(distances)


def _first(scores: np.ndarray, rows: np.ndarray, depth: int) -> Sequence[np.ndarray]:
    """The `depth` least of scores (m, w) and their rows (m, w), in no order."""
    if scores.shape[1] <= depth:
        return scores, np.asarray(rows)
    order = np.argpartition(scores, depth - 1, axis=1)[:, :depth]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
