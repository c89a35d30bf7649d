"""Agreement of a labeling with the classes from counts of weighted samples (`replicates.agreement`).

The definitions are those of `backbench.metrics.external`; each function takes the counts (cells, samples) of a block.
"""

from collections.abc import Callable, Mapping

import numpy as np

from backbench.statistics._cells import Cells

# Mutual information below this is rounding: the terms that cancel have the size of log n.
NOTHING = 1e-14


class Table:
    """Clusters against classes; the cells of noise come last.

    Attributes
    ----------
    cells : rows are clusters, and one more for noise where there is some; columns are classes
    inside : number of cells that are no noise
    firsts : first cell of each cluster
    """

    def __init__(self, truth: np.ndarray, labels: np.ndarray):
        noise = labels < 0
        names, codes = np.unique(labels[~noise], return_inverse=True)
        rows = np.full(len(labels), len(names))
        rows[~noise] = codes
        self.clusters = len(names)
        self.cells = Cells(rows, np.unique(truth, return_inverse=True)[1])
        self.inside = int((self.cells.row < self.clusters).sum())
        self.firsts = np.searchsorted(self.cells.row[: self.inside], np.arange(self.clusters))

    def sums(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sizes of the clusters, of the classes (noise with them), and of the samples, in float64."""
        sizes = self.cells.by_row(counts)[: self.clusters].astype(np.float64)
        return sizes, self.cells.by_column(counts).astype(np.float64), counts.sum(axis=0).astype(np.float64)

    def majorities(self, counts: np.ndarray) -> np.ndarray:
        """(clusters, samples) counts of the most frequent class of each cluster."""
        if not self.clusters:
            return np.zeros((0, counts.shape[1]))
        return np.maximum.reduceat(counts[: self.inside], self.firsts, axis=0).astype(np.float64)


def _nmi(table: Table, counts: np.ndarray) -> np.ndarray:
    """A cluster of one point adds 1 log 1 = 0 to the sums over cells and clusters, so noise is in the classes alone."""
    from scipy.special import xlogy

    sizes, classes, total = table.sums(counts)
    inside = counts[: table.inside].astype(np.float64)
    whole = xlogy(total, total)
    of_cells, of_sizes, of_classes = (xlogy(part, part).sum(axis=0) for part in (inside, sizes, classes))
    with np.errstate(invalid="ignore", divide="ignore"):
        mutual = (of_cells - of_sizes - of_classes + whole) / total
        entropy = (2 * whole - of_sizes - of_classes) / (2 * total)
        found = np.where(mutual > NOTHING, mutual / entropy, 0.0)
    groups = (sizes > 0).sum(axis=0) + (total - sizes.sum(axis=0))
    found[(groups == 1) & ((classes > 0).sum(axis=0) == 1)] = 1.0
    return np.where(total > 0, found, np.nan)


def _ari(table: Table, counts: np.ndarray) -> np.ndarray:
    sizes, classes, total = table.sums(counts)
    together, rows, columns = (
        _pairs(part).sum(axis=0) for part in (counts[: table.inside].astype(np.float64), sizes, classes)
    )
    everything = _pairs(total)
    expected = np.divide(rows * columns, everything, out=np.zeros(len(total)), where=everything > 0)
    room = (rows + columns) / 2 - expected
    found = np.divide(together - expected, room, out=np.ones(len(total)), where=room != 0)
    return np.where(total > 0, found, np.nan)


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2


def _purity(table: Table, counts: np.ndarray) -> np.ndarray:
    return _share(table.majorities(counts).sum(axis=0), counts)


def _mean_majority_share(table: Table, counts: np.ndarray) -> np.ndarray:
    sizes = table.sums(counts)[0]
    some = sizes > 0
    shares = np.divide(table.majorities(counts), sizes, out=np.zeros(sizes.shape), where=some)
    present = some.sum(axis=0)
    return np.divide(shares.sum(axis=0), present, out=np.full(len(present), np.nan), where=present > 0)


def _cluster_accuracy(table: Table, counts: np.ndarray) -> np.ndarray:
    """The match is found anew on each sample, as on the whole."""
    from scipy.optimize import linear_sum_assignment

    cells = table.cells
    row, column = cells.row[: table.inside], cells.column[: table.inside]
    matched = np.zeros(counts.shape[1])
    for sample, own in enumerate(counts[: table.inside].T):
        dense = np.zeros((table.clusters, cells.width))
        dense[row, column] = own
        matched[sample] = dense[linear_sum_assignment(dense, maximize=True)].sum()
    return _share(matched, counts)


def _share(above: np.ndarray, counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=0)
    return np.divide(above, total, out=np.full(len(total), np.nan), where=total > 0)


METRICS: Mapping[str, Callable[[Table, np.ndarray], np.ndarray]] = {
    "nmi": _nmi,
    "ari": _ari,
    "purity": _purity,
    "mean_majority_share": _mean_majority_share,
    "cluster_accuracy": _cluster_accuracy,
}
