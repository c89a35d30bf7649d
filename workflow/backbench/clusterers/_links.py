"""Weighted graphs of nearest neighbours, symmetric and without loops."""

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weights = Literal["connectivity", "fuzzy", "jaccard"]
Graph = Literal["union", "mutual"]
BLOCK = 2048
# Rounds of bisection for the width of a row's neighbourhood, far below the precision of its weights
ROUNDS = 64
# Smallest width, as a share of the mean distance to the neighbours (umap-learn's MIN_K_DIST_SCALE)
NARROWEST = 1e-3


def links(rows: np.ndarray, lengths: np.ndarray, graph: Graph, weights: Weights) -> "csr_array":
    """The graph (n, n) of neighbour numbers and distances (n, count), nearest first.

    A link's weight is that of its two directions, w1 and w2: their product if `graph` is mutual, w1 + w2 - w1 w2 if
    union, which for weights of 0 and 1 are "and" and "or".
    """
    n, count = rows.shape
    values = memberships(lengths) if weights == "fuzzy" else np.ones((n, count))
    directed = _sparse(rows, values)
    both = directed.multiply(directed.T)
    joined = both if graph == "mutual" else directed + directed.T - both
    weighted = _jaccard(joined.tocsr(), rows) if weights == "jaccard" else joined.tocsr()
    weighted.sort_indices()
    return weighted


def memberships(lengths: np.ndarray) -> np.ndarray:
    """Weights (n, count) of neighbours at these distances (n, count): exp(-(distance - nearest) / width).

    The width of a row is that at which its weights sum to log2(count + 1) (McInnes et al. 2018, section 3.1); equals
    umap-learn's `fuzzy_simplicial_set` with count + 1 neighbours, which counts the row itself.
    """
    nearest = np.where(lengths > 0, lengths, np.inf).min(axis=1)
    beyond = np.maximum(lengths - np.where(np.isfinite(nearest), nearest, 0.0)[:, None], 0.0)
    low, high, width = np.zeros(len(lengths)), np.full(len(lengths), np.inf), np.ones(len(lengths))
    target = np.log2(lengths.shape[1] + 1)
    for _ in range(ROUNDS):
        wide = np.exp(-beyond / width[:, None]).sum(axis=1) > target
        low, high = np.where(wide, low, width), np.where(wide, width, high)
        width = np.where(np.isfinite(high), (low + np.minimum(high, 1e300)) / 2, 2 * width)
    mean = np.where(np.isfinite(nearest), lengths.mean(axis=1), lengths.mean())
    width = np.maximum(width, NARROWEST * mean)
    return np.where(beyond > 0, np.exp(-beyond / np.where(width > 0, width, 1.0)[:, None]), 1.0)


def _sparse(rows: np.ndarray, values: np.ndarray) -> "csr_array":
    """The directed graph (n, n) with an entry for each neighbour (n, count)."""
    from scipy.sparse import csr_array

    n, count = rows.shape
    ends = np.arange(0, n * count + 1, count)
    graph = csr_array((values.ravel(), rows.ravel(), ends), shape=(n, n), copy=True)
    graph.sort_indices()
    return graph


def _jaccard(graph: "csr_array", rows: np.ndarray) -> "csr_array":
    """The links with the share of neighbours (n, count), the rows themselves included, that both ends have."""
    from scipy.sparse import vstack

    n = len(rows)
    sets = _sparse(np.concatenate([np.arange(n)[:, None], rows], axis=1), np.ones((n, rows.shape[1] + 1)))
    size, turned = rows.shape[1] + 1, sets.T.tocsr()
    parts = []
    for start in range(0, n, BLOCK):
        pattern = graph[start : start + BLOCK]
        parts.append((sets[start : start + BLOCK] @ turned).multiply(pattern))
    shared = vstack(parts).tocsr()
    shared.data /= 2 * size - shared.data
    return shared
