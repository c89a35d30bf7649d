"""Ward's tree of weighted micro-clusters, with memory proportional to their number."""

import numpy as np


class Micro:
    """Micro-clusters of the rows and their tree; empty ones are left out.

    Parameters
    ----------
    x : array of shape (n, d)
    labels : micro-cluster (n,) of each row
    """

    def __init__(self, x: np.ndarray, labels: np.ndarray):
        """From rows (n, d) and labels (n,)."""
        self.codes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        weights = np.bincount(self.codes).astype(np.float64)
        self.count = len(weights)
        self.merges = ward(_sums(x, self.codes, self.count) / weights[:, None], weights)


def _sums(x: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Sums (count, d) of the rows (n, d) with the same code."""
    sums = np.zeros((count, x.shape[1]))
    for start in range(0, len(x), 4096):
        np.add.at(sums, codes[start : start + 4096], x[start : start + 4096].astype(np.float64))
    return sums


def ward(centres: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Merges (m - 1, 4), as scipy has them, of clusters with the given centres (m, d) and weights (m,).

    The nearest-neighbour chain (Murtagh 1983) on centres, without a distance matrix. With weights of one it equals
    `scipy.cluster.hierarchy.ward`.
    """
    centres, weights = centres - np.average(centres, axis=0, weights=weights), weights.astype(np.float64)
    alive = np.ones(len(centres), dtype=bool)
    norms = (centres * centres).sum(axis=1)
    merges: list[tuple[int, int, float]] = []
    chain: list[int] = []
    while len(merges) < len(centres) - 1:
        if not chain:
            chain.append(int(np.argmax(alive)))
        last = chain[-1]
        gain = _gains(centres, norms, weights, last)
        gain[~alive] = np.inf
        gain[last] = np.inf
        near = int(np.argmin(gain))
        if len(chain) > 1 and gain[chain[-2]] <= gain[near]:
            near = chain[-2]
            del chain[-2:]
            merges.append((last, near, np.sqrt(2 * gain[near])))
            _merge(centres, norms, weights, near, last)
            alive[last] = False
        else:
            chain.append(near)
    return _in_order(np.array(merges).reshape(-1, 3), len(centres))


def _gains(centres: np.ndarray, norms: np.ndarray, weights: np.ndarray, cluster: int) -> np.ndarray:
    """Increases (m,) of the sum of squares when the cluster is joined with each other, from centres (m, d)."""
    apart = centres @ (-2.0 * centres[cluster])
    apart += norms + norms[cluster]
    return np.maximum(apart, 0) * (weights * weights[cluster] / (weights + weights[cluster]))


def _merge(centres: np.ndarray, norms: np.ndarray, weights: np.ndarray, kept: int, merged: int) -> None:
    """Merge a cluster into the one that is kept, in centres (m, d), squared norms (m,) and weights (m,)."""
    both = weights[kept] + weights[merged]
    centres[kept] = (weights[kept] * centres[kept] + weights[merged] * centres[merged]) / both
    norms[kept], weights[kept] = centres[kept] @ centres[kept], both


def _in_order(merges: np.ndarray, m: int) -> np.ndarray:
    """Merges (m - 1, 4) by height, each cluster under its number in scipy, from merges (m - 1, 3) of centres."""
    parent, tree = np.arange(2 * m - 1), np.empty((m - 1, 4))
    size = np.ones(2 * m - 1)

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for i, (left, right, height) in enumerate(merges[np.argsort(merges[:, 2], kind="stable")]):
        pair = sorted((root(int(left)), root(int(right))))
        parent[pair] = m + i
        size[m + i] = size[pair].sum()
        tree[i] = *pair, height, size[m + i]
    return tree
