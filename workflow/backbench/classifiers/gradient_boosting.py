"""Gradient boosting on histograms (`sklearn.ensemble.HistGradientBoostingClassifier`, whose results it equals).

Members that differ by `max_iter` alone share their trees: without early stopping, those of the smaller model are the
first of the larger one.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from backbench import classifiers
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.classifiers._prefixes import Prefixes
    from backbench.metrics.near import Near

# The seed changes nothing unless columns are drawn, so it is an option (`random_state`) and no axis.
AXES = frozenset()
HISTOGRAM_BYTES = 20
CLASSES = 64
NODE_BYTES = 128


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.ensemble.HistGradientBoostingClassifier`, early stopping off."""

    learning_rate: Annotated[float, Range(above=0)]
    max_iter: Annotated[int, Range(low=1)]
    max_leaf_nodes: Annotated[int, Range(low=2)] | None
    max_depth: Annotated[int, Range(low=1)] | None
    min_samples_leaf: Annotated[int, Range(low=1)]
    l2_regularization: Annotated[float, Range(low=0)]
    max_features: Annotated[float, Range(above=0, high=1)]
    max_bins: Annotated[int, Range(low=2, high=255)]
    random_state: Annotated[int, Range(low=0, high=2**32 - 1)]


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    return classifiers.too_few_classes(classes)


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float64; for each model binned rows, histograms of open leaves, and scores and trees of 64 classes."""
    leaves = _leaves(params, n_train)
    scores = (n_train + n_query) * CLASSES * 24
    trees = params.max_iter * CLASSES * leaves * 2 * NODE_BYTES
    each = 3 * n_train * d + scores + leaves * d * (params.max_bins + 1) * HISTOGRAM_BYTES + trees
    return (8 * (n_train + n_query) * d + count * each) / classifiers.MB


def _leaves(params: Params, n_train: int) -> int:
    """The most leaves that a tree can have."""
    bounds = [params.max_leaf_nodes or n_train, max(1, n_train // params.min_samples_leaf)]
    return min([*bounds, 2 ** min(params.max_depth, 60)] if params.max_depth else bounds)


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> "Prefixes":
    from backbench.classifiers._prefixes import Prefixes

    rows, asked = train_x.astype("float64"), queries.astype("float64")
    models = Prefixes(members, "max_iter", partial(_answers, rows, train_y, asked))
    models.make_beside()
    return models


def predict(
    shared: "Prefixes", train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    return shared.answer(task)


def _answers(
    rows: "np.ndarray", train_y: "np.ndarray", asked: "np.ndarray", task: classifiers.Task, sizes: Collection[int]
) -> dict[int, classifiers.Prediction]:
    """Answers of the first trees of one model, for each number of iterations in `sizes`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    options = {**asdict(task.params), "max_iter": max(sizes)}
    model = HistGradientBoostingClassifier(**options, early_stopping=False).fit(rows, train_y)
    if not len(asked):
        return dict.fromkeys(sizes, classifiers.Prediction(train_y[:0].astype("int64")))
    stages = enumerate(model.staged_decision_function(asked), 1)
    return {size: _prediction(model.classes_, scores) for size, scores in stages if size in sizes}


def _prediction(names: "np.ndarray", scores: "np.ndarray") -> classifiers.Prediction:
    """Classes and probabilities by raw scores (queries, classes); of two classes they are (queries,)."""
    import numpy as np
    from scipy.special import expit, softmax

    if scores.ndim == 1:
        second = expit(scores)
        codes, probabilities = (scores > 0).astype(int), np.column_stack([1 - second, second])
    else:
        codes, probabilities = scores.argmax(axis=1), softmax(scores, axis=1)
    return classifiers.Prediction(names[codes].astype(np.int64), probabilities=probabilities)
