"""The leaves of a tree of clustering features, and Ward's tree over them."""

import numpy as np

from backbench.clusterers import _trees, agglomerative
from backbench.metrics import neighbours
from backbench.metrics.near import Near


class Leaves:
    """Subclusters of the rows, joined by Ward's method as `sklearn.cluster.Birch` joins them."""

    def __init__(self, x: np.ndarray, threshold: float, branching_factor: int):
        """From the rows (n, d)."""
        from sklearn.cluster import Birch

        self.threshold = threshold
        model = Birch(threshold=threshold, branching_factor=branching_factor, n_clusters=None).fit(x)
        self._codes, centres = model.labels_, model.subcluster_centers_
        self.count = len(centres)
        self._merges = _trees.tree(centres, "ward", "euclidean", self.count <= agglomerative.CONDENSED_ROWS)

    def labels(self, k: int) -> np.ndarray:
        """Labels (n,) of the rows in `k` clusters."""
        return _trees.cut(self._merges, k)[self._codes]


def threshold(x: np.ndarray, near: Near, quantile: float, sample: int | None) -> float:
    """The quantile, over the rows (n, d), of the distance to the nearest other row.

    `sample` evenly spaced rows stand for all of them, or none if it is None.

    Raises
    ------
    ValueError
        If that share of the rows has a duplicate, so that the quantile is 0.
    """
    if len(x) == 1:
        return 1.0
    if sample is None:
        _, lengths = near.nearest("euclidean", 1)
    else:
        rows = np.linspace(0, len(x) - 1, sample).astype(np.int64)
        _, lengths = neighbours.nearest(x[rows], x, 1, "euclidean", rows)
    length = float(np.quantile(lengths, quantile))
    if length <= 0:
        raise ValueError(
            f"threshold_quantile = {quantile} gives a threshold of 0: that share of the rows has duplicates; raise it, "
            "or give threshold"
        )
    return length
