"""A linear classifier by SGD on stored features, whose learning rate the validation rows choose, as in DINOv2.

All learning rates, each with the whole row and with its first columns alone, are trained side by side in one pass over
the batches (Oquab et al. 2023, appendix B.3; Caron et al. 2021): momentum, a cosine schedule, first weights of standard
deviation 0.01, learning rates for batches of 256 rows. The head with the highest accuracy on the validation rows
predicts; of several the one with fewer columns, then the smaller rate. The rows are stored features, so nothing is
augmented.
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

AXES = frozenset({"seed"})
CLASSES = 64
# Weights, speeds, gradients and temporaries of a step.
COPIES = 6


@dataclass(frozen=True)
class Params:
    """What is tried, and how it is trained."""

    learning_rates: tuple[Annotated[float, Range(above=0)], ...]
    first_columns: tuple[Annotated[int, Range(low=1)], ...]
    epochs: Annotated[int, Range(low=1)]
    batch_size: Annotated[int, Range(low=1)]
    momentum: Annotated[float, Range(low=0, high=1)]
    weight_decay: Annotated[float, Range(low=0)]
    refit: bool


def problems(params: Params, n_train: int, d: int, classes: int) -> list[str]:
    reasons = classifiers.too_few_classes(classes)
    if not params.learning_rates:
        reasons.append("learning_rates is empty; give at least one, such as classifier.learning_rates=[0.01,0.1]")
    wide = [columns for columns in params.first_columns if columns >= d]
    if wide:
        reasons.append(
            f"first_columns = {wide[0]} of rows of {d} columns: give fewer than all, or [] for the whole row"
        )
    return reasons


def memory_mb(params: Params, n_train: int, n_query: int, d: int, count: int) -> float:
    """For each member the rows in float32, queries in float64, and the heads of 64 classes with what a step needs."""
    columns = len(params.learning_rates) * (1 + len(params.first_columns)) * CLASSES
    step = COPIES * columns * (d + min(params.batch_size, n_train))
    return count * (4 * (n_train * (d + CLASSES) + step) + 8 * n_query * d) / classifiers.MB


def seconds(params: Params, n_train: int, d: int, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to `epochs` and to the number of heads."""
    heads = len(params.learning_rates) * (1 + len(params.first_columns))
    return params.epochs / 100 * heads / 13 * Cost(2.0, n=1.0, d=0.5).at(n_train, d, None, count)


def prepare(
    train_x: "np.ndarray",
    train_y: "np.ndarray",
    queries: "np.ndarray",
    members: Sequence[classifiers.Task],
    near: "Near",
) -> None:
    """Nothing: each member trains all of its heads in a pass over rows (n, d) of its own."""


def predict(
    shared: None, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: classifiers.Task
) -> classifiers.Prediction:
    """The prediction for queries (q, d), chosen by some of the rows (n, d) and classes (n,)."""
    from backbench.classifiers import _choice

    return _choice.predict(Search(task.params, task.seed or 0), train_x, train_y, queries)


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

    return _choice.select(Search(task.params, task.seed or 0), train_x, train_y, queries, held_y, task.teaches)


def final(
    params: Params, seed: int | None, train_x: "np.ndarray", train_y: "np.ndarray", held: classifiers.Held
) -> Any:
    """The fitted classifier for new rows, by rows (n, d), classes (n,) and validation rows."""
    from backbench.classifiers import _choice

    return _choice.final(Search(params, seed or 0), train_x, train_y, held)


@dataclass(frozen=True)
class Search:
    """How candidates are trained (`_choice.Search`)."""

    params: Params
    seed: int

    @property
    def refit(self) -> bool:
        return self.params.refit

    def candidates(self, rows: "np.ndarray", classes: "np.ndarray", held: classifiers.Held) -> "Candidates":
        """Heads trained on rows (n, d) and classes (n,); one that diverged is none."""
        import numpy as np

        from backbench.classifiers import _choice

        rates = sorted(set(self.params.learning_rates))
        widths = sorted({*self.params.first_columns, rows.shape[1]})
        heads = self._trained(rows, classes, [(rate, columns) for columns in widths for rate in rates])
        asked, accuracy, models = held.rows.astype(np.float64), {}, {}
        for at, columns in enumerate(widths):
            made = heads[at * len(rates) : (at + 1) * len(rates)]
            models[_series(columns, rows.shape[1])] = made
            right = [
                np.nan if model is None else float((model.predict(asked) == held.classes).mean()) for model in made
            ]
            accuracy[_series(columns, rows.shape[1])] = right
        return _choice.Candidates("learning rate", rates, accuracy, models)

    def again(self, rows: "np.ndarray", classes: "np.ndarray", choice: Mapping[str, Any]) -> Any:
        """The chosen head alone, trained on rows (n, d) and classes (n,)."""
        d = rows.shape[1]
        columns = next(each for each in (*self.params.first_columns, d) if _series(each, d) == choice["series"])
        (model,) = self._trained(rows, classes, [(choice["value"], columns)])
        if model is None:
            raise ValueError(f"the chosen learning rate, {choice['value']:g}, diverges on all rows; try smaller ones")
        return model

    def _trained(self, rows: "np.ndarray", classes: "np.ndarray", heads: list[tuple[float, int]]) -> list[Any]:
        """The heads as classifiers of scikit-learn, None where one is not finite, by rows (n, d) and classes (n,)."""
        import numpy as np

        from backbench.classifiers import _heads

        options = self.params
        schedule = _heads.Schedule(options.epochs, options.batch_size, options.momentum, options.weight_decay)
        names, codes = np.unique(classes, return_inverse=True)
        trained = _heads.train(rows.astype(np.float32, copy=False), codes, heads, schedule, self.seed)
        return [_model(names, *head) for head in trained]


def _series(columns: int, d: int) -> str:
    return "all columns" if columns == d else f"first {columns} columns"


def _model(names: "np.ndarray", coef: "np.ndarray", intercept: "np.ndarray") -> Any:
    """A head (k, d) with intercepts (k,) for classes named (k,), in float64; None if it is not finite."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return None
    coef, intercept = coef.astype(np.float64), intercept.astype(np.float64)
    if len(names) == 2:  # scikit-learn has one row of coefficients there: those for the second class
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    made = LogisticRegression()
    made.classes_, made.coef_, made.intercept_ = names, np.ascontiguousarray(coef), intercept
    made.n_features_in_ = coef.shape[1]
    return made
