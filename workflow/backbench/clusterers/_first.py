"""Hierarchies by first neighbours (Sarfraz, Sharma and Stiefelhagen, "Efficient parameter-free clustering using first
neighbor relations", CVPR 2019), and the merges that lead from one of their levels to a required number of clusters.
"""

import threading

import numpy as np

from backbench import threads
from backbench.metrics import neighbours

BLOCK = 4096


def hierarchy(x: np.ndarray, first: np.ndarray, metric: neighbours.Metric) -> list[np.ndarray]:
    """Labels (n,) of each level from the finest to the coarsest of at least two clusters (algorithm 1).

    Parameters
    ----------
    x : array of shape (n, d)
    first : number (n,) of the nearest other row of each row
    """
    levels: list[np.ndarray] = []
    labels = joined(first)
    while labels.max(initial=0) > 0:
        levels.append(labels)
        centres, _ = means(x, labels)
        near = neighbours.nearest(centres, centres, 1, metric, np.arange(len(centres)))[0][:, 0]
        labels = joined(near)[labels]
    return levels


def joined(first: np.ndarray) -> np.ndarray:
    """Labels (m,) of the parts that the first neighbours (m,) connect, numbered by their first member.

    Two that share a neighbour are connected through it, so equation 1 of the paper needs these links alone.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    m = len(first)
    links = coo_array((np.ones(m, bool), (np.arange(m), first)), shape=(m, m))
    return connected_components(links, directed=False)[1].astype(np.int64)


def means(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (m, d) float64 of the rows (n, d) with each label (n,), and their numbers (m,)."""
    from scipy.sparse import csr_array

    sizes = np.bincount(labels)
    order, ends = np.argsort(labels, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])
    members = csr_array((np.ones(len(x)), order, ends), shape=(len(sizes), len(x)))
    parts = [members[start : start + BLOCK] @ x for start in range(0, len(sizes), BLOCK)]
    return np.concatenate(parts).astype(np.float64) / sizes[:, None], sizes.astype(np.float64)


class Merging:
    """Joins of the two clusters whose means are nearest, one at a time (algorithm 2).

    The nearest pair of means is always a link of first neighbours, so that searching these links finds it. Merges are
    made when first needed; however many others asked for, the first of them are the same.
    """

    def __init__(self, x: np.ndarray, labels: np.ndarray, metric: neighbours.Metric):
        """From rows (n, d) and their clusters (n,)."""
        self._labels, self._cosine = labels, metric == "cosine"
        self._means, self._sizes = means(x, labels)
        self._lengths = (self._means * self._means).sum(axis=1)
        self._alive = np.ones(len(self._sizes), bool)
        self._near = np.full(len(self._sizes), -1)
        self._apart = np.full(len(self._sizes), np.inf)
        self._pairs: list[tuple[int, int]] = []
        self._lock, self._metric = threading.Lock(), metric

    def labels(self, k: int) -> np.ndarray:
        """Labels (n,) of `k` clusters."""
        with self._lock:
            if self._near[0] < 0:
                self._first()
            while len(self._sizes) - len(self._pairs) > k:
                self._merge()
            pairs = self._pairs[: len(self._sizes) - k]
        owner = np.arange(len(self._sizes))
        for kept, merged in reversed(pairs):
            owner[merged] = owner[kept]
        return np.unique(owner[self._labels], return_inverse=True)[1].astype(np.int64)

    def _first(self) -> None:
        """The nearest other mean of each."""
        every = np.arange(len(self._means))
        near, apart = neighbours.nearest(self._means, self._means, 1, self._metric, every)
        self._near, self._apart = near[:, 0], apart[:, 0] if self._cosine else apart[:, 0] ** 2

    def _merge(self) -> None:
        """Join the nearest pair under the lower of its numbers."""
        a = int(np.argmin(self._apart))
        kept, merged = sorted((a, int(self._near[a])))
        self._pairs.append((kept, merged))
        both = self._sizes[kept] + self._sizes[merged]
        weights = self._sizes[[kept, merged]] / both
        self._means[kept] = weights @ self._means[[kept, merged]]
        self._sizes[kept], self._lengths[kept] = both, self._means[kept] @ self._means[kept]
        self._alive[merged], self._apart[merged] = False, np.inf
        for orphan in np.flatnonzero(self._alive & np.isin(self._near, (kept, merged))):
            self._search(int(orphan))
        self._offer(kept, self._search(kept))

    def _search(self, cluster: int) -> np.ndarray:
        """Set the nearest other mean of a cluster; its distances (m,) to all."""
        apart = self._distances(cluster)
        self._near[cluster] = int(np.argmin(apart))
        self._apart[cluster] = apart[self._near[cluster]]
        return apart

    def _offer(self, cluster: int, apart: np.ndarray) -> None:
        """Let a cluster at these distances (m,) be the nearest of those that it is nearer to than theirs."""
        nearer = self._alive & ((apart < self._apart) | ((apart == self._apart) & (cluster < self._near)))
        nearer[cluster] = False
        self._near[nearer], self._apart[nearer] = cluster, apart[nearer]

    def _distances(self, cluster: int) -> np.ndarray:
        """Distances (m,) of all means to one, squared if euclidean; infinite to itself and to those that are joined."""
        products = self._means @ self._means[cluster]
        if self._cosine:
            both = np.sqrt(self._lengths * self._lengths[cluster])
            apart = 1.0 - np.divide(products, both, out=np.zeros(len(both)), where=both > 0)
        else:
            apart = self._lengths + self._lengths[cluster] - 2 * products
        apart = np.maximum(apart, 0.0)
        apart[~self._alive] = np.inf
        apart[cluster] = np.inf
        return apart


class Hierarchy:
    """The levels of rows (n, d), and what leads from them to any number of clusters."""

    def __init__(self, x: np.ndarray, first: np.ndarray, metric: neighbours.Metric):
        """From rows (n, d) and the nearest other row (n,) of each."""
        self._x, self._metric = x, metric
        self.levels = hierarchy(x, first, metric)
        self.counts = [int(labels.max()) + 1 for labels in self.levels]
        self._once = threads.Once()

    def level(self, number: int) -> tuple[np.ndarray, int]:
        """Labels (n,) of a level, counted from the end if negative, and its number; beyond the last it is the last.

        Where all rows are one cluster at once, there is no level of two, and they are one cluster.
        """
        if not self.levels:
            return np.zeros(len(self._x), dtype=np.int64), 0
        last = len(self.levels) - 1
        place = min(number, last) if number >= 0 else max(last + 1 + number, 0)
        return self.levels[place], place

    def cut(self, k: int) -> np.ndarray:
        """Labels (n,) of `k` clusters, by merges from the coarsest level with as many; from the rows if none has."""
        enough = [place for place, count in enumerate(self.counts) if count >= k]
        start = enough[-1] if enough else -1
        if enough and self.counts[start] == k:
            return self.levels[start]
        merging: Merging = self._once.get(start, lambda: Merging(self._x, self._begin(start), self._metric))
        return merging.labels(k)

    def _begin(self, start: int) -> np.ndarray:
        """Labels (n,) of the level to start from, each row by itself before the first."""
        return self.levels[start] if start >= 0 else np.arange(len(self._x))
