"""The sides of the benchmark of layouts: what each does in a process of its own (see `_measure`).

All t-SNEs make 750 rounds from the same principal components at perplexity 30; all UMAPs are seeded, on one core.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backbench import threads
from backbench.metrics.near import Near
from backbench.pictures import _embedding

SEED = _embedding.SEED
ROUNDS = sum(_embedding.ROUNDS)
# umap-learn searches by NN-descent from so many rows on.
SEARCHED = 4096


def search(folder: str, count: int, cores: int, answer: str) -> Callable[[], Any]:
    """The exact neighbours that t-SNE and UMAP share."""
    x = _rows(folder)
    _search(x[:200], 10, cores)

    def work() -> None:
        indices, distances = _search(x, count, cores)
        np.savez(answer, indices=indices, distances=distances)

    return work


def shared(folder: str, method: str, cores: int, graph: str, answer: str) -> Callable[[], Any]:
    """t-SNE or UMAP on the neighbours that `search` has found."""
    x = _rows(folder)
    with np.load(graph) as known:
        stored = {"euclidean": (known["indices"], known["distances"])}
    _embed(method, x[:200], None, cores)
    return lambda: np.save(answer, _embed(method, x, stored, cores))


def opentsne(folder: str, cores: int, answer: str) -> Callable[[], Any]:
    """openTSNE with its own search: Annoy, approximate."""
    import openTSNE

    x, start = _rows(folder), _start(folder)

    def fit(x: np.ndarray, start: np.ndarray) -> np.ndarray:
        own = openTSNE.affinity.PerplexityBasedNN(x, perplexity=30, n_jobs=cores, random_state=SEED)
        model = openTSNE.TSNE(n_jobs=cores, random_state=SEED)
        return np.asarray(model.fit(affinities=own, initialization=start))

    fit(x[:200], start[:200])
    return lambda: np.save(answer, fit(x, start))


def sklearn(folder: str, cores: int, answer: str) -> Callable[[], Any]:
    """scikit-learn's Barnes-Hut t-SNE with its own exact search."""
    from sklearn.manifold import TSNE

    x, start = _rows(folder), _start(folder).astype(np.float32)

    def fit(x: np.ndarray, start: np.ndarray) -> np.ndarray:
        return TSNE(perplexity=30, init=start, max_iter=ROUNDS, n_jobs=cores, random_state=SEED).fit_transform(x)

    fit(x[:200], start[:200])
    return lambda: np.save(answer, fit(x, start))


def umap(folder: str, cores: int, answer: str) -> Callable[[], Any]:
    """umap-learn with its own search: NN-descent above 4,096 rows."""
    from umap import UMAP

    x = _rows(folder)

    def fit(x: np.ndarray) -> np.ndarray:
        return UMAP(**_embedding.UMAP_OPTIONS, random_state=SEED, transform_seed=SEED, n_jobs=1).fit(x).embedding_

    fit(x[:200])
    if len(x) >= SEARCHED:  # another search, which is compiled when it is first used
        fit(np.resize(x, (4200, x.shape[1])) + np.linspace(0, 1, 4200, dtype=np.float32)[:, None])
    return lambda: np.save(answer, fit(x))


def _rows(folder: str) -> np.ndarray:
    return np.load(Path(folder) / "x.npy")


def _start(folder: str) -> np.ndarray:
    return np.load(Path(folder) / "start.npy")


def _search(x: np.ndarray, count: int, cores: int) -> tuple[np.ndarray, np.ndarray]:
    with threads.one_core_each(cores):
        return Near(x).nearest("euclidean", count)


def _embed(method: str, x: np.ndarray, stored: Any, cores: int) -> np.ndarray:
    with threads.one_core_each(cores):
        return _embedding.embed(method, x, Near(x, stored=stored), lambda done, total: None)[0]
