"""Exact nearest neighbours: blocked, and with one answer whatever the block, the threads or the BLAS."""

from typing import Literal

import numpy as np

from backbench import threads
from backbench.metrics import distances

Metric = Literal["euclidean", "cosine"]
GATHERED_BYTES = 1 << 20


def nearest(
    queries: np.ndarray, rows: np.ndarray, count: int, metric: Metric, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest rows of each query, nearest first, the lower index first among equals.

    Matrix products find candidates; those within their rounding error of the last place are measured again one by
    one, and these distances decide.

    Parameters
    ----------
    queries, rows : arrays of shape (q, d) and (n, d)
    own : for each query the index of the row that it is itself, which is left out; duplicates of it are not

    Returns
    -------
    indices (q, count) int64, distances (q, count) float64; the cosine distance to a row of zeros is 1
    """
    search = _Search(queries, rows, metric)
    limit = len(rows) - (own is not None)
    if not 1 <= count <= limit:
        raise ValueError(f"{count} neighbours are asked for; there are {limit} rows to choose from")
    blocks = distances.spans(len(queries), len(rows))
    parts = list(threads.in_order(lambda span: search.block(span, count, own), blocks))
    indices = [part[0] for part in parts] or [np.empty((0, count), np.int64)]
    lengths = [part[1] for part in parts] or [np.empty((0, count))]
    return np.concatenate(indices), np.concatenate(lengths)


class _Search:
    def __init__(self, queries: np.ndarray, rows: np.ndarray, metric: Metric):
        convert = distances.unit_rows if metric == "cosine" else _float64
        self.queries, self.rows, self.cosine = convert(queries), convert(rows), metric == "cosine"
        self.norms = (self.rows * self.rows).sum(axis=1)

    def block(self, span: tuple[int, int], count: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        start, stop = span
        rough, slack = self._rough(self.queries[start:stop])
        if own is not None:
            rough[np.arange(stop - start), own[start:stop]] = np.inf
        last = np.partition(rough, count - 1, axis=1)[:, count - 1]
        query, row = np.nonzero(rough <= (last + 2 * slack)[:, None])
        length = self._measure(query + start, row)
        order = np.lexsort((row, length, query))
        begins = np.searchsorted(query[order], np.arange(stop - start))
        chosen = order[begins[:, None] + np.arange(count)[None, :]]
        return row[chosen], length[chosen] if self.cosine else np.sqrt(length[chosen])

    def _rough(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        products = queries @ self.rows.T
        error = distances.rounding(queries.shape[1])
        if self.cosine:
            return 1.0 - products, np.full(len(queries), error)
        own = (queries * queries).sum(axis=1)
        products *= -2.0
        products += self.norms
        products += own[:, None]
        return products, error * (own + self.norms.max(initial=0.0))

    def _measure(self, query: np.ndarray, row: np.ndarray) -> np.ndarray:
        size = max(1, GATHERED_BYTES // (8 * max(1, self.rows.shape[1])))
        found = np.empty(len(query))
        for start in range(0, len(query), size):
            part = slice(start, start + size)
            left, right = self.queries[query[part]], self.rows[row[part]]
            found[part] = _cosine(left, right) if self.cosine else _squared(left, right)
        return found


def _cosine(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - (left * right).sum(axis=1), 0.0)


def _squared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    left -= right
    left *= left
    return left.sum(axis=1)


def _float64(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, dtype=np.float64)
