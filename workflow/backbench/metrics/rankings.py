"""Metrics of the whole ranking of each query: R-precision, and average precision over all ranks.

The gallery of a query is ranked block by block, and nothing holds a row for every pair of images: products of float64
order the images, and where the order of a right and a wrong one could be an error of rounding, both are measured as
`neighbours.measured` does. So the ranks are those of `neighbours.nearest`, whatever the block, the threads or the BLAS.
"""

from dataclasses import dataclass

import numpy as np

from backbench import threads
from backbench.metrics import _rough, neighbours

BLOCK_BYTES = 1 << 24
FEWEST, MOST = 4, 256


@dataclass(frozen=True)
class Asked:
    """What is searched for what.

    Attributes
    ----------
    queries, rows : row numbers (q,) of the queries and (m,) of the gallery, which may hold the queries
    truth : class of each image (n,)
    groups : group of each image (n,), None for none: images of the group of the query, and the query, are left out
    """

    queries: np.ndarray
    rows: np.ndarray
    truth: np.ndarray
    groups: np.ndarray | None = None

    def totals(self) -> np.ndarray:
        """How many images (q,) of the gallery are relevant to each query: of its class and not left out."""
        counts = np.bincount(self.truth[self.rows], minlength=int(self.truth.max(initial=0)) + 1)
        if self.groups is None:
            itself = np.isin(self.queries, self.rows, assume_unique=True)
            return counts[self.truth[self.queries]] - itself
        width = int(self.truth.max(initial=0)) + 1
        cells = self.groups * width + self.truth
        names, place = np.unique(cells, return_inverse=True)
        left_out = np.bincount(place[self.rows], minlength=len(names))
        return counts[self.truth[self.queries]] - left_out[place[self.queries]]


def of_queries(x: np.ndarray, asked: Asked, metric: neighbours.Metric) -> dict[str, np.ndarray]:
    """The metrics of each query, (q,) float64 each, NaN where nothing is relevant to it; `x` is (n, d).

    With R images that are relevant to a query, and the ranks r of these in ascending order r_1 ... r_R:

    - ``r_precision``: the share of relevant images among the first R (Manning et al. 2008, section 8.4);
    - ``map_full``: the mean of i / r_i, the average precision over all ranks (ibid.), as
      `sklearn.metrics.average_precision_score` has it where no two distances are equal;
    - ``map_revisited``: the same by the trapezoidal rule, the mean of i / r_i and (i - 1) / (r_i - 1) in place of i /
      r_i, where the latter is 1 if r_i is 1: the area that Philbin et al. (2007) compute, and the evaluation of Oxford
      and Paris (Radenović et al. 2018) after them.

    Images that are left out (`Asked.groups`) are taken out of the ranking before anything is counted, as the junk
    images of Oxford and Paris are.
    """
    ranking = _Ranking(x, asked, metric)
    spans = _spans(len(asked.queries), len(asked.rows))
    parts = list(threads.in_order(ranking.block, spans))
    names = ("r_precision", "map_full", "map_revisited")
    values = np.concatenate([np.empty((0, len(names))), *parts])
    return {name: values[:, at] for at, name in enumerate(names)}


def _spans(count: int, columns: int) -> list[np.ndarray]:
    """Blocks (b,) of the numbers of `count` queries; their sizes depend on the number of `columns` alone."""
    size = min(MOST, max(FEWEST, BLOCK_BYTES // (8 * max(columns, 1))))
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def scores_of(ranks: np.ndarray) -> tuple[float, float, float]:
    """R-precision, average precision, and that by the trapezoidal rule, from the ranks (r,) of what is relevant.

    The ranks ascend, the first rank is 1; NaN if there are none.
    """
    count = len(ranks)
    if not count:
        return (float("nan"),) * 3
    relevant = np.arange(1, count + 1)
    after = relevant / ranks
    before = np.divide(relevant - 1, ranks - 1, out=np.ones(count), where=ranks > 1)
    return float((ranks <= count).mean()), float(after.mean()), float((after + before).mean() / 2)


class _Ranking:
    """The rows of a gallery ranked for blocks of queries."""

    def __init__(self, x: np.ndarray, asked: Asked, metric: neighbours.Metric):
        """The queries and the gallery are rows of `x` (n, d)."""
        self.asked = asked
        self.rows, self.queries = x[asked.rows], x[asked.queries]
        self.space = _rough.Space(self.queries, self.rows, metric == "cosine")
        self.lengths = (self.space.query_lengths, self.space.lengths) if self.space.cosine else None
        self.right = self.space.rows(0, len(self.rows), np.float64)
        self.truth = asked.truth[asked.rows]
        self.groups = None if asked.groups is None else asked.groups[asked.rows]

    def block(self, which: np.ndarray) -> np.ndarray:
        """The metrics (m, 3) of the queries at the places `which` (m,)."""
        scores = self.space.queries(which, np.float64) @ self.right.T
        slack = 2 * self.space.slack(which, np.float64)
        lines = [self._metrics(*pair) for pair in zip(which, scores, slack, strict=True)]
        return np.array(lines).reshape(len(which), 3)

    def _metrics(self, place: int, scores: np.ndarray, slack: float) -> tuple[float, float, float]:
        """The metrics of the query at a place, from the scores (m,) of the gallery, which may be wrong by `slack`."""
        query = self.asked.queries[place]
        left_out = self.asked.rows == query
        if self.groups is not None and self.asked.groups is not None:
            left_out |= self.groups == self.asked.groups[query]
        kept = np.flatnonzero(~left_out)
        order = kept[np.argsort(scores[kept])]
        hits = self.truth[order] == self.asked.truth[query]
        unsure = _unsure(scores[order], hits, slack)
        if len(unsure):
            hits[unsure] = hits[self._sorted(place, order, scores, unsure, slack)]
        return scores_of(np.flatnonzero(hits) + 1)

    def _sorted(
        self, place: int, order: np.ndarray, scores: np.ndarray, unsure: np.ndarray, slack: float
    ) -> np.ndarray:
        """The places `unsure` (u,) of an `order` (k,) in the order of the distances that are measured one by one.

        Places of one run of close scores keep to the places of this run; equals are in the order of their row numbers.
        """
        rows = order[unsure]
        runs = _runs(scores[order], slack)[unsure]
        asked = np.full(len(rows), place)
        lengths = neighbours.measured(self.queries, self.rows, asked, rows, self.lengths)
        return unsure[np.lexsort((rows, lengths, runs))]


def _runs(values: np.ndarray, slack: float) -> np.ndarray:
    """The run (k,) of each of the ascending values (k,): neighbours within `slack` are of one run."""
    return np.concatenate([[0], np.cumsum(np.diff(values) > slack)]) if len(values) else np.empty(0, np.int64)


def _unsure(values: np.ndarray, hits: np.ndarray, slack: float) -> np.ndarray:
    """The places (u,) of ascending values (k,) in runs of close values that hold both `hits` (k,) and others."""
    close = np.diff(values) <= slack
    if not (close & (hits[1:] != hits[:-1])).any():
        return np.empty(0, np.int64)
    runs = _runs(values, slack)
    size, right = np.bincount(runs), np.bincount(runs, hits)
    return np.flatnonzero(((right > 0) & (right < size))[runs])
