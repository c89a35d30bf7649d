"""Centroids of labelings, and what follows from them: inertia, Davies-Bouldin (1979), Calinski-Harabasz (1974)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from backbench import threads
from backbench.metrics import _cells, distances
from backbench.metrics._cloud import Cloud, against, squared_lengths

BLOCK_BYTES = 1 << 20
HELD_BYTES = 1 << 28
# Up to this number of clusters a product with all centroids is faster than the difference from the one of its cluster.
PRODUCT_CLUSTERS = 32
NEAR = 2.0**-20
REASONS = {"davies_bouldin": "two centroids coincide", "calinski_harabasz": "no cluster has any spread"}


@dataclass(frozen=True)
class Moments:
    """Clusters of one labeling, in the units of the cloud.

    Attributes
    ----------
    count : (k,) rows of each cluster
    centroids : (k, d)
    squares : (n,) squared distance of each row to its own centroid, 0 for noise
    """

    count: np.ndarray
    centroids: np.ndarray
    squares: np.ndarray


def moments(cloud: Cloud, parts: Sequence[np.ndarray]) -> Iterator[Moments]:
    """Counts, centroids and squared distances to the own centroid of each canonical labeling (n,) with a cluster."""
    for group in _groups(cloud, parts):
        sums = list(threads.in_order(lambda part: _cells.adder(part, int(part.max()) + 1) @ cloud.rows, group))
        centroids = [_centroids(total) for total in sums]
        lefts = [against(rows) if len(rows) <= PRODUCT_CLUSTERS else None for rows in centroids]
        squares = np.empty((len(group), cloud.n))
        for _ in threads.in_order(partial(_block, cloud, group, centroids, lefts, squares), _spans(cloud)):
            pass
        for total, rows, lengths in zip(sums, centroids, squares, strict=True):
            yield Moments(total[:, -1], rows[:, : cloud.d], lengths)


def _block(
    cloud: Cloud,
    group: Sequence[np.ndarray],
    centroids: Sequence[np.ndarray],
    lefts: Sequence[np.ndarray | None],
    squares: np.ndarray,
    span: tuple[int, int],
) -> None:
    """Fill the columns `span` of `squares` (labelings, n): labelings (n,), centroids and left factors (k, d + 2)."""
    rows = cloud.rows[span[0] : span[1]]
    for i, part in enumerate(group):
        squares[i, span[0] : span[1]] = _squares(rows, part[span[0] : span[1]], centroids[i], lefts[i])


def _groups(cloud: Cloud, parts: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Labelings (n,) whose centroids and distances fit into memory together."""
    group: list[np.ndarray] = []
    held = 0
    for part in parts:
        size = 8 * (cloud.n + 3 * (cloud.d + 2) * (int(part.max()) + 1))
        if group and held + size > HELD_BYTES:
            yield group
            group, held = [], 0
        group.append(part)
        held += size
    if group:
        yield group


def _spans(cloud: Cloud) -> list[tuple[int, int]]:
    size = max(16, BLOCK_BYTES // (8 * (cloud.d + 2)))
    return [(start, min(start + size, cloud.n)) for start in range(0, cloud.n, size)]


def _centroids(sums: np.ndarray) -> np.ndarray:
    """Centroids, their squared lengths and ones, (k, d + 2) as a cloud has rows, from sums (k, d + 2) of rows."""
    rows = sums / sums[:, -1:]
    rows[:, -2] = squared_lengths(rows[:, :-2])
    return rows


def _squares(rows: np.ndarray, part: np.ndarray, centroids: np.ndarray, left: np.ndarray | None) -> np.ndarray:
    """Squared distances (b,) of the rows (b, d + 2) of a block to the centroids (k, d + 2) of their clusters (b,).

    Where a product with the left factor (k, d + 2) has lost digits, they are measured again.
    """
    if left is None:
        squares = squared_lengths(rows[:, :-2] - centroids[part, :-2])
    else:
        squares = (rows @ left.T)[np.arange(len(rows)), part]
        near = np.flatnonzero(squares < NEAR)
        if len(near):
            squares[near] = squared_lengths(rows[near, :-2] - centroids[part[near], :-2])
    squares[part < 0] = 0.0
    return squares


def inertia(cloud: Cloud, moments: Moments) -> float:
    """Sum of squared distances to the own centroid, in the units of the matrix; noise adds nothing."""
    return float(moments.squares.sum()) * cloud.scale**2


def indices(part: np.ndarray, moments: Moments) -> dict[str, float]:
    """Davies-Bouldin and Calinski-Harabasz of a canonical labeling (n,), NaN where undefined."""
    kept = part >= 0
    radius = np.bincount(part[kept], weights=np.sqrt(moments.squares[kept])) / moments.count
    return {
        "davies_bouldin": _davies_bouldin(moments.centroids, radius),
        "calinski_harabasz": _calinski_harabasz(moments),
    }


def _davies_bouldin(centroids: np.ndarray, radius: np.ndarray) -> float:
    """The index of centroids (k, d) and the mean distances (k,) to them; NaN where two centroids coincide."""
    cloud, k = Cloud(centroids), len(radius)
    least = distances.rounding(cloud.d) * np.abs(centroids).max()
    worst = np.empty(k)
    for start, stop in distances.spans(k, k):
        picked = np.arange(start, stop)
        apart = np.sqrt(cloud.squared(picked)) * cloud.scale
        apart[picked, picked - start] = np.inf
        if apart.min() <= least:
            return float("nan")
        worst[start:stop] = ((radius[:, None] + radius[picked]) / apart).max(axis=0)
    return float(worst.mean())


def _calinski_harabasz(moments: Moments) -> float:
    count, within = moments.count, float(moments.squares.sum())
    mean = (count @ moments.centroids) / count.sum()
    between = float(count @ squared_lengths(moments.centroids - mean))
    if within <= distances.rounding(moments.centroids.shape[1]) ** 2 * between:
        return float("nan")
    return float(between * (count.sum() - len(count)) / (within * (len(count) - 1)))
