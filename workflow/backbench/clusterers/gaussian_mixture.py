"""Gaussian mixture by expectation maximisation in float64 (Dempster et al. 1977).

Equals `sklearn.mixture.GaussianMixture` on float64 rows for the same seed: the same starts, the same rule of
convergence. A start by k-means that has fewer clusters than k is a start, as there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _rows
    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 96
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
    reasons = clusterers.too_many(k, n)
    needed = {"full": (k or 1) * (d + 1), "tied": d + 1}.get(params.covariance_type, 1)
    if n < needed:
        reasons.append(
            f"{params.covariance_type} covariance of {k} components in {d} dimensions needs {needed} rows; there are "
            f"{n}: reduce the dimensions (chain=pca50) or take covariance_type=diag"
        )
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """Blocks, features or products that are held, responsibilities and covariances of each member."""
    matrices = {"full": 64 * d * d, "tied": 4 * d * d}.get(params.covariance_type, 64 * d)
    return count * BLOCKS_MB + count * (512 * n + 8 * matrices) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to `n_init`."""
    cost = {"full": Cost(1.2, n=1.2, d=1.1, k=1.0), "tied": Cost(0.14, n=1.0, d=1.65, k=0.3)}
    return params.n_init * cost.get(params.covariance_type, Cost(0.12, n=0.9, d=0.95, k=0.8)).at(n, d, k, count)


def way(params: Params) -> str:
    """``full`` for whole covariance matrices: their times are recorded apart from those of variances."""
    return "full" if params.covariance_type in ("full", "tied") else ""


@dataclass(frozen=True)
class Shared:
    """What members share.

    Attributes
    ----------
    once : starts by k-means, equal for members that differ only in their covariances
    most : the largest k, for each seed, of the members whose single start draws equally often
    """

    once: threads.Once
    most: Mapping[tuple[Any, ...], int]


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> Shared:
    """The starts by k-means of the rows (n, d) are shared."""
    most: dict[tuple[Any, ...], int] = {}
    for task in members:
        if task.k is not None and task.k <= len(x):
            most[_draws(task)] = max(task.k, most.get(_draws(task), 0))
    return Shared(threads.Once(), most)


def _draws(task: clusterers.Task) -> tuple[Any, ...]:
    """Equal for members one of whose k-means++ seeds are the first of the other's."""
    from backbench.clusterers import _lloyd

    alone = task.k if task.params.n_init > 1 else None
    return "seeds", task.seed, task.params.n_init, _lloyd.trials(task.clusters), alone


def fit(shared: Shared, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the lower bound, BIC and number of iterations."""
    from backbench.clusterers import _mixture

    options = task.params
    rule = _mixture.Rule(options.tol, options.max_iter, options.reg_covar)
    mixture = _mixture.fit(x, options.covariance_type, _starts(shared, x, task), rule)
    return mixture.labels, {"lower_bound": mixture.lower_bound, "bic": mixture.bic, "n_iter": mixture.n_iter}


def _starts(shared: Shared, x: "np.ndarray", task: clusterers.Task) -> Iterator["np.ndarray"]:
    """Responsibilities (n, k) of each start on the rows (n, d), drawn as scikit-learn does."""
    import numpy as np

    options, n, k = task.params, len(x), task.clusters
    if options.init_params == "kmeans":
        key = ("start", task.k, task.seed, options.n_init)
        for labels in shared.once.get(key, partial(_by_kmeans, shared, x, task)):
            yield _given(n, k, np.arange(n), labels)
        return
    random = np.random.RandomState(task.seed)
    for _ in range(options.n_init):
        if options.init_params == "random":
            shares = random.uniform(size=(n, k))
            yield shares / shares.sum(axis=1, keepdims=True)
        else:
            yield _given(n, k, _seeds(x, task, random), np.arange(k))


def _given(n: int, k: int, rows: "np.ndarray", components: "np.ndarray") -> "np.ndarray":
    """Responsibilities (n, k) of 1 for pairs of a row and a component, both (pairs,), and 0 elsewhere."""
    import numpy as np

    responsibilities = np.zeros((n, k))
    responsibilities[rows, components] = 1
    return responsibilities


def _seeds(x: "np.ndarray", task: clusterers.Task, random: Any) -> "np.ndarray":
    """Numbers (k,) of the rows (n, d) that start the components."""
    from backbench.clusterers import _lloyd, _rows

    if task.params.init_params == "random_from_data":
        return random.choice(len(x), size=task.k, replace=False)
    return _lloyd.starts(_rows.Rows(x), task.clusters, random, 1, float)[0]


def _by_kmeans(shared: Shared, x: "np.ndarray", task: clusterers.Task) -> list["np.ndarray"]:
    """Labels (n,) of one k-means of the rows (n, d) per start (equal to `sklearn.cluster.KMeans` with n_init=1)."""
    from backbench.clusterers import _lloyd

    rows, tol = shared.once.get("rows", partial(_centred, x))
    places = shared.once.get(_draws(task), partial(_most_seeds, shared, rows, task))[:, : task.k]
    return [_lloyd.partition(rows, rows.take(each), START_ITERATIONS, tol) for each in places]


def _centred(x: "np.ndarray") -> tuple["_rows.Rows", float]:
    """The centred rows (n, d), and the tolerance of k-means on them."""
    import numpy as np

    from backbench.clusterers import _lloyd, _rows

    rows = _rows.Rows(x, x.mean(axis=0, dtype=np.float64))
    return rows, _lloyd.tolerance(rows, START_TOL)


def _most_seeds(shared: Shared, rows: "_rows.Rows", task: clusterers.Task) -> "np.ndarray":
    """Numbers (n_init, most) of the rows that start k-means, for the largest k among the members that share them."""
    import numpy as np

    from backbench.clusterers import _lloyd

    most = shared.most.get(_draws(task), task.clusters)
    return _lloyd.starts(rows, most, np.random.RandomState(task.seed), task.params.n_init, float)
