"""The neighbours of one matrix for all who need some: a stored graph where it is deep enough, else one search."""

import threading
from collections.abc import Mapping

import numpy as np

from backbench.metrics import neighbours

Graph = tuple[np.ndarray, np.ndarray]


class Near:
    """Nearest rows of each query, nearest first, the lower row number first among equals.

    The first k of a deeper graph are the graph of k, bit for bit, so that nobody sees how it was come by.

    Parameters
    ----------
    rows : array of shape (n, d), the candidates
    queries : array of shape (q, d); by default the rows themselves, each left out of its own neighbours
    stored : graphs that are known, by metric
    """

    def __init__(self, rows: np.ndarray, queries: np.ndarray | None = None, stored: Mapping[str, Graph] | None = None):
        self._rows, self._queries = rows, queries
        self._found = dict(stored or {})
        self._lock = threading.Lock()

    @property
    def most(self) -> int:
        """The largest number of neighbours that there are."""
        return len(self._rows) - (self._queries is None)

    def nearest(self, metric: neighbours.Metric, count: int) -> Graph:
        """Row numbers (q, count) int64 and distances (q, count) float64."""
        with self._lock:
            known = self._found.get(metric)
            if known is None or known[0].shape[1] < count:
                known = self._found[metric] = self._search(metric, count)
        return known[0][:, :count], known[1][:, :count]

    def _search(self, metric: neighbours.Metric, count: int) -> Graph:
        if self._queries is None:
            return neighbours.nearest(self._rows, self._rows, count, metric, np.arange(len(self._rows)))
        return neighbours.nearest(self._queries, self._rows, count, metric)
