"""Multinomial logistic regression with an L2 penalty, by Newton's method or L-BFGS in float64.

Equals `sklearn.linear_model.LogisticRegression` on float64 rows. The penalised loss has one minimum. Newton's method
reaches it in a few steps, however the columns are scaled; L-BFGS moves along narrow valleys, and where it ends depends
on rounding unless the tolerance is small.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import classifiers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
CLASSES = 64
STEPS = 25


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.linear_model.LogisticRegression`; not converging in `max_iter` steps is a failure."""

    C: Annotated[float, Range(above=0)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(above=0)]
    # Added later: what is recorded without it was fitted by L-BFGS.
    solver: Literal["lbfgs", "newton-cg"] = "lbfgs"


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    return classifiers.too_few_classes(classes)


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """Rows in float64; for each member scores and gradients of 64 classes, and the steps that L-BFGS keeps."""
    each = CLASSES * (4 * n_train + 2 * n_query + STEPS * d)
    return 8 * ((n_train + n_query) * d + count * each) / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(1.2, n=1.0, d=0.8).at(n_train, d, None, count)


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> threads.Once:
    """The rows (n, d) and queries (q, d) in float64."""
    return threads.Once()


def predict(
    shared: threads.Once, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), from rows (n, d) and classes (n,)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, asked = shared.get("rows", lambda: (train_x.astype("float64"), queries.astype("float64")))
    options = task.params
    model = LogisticRegression(C=options.C, max_iter=options.max_iter, tol=options.tol, solver=options.solver)
    model.fit(rows, train_y)
    slope = gradient(model, rows, train_y)
    if options.solver == "newton-cg" and slope > options.tol:
        # A step that finds no lower loss ends the iteration of scikit-learn without a word.
        raise ConvergenceWarning(
            f"the largest component of the gradient is {slope:.1e}, above tol = {options.tol:g}, after "
            f"{model.n_iter_.max()} steps, and no step makes the loss smaller; rounding allows no smaller tol."
        )
    return classifiers.by_probabilities(model, asked, {"n_iter": int(model.n_iter_.max()), "gradient": slope})


def gradient(model: Any, rows: "np.ndarray", classes: "np.ndarray") -> float:
    """The largest component of the gradient of the loss at a fitted model, by rows (n, d) and their classes (n,).

    The loss is the mean over the rows with a penalty of ``|coef|^2 / (2 C n)``, as scikit-learn minimises it.
    """
    import numpy as np

    error = model.predict_proba(rows) - (classes[:, None] == model.classes_)
    if len(model.classes_) == 2:
        error = error[:, 1:]
    slopes = error.T @ rows / len(rows) + model.coef_ / (model.C * len(rows))
    return float(max(np.abs(slopes).max(), np.abs(error.mean(axis=0)).max()))
