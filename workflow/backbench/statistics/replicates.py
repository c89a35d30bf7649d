"""Metrics under many weight vectors at once: the value on each bootstrap sample, without drawing one.

Under a weight vector a metric has the value that it has on a sample in which each image stands as often as its weight
says; weights of one give the metric of `backbench.metrics`. `weights` is (resamples, n), whole numbers, as from
`resampling.weights`; the result is (resamples,) float64, NaN where the metric is undefined on a sample.
"""

from collections.abc import Callable, Mapping

import numpy as np

from backbench.metrics import external
from backbench.statistics import _agreement, _cells
from backbench.statistics._cells import Cells


def accuracy_like(name: str, truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`accuracy`, `balanced_accuracy` or `macro_f1` of predicted classes (n,) on each sample.

    Equals `backbench.metrics.supervised`. Only rows that are judged belong here, such as those of the test part.

    Raises
    ------
    ValueError
        If the metric is none of these, or the arrays are not of one length.
    """
    metric = _named(name, PREDICTED)
    _same_length(truth, predicted, weights)
    names, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    cells = Cells(codes[: len(truth)], codes[len(truth) :], len(names))
    return cells.each(weights, lambda counts: metric(cells, counts))


def agreement(name: str, truth: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`nmi`, `ari`, `purity`, `mean_majority_share` or `cluster_accuracy` of a labeling (n,) on each sample.

    Equals `backbench.metrics.external`: a point of noise (a negative label) is wrong in accuracy and purity and a
    cluster of its own in NMI and ARI, as often as it is drawn. Rows out of scope do not belong here. The labeling stays
    what it is: that another sample would have been clustered otherwise is not in these values.

    Raises
    ------
    ValueError
        If the metric is none of these, or the arrays are not of one length.
    """
    metric = _named(name, external.OF_COUNTS)
    _same_length(truth, labels, weights)
    table = _agreement.Table(truth, labels)
    return table.cells.each(weights, lambda counts: metric(_agreement.Drawn(table, counts)))


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of a value of each image (n,), such as the precision of a query; where it is NaN the image is left out."""
    _same_length(values, values, weights)
    kept = ~np.isnan(values)
    # Sparse rows are summed in the order of the images, whatever the threads of a BLAS.
    from scipy.sparse import csr_array

    both = csr_array(np.stack([np.where(kept, values, 0.0), kept.astype(np.float64)]))
    parts = [both @ block for block in _cells.blocks(weights, np.float64)]
    total, count = np.concatenate(parts, axis=1) if parts else np.empty((2, 0))
    return _ratio(total, count, np.nan)


def over_seeds(replicates: np.ndarray, row: int = 0, seed: int = 0) -> np.ndarray:
    """Mean over seeds on each sample, (seeds, resamples) to (resamples,), with the spread of the seeds in it.

    The values of a sample are those of seeds that are drawn with replacement, one fewer than there are: then the
    variance is that of a mean of so many seeds (the rescaled bootstrap of Rao and Wu 1988). `row` tells the draws of
    one row of a leaderboard from those of another, for the seeds of two rows have nothing in common.
    """
    count, resamples = replicates.shape
    if count < 2:
        return replicates.mean(axis=0)
    drawn = np.random.default_rng([seed, row]).integers(0, count, (count - 1, resamples))
    return np.take_along_axis(replicates, drawn, axis=0).mean(axis=0)


def _accuracy(cells: Cells, counts: np.ndarray) -> np.ndarray:
    return _ratio(counts[cells.row == cells.column].sum(axis=0), counts.sum(axis=0), np.nan)


def _balanced_accuracy(cells: Cells, counts: np.ndarray) -> np.ndarray:
    right, support = _right(cells, counts), cells.by_row(counts)
    return _ratio(_ratio(right, support, 0.0).sum(axis=0), (support > 0).sum(axis=0), np.nan)


def _macro_f1(cells: Cells, counts: np.ndarray) -> np.ndarray:
    both = cells.by_row(counts) + cells.by_column(counts)
    return _ratio(_ratio(2.0 * _right(cells, counts), both, 0.0).sum(axis=0), (both > 0).sum(axis=0), np.nan)


def _right(cells: Cells, counts: np.ndarray) -> np.ndarray:
    """(classes, samples) counts of images whose class is right."""
    found = np.zeros((cells.width, counts.shape[1]))
    same = cells.row == cells.column
    found[cells.row[same]] = counts[same]
    return found


PREDICTED: Mapping[str, Callable[[Cells, np.ndarray], np.ndarray]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
}


def _ratio(above: np.ndarray, below: np.ndarray, empty: float) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(below), empty), where=below > 0)


def _named(name: str, known: Mapping[str, Callable]) -> Callable:
    if name not in known:
        raise ValueError(f"metric {name!r}: there are no replicates of it here; allowed are {', '.join(known)}")
    return known[name]


def _same_length(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> None:
    if not len(one) == len(other) == weights.shape[1]:
        said = f"{len(one)} and {len(other)} values and weights of {weights.shape[1]} images"
        raise ValueError(f"{said}: there must be as many of each; make the weights by resampling.weights({len(one)})")
