"""Minimum spanning trees of mutual reachability distances (Campello et al. 2013, definition 5) from a neighbour graph.

The mutual reachability of two rows is the largest of their distance and their two core distances; a core distance is
the distance to the neighbour of a given rank, the row itself being the first. Boruvka's algorithm joins each part of
the rows to another one by the shortest edge that leaves it. A pair outside the neighbour graph is at least as long as
the reach of either row, so the graph alone settles most parts, and of the others few rows are searched (`_crossing`).
Memory is proportional to the number of rows.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from backbench.clusterers import _footprint
from backbench.clusterers._crossing import Edges, Rows, joined

if TYPE_CHECKING:
    from backbench.metrics.near import Near

# Most neighbours whose edges a tree starts from
MOST = 15
# Numbers and distances of the nearest neighbours of each row, both (n, depth)
Graph: TypeAlias = tuple[np.ndarray, np.ndarray]
# Lengths between which a tree has to be exact
Range: TypeAlias = tuple[float, float]
EVERY: Range = (-np.inf, np.inf)


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
    """The n - 1 edges of the tree of each rank over the rows (n, d), shortest first."""
    return forests(x, known, dict.fromkeys(ranks, EVERY))


def forests(x: np.ndarray, known: Graph, ranges: Mapping[int, Range]) -> dict[int, Edges]:
    """The edges of the tree of each rank over the rows (n, d) that are as short as its range ends, shortest first.

    Where the tree is cut at no length below that at which the range begins, it need not be the shortest there: edges
    up to that length join what the shortest ones join. Of equal edges those with the lower row numbers are taken;
    neither threads nor other ranks influence which.
    """
    rows = Rows(x)
    return {rank: _forest(rows, known, rank, bounds) for rank, bounds in ranges.items()}


def _forest(rows: Rows, known: Graph, rank: int, bounds: Range) -> Edges:
    growing = _Growing(rows, known, rank, bounds)
    while growing.step():
        pass
    return _sorted(joined(*growing.kept))


class _Growing:
    """Parts of the rows, and the edges that joined them."""

    def __init__(self, rows: Rows, known: Graph, rank: int, bounds: Range):
        """Join what edges of the neighbour graph join that are as short as the lower bound."""
        core, n = core_distances(known, rank), len(known[0])
        count = min(_footprint.depth(rank, n), MOST)
        reach = np.maximum(core, known[1][:, count - 1]) if count else core
        pool = shortest(joined(neighbour_edges(known, rank, count), rows.copies(core)), n)
        self._pool = _where(pool, pool.length <= bounds[1])
        self.kept = [_where(pool, pool.length <= bounds[0])]
        self._part, self._beyond = _parts(self.kept[0].a, self.kept[0].b, n), float(np.nextafter(bounds[1], np.inf))
        self._search = rows.search(core, reach, self._beyond)

    def step(self) -> bool:
        """Join parts by the shortest edges that leave them; False where no two are left that an edge could join."""
        part, pool = self._part, self._pool
        pool = _where(pool, part[pool.a] != part[pool.b])
        limits = np.append(pool.length, self._beyond)[_firsts(pool, part)]
        chosen = _cheapest(self._search.open(part, limits), limits < self._beyond)
        pool = _sorted(joined(pool, self._search.shorter(part, limits, chosen)))
        pool = _where(pool, pool.length < self._beyond)
        firsts = _firsts(pool, part)
        self._search.close((chosen & (firsts == len(pool.a)))[part])
        joining = _where(pool, np.unique(firsts[chosen & (firsts < len(pool.a))]))
        self.kept.append(joining)
        self._pool, self._part = pool, _parts(part[joining.a], part[joining.b], len(limits))[part]
        return bool(chosen.any())


def _firsts(edges: Edges, part: np.ndarray) -> np.ndarray:
    """Place of the first edge at each of the parts (n,) of the rows; the number of edges where it has none."""
    firsts, places = np.full(int(part.max()) + 1, len(edges.a)), np.arange(len(edges.a))
    for ends in (edges.a, edges.b):
        np.minimum.at(firsts, part[ends], places)
    return firsts


def _cheapest(open_: np.ndarray, linked: np.ndarray) -> np.ndarray:
    """Mask (parts,) of the parts to join next, given their numbers (parts,) of `open_` rows.

    `linked` (parts,) says whether a known edge leaves them.
    What is joined without a search makes others settled, or part of the one that needs none: the last one.
    """
    settled = linked & (open_ == 0)
    if settled.any():
        return settled
    chosen, waiting = np.zeros(len(open_), dtype=bool), np.flatnonzero(open_)
    chosen[waiting[np.argsort(open_[waiting], kind="stable")[: len(waiting) // 2]]] = True
    return chosen


def _parts(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Number (n,) of the part of each of n rows when rows `a` are joined to rows `b`, both (edges,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    return connected_components(joined, directed=False)[1]


def _where(edges: Edges, which: np.ndarray) -> Edges:
    """The edges at places, or where a mask (edges,) is true."""
    return Edges(*(values[which] for values in edges))


def _sorted(edges: Edges) -> Edges:
    """Shortest edge first; ties go by row number, the lower one of an edge first."""
    low, high = np.minimum(edges.a, edges.b), np.maximum(edges.a, edges.b)
    return _where(Edges(low, high, edges.length), np.lexsort((high, low, edges.length)))


def shortest(edges: Edges, n: int) -> Edges:
    """The shortest tree, or forest, over the edges, shortest edge first; ties go by row number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high, length = _sorted(edges)
    _, first = np.unique(low * n + high, return_index=True)
    first.sort()
    # The weights are the places in the order: there are no ties among them, and none is 0.
    weights = coo_array((np.arange(1.0, len(first) + 1), (low[first], high[first])), shape=(n, n)).tocsr()
    kept = first[np.sort(minimum_spanning_tree(weights).data).astype(np.int64) - 1]
    return Edges(low[kept], high[kept], length[kept])
