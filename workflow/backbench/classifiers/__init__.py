"""Classifier plugins (layer 1): all members of a family on one matrix and split, what they share computed once.

A plugin module holds

``Params``
    frozen dataclass of all options, each spelled out in ``conf/classifier/<stem>.yaml``
``AXES``
    the subset of ``{"seed"}`` that it uses
``problems(params, n_train, d, classes)``
    why it cannot work, at planning time
``memory_mb(params, n_train, n_query, d, count)``
    model of the peak memory beyond the matrix with `count` members at once
``prepare(train_x, train_y, queries, members, near)``
    what the members share, computed when first needed; `near` gives the training rows near the queries
``neighbours(params, n_train)``
    what it will ask `near` for, (metric, count) or None; optional
``predict(shared, train_x, train_y, queries, task)``
    a `Prediction`; the queries are the validation rows, then the test rows

Imports layer 0 and `metrics`; scikit-learn and scipy inside functions alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MB = 1 << 20


@dataclass(frozen=True)
class Task:
    """One member: a plugin's parameters and the axes that it uses."""

    params: Any
    seed: int | None = None


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of the queries, and plain information on the fit.

    `classes` are (queries,) int64. `probabilities` and `decision`, where the classifier has them, are float
    (queries, trained classes), the classes of the training rows in ascending order. Probabilities are those of
    scikit-learn's ``predict_proba``; `decision` scores are for classifiers without, the higher the better, also of two
    classes a column for each. The class with the highest value is the predicted one but for ties, rounding, and votes
    (support vector machines).
    """

    classes: "np.ndarray"
    info: Mapping[str, Any] = field(default_factory=dict)
    probabilities: "np.ndarray | None" = None
    decision: "np.ndarray | None" = None


def by_probabilities(model: Any, queries: "np.ndarray", info: Mapping[str, Any] | None = None) -> Prediction:
    """What a fitted classifier of scikit-learn says of queries (queries, d), of which it may not be given none."""
    if not len(queries):
        return Prediction(model.classes_[:0].astype("int64"), info or {})
    return Prediction(model.predict(queries).astype("int64"), info or {}, model.predict_proba(queries))


def too_few_classes(classes: int) -> list[str]:
    """The problem of telling fewer than two classes apart, if it is there."""
    return [] if classes >= 2 else [f"a classifier needs at least two classes; there is {classes}"]
