"""Minimum spanning trees of mutual reachability distances (Campello et al. 2013, definition 5): one pass for all ranks.

The mutual reachability of two rows is the largest of their distance and their two core distances; a core distance is
the distance to the neighbour of a given rank, the row itself being the first. A pair can improve a tree only if it is
closer than the largest gap on the tree's path between the two, so a first tree, from the neighbour graph, rules out
nearly all pairs of a block of distances. Memory is proportional to the number of rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from backbench import threads
from backbench.clusterers import _footprint
from backbench.metrics import distances

if TYPE_CHECKING:
    from backbench.metrics.near import Near

# Most neighbours for a first tree; most pairs per row that a block measures at once; most blocks per round
MOST, PAIRS, BLOCKS = 15, 32, 16
GATHERED = 1 << 17
# Numbers and distances of the nearest neighbours of each row, both (n, depth)
Graph: TypeAlias = tuple[np.ndarray, np.ndarray]


class Edges(NamedTuple):
    """Pairs of rows with their mutual reachability, each (edges,)."""

    a: np.ndarray
    b: np.ndarray
    length: np.ndarray


def core_distances(graph: Graph, rank: int) -> np.ndarray:
    """Distances (n,) of the rows to their neighbours of `rank`, the row itself being the first."""
    return np.ascontiguousarray(graph[1][:, rank - 2]) if rank > 1 else np.zeros(len(graph[1]))


def graph(near: "Near", ranks: Sequence[int]) -> Graph:
    """The neighbours that the trees of all `ranks` start from."""
    n = near.most + 1
    if n == 1:
        return np.empty((1, 0), np.int64), np.empty((1, 0))
    return near.nearest("euclidean", max(_footprint.depth(rank, n) for rank in ranks))


def neighbour_edges(known: Graph, rank: int, count: int) -> Edges:
    """The pairs of each row and its `count` nearest neighbours."""
    core, n = core_distances(known, rank), len(known[0])
    a, b = np.repeat(np.arange(n), count), known[0][:, :count].ravel()
    return Edges(a, b, np.maximum(np.maximum(core[a], core[b]), known[1][:, :count].ravel()))


def trees(x: np.ndarray, known: Graph, ranks: Sequence[int]) -> dict[int, Edges]:
    """The n - 1 edges of the tree of each rank over the rows (n, d), shortest first.

    Blocks of distances are shared by the ranks. A tree grows between rounds of blocks, which depend on the sizes
    alone, so neither threads nor other ranks influence which of two equal edges it takes.
    """
    points = distances.Points(x, centred=True)
    slack = 2 * float(np.square(points.rows).sum(axis=1).max()) * distances.rounding(x.shape[1])
    grown = {rank: _Tree(x, known, rank) for rank in ranks}
    for spans in _rounds(distances.spans(len(x), len(x))):
        again = _round(points, spans, grown, slack)
        for rank, left in again.items():
            while left:
                left = _round(points, left, {rank: grown[rank]}, slack)[rank]
    return {rank: tree.edges for rank, tree in grown.items()}


def _rounds(spans: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """One block, then twice as many each time: the first ones improve a tree most."""
    count = 1
    while spans:
        yield spans[:count]
        spans, count = spans[count:], min(2 * count, BLOCKS)


def _round(
    points: distances.Points, spans: list[tuple[int, int]], grown: Mapping[int, "_Tree"], slack: float
) -> dict[int, list[tuple[int, int]]]:
    """Let the trees take in blocks of rows; the blocks that a tree has not taken in completely, by rank."""

    def pairs(span: tuple[int, int]) -> list[tuple[Edges, bool]]:
        block = points.squared(*span, first=span[0])
        return [tree.pairs(span, block, slack) for tree in grown.values()]

    again: dict[int, list[tuple[int, int]]] = {rank: [] for rank in grown}
    for span, gathered in zip(spans, list(threads.in_order(pairs, spans)), strict=True):
        for (rank, tree), (edges, complete) in zip(grown.items(), gathered, strict=True):
            tree.add(edges)
            if not complete:
                again[rank].append(span)
    for tree in grown.values():
        tree.settle()
    return again


class _Tree:
    """The shortest tree over the pairs taken in so far."""

    def __init__(self, x: np.ndarray, known: Graph, rank: int):
        """From the neighbour graph of the rows (n, d)."""
        self._x, self._core = x, core_distances(known, rank)
        self._new: list[Edges] = []
        self._take(shortest(neighbour_edges(known, rank, min(_footprint.depth(rank, len(x)), MOST)), len(x)))

    def add(self, edges: Edges) -> None:
        if len(edges.a):
            self._new.append(edges)

    def settle(self) -> None:
        """Take in what was added."""
        if self._new:
            joined = Edges(*(np.concatenate(parts) for parts in zip(self.edges, *self._new, strict=True)))
            tree, self._new = shortest(joined, len(self._x)), []
            if not all(np.array_equal(*pair) for pair in zip(self.edges, tree, strict=True)):
                self._take(tree)

    def _take(self, edges: Edges) -> None:
        self.edges = edges
        self._order, self._gaps = _line(edges, len(self._x))
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(self._order))
        self._ordered_core = self._core[self._order]

    def pairs(self, span: tuple[int, int], block: np.ndarray, slack: float) -> tuple[Edges, bool]:
        """Pairs of the rows `span` and later ones that may improve the tree, and whether these are all of them.

        `block` holds squared distances (b, m) between the rows of the span and those from its start on.
        """
        limit = self._limits(span)
        enough = PAIRS * len(block)
        close = block < limit + slack
        complete = bool(np.count_nonzero(close) <= enough)
        if not complete:  # very many equal distances: those within rounding add nothing
            close = block < limit - slack
            complete = bool(np.count_nonzero(close) <= enough)
        if not complete:  # a tree with a very long gap: the shortest of each row first
            block = np.where(close, block, np.inf)
            nearest = block.argmin(axis=1)
            close = np.zeros_like(close)
            close[np.arange(len(block)), nearest] = np.isfinite(block[np.arange(len(block)), nearest])
        a, b = np.nonzero(close)
        return self._measured(a + span[0], b + span[0]), complete

    def _limits(self, span: tuple[int, int]) -> np.ndarray:
        """Squared largest gaps (b, m) from the span to rows from its start on; -inf if a core distance is as large."""
        start, stop = span
        later = self._place[start:]
        rows = start + np.argsort(self._place[start:stop])
        lines = _largest_gaps(self._gaps, self._place[rows])
        limits = np.empty((stop - start, len(later)))
        for row, line in zip(rows, lines, strict=True):
            settled = line <= np.maximum(self._ordered_core, self._core[row])
            line *= line
            np.copyto(line, -np.inf, where=settled)
            np.take(line, later, out=limits[row - start], mode="clip")
        return limits

    def _measured(self, a: np.ndarray, b: np.ndarray) -> Edges:
        """The pairs of rows `a` and `b`, both (pairs,), with their mutual reachability."""
        length = np.maximum(self._core[a], self._core[b])
        size = max(1, GATHERED // self._x.shape[1])
        for start in range(0, len(a), size):
            part = slice(start, start + size)
            apart = self._x[a[part]].astype(np.float64)
            apart -= self._x[b[part]]
            apart *= apart
            np.maximum(length[part], np.sqrt(apart.sum(axis=1)), out=length[part])
        return Edges(a, b, length)


def shortest(edges: Edges, n: int) -> Edges:
    """The shortest tree, or forest, over the edges, shortest edge first; ties go by row number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = np.minimum(edges.a, edges.b), np.maximum(edges.a, edges.b)
    order = np.lexsort((high, low, edges.length))
    low, high, length = low[order], high[order], edges.length[order]
    _, first = np.unique(low * n + high, return_index=True)
    first.sort()
    # The weights are the places in the order: there are no ties among them, and none is 0.
    weights = coo_array((np.arange(1.0, len(first) + 1), (low[first], high[first])), shape=(n, n)).tocsr()
    kept = first[np.sort(minimum_spanning_tree(weights).data).astype(np.int64) - 1]
    return Edges(low[kept], high[kept], length[kept])


def _line(edges: Edges, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) in an order in which each subtree is one stretch, and the gaps (n - 1,) between neighbours.

    The largest gap between two rows is the longest edge on the tree's path between them.
    """
    parent, last, after, gap = list(range(n)), list(range(n)), [-1] * n, [np.inf] * n
    for a, b, length in _rows(edges):
        a, b = _root(parent, a), _root(parent, b)
        if a > b:
            a, b = b, a
        # The root is the first row of its stretch.
        after[last[a]], gap[last[a]] = b, length
        parent[b], last[a] = a, last[b]
    order, gaps = [], []
    for row in range(n):
        if parent[row] == row:
            while row >= 0:
                order.append(row)
                gaps.append(gap[row])
                row = after[row]
    return np.array(order, dtype=np.int64), np.array(gaps[:-1])


def _largest_gaps(gaps: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The largest gap (places, n) between each of the ascending `places` and every place of the line.

    Each place builds on its neighbour among the places: a maximum with one number is faster than a running maximum.
    """
    largest = np.zeros((len(places), len(gaps) + 1))
    before = -1
    for i, place in enumerate(places):
        np.maximum.accumulate(gaps[before + 1 : place][::-1], out=largest[i, before + 1 : place][::-1])
        if i:
            np.maximum(largest[i - 1, : before + 1], gaps[before:place].max(), out=largest[i, : before + 1])
        before = place
    after = len(gaps) + 1
    for i in range(len(places) - 1, -1, -1):
        place = places[i]
        np.maximum.accumulate(gaps[place : after - 1], out=largest[i, place + 1 : after])
        if after <= len(gaps):
            np.maximum(largest[i + 1, after:], gaps[place:after].max(), out=largest[i, after:])
        after = place
    return largest


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


def _rows(edges: Edges) -> Iterator[tuple[int, int, float]]:
    return zip(edges.a.tolist(), edges.b.tolist(), edges.length.tolist(), strict=True)
