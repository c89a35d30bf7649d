"""Approximate nearest neighbours for large collections, with the recall that they were seen to have.

faiss's inverted lists (Jégou, Douze and Schmid 2011; `IndexIVFFlat`) give candidates, which are measured and ordered as
an exact search does. How many lists are looked into is chosen on queries of its own; the recall that is reported is of
others. One core trains, from a seed, so that a result is the same twice, whatever the threads.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backbench import threads
from backbench.metrics import _rough, neighbours

if TYPE_CHECKING:
    import faiss

BLOCK = 256
CHOOSING, JUDGING = 256, 1000
# Rows that each list is learnt from at least (faiss warns below that) and at most.
FEWEST, LEARNT = 39, 64
ROUNDS = 10
# Candidates beyond those asked for: float32 orders near equals differently.
SPARE = 8


@dataclass(frozen=True)
class Quality:
    """How good a search was: lists, lists looked into, and the recall of sampled queries with its standard error."""

    nlist: int
    nprobe: int
    recall: float
    recall_se: float


def nearest_approximate(
    queries: np.ndarray,
    rows: np.ndarray,
    count: int,
    metric: neighbours.Metric,
    excluded: np.ndarray | None = None,
    seed: int = 0,
    wanted: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, Quality]:
    """As `neighbours.nearest`, rows and distances (q, count), but some of the nearest may be missing; and how many.

    A neighbour counts as found if it is no farther than the last exact one. `wanted` is the recall on the choosing
    queries from which no more lists are looked into.
    """
    limit = len(rows) - (excluded is not None)
    if not 1 <= count <= limit:
        raise ValueError(f"{count} neighbours are asked for; there are {limit} rows to choose from")
    import faiss  # noqa: F401  # loaded before its threads are held at one

    with threads.loaded_at_one_core(threads.available()):
        search = _Search(queries, rows, count, metric, excluded, seed)
        order = np.random.default_rng(seed).permutation(len(queries))
        # With few queries, the same ones have to serve twice.
        judging = order[CHOOSING : CHOOSING + JUDGING] if len(order) > 2 * CHOOSING else order
        nprobe = search.probes(order[:CHOOSING], wanted)
        indices, lengths = search.nearest(np.arange(len(queries)), nprobe)
        recall = search.recall(lengths[judging], search.exact(judging)[1])
    return indices, lengths, Quality(search.nlist, nprobe, *_mean(recall))


class _Search:
    """An index of the rows, and what a search of it takes."""

    def __init__(
        self,
        queries: np.ndarray,
        rows: np.ndarray,
        count: int,
        metric: neighbours.Metric,
        excluded: np.ndarray | None,
        seed: int,
    ):
        """Index `rows` (n, d) for `queries` (q, d), without the row `excluded` (q,) of each."""
        self._queries, self._rows, self._count, self._metric = queries, rows, count, metric
        self._excluded = excluded
        self._space = _rough.Space(queries, rows, metric == "cosine")
        self._lengths = (self._space.query_lengths, self._space.lengths) if self._space.cosine else None
        self.nlist = max(1, min(int(4 * np.sqrt(len(rows))), len(rows) // FEWEST))
        self._index = self._learnt(seed)

    def probes(self, which: np.ndarray, wanted: float) -> int:
        """The first power of two of lists at which the queries `which` (m,) have the recall that is wanted."""
        nprobe, exact = 1, self.exact(which)[1] if len(which) else None
        while exact is not None and nprobe < self.nlist:
            if self.recall(self.nearest(which, nprobe)[1], exact).mean() >= wanted:
                break
            nprobe *= 2
        return min(nprobe, self.nlist)

    def nearest(self, which: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances (m, count) of the queries `which` (m,); exact where the lists hold too few."""
        rows, lengths = np.empty((len(which), self._count), np.int64), np.empty((len(which), self._count))
        spans = [slice(start, start + BLOCK) for start in range(0, len(which), BLOCK)]
        parts = threads.in_order(lambda span: self._block(which[span], nprobe), spans)
        for span, part in zip(spans, parts, strict=True):
            rows[span], lengths[span] = part
        few = np.flatnonzero(rows[:, -1] < 0)
        if len(few):
            rows[few], lengths[few] = self.exact(which[few])
        return rows, lengths

    def exact(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What an exact search finds for the queries `which` (m,): rows and distances (m, count)."""
        excluded = None if self._excluded is None else self._excluded[which]
        return neighbours.nearest(self._queries[which], self._rows, self._count, self._metric, excluded)

    def recall(self, lengths: np.ndarray, exact: np.ndarray) -> np.ndarray:
        """The share (m,) of the nearest rows that were found, from distances (m, count) and exact ones (m, count)."""
        return (lengths <= exact[:, -1:]).mean(axis=1)

    def _learnt(self, seed: int) -> "faiss.IndexIVFFlat":
        import faiss

        product = self._metric == "cosine"
        coarse = (faiss.IndexFlatIP if product else faiss.IndexFlatL2)(self._space.d)
        kind = faiss.METRIC_INNER_PRODUCT if product else faiss.METRIC_L2
        index = faiss.IndexIVFFlat(coarse, self._space.d, self.nlist, kind)
        index.cp.seed, index.cp.niter = seed, ROUNDS
        size = min(len(self._rows), LEARNT * self.nlist)
        some = np.sort(np.random.default_rng(seed).choice(len(self._rows), size, replace=False))
        index.train(self._space.placed(some))
        for start, stop in _rough.chunks(len(self._rows), self._space.d):
            index.add(self._space.placed(np.arange(start, stop)))
        return index

    def _block(self, which: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances (m, count) of a block of queries `which` (m,); -1 where its lists hold too few."""
        import faiss

        left = self._space.placed(which, of_queries=True)
        depth = min(self._count + SPARE + (self._excluded is not None), len(self._rows))
        # faiss makes this class from C++, with any field as a keyword; its stubs know none of them.
        params = faiss.SearchParametersIVF(nprobe=nprobe)  # type: ignore[call-arg]
        listed = self._index.search(left, depth, params=params)[1]
        near = listed >= 0
        if self._excluded is not None:
            near &= listed != self._excluded[which, None]
        near[near.sum(axis=1) < self._count] = False
        query, place = np.nonzero(near)
        query, row = np.divmod(np.sort(query * len(self._rows) + listed[query, place]), len(self._rows))
        length = neighbours.measured(self._queries, self._rows, which[query], row, self._lengths)
        rows, lengths = neighbours.ordered(query, row, length, (len(which), self._count))
        return rows, lengths if self._space.cosine else np.sqrt(lengths)


def _mean(values: np.ndarray) -> tuple[float, float]:
    """The mean of values (m,) and its standard error; NaN where there are too few."""
    mean = float(values.mean()) if len(values) else float("nan")
    return mean, float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
