"""Gaussian mixture by expectation maximisation in float64 (Dempster et al. 1977).

Equals `sklearn.mixture.GaussianMixture` for the same seed: the same starts, the same rule of convergence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 48
START_ITERATIONS, START_TOL = 300, 1e-4


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.mixture.GaussianMixture`."""

    covariance_type: Literal["full", "tied", "diag", "spherical"]
    reg_covar: Annotated[float, Range(low=0)]
    n_init: Annotated[int, Range(low=1)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(low=0)]
    init_params: Literal["kmeans", "k-means++", "random", "random_from_data"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    found = clusterers.too_many(k, n)
    needed = {"full": (k or 1) * (d + 1), "tied": d + 1}.get(params.covariance_type, 1)
    if n < needed:
        found.append(
            f"{params.covariance_type} covariance of {k} components in {d} dimensions needs {needed} rows; there are "
            f"{n}: reduce the dimensions (chain=pca50) or take covariance_type=diag"
        )
    return found


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """Blocks, responsibilities of the start and the covariances of each member; the rows are not copied."""
    matrices = {"full": 64 * d * d, "tied": 4 * d * d}.get(params.covariance_type, 64 * d)
    return count * BLOCKS_MB + count * (512 * n + 8 * matrices) / clusterers.MB


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The starts by k-means, which members share that differ in their covariances."""
    return threads.Once()


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    from backbench.clusterers import _mixture

    options = task.params
    rule = _mixture.Rule(options.tol, options.max_iter, options.reg_covar)
    found = _mixture.fit(x, options.covariance_type, _starts(shared, x, task), rule)
    return found.labels, {"lower_bound": found.lower_bound, "bic": found.bic, "n_iter": found.n_iter}


def _starts(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> Iterator["np.ndarray"]:
    """Responsibilities (n, k) of each start, drawn as scikit-learn draws them."""
    import numpy as np

    options, n = task.params, len(x)
    if options.init_params == "kmeans":
        key = ("start", task.k, task.seed, options.n_init)
        for labels in shared.get(key, partial(_by_kmeans, x, task)):
            yield _given(n, task.k, np.arange(n), labels)
        return
    random = np.random.RandomState(task.seed)
    for _ in range(options.n_init):
        if options.init_params == "random":
            own = random.uniform(size=(n, task.k))
            yield own / own.sum(axis=1, keepdims=True)
        else:
            yield _given(n, task.k, _seeds(x, task, random), np.arange(task.k))


def _given(n: int, k: int, rows: "np.ndarray", components: "np.ndarray") -> "np.ndarray":
    import numpy as np

    found = np.zeros((n, k))
    found[rows, components] = 1
    return found


def _seeds(x: "np.ndarray", task: clusterers.Task, random: Any) -> "np.ndarray":
    from backbench.clusterers import _lloyd, _rows

    if task.params.init_params == "random_from_data":
        return random.choice(len(x), size=task.k, replace=False)
    return _lloyd.starts(_rows.Rows(x), task.k, random, 1, float)[0]


def _by_kmeans(x: "np.ndarray", task: clusterers.Task) -> list["np.ndarray"]:
    """Labels of one k-means from each start (equal to `sklearn.cluster.KMeans` with n_init=1)."""
    import numpy as np

    from backbench.clusterers import _lloyd, _rows

    rows = _rows.Rows(x, x.mean(axis=0, dtype=np.float64))
    tol = _lloyd.tolerance(rows, START_TOL)
    places = _lloyd.starts(rows, task.k, np.random.RandomState(task.seed), task.params.n_init, float)
    found = [_lloyd.climb(rows, rows.take(each), START_ITERATIONS, tol).labels for each in places]
    for labels in found:
        clusterers.warn_of_fewer(labels, task.k)
    return found
