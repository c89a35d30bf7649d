"""The mean of a metric over the results of a configuration, with a 95 % interval that says what it is over."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from backbench.statistics.intervals import Interval

# No metric that is resampled is larger.
TOP = 1.0
# Replicates that differ by less are one value: the metrics that are resampled are at most 1.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean with the ends of its interval, None where there is none.

    `over` says what was resampled: ``images``, ``seeds`` or ``images and seeds``. `n` is how many of them: images,
    seeds, or images where it is both; without an interval, the results that the mean is of.
    """

    mean: float
    low: float | None
    high: float | None
    over: str | None
    n: int


@dataclass(frozen=True)
class Replicated:
    """A metric of each result of a configuration on resampled images: (results, resamples), how many images these are,
    and whether the metric is a share of them."""

    values: "np.ndarray"
    images: int
    share: bool = False


def estimate(values: Sequence[float], replicated: Replicated | None, row: int, fits: bool) -> Estimate:
    """The estimate of a metric from its value in each result.

    Parameters
    ----------
    values : the metric of each result, one result for each seed; NaN are left out
    replicated : the same on resampled images, where the arrays are there
    row : what separates the draws of seeds of one configuration from those of another
    fits : whether the interval of several results is over their seeds alone, the images being what was fitted
    """
    from backbench.statistics import intervals

    values = [value for value in values if not math.isnan(value)]
    mean = statistics.fmean(values) if values else math.nan
    if len(values) > 1 and (fits or replicated is None):
        return _estimate(mean, intervals.over_seeds(values), len(values))
    if replicated is None or not values:
        return _estimate(mean, None, len(values))
    replicates = joint(replicated, row)
    if replicates.max() - replicates.min() <= ROUNDING:
        return _estimate(mean, _all_alike(mean, replicated), replicated.images)
    over = intervals.BOTH if len(values) > 1 else intervals.IMAGES
    return _estimate(mean, intervals.percentile(replicates, observed=mean, over=over), replicated.images)


def _all_alike(mean: float, replicated: Replicated) -> "Interval | None":
    """Where no resample differs from another, such as when all images are right, a bootstrap says nothing. Of a share
    Wilson's (1927) score interval does (`statsmodels`)."""
    from backbench.statistics import intervals

    if not replicated.share:
        return None
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(mean * replicated.images, replicated.images, method="wilson")
    return intervals.Interval(float(low), float(high), intervals.IMAGES)


def joint(replicated: Replicated, row: int) -> "np.ndarray":
    """Replicates (resamples,) of the mean over results, their seeds resampled where there are several."""
    from backbench.statistics import replicates

    return replicates.over_seeds(replicated.values, row)


def _estimate(mean: float, interval: "Interval | None", n: int) -> Estimate:
    from backbench.statistics import intervals

    if interval is None:
        return Estimate(mean, None, None, None, n)
    # An interval that was moved to the mean may have been moved beyond what the metric can be.
    high = interval.high if interval.over == intervals.SEEDS else min(interval.high, max(TOP, mean))
    return Estimate(mean, interval.low, high, interval.over, n)
