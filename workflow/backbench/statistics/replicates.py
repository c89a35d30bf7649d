"""Metrics under many weight vectors at once: the value on each bootstrap sample, without drawing any.

Under a weight vector a metric has its value on the sample that holds each image as often as its weight says; weights
of one give the metric of `backbench.metrics`. `weights` is (resamples, n), whole numbers, as from
`resampling.weights`; values are (resamples,) float64, NaN where the metric is undefined on a sample.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from backbench.metrics import external
from backbench.statistics import _agreement, _cells
from backbench.statistics._cells import Cells

Metric = TypeVar("Metric", bound=Callable[..., Any])


def accuracy_like(name: str, truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`accuracy`, `balanced_accuracy` or `macro_f1` (resamples,) of predicted classes (n,) on each sample.

    Equals `backbench.metrics.supervised`. Pass only the rows that are scored, such as those of the test split.

    Raises
    ------
    ValueError
        If the metric is not one of these, or the arrays differ in length.
    """
    metric = _named(name, PREDICTED)
    _same_length(truth, predicted, weights)
    names, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    cells = Cells(codes[: len(truth)], codes[len(truth) :], len(names))
    return cells.each(weights, lambda counts: metric(cells, counts))


def agreement(name: str, truth: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """An external metric (resamples,), such as `ari` or `purity`, of a labeling (n,) on each sample.

    Equals `backbench.metrics.external`, whose `OF_COUNTS` names the metrics: a noise point (a negative label) is wrong
    in accuracy and purity and a cluster of its own in AMI, NMI and ARI, as often as it is drawn. Leave out rows out
    of scope. The labeling is fixed: these values do not show that another sample would have been clustered differently.

    Raises
    ------
    ValueError
        If the metric is not one of these, or the arrays differ in length.
    """
    return agreements([name], truth, labels, weights)[name]


def agreements(
    names: Sequence[str], truth: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """As `agreement` of classes and labels (n,), for several metrics, which share the counts of every sample.

    Raises
    ------
    ValueError
        If a metric is not one of these, or the arrays differ in length.
    """
    metrics = [_named(name, external.OF_COUNTS) for name in names]
    _same_length(truth, labels, weights)
    table = _agreement.Table(truth, labels)

    def values(counts: np.ndarray) -> np.ndarray:
        """Each metric (metrics, samples) from counts (cells, samples)."""
        drawn = _agreement.Drawn(table, counts)
        return np.stack([metric(drawn) for metric in metrics])

    return dict(zip(names, table.cells.each(weights, values), strict=True))


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means (resamples,) of values (n,) of the images, such as the precision of each query; NaN are left out."""
    _same_length(values, values, weights)
    kept = ~np.isnan(values)
    # Sparse rows are summed in the order of the images, however many threads BLAS has.
    from scipy.sparse import csr_array

    both = csr_array(np.stack([np.where(kept, values, 0.0), kept.astype(np.float64)]))
    parts = [both @ block for block in _cells.blocks(weights, np.float64)]
    total, count = np.concatenate(parts, axis=1)
    return _ratio(total, count, np.nan)


def _accuracy(cells: Cells, counts: np.ndarray) -> np.ndarray:
    """Accuracy (samples,) from counts (cells, samples)."""
    return _ratio(counts[cells.row == cells.column].sum(axis=0), counts.sum(axis=0), np.nan)


def _balanced_accuracy(cells: Cells, counts: np.ndarray) -> np.ndarray:
    """Mean recall (samples,) of the classes present, from counts (cells, samples)."""
    right, support = _right(cells, counts), cells.by_row(counts)
    return _ratio(_ratio(right, support, 0.0).sum(axis=0), (support > 0).sum(axis=0), np.nan)


def _macro_f1(cells: Cells, counts: np.ndarray) -> np.ndarray:
    """Mean F1 (samples,) of the classes present or predicted, from counts (cells, samples)."""
    both = cells.by_row(counts) + cells.by_column(counts)
    return _ratio(_ratio(2.0 * _right(cells, counts), both, 0.0).sum(axis=0), (both > 0).sum(axis=0), np.nan)


def _right(cells: Cells, counts: np.ndarray) -> np.ndarray:
    """Correctly classified images (classes, samples), from counts (cells, samples)."""
    right = np.zeros((cells.width, counts.shape[1]))
    diagonal = cells.row == cells.column
    right[cells.row[diagonal]] = counts[diagonal]
    return right


PREDICTED: Mapping[str, Callable[[Cells, np.ndarray], np.ndarray]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
}


def _ratio(above: np.ndarray, below: np.ndarray, empty: float) -> np.ndarray:
    """Elementwise ratio (m,) or (c, m); `empty` where the denominator is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), empty), where=below > 0)


def _named(name: str, known: Mapping[str, Metric]) -> Metric:
    if name not in known:
        raise ValueError(f"metric {name!r} has no replicates here; allowed: {', '.join(known)}")
    return known[name]


def _same_length(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> None:
    """Refuse arrays (n,) that do not go with one another and with weights (resamples, n)."""
    if not len(first) == len(second) == weights.shape[1]:
        raise ValueError(
            f"{len(first)} and {len(second)} values and weights of {weights.shape[1]} images: they must be "
            f"equal in number; make the weights by resampling.weights({len(first)})"
        )
