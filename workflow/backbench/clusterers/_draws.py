"""Draws of many batches from one distribution, the same as those of `numpy.random.RandomState.choice`."""

from typing import Any

import numpy as np


class Draws(np.random.RandomState):
    """A `RandomState` that adds up the probabilities of a distribution once, and not for each of its draws.

    `sklearn.cluster.MiniBatchKMeans` draws each batch by the weights of all rows. To check and to add up those of a
    million takes ten times as long as the work on the batch.
    """

    _given: Any = None
    _ends: np.ndarray

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        """As numpy's; `p` (n,) must not change in between where it is the same array."""
        if p is None or size is None or not replace or not isinstance(a, int):
            return super().choice(a, size, replace, p)
        if p is not self._given:
            drawn = super().choice(a, size, replace, p)  # which refuses what is no distribution
            self._given, ends = p, np.asarray(p, dtype=np.float64).cumsum()
            self._ends = ends / ends[-1]
            return drawn
        return self._ends.searchsorted(self.random_sample(size), side="right")
