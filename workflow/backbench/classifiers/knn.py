"""k nearest neighbours: one exact search at the largest k of all members, or the stored graph, then votes.

Equals `sklearn.neighbors.KNeighborsClassifier` (algorithm="brute"): a tied vote goes to the first class. If training
rows are equally far at the last place, the one with the lower index counts; scikit-learn leaves that open. Exponential
weights of cosines are those of Wu et al. (2018), DINO and DINOv2; scikit-learn lacks them.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from backbench import classifiers
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near
    from backbench.metrics.neighbours import Metric

AXES: frozenset[str] = frozenset()
BLOCKS_MB = 96


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.neighbors.KNeighborsClassifier`, and weights of exp(cosine / temperature)."""

    n_neighbors: Annotated[int, Range(low=1)]
    metric: Literal["euclidean", "cosine"]
    weights: Literal["uniform", "distance", "exponential"]
    # Added later; only exponential weights depend on it.
    temperature: Annotated[float, Range(above=0)] = 0.07


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    reasons = []
    if params.weights == "exponential" and params.metric != "cosine":
        reasons.append("exponential weights are of cosines: give classifier.metric=cosine")
    if params.n_neighbors > n_train:
        reasons.append(f"n_neighbors = {params.n_neighbors} of {n_train} training rows")
    return reasons


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """A copy of the rows in float32, their norms, and blocks of scores; the neighbours are small in comparison."""
    return BLOCKS_MB + 8 * (n_train + n_query) * d / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.01, n=1.0, d=0.0, shared=Cost(0.3, n=1.6, d=0.65)).at(n_train, d, None, count)


def neighbours(params: Params, n_train: int) -> tuple["Metric", int] | None:
    """Metric and number of the neighbours of the queries among the training rows."""
    return (params.metric, params.n_neighbors) if params.n_neighbors <= n_train else None


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "Near":
    """Neighbours of the queries (q, d) among the rows (n, d), by metric, at the largest number of any member."""
    most: dict[Metric, int] = {}
    for metric, count in filter(None, (neighbours(member.params, len(train_x)) for member in members)):
        most[metric] = max(most.get(metric, 1), count)
    for metric, count in most.items():
        # A failure is raised again for each member that asks for it.
        with contextlib.suppress(Exception):
            near.nearest(metric, count)
    return near


def predict(
    shared: "Near", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), from rows (n, d) and classes (n,)."""
    import numpy as np

    from backbench.classifiers import _votes

    options = task.params
    n, d = train_x.shape
    reasons = problems(options, n, d, 0)
    if reasons:
        raise ValueError(reasons[0])
    rows, lengths = shared.nearest(options.metric, options.n_neighbors)
    weigh = {"uniform": _votes.equal, "distance": _votes.inverse}
    weigh["exponential"] = partial(_votes.exponential, temperature=options.temperature)
    return _votes.prediction(train_y[rows], weigh[options.weights](lengths), np.unique(train_y))
