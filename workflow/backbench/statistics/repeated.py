"""Means over several splits of the same images: intervals and tests that allow for what the splits have in common.

The training parts of two splits overlap, and so may their test parts, so that their values are correlated: the
variance of the mean over R splits is not s^2 / R. Nadeau and Bengio ("Inference for the generalization error", Machine
Learning 52, 2003, section 4) take the correlation to be the share of the images that is tested, which makes it
s^2 (1 / R + tested / trained), with R - 1 degrees of freedom. Bouckaert and Frank (PAKDD 2004) use the same for
repeated cross-validation. Without the second term intervals shrink with R, however few images there are.

Of a metric that nothing is trained for, such as that of a clustering of b of n images, the ratio is b / (n - b): for
means over random subsets the variance is then exact.
"""

import math
from collections.abc import Sequence

import numpy as np

from backbench.statistics import intervals, paired
from backbench.statistics.intervals import Interval
from backbench.statistics.paired import Test

NAME = "corrected resampled t"


def ratio(tested: int, trained: int, sizes: np.ndarray | None = None) -> float:
    """The ratio of the images that are tested to those that are trained on, for images in groups of these `sizes` (m,).

    Groups of unequal size are not exchangeable, and a part of a fixed number of images hides some of what they vary by:
    the ratio is multiplied by one plus the squared coefficient of variation of their sizes (in simulations the variance
    is too small by about as much).
    """
    plain = tested / trained
    if sizes is None or not len(sizes):
        return plain
    return plain * float(1 + (sizes.std() / sizes.mean()) ** 2)


def variance(values: np.ndarray, ratio: float) -> float:
    """Variance of the mean of the values (splits,) of one metric; 0 where they are equal up to rounding.

    `ratio` is the number of images that are tested by the number that is trained on.
    """
    return intervals.variance_of_mean(values) * (1 + len(values) * ratio)


def interval(
    values: Sequence[float] | np.ndarray,
    ratio: float,
    level: float = 0.95,
    within: tuple[float, float] = intervals.UNBOUNDED,
) -> Interval | None:
    """Student's t interval of the mean of the values (splits,), with the corrected variance; NaN are left out.

    None for a single value, or where nothing varies: equal values say nothing of other images.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    spread = variance(kept, ratio) if len(kept) > 1 else 0.0
    if not spread:
        return None
    return intervals.student(float(kept.mean()), math.sqrt(spread), len(kept) - 1, intervals.REPEATS, level, within)


def test(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, ratio: float) -> Test:
    """The corrected resampled t test of the values (splits,) of A and B on the same splits.

    The effect is the share of splits on which A is ahead, ties counted half. Where the difference is the same on all
    splits there is no spread to judge it by: p is 1, and `note` says so. Of a few splits that is a coincidence.

    Raises
    ------
    ValueError
        If the values differ in length, or there are fewer than two.
    """
    from scipy import stats

    gaps = paired.gaps(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    if len(gaps) < 2:
        raise ValueError(f"{len(gaps)} split on which both have a value: the test needs at least two")
    difference, spread = float(gaps.mean()), math.sqrt(variance(gaps, ratio))
    ahead = float((gaps > 0).mean() + (gaps == 0).mean() / 2)
    effect = (ahead, "share of splits on which A is ahead")
    if not spread:
        note = "the difference is the same on every split, so there is no spread to judge it by"
        return Test(NAME, len(gaps), 0.0, 1.0, *effect, difference, math.nan, math.nan, note)
    t = difference / spread
    p = float(2 * stats.t.sf(abs(t), len(gaps) - 1))
    span = intervals.student(difference, spread, len(gaps) - 1, intervals.REPEATS)
    return Test(NAME, len(gaps), t, p, *effect, difference, span.low, span.high)
