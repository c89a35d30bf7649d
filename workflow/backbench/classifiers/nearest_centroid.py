"""Nearest centroid, also shrunken (Tibshirani et al. 2002): the centroids of all members in one pass over the rows.

Equals `sklearn.neighbors.NearestCentroid` with uniform priors. If a column has no spread at all, scikit-learn's
shrunken centroids are NaN; here such a column stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from backbench import classifiers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
BLOCKS_MB = 64
# Of a block of queries: at least so many rows, and more of them if they are short
ROWS, VALUES = 512, 1 << 19


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.neighbors.NearestCentroid`."""

    metric: Literal["euclidean", "manhattan"]
    shrink_threshold: Annotated[float, Range(above=0)] | None


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    reasons = classifiers.too_few_classes(classes)
    if params.shrink_threshold is not None and n_train <= classes:
        reasons.append(f"a shrunken centroid needs more training rows than classes; there are {n_train} of {classes}")
    return reasons


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Blocks of rows, and twice the rows of a class in float64: all of them, in the worst case."""
    return BLOCKS_MB + 16 * n_train * d / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.013, n=0.8, d=0.6).at(n_train, d, None, count)


@dataclass(frozen=True)
class Centroids:
    """Classes (c,), centroids (c, d), the mean of all rows (d,), and the standard errors (c, d) of the centroids."""

    names: "np.ndarray"
    centres: "np.ndarray"
    overall: "np.ndarray"
    chance: "np.ndarray"

    def shrunken(self, threshold: float | None) -> "np.ndarray":
        """Centroids (c, d) moved towards the mean by `threshold` times their standard error, but not beyond it."""
        import numpy as np

        if threshold is None:
            return self.centres
        gap = self.centres - self.overall
        return self.overall + np.sign(gap) * np.maximum(np.abs(gap) - threshold * self.chance, 0.0)


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> threads.Once:
    """Centroids of rows (n, d) and classes (n,), by metric."""
    shared = threads.Once()
    for metric in dict.fromkeys(member.params.metric for member in members):
        shared.attempt(metric, partial(_centroids, train_x, train_y, metric))
    return shared


def predict(
    shared: threads.Once, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), from rows (n, d) and classes (n,)."""
    import numpy as np
    from sklearn.metrics import pairwise_distances, pairwise_distances_argmin

    metric = task.params.metric
    centroids = shared.get(metric, partial(_centroids, train_x, train_y, metric))
    centres = centroids.shrunken(task.params.shrink_threshold)

    size = max(ROWS, VALUES // queries.shape[1])

    def nearest(start: int) -> tuple["np.ndarray", "np.ndarray"]:
        """The nearest centroid (b,) of each query of the block from `start` on, and the distances (b, c) to all."""
        rows = queries[start : start + size].astype(np.float64)
        places = pairwise_distances_argmin(rows, centres, metric=metric)
        return places, pairwise_distances(rows, centres, metric=metric).astype(np.float32)

    blocks = [*threads.in_order(nearest, range(0, len(queries), size))]
    if not blocks:
        return classifiers.Prediction(train_y[:0].astype(np.int64))
    places, lengths = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return classifiers.Prediction(centroids.names[places].astype(np.int64), decision=-lengths)


def _centroids(train_x: "np.ndarray", train_y: "np.ndarray", metric: str) -> Centroids:
    """Centroids of rows (n, d) and classes (n,): equations 1 to 3 of Tibshirani et al., s0 the median spread."""
    import numpy as np

    names, counts = np.unique(train_y, return_counts=True)
    d = train_x.shape[1]
    centres, squares, total = np.empty((len(names), d)), np.zeros(d), np.zeros(d)
    for centre, name in zip(centres, names, strict=True):
        rows = train_x[train_y == name].astype(np.float64)
        centre[:] = np.median(rows, axis=0) if metric == "manhattan" else rows.mean(axis=0)
        total = total + rows.sum(axis=0)
        rows -= centre
        rows *= rows
        squares = squares + rows.sum(axis=0)
    spread = np.sqrt(squares / max(len(train_x) - len(names), 1))
    error = np.sqrt(1.0 / counts - 1.0 / len(train_x))
    return Centroids(names, centres, total / len(train_x), error[:, None] * (spread + np.median(spread)))
