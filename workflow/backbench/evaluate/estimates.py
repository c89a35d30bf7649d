"""The mean of a metric over the results of a configuration, with a 95 % interval that says what it is over."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from backbench.statistics.intervals import Interval

UNBOUNDED = (-math.inf, math.inf)
# Replicates that differ by less are one value: the metrics that are resampled are of the order of 1.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean with the ends of its interval, None where there is none.

    `over` says what was resampled: ``images``, ``groups`` (of images), ``seeds``, ``images and seeds``, ``groups and
    seeds``, ``refits`` (fits to samples of the images), ``repeats`` (splits of the images), ``draws`` (of training
    images), ``images and draws`` or ``groups and draws``. `n` is how many of them: images or groups where it is these
    and something else; without an interval, the results that the mean is of.
    """

    mean: float
    low: float | None
    high: float | None
    over: str | None
    n: int


@dataclass(frozen=True)
class Replicated:
    """A metric of each result of a configuration on samples of the images: (results, resamples).

    `count` is how many images these are, or how many samples where `refitted`: fits to each of them. `share` is whether
    the metric is a share of images that are right or wrong independently of each other. `grouped` says that whole
    groups were drawn, `count` of them.
    """

    values: "np.ndarray"
    count: int
    share: bool = False
    refitted: bool = False
    grouped: bool = False


def estimate(
    values: Sequence[float],
    replicated: Replicated | None,
    fits: bool,
    within: tuple[float, float] = UNBOUNDED,
    drawn: bool = False,
) -> Estimate:
    """The estimate of a metric from its value in each result.

    Parameters
    ----------
    values : the metric of each result, one result for each seed, or for each draw where `drawn`; NaN are left out
    replicated : the same on samples of the images, where the arrays are there
    fits : whether the interval of several results is over their seeds alone, the images being what was fitted; fits to
        samples of the images show both
    within : the least and the largest value that the metric can have
    """
    from backbench.statistics import intervals

    values = [value for value in values if not math.isnan(value)]
    mean = statistics.fmean(values) if values else math.nan
    refitted = replicated is not None and replicated.refitted
    if len(values) > 1 and not refitted and (fits or replicated is None):
        return _estimate(mean, _named(intervals.over_seeds(values, within=within), drawn), len(values))
    if replicated is None or not values:
        return _estimate(mean, None, len(values))
    interval = _named(_of_replicates(mean, values, replicated), drawn)
    if interval is not None:
        low, high = max(interval.low, min(within[0], mean)), min(interval.high, max(within[1], mean))
        interval = intervals.Interval(low, high, interval.over)
    return _estimate(mean, interval, replicated.count)


def _named(interval: "Interval | None", drawn: bool) -> "Interval | None":
    """An interval over seeds, under the name of what varies where these are draws of training images."""
    from backbench.statistics import intervals

    if interval is None or not drawn:
        return interval
    both = {intervals.BOTH: intervals.IMAGES_AND_DRAWS, intervals.GROUPS_AND_SEEDS: intervals.GROUPS_AND_DRAWS}
    names = {intervals.SEEDS: intervals.DRAWS, **both}
    return replace(interval, over=names.get(interval.over, interval.over))


def _of_replicates(mean: float, values: Sequence[float], replicated: Replicated) -> "Interval | None":
    """The interval around the mean of values, one for each seed; None where nothing varies."""
    import numpy as np

    from backbench.statistics import intervals

    replicates = replicated.values.mean(axis=0)
    level = replicates.max() - replicates.min() <= ROUNDING
    if replicated.grouped and not replicated.refitted:
        return _of_groups(mean, values, replicated, 0.0 if level else float(replicates.var(ddof=1)))
    if replicated.refitted:
        error = float(replicates.std(ddof=1))
        return None if level else intervals.student(mean, error, len(replicates) - 1, intervals.REFITS)
    if len(values) == 1:
        if replicated.share:
            return _wilson(mean, replicated.count)
        return None if level else intervals.percentile(replicates, observed=mean)
    parts = [0.0 if level else float(replicates.var(ddof=1)), intervals.variance_of_mean(np.asarray(values))]
    if not sum(parts):
        return _wilson(mean, replicated.count) if replicated.share else None
    degrees = float(intervals.degrees(parts, [len(replicates) - 1, len(values) - 1]))
    return intervals.student(mean, math.sqrt(sum(parts)), degrees, intervals.BOTH)


def _of_groups(mean: float, values: Sequence[float], replicated: Replicated, drawn: float) -> "Interval | None":
    """The interval around the mean of values, one for each seed, with the variance `drawn` over draws of groups."""
    import numpy as np

    from backbench.statistics import intervals

    groups = replicated.count
    parts = [drawn * intervals.few(groups), intervals.variance_of_mean(np.asarray(values))]
    if replicated.share and not parts[1]:
        return intervals.share(mean, parts[0], groups)
    if not sum(parts):
        return None
    degrees = float(intervals.degrees(parts, [max(groups - 1, 1), max(len(values) - 1, 1)]))
    over = intervals.GROUPS if len(values) == 1 else intervals.GROUPS_AND_SEEDS
    return intervals.student(mean, math.sqrt(sum(parts)), degrees, over)


def _wilson(share: float, n: int) -> "Interval":
    """Wilson's (1927) score interval of a share of n images (`statsmodels`)."""
    from statsmodels.stats.proportion import proportion_confint

    from backbench.statistics import intervals

    low, high = proportion_confint(share * n, n, method="wilson")
    return intervals.Interval(float(low), float(high), intervals.IMAGES)


def _estimate(mean: float, interval: "Interval | None", n: int) -> Estimate:
    if interval is None:
        return Estimate(mean, None, None, None, n)
    return Estimate(mean, interval.low, interval.high, interval.over, n)
