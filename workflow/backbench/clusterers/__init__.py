"""Clusterer plugins (layer 1): all members of a family on one matrix, what they share computed once.

A plugin module holds

``Params``
    frozen dataclass of all options, each spelled out in ``conf/clusterer/<stem>.yaml``
``AXES``
    the subset of ``{"k", "seed"}`` that it uses
``problems(params, n, d, k)``
    why it cannot work on n rows of d columns, at planning time
``memory_mb(params, n, d, count)``
    model of the peak memory beyond the matrix with `count` members at once
``prepare(x, members, near)``
    what the members share, computed when first needed; `near` gives neighbours of the rows (`metrics.near.Near`)
``fit(shared, x, task)``
    labels (n,), -1 for noise, and plain information; `inertia` in it becomes a metric

Imports layer 0 and `metrics`; scikit-learn and scipy inside functions alone.
"""

from dataclasses import dataclass
from typing import Any

MB = 1 << 20


@dataclass(frozen=True)
class Task:
    """One member: a plugin's parameters and the axes that it uses."""

    params: Any
    k: int | None = None
    seed: int | None = None


def too_many(k: int | None, n: int) -> list[str]:
    """The problem of asking for more clusters than rows, if it is there."""
    return [f"k = {k} clusters of {n} rows: k is at least 1 and at most the number of rows"] if _outside(k, n) else []


def _outside(k: int | None, n: int) -> bool:
    return k is not None and not 1 <= k <= n
