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
``neighbours(params, n)``
    what it will ask `near` for, (metric, count) or None; optional, so that planning can keep a graph as deep
``fit(shared, x, task)``
    labels (n,), -1 for noise, and plain information; `bic` in it becomes a metric

Imports layer 0 and `metrics`; scikit-learn and scipy inside functions alone.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MB = 1 << 20


@dataclass(frozen=True)
class Task:
    """One member: a plugin's parameters and the axes that it uses."""

    params: Any
    k: int | None = None
    seed: int | None = None

    @property
    def clusters(self) -> int:
        """The number of clusters `k`, which every member of a clusterer with this axis has."""
        assert self.k is not None
        return self.k


def too_many(k: int | None, n: int) -> list[str]:
    """The problem of asking for fewer than one cluster, or more than there are rows."""
    return [f"k = {k} clusters of {n} rows: k is at least 1 and at most the number of rows"] if _outside(k, n) else []


def warn_of_fewer(labels: "np.ndarray", k: int) -> None:
    """Warn with scikit-learn's ConvergenceWarning if labels (n,) hold fewer than `k` clusters, as its KMeans does."""
    distinct = len(set(labels.tolist()))
    if distinct < k:
        from sklearn.exceptions import ConvergenceWarning

        text = f"{distinct} distinct clusters found, but {k} requested: ask for fewer; are there duplicate rows?"
        warnings.warn(text, ConvergenceWarning, stacklevel=2)


def _outside(k: int | None, n: int) -> bool:
    return k is not None and not 1 <= k <= n
