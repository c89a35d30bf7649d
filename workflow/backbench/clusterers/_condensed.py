"""Clusters of a single-linkage tree by their stability (Campello et al. 2013; McInnes and Healy 2017).

Arithmetic and choices among ties follow `sklearn.cluster.HDBSCAN`, whose clusters these equal.
"""

from heapq import heappop, heappush
from typing import Literal, NamedTuple, Protocol

import numpy as np

from backbench.clusterers._crossing import Edges


class Selection(Protocol):
    """The options that select clusters, named as in `sklearn.cluster.HDBSCAN`."""

    @property
    def cluster_selection_method(self) -> Literal["eom", "leaf"]: ...

    @property
    def cluster_selection_epsilon(self) -> float: ...

    @property
    def allow_single_cluster(self) -> bool: ...


class Linkage(NamedTuple):
    """Merges by increasing distance: merge i of nodes `left` and `right` is node n + i, with `size` rows."""

    left: list[int]
    right: list[int]
    distance: list[float]
    size: list[int]


class Condensed(NamedTuple):
    """Clusters, the root first and parents before children, and where each row falls out of which.

    All distances are inverted (lambda). `parent`, `birth` and `size` are (clusters,), the others (n,).
    """

    parent: np.ndarray
    birth: np.ndarray
    size: np.ndarray
    row_parent: np.ndarray
    row_lambda: np.ndarray


def linkage(edges: Edges, n: int) -> Linkage:
    """The single-linkage tree of a graph over n rows, its edges in the order in which Prim's algorithm finds them.

    Several edges may have the same core distance as their length, so their order is a choice: this is scikit-learn's.
    """
    tree = _prim(edges, n)
    order = np.argsort(tree.length)
    merges = Linkage([], [], [], [])
    parent, node, size = list(range(n)), list(range(n)), [1] * n
    for step, i in enumerate(order.tolist()):
        a, b = _root(parent, int(tree.a[i])), _root(parent, int(tree.b[i]))
        merges.left.append(node[a])
        merges.right.append(node[b])
        merges.distance.append(float(tree.length[i]))
        if size[a] < size[b]:
            a, b = b, a
        parent[b], node[a] = a, n + step
        size[a] += size[b]
        merges.size.append(size[a])
    return merges


def _prim(edges: Edges, n: int) -> Edges:
    """The shortest tree in the order in which it grows; ties go to the lowest row, from the first one."""
    begins, ends, lengths = _adjacency(edges, n)
    best, came, inside = [np.inf] * n, [0] * n, [False] * n
    order: list[int] = []
    heap: list[tuple[float, int]] = []
    row = 0
    for _ in range(n - 1):
        inside[row] = True
        for place in range(begins[row], begins[row + 1]):
            other, length = ends[place], lengths[place]
            if not inside[other] and length < best[other]:
                best[other], came[other] = length, row
                heappush(heap, (length, other))
        while inside[row]:
            length, row = heappop(heap)
        order.append(row)
    reached = np.array(order, dtype=np.int64)
    return Edges(np.array(came, dtype=np.int64)[reached], reached, np.array(best)[reached])


def _adjacency(edges: Edges, n: int) -> tuple[list[int], list[int], list[float]]:
    """Where the edges of each row begin in the list of edges, and the other ends and lengths of all edges."""
    near_ends, far_ends = np.concatenate([edges.a, edges.b]), np.concatenate([edges.b, edges.a])
    order = np.argsort(near_ends, kind="stable")
    begins = np.searchsorted(near_ends[order], np.arange(n + 1))
    return begins.tolist(), far_ends[order].tolist(), np.concatenate([edges.length, edges.length])[order].tolist()


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


def condense(tree: Linkage, min_cluster_size: int) -> Condensed:
    """Keep only splits into two parts of at least `min_cluster_size` rows; smaller parts fall out of their cluster."""
    n = len(tree.left) + 1
    parent, birth, size = [-1], [0.0], [n]
    cluster, fallen = [0] * (2 * n - 1), [np.nan] * (2 * n - 1)
    for i in range(n - 2, -1, -1):
        node, children = n + i, (tree.left[i], tree.right[i])
        sizes = [tree.size[child - n] if child >= n else 1 for child in children]
        level = fallen[node]
        inherited = level == level
        if not inherited:
            level = 1.0 / tree.distance[i] if tree.distance[i] > 0 else np.inf
        split = not inherited and min(sizes) >= min_cluster_size
        for child, count in zip(children, sizes, strict=True):
            cluster[child] = cluster[node]
            if split:
                cluster[child] = len(parent)
                parent.append(cluster[node])
                birth.append(level)
                size.append(count)
            elif inherited or count < min_cluster_size:
                fallen[child] = level
    return Condensed(np.array(parent), np.array(birth), np.array(size), np.array(cluster[:n]), np.array(fallen[:n]))


def labels(tree: Condensed, params: Selection) -> np.ndarray:
    """Labels (n,) of the selected clusters; -1 is noise."""
    selected = _leaves(tree) if params.cluster_selection_method == "leaf" else _most_stable(tree, params)
    if params.cluster_selection_epsilon > 0 and selected != {0}:
        selected = {_grown(tree, cluster, params) for cluster in selected}
    owner = np.full(len(tree.parent), -1)
    for cluster, parent in enumerate(tree.parent):
        owner[cluster] = cluster if cluster in selected else owner[parent] if cluster else -1
    chosen = owner[tree.row_parent]
    chosen[(chosen == 0) & ~_dense_enough(tree, params, selected)] = -1
    return chosen.astype(np.int64)


def _stability(tree: Condensed) -> np.ndarray:
    """Excess of mass (clusters,): how long rows and child clusters stay in a cluster, summed."""
    with np.errstate(invalid="ignore"):  # clusters of duplicates are born and die at infinity
        of_rows = np.bincount(tree.row_parent, tree.row_lambda - tree.birth[tree.row_parent], len(tree.parent))
        parents = tree.parent[1:]
        lifetimes = (tree.birth[1:] - tree.birth[parents]) * tree.size[1:]
        return of_rows + np.bincount(parents, lifetimes, len(tree.parent))


def _most_stable(tree: Condensed, params: Selection) -> set[int]:
    """The clusters, none inside another, with the largest sum of stabilities."""
    stability, below = _stability(tree), np.zeros(len(tree.parent))
    chosen = np.zeros(len(tree.parent), dtype=bool)
    for cluster in range(len(tree.parent) - 1, -1, -1):
        chosen[cluster] = not below[cluster] > stability[cluster]
        if cluster:
            below[tree.parent[cluster]] += stability[cluster] if chosen[cluster] else below[cluster]
    chosen[0] &= params.allow_single_cluster
    inside = np.zeros(len(tree.parent), dtype=bool)
    for cluster in range(1, len(tree.parent)):
        inside[cluster] = inside[tree.parent[cluster]] or chosen[tree.parent[cluster]]
    return set(np.flatnonzero(chosen & ~inside).tolist())


def _leaves(tree: Condensed) -> set[int]:
    """The clusters that do not split, except the root."""
    return set(range(1, len(tree.parent))) - set(tree.parent.tolist())


def _grown(tree: Condensed, cluster: int, params: Selection) -> int:
    """The cluster, or its first ancestor that was born at a distance above `cluster_selection_epsilon`."""
    epsilon = params.cluster_selection_epsilon
    if 1 / tree.birth[cluster] >= epsilon:
        return cluster
    while tree.parent[cluster]:
        cluster = int(tree.parent[cluster])
        if 1 / tree.birth[cluster] > epsilon:
            return cluster
    return 0 if params.allow_single_cluster else cluster


def _dense_enough(tree: Condensed, params: Selection, selected: set[int]) -> np.ndarray:
    """Mask (n,) of the rows that belong to the root if it is the only cluster: those that stay as long as any part."""
    if selected != {0}:
        return np.zeros(len(tree.row_lambda), dtype=bool)
    if params.cluster_selection_epsilon > 0:
        return tree.row_lambda >= 1 / params.cluster_selection_epsilon
    parts = np.concatenate([tree.row_lambda[tree.row_parent == 0], tree.birth[1:][tree.parent[1:] == 0]])
    return tree.row_lambda >= parts.max()
