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
    classes (len(queries),) and plain information; the queries are the validation rows, then the test rows

Imports layer 0 and `metrics`; scikit-learn and scipy inside functions alone.
"""

from dataclasses import dataclass
from typing import Any

MB = 1 << 20


@dataclass(frozen=True)
class Task:
    """One member: a plugin's parameters and the axes that it uses."""

    params: Any
    seed: int | None = None


def too_few_classes(classes: int) -> list[str]:
    """The problem of telling fewer than two classes apart, if it is there."""
    return [] if classes >= 2 else [f"a classifier needs at least two classes; there is {classes}"]
