"""Counts of a labeling against the classes on weighted samples (`replicates.agreement`)."""

from functools import cached_property

import numpy as np

from backbench.statistics._cells import Cells


class Table:
    """Contingency table of clusters and classes; the cells of noise come last.

    Parameters
    ----------
    truth, labels : class and cluster (n,) of each image; negative labels are noise

    Attributes
    ----------
    cells : rows are clusters, with one more for noise where there is any; columns are classes
    clusters : number of clusters
    row, column : cluster and class (cells without noise,) of each cell
    """

    def __init__(self, truth: np.ndarray, labels: np.ndarray):
        """From classes and labels, both (n,)."""
        noise = labels < 0
        names, codes = np.unique(labels[~noise], return_inverse=True)
        rows = np.full(len(labels), len(names))
        rows[~noise] = codes
        self.clusters = len(names)
        self.cells = Cells(rows, np.unique(truth, return_inverse=True)[1])
        inside = int((self.cells.row < self.clusters).sum())
        self.row, self.column = self.cells.row[:inside], self.cells.column[:inside]


class Drawn:
    """Numbers of images of some samples in the cells of a table: a `backbench.metrics.external.Counts`."""

    def __init__(self, table: Table, counts: np.ndarray):
        """From counts (cells, samples), those of noise included."""
        self.table, self.counts = table, counts
        self.row, self.column = table.row, table.column

    @cached_property
    def inside(self) -> np.ndarray:
        """Counts (cells, samples) without noise, float64."""
        return self.counts[: len(self.row)].astype(np.float64)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Images (clusters, samples) of each cluster, float64."""
        return self.table.cells.by_row(self.counts)[: self.table.clusters].astype(np.float64)

    @cached_property
    def classes(self) -> np.ndarray:
        """Images (classes, samples) of each class, noise included, float64."""
        return self.table.cells.by_column(self.counts).astype(np.float64)

    @cached_property
    def total(self) -> np.ndarray:
        """All images (samples,), noise included, float64."""
        return self.counts.sum(axis=0).astype(np.float64)
