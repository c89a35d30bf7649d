"""Multinomial logistic regression with an L2 penalty, by L-BFGS in float64.

Equals `sklearn.linear_model.LogisticRegression` on float64 rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from backbench import classifiers, threads
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset()
CLASSES = 64
STEPS = 25


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.linear_model.LogisticRegression`; not converging in `max_iter` steps is a failure."""

    C: Annotated[float, Range(above=0)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(above=0)]


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    return classifiers.too_few_classes(classes)


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float64; for each member scores and gradients of 64 classes, and the steps that L-BFGS remembers."""
    each = CLASSES * (4 * n_train + 2 * n_query + STEPS * d)
    return 8 * ((n_train + n_query) * d + count * each) / classifiers.MB


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> threads.Once:
    """The rows in float64."""
    return threads.Once()


def predict(
    shared: threads.Once, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    from sklearn.linear_model import LogisticRegression

    rows, asked = shared.get("rows", lambda: (train_x.astype("float64"), queries.astype("float64")))
    options = task.params
    model = LogisticRegression(C=options.C, max_iter=options.max_iter, tol=options.tol, solver="lbfgs")
    model.fit(rows, train_y)
    return classifiers.by_probabilities(model, asked, {"n_iter": int(model.n_iter_.max())})
