"""Rows of a matrix as points in the plane: principal components, t-SNE and UMAP, the same bits whatever the threads.

t-SNE (van der Maaten and Hinton 2008) is openTSNE's (Poličar, Stražar and Zupan 2024) and UMAP is umap-learn's
(McInnes, Healy and Melville 2018), both on exact neighbours, which the caller's `near` finds once for both.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backbench import threads
from backbench.metrics import near
from backbench.transforms import _components
from backbench.transforms.umap import _keep_compiled

Progress = Callable[[int, int], None]
Made = tuple[np.ndarray, dict[str, Any]]

SEED = 0
PERPLEXITY = 30
# Neighbours of a row for each unit of perplexity.
NEIGHBOURS_EACH = 3
ROUNDS = (250, 500)
EVERY = 50
# Up to so many rows, a round is so short that threads of OpenMP would wait longer than they work.
ALONE = 5_000
UMAP_OPTIONS: Mapping[str, Any] = {
    **{"n_components": 2, "n_neighbors": 15, "min_dist": 0.1, "spread": 1.0, "metric": "euclidean"},
    **{"init": "spectral", "n_epochs": None},
}


def neighbours(method: str, n: int) -> int:
    """How many neighbours of each of n rows a method uses."""
    if method == "tsne":
        return min(n - 1, NEIGHBOURS_EACH * perplexity(n))
    return min(n, UMAP_OPTIONS["n_neighbors"]) - 1 if method == "umap" else 0


def perplexity(n: int) -> int:
    """30, or less where n rows have no 90 neighbours."""
    return max(1, min(PERPLEXITY, (n - 1) // NEIGHBOURS_EACH))


def embed(method: str, x: np.ndarray, finder: near.Near, progress: Progress) -> Made:
    """Positions (n, 2) float32 of the rows of `x` (n, d) by a method, and information on how they were made.

    Rows that are all the same are one point, whatever the method.

    Raises
    ------
    ValueError
        If values are not finite.
    """
    bad = int(x.size - np.isfinite(x).sum())
    if bad:
        raise ValueError(f"{bad} of {x.size} values of the matrix are not finite")
    if (x == x[:1]).all():
        return np.zeros((len(x), 2), np.float32), {"same": True, "explained": [0.0, 0.0]}
    positions, info = _METHODS[method](x, finder, progress)
    return np.ascontiguousarray(positions, np.float32), info


def pca(x: np.ndarray, finder: near.Near, progress: Progress) -> Made:
    """The first two principal components (n, 2) of `x` (n, d); with one column or two rows, the second is 0."""
    positions = np.zeros((len(x), 2), np.float32)
    count = min(2, *x.shape)
    positions[:, :count] = _components.project(x, x, count, "covariance_eigh", whiten=False)
    whole = float(x.var(axis=0, dtype=np.float64).sum())
    shares = positions.var(axis=0, dtype=np.float64) / whole
    return positions, {"explained": [round(float(share), 6) for share in shares]}


def tsne(x: np.ndarray, finder: near.Near, progress: Progress) -> Made:
    """Positions (n, 2) of `x` (n, d), starting from the principal components.

    Barnes-Hut below 10,000 rows, interpolation on a grid above.
    """
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    wide, jobs = perplexity(len(x)), threads.available() if len(x) > ALONE else 1
    rows, lengths = finder.nearest("euclidean", neighbours("tsne", len(x)))
    graph = PrecomputedNeighbors(np.ascontiguousarray(rows), np.ascontiguousarray(lengths))
    done = _Rounds(progress)
    with warnings.catch_warnings():
        # It warns of few rows, which are a fact of the data.
        warnings.simplefilter("ignore")
        near_to = PerplexityBasedNN(knn_index=graph, perplexity=wide, n_jobs=jobs)
        model = TSNE(
            **{"early_exaggeration_iter": ROUNDS[0], "n_iter": ROUNDS[1], "learning_rate": "auto"},
            **{"n_jobs": jobs, "random_state": SEED, "callbacks": done, "callbacks_every_iters": EVERY},
        )
        positions = model.fit(affinities=near_to, initialization=_start(x, finder))
    return np.asarray(positions), {"perplexity": wide, "neighbours": rows.shape[1], "rounds": sum(ROUNDS)}


class _Rounds:
    """Counts openTSNE's rounds, which restart after the early exaggeration."""

    def __init__(self, progress: Progress):
        self.progress, self.done = progress, 0

    def __call__(self, iteration: int, error: float, positions: np.ndarray) -> None:
        """Called by openTSNE with its positions (n, 2)."""
        self.done += EVERY
        self.progress(min(self.done, sum(ROUNDS)), sum(ROUNDS))


def _start(x: np.ndarray, finder: near.Near) -> np.ndarray:
    """Principal components (n, 2) of `x` (n, d) as openTSNE starts with them: small, with no two rows in one place."""
    from openTSNE import initialization

    positions = pca(x, finder, lambda done, total: None)[0].astype(np.float64)
    small = initialization.rescale(positions)
    return initialization.jitter(small, random_state=SEED)


def umap(x: np.ndarray, finder: near.Near, progress: Progress) -> Made:
    """Positions (n, 2) of `x` (n, d), equal to those of the transform ``umap``, on an existing graph."""
    from umap import UMAP

    _keep_compiled()
    count = neighbours("umap", len(x))
    rows, lengths = finder.nearest("euclidean", count)
    selves = np.arange(len(x))[:, None]
    graph = (
        np.concatenate([selves, rows], axis=1).astype(np.int32),
        np.concatenate([np.zeros((len(x), 1)), lengths], axis=1).astype(np.float32),
    )
    options = {**UMAP_OPTIONS, "n_neighbors": count + 1}
    with warnings.catch_warnings():
        # It warns of unconnected parts and few rows, which are facts of the data.
        warnings.simplefilter("ignore")
        model = UMAP(**options, precomputed_knn=graph, random_state=SEED, transform_seed=SEED, n_jobs=1)
        positions = model.fit(np.ascontiguousarray(x, np.float32)).embedding_
    return positions, {"n_neighbors": count + 1, "min_dist": UMAP_OPTIONS["min_dist"]}


_METHODS: Mapping[str, Callable[[np.ndarray, near.Near, Progress], Made]] = {"pca": pca, "tsne": tsne, "umap": umap}
