"""Candidates for nearest rows: rough scores from matrix products, and how wrong these may be.

A score orders the rows as their distance to a query does: |b|^2 - 2ab on centred rows for the euclidean distance, -ab
on rows of length 1 for the cosine distance. Whatever order a product sums in, its rounding error is at most
u (d + 1) |a| |b| (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1), so rows whose scores
lie within twice that bound of the `count`-th least may be among the nearest, and no others.
"""

from collections.abc import Callable, Iterator

import numpy as np

from backbench import threads
from backbench.metrics import distances

CHUNK_BYTES = 1 << 22
TILE = 8192
FOLD = 16
PIECE = 4096
# Candidates beyond those that are asked for; a query with more is better off with products of float64.
SPARE = 64

Hits = tuple[np.ndarray, np.ndarray, np.ndarray]
# Scores (p, members) of the members of groups, from the queries and the groups, both (p,).
Members = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Space:
    """Queries and rows as they are compared: shifted to the mean and scaled, or of length 1.

    Parameters
    ----------
    queries, rows : arrays of shape (q, d) and (n, d), which may be one array
    cosine : whether directions are compared
    """

    def __init__(self, queries: np.ndarray, rows: np.ndarray, cosine: bool):
        """Place `queries` (q, d) and `rows` (n, d)."""
        self.cosine, self.d = cosine, rows.shape[1]
        self._queries, self._rows = queries, rows
        self._mean = np.zeros(self.d) if cosine else rows.mean(axis=0, dtype=np.float64)
        self.lengths = self._lengths(rows)
        self.query_lengths = self.lengths if queries is rows else self._lengths(queries)
        most = max(self.lengths.max(initial=0.0), self.query_lengths.max(initial=0.0))
        self._scale = 1.0 if cosine or most == 0 else 2.0 ** -max(np.ceil(np.log2(most)), -1000.0)
        self._reach = 1.0 if cosine else self.lengths.max(initial=0.0) * self._scale

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, start: int, stop: int, kind: type) -> np.ndarray:
        """The right side of the products, (stop - start, d or d + 1), for rows `start` to `stop`."""
        return self.right(np.arange(start, stop), kind)

    def right(self, which: np.ndarray, kind: type) -> np.ndarray:
        """The right side of the products, (m, d or d + 1), for rows `which` (m,)."""
        right = np.empty((len(which), self.d + (not self.cosine)), kind)
        self.fill(right, which)
        return right

    def fill(self, right: np.ndarray, which: np.ndarray) -> None:
        """Write the right side for rows `which` (m,) into the first columns of an array (m, w)."""

        def part(span: tuple[int, int]) -> None:
            rows = which[slice(*span)]
            right[slice(*span), : self.d] = self._placed(self._rows, rows, self.lengths)
            if not self.cosine:
                right[slice(*span), self.d] = (self.lengths[rows] * self._scale) ** 2

        for _ in threads.in_order(part, chunks(len(which), self.d)):
            pass

    def queries(self, which: np.ndarray, kind: type) -> np.ndarray:
        """The left side of the products, (m, d or d + 1), for the queries `which` (m,)."""
        placed = self._placed(self._queries, which, self.query_lengths)
        if self.cosine:
            return (-placed).astype(kind)
        return np.concatenate([-2.0 * placed, np.ones((len(placed), 1))], axis=1).astype(kind)

    def score(self, which: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """The scores (m,) of rows as far as `distances` (m,), euclidean ones, from the queries `which` (m,)."""
        # Scaled, no two rows are further apart than twice the greatest length.
        return np.minimum(distances * self._scale, 4.0) ** 2 - (self.query_lengths[which] * self._scale) ** 2

    def scores(self, which: np.ndarray, distances: np.ndarray, kind: type) -> np.ndarray:
        """As `score`, of each of the `distances` (t,) from each of the queries, (m, t)."""
        return np.subtract.outer(self.score(which, np.zeros(len(which))), -((distances * self._scale) ** 2)).astype(
            kind
        )

    def placed(self, which: np.ndarray, of_queries: bool = False) -> np.ndarray:
        """Rows, or queries, `which` (m,) as (m, d) float32: shifted and scaled, or of length 1."""
        x, lengths = (self._queries, self.query_lengths) if of_queries else (self._rows, self.lengths)
        return self._placed(x, which, lengths).astype(np.float32)

    def slack(self, which: np.ndarray, kind: type, mirrored: bool = False) -> np.ndarray:
        """Bounds (m,) of the errors of scores of the queries `which` (m,), generous, and of distances in float64.

        The `mirrored` scores of euclidean distances are these squared, with the length of the query in them.
        """
        lengths = np.ones(len(which)) if self.cosine else self.query_lengths[which] * self._scale
        terms = lengths if self.cosine else 2 * lengths * self._reach + self._reach**2
        if mirrored and not self.cosine:
            terms = terms + lengths**2
        unit = np.finfo(kind).eps / 2 + np.finfo(np.float64).eps / 2
        return unit * ((self.d + 12) * terms + 10 * (lengths + self._reach) ** 2) + 4 * self.d * np.finfo(kind).tiny

    def _placed(self, x: np.ndarray, which: slice | np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Rows `which` of `x` (n, d) with `lengths` (n,), as (m, d) float64: shifted and scaled, or of length 1."""
        placed = x[which].astype(np.float64)
        if self.cosine:
            return np.divide(placed, lengths[which, None], out=placed, where=lengths[which, None] > 0)
        placed -= self._mean
        placed *= self._scale
        return placed

    def _lengths(self, x: np.ndarray) -> np.ndarray:
        """Lengths (n,) of rows (n, d), shifted where distances are euclidean."""
        lengths = np.empty(len(x))

        def part(span: tuple[int, int]) -> None:
            rows = x[slice(*span)].astype(np.float64)
            if not self.cosine:
                rows -= self._mean
            lengths[slice(*span)] = np.sqrt(dots(rows, rows))

        for _ in threads.in_order(part, chunks(len(x), self.d)):
            pass
        return lengths


class Block:
    """The rows with the least scores for a block of queries, found tile by tile.

    The minima of groups of columns bound the `count`-th least score from above, and only groups whose minimum lies
    below that bound are looked into: one pass over the scores, whatever `count` is.
    """

    def __init__(self, slack: np.ndarray, count: int, most: int | None, kind: type):
        """Start with twice the bounds `slack` (q,), for `count` rows each."""
        self.wide = np.zeros(len(slack), dtype=bool)
        self._slack, self.count, self._most = 2 * slack, count, most
        self._least: np.ndarray = np.full((len(slack), count), np.inf, kind)
        self._hits: list[Hits] = []

    def add(self, start: int, scores: np.ndarray, fold: int) -> None:
        """Take in scores (q, w) of the rows from `start` on; w is a multiple of `fold`, filled up with inf."""
        folded = scores.reshape(len(scores), fold, -1)
        minima = folded.min(axis=1) if fold > 1 else scores
        self._take(start, minima, lambda query, group: folded[query, :, group])

    def add_columns(self, start: int, scores: np.ndarray, fold: int) -> None:
        """As `add`, of scores (w, q) whose columns are the queries."""
        folded = scores.reshape(fold, -1, scores.shape[1])
        minima = np.ascontiguousarray(folded.min(axis=0).T)
        self._take(start, minima, lambda query, group: folded[:, group, query].T)

    def _take(self, start: int, minima: np.ndarray, members: Members) -> None:
        """Take in the rows from `start` on, from the minima (q, groups) of groups of them and the scores of members."""
        both = minima if not self._hits else np.concatenate([self._least, minima], axis=1)
        if both.shape[1] >= self.count:
            self._least = np.partition(both, self.count - 1, axis=1)[:, : self.count]
        else:
            self._least[:, : both.shape[1]] = both
        limit = self._limit()
        near = minima <= limit[:, None]
        if self._most is not None:
            self.wide |= np.count_nonzero(near, axis=1) > self._most
            near[self.wide] = False
        query, group = np.divmod(np.flatnonzero(near), minima.shape[1])
        inside = members(query, group)
        hit, member = np.divmod(np.flatnonzero(inside <= limit[query, None]), inside.shape[1])
        query, row = query[hit], start + group[hit] + minima.shape[1] * member
        self._hits.append((query, row, inside[hit, member]))

    def candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """Query and row (p,) of all candidates, in that order; none for queries that are `wide`: they have too many."""
        query, row, score = (np.concatenate(parts) for parts in zip(*self._hits, strict=True))
        return settled(query, row, score <= self._limit()[query], self.wide, self._most)

    def _limit(self) -> np.ndarray:
        """The score (q,) up to which rows of each query are candidates."""
        return (self._least[:, -1] + self._slack).astype(self._least.dtype)


def fold(width: int, count: int) -> int:
    """Columns of a group, where `count` rows of `width` are looked for."""
    return max(1, min(FOLD, width // (4 * count)))


def settled(
    query: np.ndarray, row: np.ndarray, near: np.ndarray, wide: np.ndarray, most: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Hits that are `near`, as sorted query and row (p,), from those of all hits (h,).

    Marks queries with more than `most` of them in `wide` (q,), and leaves them out. A score of inf means no row.
    """
    query, row = query[near], row[near]
    if most is not None:
        wide |= np.bincount(query, minlength=len(wide)) > most
        kept = ~wide[query]
        query, row = query[kept], row[kept]
    width = int(row.max(initial=0)) + 1
    return np.divmod(np.sort(query * width + row), width)


def dots(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Dot products (m,) of rows (m, d) in float64; each depends on its two rows alone, wherever they are."""
    # Rows wider than a buffer of numpy's would be summed in another order where there is a single one.
    pieces = range(0, left.shape[1], PIECE)
    return sum(
        (np.einsum("ij,ij->i", left[:, i : i + PIECE], right[:, i : i + PIECE]) for i in pieces), np.zeros(len(left))
    )


def chunks(count: int, d: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows that fit a cache in float64."""
    size = max(16, CHUNK_BYTES // (8 * max(1, d)))
    return ((start, min(start + size, count)) for start in range(0, count, size))


def copies(x: np.ndarray) -> np.ndarray | None:
    """How many rows of (n, d) before it have the same bytes, (n,) for each row; None where no two rows are the same.

    Sums modulo 2^64 with odd factors distinguish rows; where they agree, the rows themselves are compared. Rows that
    sum up alike by chance may hide copies, never invent one.
    """
    marks = distances.row_hashes(np.ascontiguousarray(x).view(np.uint32))
    order = np.argsort(marks, kind="stable")
    pairs = np.flatnonzero(marks[order[1:]] == marks[order[:-1]])
    if not len(pairs):
        return None
    same = np.zeros(len(x), dtype=bool)
    for start, stop in chunks(len(pairs), x.shape[1]):
        part = pairs[start:stop]
        same[part + 1] = (x[order[part]] == x[order[part + 1]]).all(axis=1)
    place = np.arange(len(x))
    counts = np.empty(len(x), dtype=np.int64)
    counts[order] = place - np.maximum.accumulate(np.where(same, 0, place))
    return counts
