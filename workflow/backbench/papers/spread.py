"""Where a single run falls: what a published figure, which is of one run, is held against."""

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.evaluate.estimates import Estimate, Replicated
from backbench.metrics import catalogue

if TYPE_CHECKING:
    from backbench.statistics.intervals import Interval


def single_run(metric: str, groups: Sequence[Sequence[float]], images: Replicated | None = None) -> Estimate | None:
    """The mean of a metric and the range that holds 95 % of single runs; None of fewer than two groups.

    Parameters
    ----------
    groups : the values of each independent sample: of one fit, or of all fits on the codes of one training
    images : the metric of each result on resampled images, where another sample of images is a source of chance too

    Notes
    -----
    The prediction interval of the means of the groups. What does not depend on these is added as variances are: the
    spread of the fits within a training, of which a single run has one, and that of the images.
    """
    from backbench.statistics import intervals

    means = [statistics.fmean(group) for group in groups]
    between = intervals.prediction(means)
    if between is None:
        return None
    mean, sources = statistics.fmean(means), [(0.0, 0.0)]
    sources = [_ends(between, mean), (_within(groups),) * 2]
    over = intervals.SEEDS
    drawn = None if images is None else intervals.percentile(images.values.mean(axis=0), observed=mean)
    if images is not None and drawn is not None:
        over = intervals.BOTH
        sources.append(_ends(drawn, mean))
    below, above = (math.hypot(*ends) for ends in zip(*sources, strict=True))
    low, high = _bounds(metric)
    count = images.count if images is not None and over == intervals.BOTH else len(means)
    return Estimate(mean, max(mean - below, min(low, mean)), min(mean + above, max(high, mean)), over, count)


def _ends(interval: "Interval", mean: float) -> tuple[float, float]:
    return mean - interval.low, interval.high - mean


def _within(groups: Sequence[Sequence[float]]) -> float:
    """Half the width that a single fit adds to the mean over the fits of its training."""
    from scipy import stats

    size = statistics.fmean(map(len, groups))
    variances = [statistics.variance(group) for group in groups if len(group) > 1]
    if not variances:
        return 0.0
    return float(stats.t.ppf(0.975, len(groups) - 1)) * math.sqrt((1 - 1 / size) * statistics.fmean(variances))


def _bounds(metric: str) -> tuple[float, float]:
    """The range of a metric; precision, recall and F1 of a class are shares."""
    if not catalogue.known(metric):
        return 0.0, 1.0
    low, high = catalogue.metric(metric).low, catalogue.metric(metric).high
    return -math.inf if low is None else low, math.inf if high is None else high
