"""UMAP by umap-learn: McInnes, Healy and Melville, "UMAP", arXiv:1802.03426, 2018.

One core and a set seed, for only then umap-learn gives the same result twice. Where all rows are fitted, their
embedding is the one that was optimised, on the exact neighbour graph for euclidean and cosine up to 200,000 rows
(umap-learn's own is approximate from 4,096 on). Where only some are fitted, every row is placed by ``transform``,
the fitted ones too, so that training and test rows are treated alike. float32.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

FITTED = True
# Metrics whose neighbours are found exactly, and up to how many rows: beyond, umap-learn's own search is quicker.
EXACT = ("euclidean", "cosine")
EXACT_ROWS = 200_000


@dataclass(frozen=True)
class Params:
    """Options of ``umap.UMAP``; `n_epochs` null takes 500 up to 10,000 rows and 200 beyond, as umap-learn does."""

    n_components: Annotated[int, Range(low=1)]
    n_neighbors: Annotated[int, Range(low=2)]
    min_dist: Annotated[float, Range(low=0.0)]
    spread: Annotated[float, Range(above=0.0)]
    metric: Literal["euclidean", "cosine", "manhattan", "correlation"]
    init: Literal["spectral", "pca", "random"]
    n_epochs: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0, high=2**32 - 1)]


def problems(params: Params, n_fit: int, d: int) -> list[str]:
    found = []
    if params.n_neighbors >= n_fit:
        found.append(f"n_neighbors = {params.n_neighbors} of {n_fit} fitted rows: at most {n_fit - 1}")
    if params.min_dist > params.spread:
        found.append(f"min_dist = {params.min_dist:g} is above spread = {params.spread:g}")
    if params.init == "spectral" and params.n_components > n_fit - 2:
        found.append(
            f"n_components = {params.n_components} of {n_fit} fitted rows: at most {n_fit - 2} (init: spectral)"
        )
    if params.init == "pca" and params.n_components > min(n_fit, d):
        found.append(f"n_components = {params.n_components}: at most {min(n_fit, d)} (init: pca)")
    return found


def width(params: Params, d: int) -> int:
    return params.n_components


def label(params: Params) -> str:
    return f"umap{params.n_components}"


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    import numpy as np
    from umap import UMAP

    reasons = problems(params, *fit_rows.shape)
    if reasons:
        raise ValueError(reasons[0])
    options = {name: value for name, value in vars(params).items() if name != "seed"}
    with warnings.catch_warnings():
        # What it warns of (parts without a connection, few rows) is in the data, and the result stands.
        warnings.simplefilter("ignore", UserWarning)
        fitted = np.ascontiguousarray(fit_rows, np.float32)
        if fit_rows is rows and params.metric in EXACT and len(rows) <= EXACT_ROWS:
            options["precomputed_knn"] = _graph(fitted, params)
        model = UMAP(**options, random_state=params.seed, transform_seed=params.seed, n_jobs=1)
        model.fit(fitted)
        found = model.embedding_ if fit_rows is rows else model.transform(np.ascontiguousarray(rows, np.float32))
    return np.ascontiguousarray(found, np.float32)


def _graph(x: "np.ndarray", params: Params) -> tuple["np.ndarray", "np.ndarray"]:
    """Each row itself, at 0, and its exact nearest rows: what umap-learn takes as ``precomputed_knn``."""
    import numpy as np

    from backbench.metrics import neighbours

    every = np.arange(len(x))
    rows, lengths = neighbours.nearest(x, x, params.n_neighbors - 1, params.metric, every)
    return (
        np.concatenate([every[:, None], rows], axis=1).astype(np.int32),
        np.concatenate([np.zeros((len(x), 1)), lengths], axis=1).astype(np.float32),
    )
