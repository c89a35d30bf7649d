"""The counts of a labeling against the classes in weighted samples (`replicates.agreement`)."""

from functools import cached_property

import numpy as np

from backbench.statistics._cells import Cells


class Table:
    """Clusters against classes; the cells of noise come last.

    Attributes
    ----------
    cells : rows are clusters, and one more for noise where there is some; columns are classes
    clusters : how many clusters there are
    row, column : cluster and class of each cell that is no noise
    """

    def __init__(self, truth: np.ndarray, labels: np.ndarray):
        noise = labels < 0
        names, codes = np.unique(labels[~noise], return_inverse=True)
        rows = np.full(len(labels), len(names))
        rows[~noise] = codes
        self.clusters = len(names)
        self.cells = Cells(rows, np.unique(truth, return_inverse=True)[1])
        inside = int((self.cells.row < self.clusters).sum())
        self.row, self.column = self.cells.row[:inside], self.cells.column[:inside]


class Drawn:
    """The images of some samples in the cells of a table: a `backbench.metrics.external.Counts`.

    `counts` (all cells, samples) has those of noise too.
    """

    def __init__(self, table: Table, counts: np.ndarray):
        self.table, self.counts = table, counts
        self.row, self.column = table.row, table.column

    @cached_property
    def inside(self) -> np.ndarray:
        return self.counts[: len(self.row)].astype(np.float64)

    @cached_property
    def sizes(self) -> np.ndarray:
        return self.table.cells.by_row(self.counts)[: self.table.clusters].astype(np.float64)

    @cached_property
    def classes(self) -> np.ndarray:
        return self.table.cells.by_column(self.counts).astype(np.float64)

    @cached_property
    def total(self) -> np.ndarray:
        return self.counts.sum(axis=0).astype(np.float64)
