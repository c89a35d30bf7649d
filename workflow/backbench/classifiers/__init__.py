"""Classifier plugins: all members of a family on one matrix and split, with what they share computed once.

A plugin is a module that is a `Classifier`, and optionally `Timed`, `Selecting`, `Worded` and `plugins.Searching`.

Imports `metrics` and what lies below it; scikit-learn and scipy inside functions alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from backbench import plugins

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

MB = 1 << 20


@dataclass(frozen=True)
class Task:
    """One member: a plugin's parameters and the axes that it uses.

    `teaches` says whether a plugin that chooses by validation rows may learn from them too: not where shots are few.
    `words` (classes, d) stand for the classes of a `Worded` plugin.
    """

    params: Any
    seed: int | None = None
    teaches: bool = True
    words: "np.ndarray | None" = field(default=None, compare=False)


@dataclass(frozen=True)
class Prediction:
    """The predicted classes of the queries, and plain information on the fit.

    `classes` are (queries,) int64. `probabilities` and `decision`, if the classifier has them, are float
    (queries, trained classes), the classes of the training rows in ascending order. Probabilities are those of
    scikit-learn's ``predict_proba``; classifiers without them have `decision` scores, the higher the better, with a
    column for each class even if there are two. The class with the highest value is the predicted one, except for ties,
    rounding, and the votes of support vector machines.
    """

    classes: "np.ndarray"
    info: Mapping[str, Any] = field(default_factory=dict)
    probabilities: "np.ndarray | None" = None
    decision: "np.ndarray | None" = None


def by_probabilities(model: Any, queries: "np.ndarray", info: Mapping[str, Any] | None = None) -> Prediction:
    """The prediction of a fitted scikit-learn classifier, which refuses an empty array, for queries (queries, d)."""
    if not len(queries):
        return Prediction(model.classes_[:0].astype("int64"), info or {})
    return Prediction(model.predict(queries).astype("int64"), info or {}, model.predict_proba(queries))


@runtime_checkable
class Classifier(Protocol):
    """What a classifier's module holds.

    Attributes
    ----------
    Params : frozen dataclass of all options, each spelled out in ``conf/classifier/<stem>.yaml``
    AXES : the subset of ``{"seed"}`` that it uses
    """

    AXES: frozenset[str]

    @property
    def Params(self) -> type[Any]: ...

    def problems(self, params: Any, n_train: int, d: int, classes: int, /) -> list[str]:
        """Why it cannot work, as sentences; asked at planning time."""
        ...

    def memory_mb(self, params: Any, n_train: int, n_query: int, d: int, count: int, /) -> float:
        """Peak memory in MB beyond the matrix, with `count` members at once."""
        ...

    def prepare(
        self,
        train_x: "np.ndarray",
        train_y: "np.ndarray",
        queries: "np.ndarray",
        members: Sequence[Task],
        near: "Near",
        /,
    ) -> Any:
        """What the members share on rows (n, d), classes (n,) and queries (q, d); `near` gives rows near these."""
        ...

    def predict(
        self, shared: Any, train_x: "np.ndarray", train_y: "np.ndarray", queries: "np.ndarray", task: Task, /
    ) -> Prediction:
        """The prediction for the queries (q, d), the validation rows before the test rows."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A classifier that says how long it takes."""

    def seconds(self, params: Any, n_train: int, d: int, count: int, /) -> float:
        """Seconds of one core for one of `count` members, with its part of what they share."""
        ...


@runtime_checkable
class Worded(Protocol):
    """A classifier that knows the classes by words, and learns nothing from rows.

    Its classes are all of the collection, 0, 1, ..., whether they have training rows or not. It works on the features
    of backbones with a text tower alone.
    """

    def words(
        self, params: Any, names: Sequence[str], texts: "Callable[[Sequence[str]], np.ndarray]", /
    ) -> "np.ndarray":
        """What stands for the classes of these `names`, (classes, d) float32; `texts` gives features (n, d)."""
        ...


@dataclass(frozen=True)
class Held:
    """Validation rows (v, d) and their classes (v,), none of them where there are none.

    `teaches` is that of the :class:`Task`. `info` is that of an earlier prediction with the same rows: a plugin may
    take its choice over.
    """

    rows: "np.ndarray"
    classes: "np.ndarray"
    teaches: bool = True
    info: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Selecting(Protocol):
    """A classifier that chooses among candidates: by the validation rows, or where there are none, by training rows.

    Where there are validation rows, `select` is asked in the place of `Classifier.predict`, which holds back some of
    the training rows instead. `info["choice"]` says what was chosen (see ``_choice``).
    """

    def select(
        self,
        shared: Any,
        train_x: "np.ndarray",
        train_y: "np.ndarray",
        queries: "np.ndarray",
        held_y: "np.ndarray",
        task: Task,
        /,
    ) -> Prediction:
        """The prediction for the queries (q, d), the first of which are the validation rows, with classes (v,).

        Validation rows are predicted by the chosen candidate, fitted on training rows alone, all others by `final`.
        """
        ...

    def final(self, params: Any, seed: int | None, train_x: "np.ndarray", train_y: "np.ndarray", held: Held, /) -> Any:
        """What predicts new rows (n, d): a fitted classifier of scikit-learn, for rows in float64."""
        ...


@cache
def load(name: str) -> Classifier:
    """The classifier of this name.

    Raises
    ------
    ConfigError
        If there is none; it names those that there are.
    TypeError
        If the module lacks a part of the contract.
    """
    module = plugins.load("classifier", name)
    if not isinstance(module, Classifier):
        raise TypeError(f"{module.__name__} is no classifier: docs/plugins.md says what one holds")
    return module


def too_few_classes(classes: int) -> list[str]:
    """The problem of having fewer than two classes to distinguish."""
    return [] if classes >= 2 else [f"a classifier needs at least two classes; there is {classes}"]
