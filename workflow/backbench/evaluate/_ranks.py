"""Ranks of a few values, without the second that importing scipy takes at the end of every sweep."""

import bisect
from collections.abc import Sequence


def mean_ranks(values: Sequence[float]) -> list[float]:
    """Ranks from the lowest up, equal values at the mean of theirs: ``scipy.stats.rankdata(method="average")``."""
    order = sorted(values)
    return [(bisect.bisect_left(order, value) + bisect.bisect_right(order, value) + 1) / 2 for value in values]
