"""Nearest centroid, also shrunken (Tibshirani et al. 2002): the centroids of all members in one pass over the rows.

Equals `sklearn.neighbors.NearestCentroid` with uniform priors. Where a column has no spread at all, scikit-learn's
shrunken centroids are NaN; here such a column stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from backbench import classifiers, threads
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset()
BLOCKS_MB = 64


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.neighbors.NearestCentroid`."""

    metric: Literal["euclidean", "manhattan"]
    shrink_threshold: Annotated[float, Range(above=0)] | None


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    found = classifiers.too_few_classes(classes)
    if params.shrink_threshold is not None and n_train <= classes:
        found.append(f"a shrunken centroid needs more training rows than classes; there are {n_train} of {classes}")
    return found


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Blocks of rows, and twice the rows of a class in float64: all of them, in the worst case."""
    return BLOCKS_MB + 16 * n_train * d / classifiers.MB


@dataclass(frozen=True)
class Centroids:
    """The centroids (classes, d), the mean of all rows (d,), and by how much a centroid strays by chance."""

    names: "np.ndarray"
    centres: "np.ndarray"
    overall: "np.ndarray"
    chance: "np.ndarray"

    def shrunken(self, threshold: float | None) -> "np.ndarray":
        """Centroids moved towards the mean by `threshold` times their standard error, and no further than it."""
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
    """Centroids by metric."""
    shared = threads.Once()
    for metric in dict.fromkeys(member.params.metric for member in members):
        shared.attempt(metric, partial(_centroids, train_x, train_y, metric))
    return shared


def predict(
    shared: threads.Once, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    import numpy as np
    from sklearn.metrics import pairwise_distances, pairwise_distances_argmin

    from backbench.metrics import distances

    metric = task.params.metric
    found = shared.get(metric, partial(_centroids, train_x, train_y, metric))
    centres = found.shrunken(task.params.shrink_threshold)

    def nearest(span: tuple[int, int]) -> tuple["np.ndarray", "np.ndarray"]:
        rows = queries[slice(*span)].astype(np.float64)
        places = pairwise_distances_argmin(rows, centres, metric=metric)
        return places, pairwise_distances(rows, centres, metric=metric).astype(np.float32)

    blocks = [*threads.in_order(nearest, distances.spans(*queries.shape))]
    if not blocks:
        return classifiers.Prediction(train_y[:0].astype(np.int64))
    places, lengths = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return classifiers.Prediction(found.names[places].astype(np.int64), decision=-lengths)


def _centroids(train_x: "np.ndarray", train_y: "np.ndarray", metric: str) -> Centroids:
    """Equations 1 to 3 of Tibshirani et al., with the median of the columns' spreads as their s0."""
    import numpy as np

    names, counts = np.unique(train_y, return_counts=True)
    centres, squares, total = np.empty((len(names), train_x.shape[1])), 0.0, 0.0
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
