"""Centroids of labelings, and what follows from them: inertia, Davies-Bouldin (1979), Calinski-Harabasz (1974)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backbench import threads
from backbench.metrics import _cells, distances
from backbench.metrics._cloud import Cloud, against, squared_lengths

BLOCK_BYTES = 1 << 20
HELD_BYTES = 1 << 28
# Up to this number of clusters a product with all centroids is faster than the difference from the own one.
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
    """Counts, centroids and squared distances to the own centroid of each canonical labeling with a cluster."""
    for group in _groups(cloud, parts):
        sums = list(threads.in_order(lambda part: _cells.adder(part, int(part.max()) + 1) @ cloud.rows, group))
        centroids = [_centroids(total) for total in sums]
        lefts = [against(own) if len(own) <= PRODUCT_CLUSTERS else None for own in centroids]
        squares = np.empty((len(group), cloud.n))

        def block(span: tuple[int, int], group=group, centroids=centroids, lefts=lefts, squares=squares) -> None:
            rows = cloud.rows[span[0] : span[1]]
            for i, part in enumerate(group):
                squares[i, span[0] : span[1]] = _squares(rows, part[span[0] : span[1]], centroids[i], lefts[i])

        for _ in threads.in_order(block, _spans(cloud)):
            pass
        for total, own, found in zip(sums, centroids, squares, strict=True):
            yield Moments(total[:, -1], own[:, : cloud.d], found)


def _groups(cloud: Cloud, parts: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Labelings whose centroids and distances fit into memory together."""
    group, held = [], 0
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
    """Centroids (k, d), their squared lengths and ones: rows as a cloud has them."""
    found = sums / sums[:, -1:]
    found[:, -2] = squared_lengths(found[:, :-2])
    return found


def _squares(rows: np.ndarray, own: np.ndarray, centroids: np.ndarray, left: np.ndarray | None) -> np.ndarray:
    """Squared distance of each row of a block to its own centroid; where a product has lost digits, measured again."""
    if left is None:
        found = squared_lengths(rows[:, :-2] - centroids[own, :-2])
    else:
        found = (rows @ left.T)[np.arange(len(rows)), own]
        near = np.flatnonzero(found < NEAR)
        if len(near):
            found[near] = squared_lengths(rows[near, :-2] - centroids[own[near], :-2])
    found[own < 0] = 0.0
    return found


def inertia(cloud: Cloud, own: Moments) -> float:
    """Sum of squared distances to the own centroid, in the units of the matrix; noise adds nothing."""
    return float(own.squares.sum()) * cloud.scale**2


def indices(part: np.ndarray, own: Moments) -> dict[str, float]:
    """Davies-Bouldin and Calinski-Harabasz, NaN where undefined."""
    kept = part >= 0
    radius = np.bincount(part[kept], weights=np.sqrt(own.squares[kept])) / own.count
    return {
        "davies_bouldin": _davies_bouldin(own.centroids, radius),
        "calinski_harabasz": _calinski_harabasz(own),
    }


def _davies_bouldin(centroids: np.ndarray, radius: np.ndarray) -> float:
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


def _calinski_harabasz(own: Moments) -> float:
    count, within = own.count, float(own.squares.sum())
    mean = (count @ own.centroids) / count.sum()
    between = float(count @ squared_lengths(own.centroids - mean))
    if within <= distances.rounding(own.centroids.shape[1]) ** 2 * between:
        return float("nan")
    return float(between * (count.sum() - len(count)) / (within * (len(count) - 1)))
