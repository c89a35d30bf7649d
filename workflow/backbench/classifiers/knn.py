"""k nearest neighbours: one exact search at the largest k of all members, or the stored graph, then votes.

Equals `sklearn.neighbors.KNeighborsClassifier` (algorithm="brute"): a tied vote goes to the first class. Where training
rows are equally far at the last place, the one with the lower index counts; scikit-learn leaves that open.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from backbench import classifiers
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset()
BLOCKS_MB = 96


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.neighbors.KNeighborsClassifier`."""

    n_neighbors: Annotated[int, Range(low=1)]
    metric: Literal["euclidean", "cosine"]
    weights: Literal["uniform", "distance"]


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    if params.n_neighbors > n_train:
        return [f"n_neighbors = {params.n_neighbors} of {n_train} training rows"]
    return []


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows once more in float32, what is measured of them, and blocks of scores; the neighbours are small beside."""
    return BLOCKS_MB + 8 * (n_train + n_query) * d / classifiers.MB


def neighbours(params: Params, n_train: int) -> tuple[str, int] | None:
    """What is asked of the neighbours of the queries among the training rows."""
    return (params.metric, params.n_neighbors) if params.n_neighbors <= n_train else None


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "Near":
    """Neighbours of the queries, by metric, at the largest number that any member asks for."""
    most: dict[str, int] = {}
    for metric, count in filter(None, (neighbours(member.params, len(train_x)) for member in members)):
        most[metric] = max(most.get(metric, 1), count)
    for metric, count in most.items():
        # A failure is that of the members that ask for it, each of which meets it again.
        with contextlib.suppress(Exception):
            near.nearest(metric, count)
    return near


def predict(
    shared: "Near", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    import numpy as np

    from backbench.classifiers import _votes

    options = task.params
    reasons = problems(options, *train_x.shape, 0)
    if reasons:
        raise ValueError(reasons[0])
    rows, lengths = shared.nearest(options.metric, options.n_neighbors)
    weights = _votes.inverse(lengths) if options.weights == "distance" else _votes.equal(lengths)
    return _votes.prediction(train_y[rows], weights, np.unique(train_y))
