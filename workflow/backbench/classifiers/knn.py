"""k nearest neighbours: one exact search at the largest k of all members, then votes.

Equals `sklearn.neighbors.KNeighborsClassifier` (algorithm="brute"): a tied vote goes to the first class. Where training
rows are equally far at the last place, the one with the lower index counts; scikit-learn leaves that open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import classifiers, threads
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
    """Rows in float64 and blocks of distances; the neighbours are small beside them."""
    return BLOCKS_MB + 8 * (n_train + n_query) * d / classifiers.MB


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> threads.Once:
    """Neighbours of the queries, by metric, at the largest number that any member asks for."""
    from backbench.metrics import neighbours

    shared, most = threads.Once(), {}
    for options in (member.params for member in members):
        if options.n_neighbors <= len(train_x):
            most[options.metric] = max(most.get(options.metric, 1), options.n_neighbors)
    for metric, count in most.items():
        shared.attempt(metric, partial(neighbours.nearest, queries, train_x, count, metric))
    return shared


def predict(
    shared: threads.Once, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> tuple["np.ndarray", dict[str, Any]]:
    from backbench.classifiers import _votes
    from backbench.metrics import neighbours

    options = task.params
    reasons = problems(options, *train_x.shape, 0)
    if reasons:
        raise ValueError(reasons[0])
    search = partial(neighbours.nearest, queries, train_x, options.n_neighbors, options.metric)
    rows, lengths = (found[:, : options.n_neighbors] for found in shared.get(options.metric, search))
    weights = _votes.inverse(lengths) if options.weights == "distance" else _votes.equal(lengths)
    return _votes.count(train_y[rows], weights), {}
