"""The neighbours of one matrix for all who need some: a stored graph where it is deep enough, else one search.

Wherever they come from, the neighbours are those of a direct search, bit for bit: the first k of a deeper graph are
the graph of k, and in a graph of all rows the allowed neighbours keep their order.
"""

import threading
from collections.abc import Mapping

import numpy as np

from backbench.metrics import neighbours

Graph = tuple[np.ndarray, np.ndarray]


class Near:
    """Nearest rows of each query, nearest first, the lower row number first among equals.

    Parameters
    ----------
    rows : array of shape (n, d), the candidates
    queries : array of shape (q, d); by default the rows themselves, each left out of its own neighbours
    stored : graphs of the rows among themselves that are known, by metric; of no use where there are queries
    """

    def __init__(self, rows: np.ndarray, queries: np.ndarray | None = None, stored: Mapping[str, Graph] | None = None):
        """Take `rows` (n, d) and `queries` (q, d)."""
        self._rows, self._queries = rows, rows if queries is None else queries
        self._excluded = np.arange(len(rows)) if queries is None else None
        self._stored = dict(stored or {}) if queries is None else {}
        self._graphs: dict[str, Graph] = {}
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @property
    def most(self) -> int:
        """The largest number of neighbours that there are."""
        return len(self._rows) - (self._excluded is not None)

    def nearest(self, metric: neighbours.Metric, count: int) -> Graph:
        """Row numbers (q, count) int64 and distances (q, count) float64; one thread at a time searches a metric."""
        with self._guard:
            lock = self._locks.setdefault(metric, threading.Lock())
        with lock:
            known = self._graphs.get(metric)
            if known is None or known[0].shape[1] < count:
                known = self._graphs[metric] = self._answer(metric, count)
        return known[0][:, :count], known[1][:, :count]

    def knows(self, metric: neighbours.Metric, count: int) -> bool:
        """Whether `count` neighbours of each row are known without a search."""
        graphs = (self._graphs.get(metric), self._stored.get(metric))
        return any(graph is not None and graph[0].shape[1] >= count for graph in graphs)

    def _answer(self, metric: neighbours.Metric, count: int) -> Graph:
        graph = self._stored.get(metric)
        if graph is not None and len(graph[0]) == len(self._rows) and graph[0].shape[1] >= count:
            return graph[0].astype(np.int64), graph[1]
        return neighbours.nearest(self._queries, self._rows, count, metric, self._excluded)


class _Among(Near):
    """Rows of a matrix among other rows of it."""

    def __init__(self, x: np.ndarray, asked: np.ndarray, allowed: np.ndarray, stored: Mapping[str, Graph]):
        """Take a matrix (n, d) and its rows `asked` (q,) and `allowed` (m,)."""
        super().__init__(x[:0], stored=stored)
        self._x, self._asked, self._allowed = x, asked, allowed
        self._place = np.full(len(x), -1)
        self._place[allowed] = np.arange(len(allowed))
        places = self._place[asked]
        self._excluded = places if (places >= 0).any() else None

    @property
    def most(self) -> int:
        return len(self._allowed) - (self._excluded is not None)

    def _answer(self, metric: neighbours.Metric, count: int) -> Graph:
        rows, lengths = np.empty((len(self._asked), count), np.int64), np.empty((len(self._asked), count))
        open_ = self._from_graph(metric, rows, lengths)
        if len(open_) or not len(self._asked):
            excluded = None if self._excluded is None else self._excluded[open_]
            queries, candidates = self._x[self._asked[open_]], self._x[self._allowed]
            rows[open_], lengths[open_] = neighbours.nearest(queries, candidates, count, metric, excluded)
        return rows, lengths

    def _from_graph(self, metric: neighbours.Metric, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Fill in `rows` and `lengths` (q, count) what the stored graph knows; the queries (m,) that remain."""
        graph, every = self._stored.get(metric), np.arange(len(self._asked))
        if graph is None or len(graph[0]) != len(self._x) or graph[0].shape[1] < rows.shape[1]:
            return every
        places = self._place[graph[0][self._asked]]
        enough = np.count_nonzero(places >= 0, axis=1) >= rows.shape[1]
        first = np.argsort(places[enough] < 0, axis=1, kind="stable")[:, : rows.shape[1]]
        rows[enough] = np.take_along_axis(places[enough], first, axis=1)
        lengths[enough] = np.take_along_axis(graph[1][self._asked[enough]], first, axis=1)
        return every[~enough]


def among(x: np.ndarray, asked: np.ndarray, allowed: np.ndarray, stored: Mapping[str, Graph] | None = None) -> Near:
    """Neighbours of the rows `asked` of a matrix among its rows `allowed`; a row is never its own neighbour.

    Row numbers of the answer are places in `allowed`. A query whose stored neighbours hold enough allowed rows is
    answered from them, the others by a search.

    Parameters
    ----------
    x : array of shape (n, d)
    asked, allowed : row numbers (q,) and (m,); the allowed ones ascend
    stored : graphs of all rows of `x` among themselves, by metric: row numbers and distances (n, k)
    """
    if len(asked) == len(x) == len(allowed) and np.array_equal(asked, allowed):
        return Near(x, stored=stored)
    return _Among(x, asked, allowed, stored or {})
