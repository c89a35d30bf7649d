"""New rows in an embedding by UMAP: where its own ``transform`` starts from, without the iterations that follow.

A new row is the average of the embedded places of its nearest known rows, weighted by their membership (McInnes, Healy
and Melville, arXiv:1802.03426, section 3), as by ``smooth_knn_dist`` and ``compute_membership_strengths`` in
umap-learn's ``transform``. The iterations that follow there draw random rows for the whole batch, so that a place would
depend on the other new rows; this one depends on the row alone, and takes no fit. A known row is at its stored place,
whether the transform was learnt from it or not.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from backbench.inference.nearby import Nearby

if TYPE_CHECKING:
    import numpy as np

ROUNDS = 64
# umap-learn's smallest bandwidth, as a share of the mean distance.
LEAST = 1e-3
# Rows that differ by rounding alone, relative to their length, are of the same image: products of matrices are summed
# in another order in a block of another size. Distances by an angle grow with the square of that.
ROUNDING = 1e-5
ANGLES = ("cosine", "correlation")


@dataclass(frozen=True)
class Embedding:
    """Known rows (n, d) before the transform and their places (n, w) after it.

    `learnt` (m,) are the numbers of the rows that it was learnt from, None for all.
    """

    rows: "np.ndarray"
    places: "np.ndarray"
    count: int
    metric: str
    learnt: "np.ndarray | None" = None

    def transform(self, queries: "np.ndarray") -> "np.ndarray":
        """Places (q, w) float32 of new rows (q, d); a row that equals a known one is at its place."""
        import numpy as np

        if not len(queries):
            return np.empty((0, self.places.shape[1]), np.float32)
        among, places = self._taught
        near, lengths = among(queries, min(self.count, len(places)))
        placed = np.einsum("qk,qkw->qw", memberships(lengths), places[near].astype(np.float64))
        if self.learnt is None:
            near, lengths = near[:, 0], lengths[:, 0]
        else:
            near, lengths = (part[:, 0] for part in self._all(queries, 1))
        same = equal(queries, lengths, self.metric)
        placed[same] = self.places[near[same]]
        return placed.astype(np.float32)

    @cached_property
    def _taught(self) -> "tuple[Nearby, np.ndarray]":
        """The rows (m, d) that it was learnt from, and their places (m, w)."""
        if self.learnt is None:
            return self._all, self.places
        return Nearby(self.rows[self.learnt], self.metric), self.places[self.learnt]

    @cached_property
    def _all(self) -> Nearby:
        return Nearby(self.rows, self.metric)


def equal(queries: "np.ndarray", lengths: "np.ndarray", metric: str) -> "np.ndarray":
    """Whether each query (q, d) equals the row that is this far away, (q,), but for rounding."""
    import numpy as np

    if metric in ANGLES:
        least: np.ndarray | float = ROUNDING**2
    else:
        least = ROUNDING * np.linalg.norm(queries.astype(np.float64), ord=1 if metric == "manhattan" else 2, axis=1)
    return lengths <= least


def memberships(lengths: "np.ndarray") -> "np.ndarray":
    """Weights (q, count) that add up to 1, from the distances (q, count) to the nearest rows, ascending.

    They fall off as exp(-distance / width); the width is the one with which all but the nearest add up to log2(count).
    """
    import numpy as np

    target = np.log2(lengths.shape[1])
    low, high = np.zeros(len(lengths)), np.full(len(lengths), np.inf)
    width = np.ones(len(lengths))
    for _ in range(ROUNDS):
        above = np.exp(-lengths[:, 1:] / width[:, None]).sum(axis=1) > target
        high, low = np.where(above, width, high), np.where(above, low, width)
        width = np.where(np.isinf(high), width * 2, (low + high) / 2)
    width = np.maximum(width, LEAST * lengths.mean(axis=1))
    width = np.where(width > 0, width, 1.0)
    # The nearest has a weight above 0 whatever the width; only ratios count.
    weights = np.exp(-(lengths - lengths[:, :1]) / width[:, None])
    return weights / weights.sum(axis=1, keepdims=True)
