"""Nearest rows of a few queries at a time, by rows that were prepared once.

The answer is that of ``metrics.neighbours``, bit for bit, which prepares its rows for every search: right for many
queries, slow for one. Here products of float32 find candidates, as many as rounding may hide, and their distances in
float64 decide.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from backbench.inference import cores
from backbench.metrics import _rough, neighbours

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.neighbours import Metric

# Beyond so many candidates the search for many queries is faster.
MOST = 4096
OTHERS = ("manhattan", "correlation")


@dataclass(frozen=True)
class Nearby:
    """Rows (n, d) float32 or float64, and a metric of UMAP or of retrieval."""

    rows: "np.ndarray"
    metric: str

    def __call__(
        self, queries: "np.ndarray", count: int, excluded: "np.ndarray | None" = None
    ) -> tuple["np.ndarray", "np.ndarray"]:
        """The nearest rows of each query (q, d) and their distances, both (q, count), nearest first.

        Parameters
        ----------
        excluded : the row (q,) that each query is itself, which is left out; -1 for none
        """
        import numpy as np

        if self.metric in OTHERS:
            from sklearn.neighbors import NearestNeighbors

            search = NearestNeighbors(metric=self.metric, algorithm="brute").fit(self.rows)
            lengths, near = search.kneighbors(queries, count)
            return near, lengths
        few = 0 < len(queries) <= cores.FEW and queries.dtype == np.float32
        left_out = [-1] * len(queries) if excluded is None else excluded.tolist()
        answers = map(self._one, queries, [count] * len(queries), left_out) if few else ()
        pairs = [answer for answer in answers if answer is not None]
        if not pairs or len(pairs) < len(queries):
            return neighbours.nearest(queries, self.rows, count, self._metric, excluded)
        return np.stack([near for near, _ in pairs]), np.stack([lengths for _, lengths in pairs])

    def _one(self, query: "np.ndarray", count: int, excluded: int) -> "tuple[np.ndarray, np.ndarray] | None":
        """The nearest rows (count,) of one query (d,), and their distances (count,); None where it is not quick."""
        import numpy as np

        asked = query[None]
        length = np.sqrt(_rough.dots(asked.astype(np.float64), asked.astype(np.float64)))
        products = (self.rows @ query).astype(np.float64)
        unit = (len(query) + 16) * float(np.finfo(np.float32).eps)
        both = self._lengths * length
        if self.metric == "cosine":
            scores = 1.0 - np.divide(products, both, out=np.zeros(len(both)), where=both > 0)
            slack = np.full(len(both), unit)
        else:
            scores = self._lengths**2 - 2 * products + length**2
            slack = unit * (self._lengths + length) ** 2
        if excluded >= 0:
            scores[excluded] = np.inf
        limit = np.partition(scores + slack, count - 1)[count - 1]
        candidates = np.flatnonzero(scores - slack <= limit)
        if not np.isfinite(limit) or not count <= len(candidates) <= MOST:
            return None
        pair = (length, self._lengths) if self.metric == "cosine" else None
        values = neighbours.measured(asked, self.rows, np.zeros(len(candidates), int), candidates, pair)
        order = np.argsort(values, kind="stable")[:count]
        return candidates[order], values[order] if self.metric == "cosine" else np.sqrt(values[order])

    @property
    def _metric(self) -> "Metric":
        return "cosine" if self.metric == "cosine" else "euclidean"

    @cached_property
    def _lengths(self) -> "np.ndarray":
        """Lengths (n,) of the rows in float64."""
        import numpy as np

        lengths = np.empty(len(self.rows))
        for start, stop in _rough.chunks(len(self.rows), self.rows.shape[1]):
            part = self.rows[start:stop].astype(np.float64)
            lengths[start:stop] = np.sqrt(_rough.dots(part, part))
        return lengths
