"""Exact nearest neighbours: blocked, and with one answer whatever the block, the threads, the BLAS or the device.

Products of float32 find candidates (`_rough`), or products of float64 where these leave too many; the candidates are
measured again one by one in float64, and these distances decide. Beside the rows there is a copy of them in float32
and, for each thread, one block.
"""

from typing import Literal, Protocol

import numpy as np

from backbench import device, threads
from backbench.metrics import _mirror, _rough

Metric = Literal["euclidean", "cosine"]
# Lengths of queries (q,) and rows (n,).
Lengths = tuple[np.ndarray, np.ndarray]
QUERIES = 512
# Where many neighbours are asked for, a block has fewer queries.
FOUND = 1 << 18
# Products of float64 may leave all rows as candidates, so that fewer queries go at once.
FEW = 32
GATHERED_BYTES = 1 << 19


def nearest(
    queries: np.ndarray, rows: np.ndarray, count: int, metric: Metric, excluded: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest rows of each query, nearest first, the lower index first among equals.

    Equals `sklearn.neighbors.NearestNeighbors` (algorithm="brute") on float64, but for the order of equals. The first
    k of more neighbours are the k neighbours, bit for bit.

    Parameters
    ----------
    queries, rows : arrays of shape (q, d) and (n, d)
    excluded : for each query (q,) the index of the row that it is itself, which is left out, or -1; duplicates of it
        are not

    Returns
    -------
    indices (q, count) int64, distances (q, count) float64; the cosine distance to a row of zeros is 1
    """
    limit = len(rows) - (excluded is not None)
    if not 1 <= count <= limit:
        raise ValueError(f"{count} neighbours are asked for; there are {limit} rows to choose from")
    search = _Search(queries, rows, count, metric, excluded)
    size = search.scan.size(count)
    blocks = [np.arange(start, min(start + size, len(queries))) for start in range(0, len(queries), size)]
    parts = list(threads.in_order(search.block, blocks))
    if not parts:
        return np.empty((0, count), np.int64), np.empty((0, count))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def measured(
    queries: np.ndarray, rows: np.ndarray, query: np.ndarray, row: np.ndarray, lengths: Lengths | None
) -> np.ndarray:
    """Squared euclidean distances (p,) of pairs, `query` (p,) of (q, d) and `row` (p,) of (n, d), in float64.

    Cosine distances where `lengths` are given. The value of a pair depends on these two rows alone.
    """
    size = max(1, GATHERED_BYTES // (8 * max(1, rows.shape[1])))
    values = np.empty(len(query))
    for start in range(0, len(query), size):
        asked, near = query[start : start + size], row[start : start + size]
        left, right = queries[asked].astype(np.float64, copy=False), rows[near].astype(np.float64, copy=False)
        if lengths is None:
            left -= right
            values[start : start + size] = _rough.dots(left, left)
        else:
            both = lengths[0][asked] * lengths[1][near]
            cosine = np.divide(_rough.dots(left, right), both, out=np.zeros(len(asked)), where=both > 0)
            values[start : start + size] = np.maximum(1.0 - cosine, 0.0)
    return values


def ordered(
    query: np.ndarray, row: np.ndarray, length: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of each query and their distances, (q, count), from pairs (p,) sorted by query and row."""
    counts = np.bincount(query, minlength=shape[0])
    place = np.arange(len(query)) - (np.cumsum(counts) - counts)[query]
    lengths = np.full((shape[0], counts.max(initial=shape[1])), np.inf)
    rows = np.full(lengths.shape, -1, dtype=np.int64)
    lengths[query, place], rows[query, place] = length, row
    order = np.argsort(lengths, axis=1, kind="stable")[:, : shape[1]]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(lengths, order, axis=1)


class _Search:
    """One search; of rows with the same values only as many are looked at as can be among the nearest."""

    def __init__(self, queries: np.ndarray, rows: np.ndarray, count: int, metric: Metric, excluded: np.ndarray | None):
        """Search `queries` (q, d) among `rows` (n, d), without the row `excluded` (q,) of each."""
        same = queries is rows
        rows = _real(rows)
        queries = rows if same else _real(queries)
        copies = _rough.copies(rows)
        self.kept = None if copies is None or (copies <= count).all() else np.flatnonzero(copies <= count)
        if self.kept is not None:
            rows = rows[self.kept]
        self.queries, self.rows, self.count, self.excluded = queries, rows, count, self._place(excluded)
        self.space = _rough.Space(queries, rows, metric == "cosine")
        self.lengths = (self.space.query_lengths, self.space.lengths) if self.space.cosine else None
        mirrored = (
            same and self.kept is None and excluded is not None and np.array_equal(excluded, np.arange(len(rows)))
        )
        self.scan = _scan(self.space, count if mirrored else None)

    def block(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours of the queries `which` (m,) and their distances, (m, count)."""
        query, row, wide = self.scan.candidates(which, self._excluded(which), self.count)
        rows, lengths = self._measured(which, query, row)
        many = np.flatnonzero(wide)
        for some in (many[start : start + FEW] for start in range(0, len(many), FEW)):
            query, row = _exactly(self.space, which[some], self._excluded(which[some]), self.count)
            rows[some], lengths[some] = self._measured(which[some], query, row)
        return rows if self.kept is None else self.kept[rows], lengths

    def _measured(self, which: np.ndarray, query: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours of the queries `which` (m,) and their distances, (m, count), among the pairs (p,)."""
        length = measured(self.queries, self.rows, which[query], row, self.lengths)
        rows, lengths = ordered(query, row, length, (len(which), self.count))
        return rows, lengths if self.space.cosine else np.sqrt(lengths)

    def _excluded(self, which: np.ndarray) -> np.ndarray:
        """The row (m,) that each of the queries `which` (m,) is itself, -1 for none."""
        return np.full(len(which), -1) if self.excluded is None else self.excluded[which]

    def _place(self, excluded: np.ndarray | None) -> np.ndarray | None:
        """The place (q,) of each query among the rows that are looked at, -1 where it is none of them."""
        if excluded is None or self.kept is None:
            return excluded
        place = np.searchsorted(self.kept, excluded)
        return np.where(self.kept[np.minimum(place, len(self.kept) - 1)] == excluded, place, -1)


class Finder(Protocol):
    """What finds candidates block by block: `Scan` here, or that of `_rough_torch` on a device."""

    def size(self, count: int) -> int:
        """Queries in a block."""

    def candidates(
        self, which: np.ndarray, excluded: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Query, as its place in `which` (m,), and row (p,) of the candidates; and which queries (m,) have too many."""


class Scan:
    """Candidates by products of float32 on the CPU."""

    def __init__(self, space: _rough.Space):
        self._space = space
        self._right = space.rows(0, len(space), np.float32)

    def size(self, count: int) -> int:
        """Queries in a block."""
        return max(16, min(QUERIES, FOUND // count))

    def candidates(
        self, which: np.ndarray, excluded: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Query, as its place in `which` (m,), and row (p,) of the candidates; and which queries (m,) have too many.

        `excluded` (m,) is the row that each query is itself, -1 for none.
        """
        left, slack = self._space.queries(which, np.float32), self._space.slack(which, np.float32)
        block = _rough.Block(slack, count, 2 * count + _rough.SPARE, np.float32)
        for start in range(0, len(self._right), _rough.TILE):
            if block.wide.all():
                break
            _add(block, left, self._right[start : start + _rough.TILE], start, excluded, count)
        return *block.candidates(), block.wide


def _exactly(space: _rough.Space, which: np.ndarray, excluded: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of the queries `which` (m,), as query and row (p,), by products of float64: as many as there are."""
    left = space.queries(which, np.float64)
    block = _rough.Block(space.slack(which, np.float64), count, None, np.float64)
    size = min(_rough.TILE, max(256, 4 * _rough.CHUNK_BYTES // (8 * (space.d + 1))))
    for start in range(0, len(space), size):
        _add(block, left, space.rows(start, min(start + size, len(space)), np.float64), start, excluded, count)
    return block.candidates()


def _add(
    block: _rough.Block, left: np.ndarray, right: np.ndarray, start: int, excluded: np.ndarray, count: int
) -> None:
    """Add the scores of left (m, w) and right (t, w) sides, without the `excluded` row (m,) of each query."""
    width = len(right)
    fold = _rough.fold(width, count)
    scores = np.empty((len(left), -(-width // fold) * fold), left.dtype)
    np.matmul(left, right.T, out=scores[:, :width])
    scores[:, width:] = np.inf
    here = np.flatnonzero((excluded >= start) & (excluded < start + width))
    scores[here, excluded[here] - start] = np.inf
    block.add(start, scores, fold)


def _scan(space: _rough.Space, mirrored: int | None) -> Finder:
    """What finds candidates in a space: `mirrored` of them for each row where rows are searched among themselves."""
    if device.accelerated():
        from backbench.metrics import _rough_torch

        return _rough_torch.Scan(space)
    if mirrored is not None and _mirror.worthwhile(len(space), space.d, mirrored):
        return _mirror.Scan(space, mirrored)
    return Scan(space)


def _real(x: np.ndarray) -> np.ndarray:
    """Rows (n, d) in float32 or float64, contiguous."""
    kind = x.dtype if x.dtype in (np.float32, np.float64) else np.float64
    return np.ascontiguousarray(x, dtype=kind)
