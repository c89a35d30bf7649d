"""Logistic regression whose penalty the validation rows choose, as in the linear evaluation of CLIP and DINOv2.

Fits `values` strengths C, evenly spaced in their logarithm, on the training rows; takes the C with the highest accuracy
on the validation rows, of several the smallest; and fits it again on the training and validation rows together
(Radford et al. 2021, appendix A.3; Oquab et al. 2023, whose evaluation has 45 values from 1e-6 to 1e5 in float64).
Every fit has the minimum of `sklearn.linear_model.LogisticRegression` with that C; see ``_softmax``. The last fit
begins at zero, so that the path to the choice leaves no trace in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from backbench import classifiers
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.classifiers._choice import Candidates
    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
CLASSES = 64
# Weights of a fit and of a step, and the models of all C.
STEPS = 60


@dataclass(frozen=True)
class Params:
    """The range of C, and how exactly each fit is made."""

    lowest: Annotated[float, Range(above=0)]
    highest: Annotated[float, Range(above=0)]
    values: Annotated[int, Range(low=2)]
    refit: bool
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(above=0)]


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    reasons = classifiers.too_few_classes(classes)
    if params.lowest >= params.highest:
        reasons.append(f"lowest = {params.lowest:g} must be below highest = {params.highest:g}")
    return reasons


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """For each member five copies of the rows in float64, their axes, and probabilities and weights of 64 classes."""
    axes = min(n_train, d)
    rows = (3 * n_train + 2 * n_query) * d + 2 * n_train * axes + 3 * axes * max(axes, d)
    return 8 * count * (rows + CLASSES * (6 * n_train + STEPS * axes)) / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to the values of C."""
    return params.values / 45 * Cost(12.0, n=1.05, d=0.8).at(n_train, d, None, count)


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> None:
    """Nothing: each member has a path of fits to rows (n, d) of its own."""


def predict(
    shared: None, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), chosen by some of the rows (n, d) and classes (n,)."""
    from backbench.classifiers import _choice

    return _choice.predict(Search(task.params), train_x, train_y, queries)


def select(
    shared: None,
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    held_y: "np.ndarray",
    task: classifiers.Task,
) -> classifiers.Prediction:
    """The prediction for queries (q, d), chosen by the first of them, whose classes (v,) are known."""
    from backbench.classifiers import _choice

    return _choice.select(Search(task.params), train_x, train_y, queries, held_y, task.teaches)


def final(
    params: Params, seed: int | None, train_x: "np.ndarray", train_y: "np.ndarray", held: classifiers.Held
) -> Any:
    """The fitted classifier for new rows, by rows (n, d), classes (n,) and validation rows."""
    from backbench.classifiers import _choice

    return _choice.final(Search(params), train_x, train_y, held)


@dataclass(frozen=True)
class Search:
    """How candidates are fitted (`_choice.Search`)."""

    params: Params

    @property
    def refit(self) -> bool:
        return self.params.refit

    def candidates(self, rows: "np.ndarray", classes: "np.ndarray", held: classifiers.Held) -> "Candidates":
        """Fits of rows (n, d) and classes (n,) for every C up to the first that does not converge."""
        import numpy as np

        from backbench.classifiers import _choice, _softmax

        options = self.params
        strengths = np.logspace(np.log10(options.lowest), np.log10(options.highest), options.values)
        turned, (names, codes) = _softmax.axes(rows.astype(np.float64)), np.unique(classes, return_inverse=True)
        asked = held.rows.astype(np.float64)
        accuracy = np.full(len(strengths), np.nan)
        models: list[Any] = [None] * len(strengths)
        fits = _softmax.path(turned, codes, strengths.tolist(), options.tol, options.max_iter)
        for place, fit in enumerate(fits):
            if fit.gap > options.tol:  # a larger C is harder still
                break
            models[place] = _softmax.model(turned, fit, names, float(strengths[place]))
            accuracy[place] = (models[place].predict(asked) == held.classes).mean()
        return _choice.Candidates("C", strengths.tolist(), {"C": accuracy.tolist()}, {"C": models})

    def again(self, rows: "np.ndarray", classes: "np.ndarray", choice: Mapping[str, Any]) -> Any:
        """The chosen C on rows (n, d) and classes (n,)."""
        import numpy as np
        from sklearn.exceptions import ConvergenceWarning

        from backbench.classifiers import _softmax

        options, strength = self.params, choice["value"]
        turned, (names, codes) = _softmax.axes(rows.astype(np.float64)), np.unique(classes, return_inverse=True)
        fit = _softmax.single(turned, codes, strength, options.tol, options.max_iter)
        if fit.gap > options.tol:
            raise ConvergenceWarning(
                f"the fit with the chosen C, {strength:.3g}, is {fit.gap:.1e} from its end after {fit.steps} steps, "
                f"above tol = {options.tol:g}; a larger classifier.max_iter or classifier.tol ends it."
            )
        return _softmax.model(turned, fit, names, strength)
