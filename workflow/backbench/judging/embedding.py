"""What a judge needs beside features: a UMAP of them, and a sample of a large collection's rows."""

import warnings

import numpy as np

from backbench.judging.judge import unit
from backbench.metrics import neighbours

NEIGHBOURS, COMPONENTS, SEED = 30, 10, 0
# Fewer rows than these have no UMAP that means anything.
LEAST_ROWS = 15
# Differences between rows of unit length below this are rounding of float32.
SAME = 1e-6
# Rows that judge; more would take time and change little.
MOST_ROWS = 2_000


def sample(n: int, most: int = MOST_ROWS) -> np.ndarray:
    """The rows of `n` that judge, sorted, (rows,) int64: all, or of more than `most` the same sample each time."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(SEED).choice(n, most, replace=False))


def embed(features: np.ndarray) -> np.ndarray:
    """UMAP of features (rows, columns) in 10 dimensions, (rows, 10) float32: for the silhouette of a judge.

    30 exact neighbours by cosine distance, or all other rows where there are fewer; min_dist 0; one core and a fixed
    seed, so that it is the same each time (McInnes, Healy and Melville, arXiv:1802.03426). Fewer than 15 rows are given
    in their principal components after scaling to unit length, (rows, up to 10), and rows that are all the same but for
    their length as zeros (rows, 10).

    Raises
    ------
    ValueError
        If a value is NaN or infinite.
    """
    rows = np.ascontiguousarray(features, np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("features hold NaN or infinity: leave these rows out, or extract them again")
    directions = unit(rows.astype(np.float64))
    if np.ptp(directions, axis=0).max(initial=0.0) < SAME:
        return np.zeros((len(rows), COMPONENTS), np.float32)
    return _components(directions) if len(rows) < LEAST_ROWS else _umap(rows)


def _components(rows: np.ndarray) -> np.ndarray:
    """Principal components (rows, components) float32 of rows (rows, columns)."""
    left, lengths, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    return np.ascontiguousarray((left * lengths)[:, :COMPONENTS], np.float32)


def _umap(rows: np.ndarray) -> np.ndarray:
    """UMAP (rows, 10) float32 of rows (rows, columns)."""
    from umap import UMAP

    count = min(NEIGHBOURS, len(rows) - 1)
    model = UMAP(
        n_neighbors=count,
        n_components=COMPONENTS,
        min_dist=0.0,
        metric="cosine",
        random_state=SEED,
        n_jobs=1,
        precomputed_knn=_neighbours(rows, count),
    )
    with warnings.catch_warnings():
        # It warns of disconnected parts and few rows, which lie in the data; the result is valid.
        warnings.simplefilter("ignore", UserWarning)
        placed = model.fit(rows).embedding_
    return np.ascontiguousarray(placed, np.float32)


def _neighbours(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Each of rows (rows, columns) itself, at distance 0, and its nearest, (rows, count) indices and distances."""
    every = np.arange(len(rows))
    near, lengths = neighbours.nearest(rows, rows, count - 1, "cosine", every)
    return (
        np.concatenate([every[:, None], near], axis=1).astype(np.int32),
        np.concatenate([np.zeros((len(rows), 1)), lengths], axis=1).astype(np.float32),
    )
