"""UMAP by umap-learn: McInnes, Healy and Melville, "UMAP", arXiv:1802.03426, 2018.

It runs on one core with a set seed: only then does umap-learn give the same result twice. If all rows are fitted,
their embedding is the optimised one, on the exact neighbour graph for euclidean and cosine up to 200,000 rows
(umap-learn's own is approximate from 4,096 on). If only some are fitted, every row is placed by ``transform``, the
fitted ones too, so that training and test rows are treated alike. float32.
"""

import contextlib
import functools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.neighbours import Metric

FITTED = True
# Up to how many rows neighbours are searched exactly: beyond, umap-learn's own search is faster.
EXACT_ROWS = 200_000


@dataclass(frozen=True)
class Params:
    """Options of ``umap.UMAP``; `n_epochs` null means 500 up to 10,000 rows and 200 beyond, as in umap-learn."""

    n_components: Annotated[int, Range(low=1)]
    n_neighbors: Annotated[int, Range(low=2)]
    min_dist: Annotated[float, Range(low=0.0)]
    spread: Annotated[float, Range(above=0.0)]
    metric: Literal["euclidean", "cosine", "manhattan", "correlation"]
    init: Literal["spectral", "pca", "random"]
    n_epochs: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0, high=2**32 - 1)]


def problems(params: Params, n_fit: int, d: int) -> list[str]:
    reasons = []
    if params.n_neighbors >= n_fit:
        reasons.append(f"n_neighbors = {params.n_neighbors} of {n_fit} fitted rows: at most {n_fit - 1}")
    if params.min_dist > params.spread:
        reasons.append(f"min_dist = {params.min_dist:g} is above spread = {params.spread:g}")
    if params.init == "spectral" and params.n_components > n_fit - 2:
        reasons.append(
            f"n_components = {params.n_components} of {n_fit} fitted rows: at most {n_fit - 2} (init: spectral)"
        )
    if params.init == "pca" and params.n_components > min(n_fit, d):
        reasons.append(f"n_components = {params.n_components}: at most {min(n_fit, d)} (init: pca)")
    return reasons


def width(params: Params, d: int) -> int:
    return params.n_components


def label(params: Params) -> str:
    return f"umap{params.n_components}"


def seconds(params: Params, n: int, d: int) -> float:
    """Seconds of one core: what numba compiles (more the first time), the neighbours, 500 rounds of few rows or 200."""
    row = 1.8e-3 if n <= 10_000 else 1.1e-3
    return 2.0 + row * n + Cost(0.261, n=1.91, d=0.65).at(n, d)


def fit_transform(params: Params, fit_rows: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
    """Rows (n, d) embedded by a model of those to fit on (m, d), float32 (n, n_components)."""
    import numpy as np
    from umap import UMAP

    n_fit, d = fit_rows.shape
    reasons = problems(params, n_fit, d)
    if reasons:
        raise ValueError(reasons[0])
    _keep_compiled()
    options = {name: value for name, value in vars(params).items() if name != "seed"}
    with warnings.catch_warnings():
        # It warns of disconnected parts and few rows, which lie in the data; the result is valid.
        warnings.simplefilter("ignore", UserWarning)
        fitted = np.ascontiguousarray(fit_rows, np.float32)
        metric = params.metric
        if fit_rows is rows and (metric == "euclidean" or metric == "cosine") and len(rows) <= EXACT_ROWS:
            options["precomputed_knn"] = _graph(fitted, params.n_neighbors, metric)
        model = UMAP(**options, random_state=params.seed, transform_seed=params.seed, n_jobs=1)
        model.fit(fitted)
        placed = model.embedding_ if fit_rows is rows else model.transform(np.ascontiguousarray(rows, np.float32))
    return np.ascontiguousarray(placed, np.float32)


@functools.cache
def _keep_compiled() -> None:
    """Let numba keep on disk what umap-learn has it compile in every process: 4 s of a few thousand rows' 8.

    Its cache lies beside the library, or in the user's folder where that cannot be written (``NUMBA_CACHE_DIR``).
    """
    from umap import umap_

    for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths):
        with contextlib.suppress(RuntimeError):  # no folder to write to
            function.enable_caching()


def _graph(x: "np.ndarray", count: int, metric: "Metric") -> tuple["np.ndarray", "np.ndarray"]:
    """Each row of (n, d) itself, at distance 0, and its exact nearest rows, both (n, count): ``precomputed_knn``."""
    import numpy as np

    from backbench.metrics import neighbours

    every = np.arange(len(x))
    rows, lengths = neighbours.nearest(x, x, count - 1, metric, every)
    return (
        np.concatenate([every[:, None], rows], axis=1).astype(np.int32),
        np.concatenate([np.zeros((len(x), 1)), lengths], axis=1).astype(np.float32),
    )
