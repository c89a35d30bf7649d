"""External metrics: a labeling against the true classes. Noise is never left out.

In cluster accuracy and purity a noise point counts as wrong; in AMI, NMI and ARI each noise point is a cluster of its
own. `mean_majority_share` is a mean over clusters, so it says nothing of noise: read it beside `noise_fraction`.

Each is a function of counts, which `OF_COUNTS` has by its name: those of one labeling here, those of weighted samples
in `backbench.statistics.replicates`.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from backbench.metrics import _chance, labels

NAMES = ("cluster_accuracy", "purity", "mean_majority_share", "ami", "nmi", "ari")
# Mutual information below this is rounding: the terms that cancel have the size of log n.
NOTHING = 1e-14
# Up to this number x log x is looked up, in a table that stays in the cache.
LOOKED_UP = 1 << 15


class Counts(Protocol):
    """How many images lie in each cell of clusters against classes, in each of some samples; whole numbers in float64.

    Attributes
    ----------
    row, column : cluster and class of each cell that has images, (cells,), in the order of clusters, then classes
    inside : images of each cell, (cells, samples)
    sizes : images of each cluster, (clusters, samples)
    classes : images of each class, those of noise with them, (classes, samples)
    total : all images, (samples,)
    """

    row: np.ndarray
    column: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Images in a cluster, (samples,)."""

    @property
    def sizes(self) -> np.ndarray:
        """Images of each cluster, (clusters, samples)."""

    @property
    def classes(self) -> np.ndarray:
        """Images of each class, those of noise with them, (classes, samples)."""

    @property
    def total(self) -> np.ndarray:
        """All images, (samples,)."""


class _Labeling:
    """The counts of one labeling: one sample that holds each image once."""

    def __init__(self, truth: np.ndarray, clusters: np.ndarray):
        """Count labels (n,) both."""
        table = _table(truth, clusters)
        self.row, self.column = np.nonzero(table)
        self.inside = table[self.row, self.column].astype(np.float64)[:, None]
        self.sizes = table.sum(axis=1).astype(np.float64)[:, None]
        self.classes = np.unique(truth, return_counts=True)[1].astype(np.float64)[:, None]
        self.total = np.array([len(clusters)], dtype=np.float64)


def scores(truth: np.ndarray, clusters: np.ndarray) -> tuple[dict[str, float], dict[str, str]]:
    """All external metrics of one labeling `clusters` (n,) of images of the classes `truth` (n,); why some are NaN."""
    counts = _Labeling(truth, clusters)
    values = {name: float(OF_COUNTS[name](counts)[0]) for name in NAMES} | {"nmi": nmi(truth, clusters)}
    reason = "there are no samples" if len(clusters) == 0 else "all points are noise"
    return values, {name: reason for name, value in values.items() if np.isnan(value)}


def cluster_accuracy(truth: np.ndarray, clusters: np.ndarray) -> float:
    """Share of samples that are right under the best match of clusters (n,) and classes `truth` (n,), one to one.

    The match is Kuhn's (1955) Hungarian assignment; samples of unmatched clusters and noise are wrong.
    """
    return float(_cluster_accuracy(_Labeling(truth, clusters))[0])


def purity(truth: np.ndarray, clusters: np.ndarray) -> float:
    """Share of samples in the majority class of their cluster, labels (n,) both (Manning et al. 2008, 16.1)."""
    return float(_purity(_Labeling(truth, clusters))[0])


def mean_majority_share(truth: np.ndarray, clusters: np.ndarray) -> float:
    """Mean over clusters of the share of the cluster's majority class, labels (n,) both; NaN if all are noise."""
    return float(_mean_majority_share(_Labeling(truth, clusters))[0])


def ari(truth: np.ndarray, clusters: np.ndarray) -> float:
    """Adjusted Rand index of labels (n,) (Hubert and Arabie 1985, eq. 5): `sklearn.metrics.adjusted_rand_score`."""
    return float(_ari(_Labeling(truth, clusters))[0])


def ami(truth: np.ndarray, clusters: np.ndarray) -> float:
    """Adjusted mutual information of labels (n,), arithmetic mean (Vinh, Epps and Bailey 2010, eq. 3).

    Equals `sklearn.metrics.adjusted_mutual_info_score`: 0 in expectation for labels dealt at random, whatever the
    number of clusters and the noise.
    """
    return float(_ami(_Labeling(truth, clusters))[0])


def nmi(truth: np.ndarray, clusters: np.ndarray) -> float:
    """Normalised mutual information, arithmetic mean; equals `sklearn.metrics.normalized_mutual_info_score`.

    Of labels (n,), by the shares of all cells, each noise point a row of its own; of samples, `_nmi` does without these
    rows. The two differ in rounding.
    """
    if len(clusters) == 0:
        return float("nan")
    table = _with_singletons(truth, clusters)
    share = table / table.sum()
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    if len(rows) == len(columns) == 1:
        return 1.0
    some = share > 0
    mutual = float((share[some] * np.log(share[some] / np.outer(rows, columns)[some])).sum())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return max(0.0, mutual / mean) if mutual > np.finfo(np.float64).eps else 0.0


def _table(truth: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Counts (clusters, classes) of labels (n,), noise left out of the rows."""
    classes = np.unique(truth, return_inverse=True)[1]
    part = labels.canonical(clusters)
    kept = part >= 0
    table = np.zeros((labels.clusters(part), int(classes.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(table, (part[kept], classes[kept]), 1)
    return table


def _with_singletons(truth: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Counts (clusters, classes) of labels (n,), with a row for each noise point."""
    classes = np.unique(truth, return_inverse=True)[1]
    noise = classes[labels.canonical(clusters) < 0]
    table = _table(truth, clusters)
    single = np.zeros((len(noise), table.shape[1]), dtype=np.int64)
    single[np.arange(len(noise)), noise] = 1
    return np.concatenate([table, single])


def _entropy(share: np.ndarray) -> float:
    """Entropy in nats of shares (m,)."""
    some = share[share > 0]
    return float(-(some * np.log(some)).sum())


def _cluster_accuracy(counts: Counts) -> np.ndarray:
    """Cluster accuracy (samples,); each sample has a match of its own."""
    from scipy.optimize import linear_sum_assignment

    matched = np.zeros(len(counts.total))
    for sample, cells in enumerate(counts.inside.T):
        dense = np.zeros((len(counts.sizes), len(counts.classes)))
        dense[counts.row, counts.column] = cells
        matched[sample] = dense[linear_sum_assignment(dense, maximize=True)].sum()
    return _ratio(matched, counts.total, np.nan)


def _purity(counts: Counts) -> np.ndarray:
    """Purity (samples,)."""
    return _ratio(_majorities(counts).sum(axis=0), counts.total, np.nan)


def _mean_majority_share(counts: Counts) -> np.ndarray:
    """Mean majority share (samples,)."""
    shares = _ratio(_majorities(counts), counts.sizes, 0.0)
    return _ratio(shares.sum(axis=0), (counts.sizes > 0).sum(axis=0), np.nan)


def _majorities(counts: Counts) -> np.ndarray:
    """Images (clusters, samples) of the most frequent class of each cluster."""
    if not len(counts.sizes):
        return np.zeros((0, len(counts.total)))
    return np.maximum.reduceat(counts.inside, np.searchsorted(counts.row, np.arange(len(counts.sizes))), axis=0)


def _ami(counts: Counts) -> np.ndarray:
    """AMI (samples,), whose entropies and informations are sums of x log x.

    A cluster of one point adds 1 log 1 = 0 to each, also in expectation, so noise counts in the classes alone.
    """
    sizes, classes, total = counts.sizes, counts.classes, counts.total
    of_cells, of_sizes, of_classes = (_x_log_x(part).sum(axis=0) for part in (counts.inside, sizes, classes))
    expected = _chance.expected_logs(sizes, classes, total)
    room = (of_sizes + of_classes) / 2 - expected
    values = np.divide(of_cells - expected, room, out=np.ones(len(room)), where=room > 0)
    one_group, one_class = _groups(counts) == 1, (classes > 0).sum(axis=0) == 1
    values[one_group ^ one_class] = 0.0
    values[one_group & one_class] = 1.0
    return np.where(total > 0, values, np.nan)


def _nmi(counts: Counts) -> np.ndarray:
    """NMI (samples,). A cluster of one point adds 1 log 1 = 0 to the sums, so noise counts in the classes alone."""
    sizes, classes, total = counts.sizes, counts.classes, counts.total
    whole = _x_log_x(total)
    of_cells, of_sizes, of_classes = (_x_log_x(part).sum(axis=0) for part in (counts.inside, sizes, classes))
    with np.errstate(invalid="ignore", divide="ignore"):
        mutual = (of_cells - of_sizes - of_classes + whole) / total
        entropy = (2 * whole - of_sizes - of_classes) / (2 * total)
        values = np.where(mutual > NOTHING, mutual / entropy, 0.0)
    values[(_groups(counts) == 1) & ((classes > 0).sum(axis=0) == 1)] = 1.0
    return np.where(total > 0, values, np.nan)


def _x_log_x(counts: np.ndarray) -> np.ndarray:
    """x log x of whole numbers (m, samples) or (samples,), looked up where they are small."""
    from scipy.special import xlogy

    if counts.max(initial=0) > LOOKED_UP:
        return np.asarray(xlogy(counts, counts))
    return _small_x_log_x()[counts.astype(np.intp)]


@functools.cache
def _small_x_log_x() -> np.ndarray:
    """x log x of 0, 1, 2, ..., (numbers,)."""
    from scipy.special import xlogy

    numbers = np.arange(LOOKED_UP + 1, dtype=np.float64)
    return np.asarray(xlogy(numbers, numbers))


def _groups(counts: Counts) -> np.ndarray:
    """Numbers of clusters (samples,), each noise point one of its own."""
    return (counts.sizes > 0).sum(axis=0) + (counts.total - counts.sizes.sum(axis=0))


def _ari(counts: Counts) -> np.ndarray:
    """ARI (samples,). A cluster of one point has no pairs, so noise counts in the classes alone."""
    together, rows, columns = (_pairs(part).sum(axis=0) for part in (counts.inside, counts.sizes, counts.classes))
    expected = _ratio(rows * columns, _pairs(counts.total), 0.0)
    room = (rows + columns) / 2 - expected
    values = np.divide(together - expected, room, out=np.ones(len(room)), where=room != 0)
    return np.where(counts.total > 0, values, np.nan)


def _pairs(counts: np.ndarray) -> np.ndarray:
    """Numbers of pairs among counts (m, samples) or (samples,)."""
    return counts * (counts - 1) / 2


def _ratio(above: np.ndarray, below: np.ndarray, empty: float) -> np.ndarray:
    """Elementwise ratio (samples,) or (clusters, samples); `empty` where the denominator is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), empty), where=below > 0)


OF_COUNTS: Mapping[str, Callable[[Counts], np.ndarray]] = {
    "ami": _ami,
    "nmi": _nmi,
    "ari": _ari,
    "purity": _purity,
    "mean_majority_share": _mean_majority_share,
    "cluster_accuracy": _cluster_accuracy,
}
