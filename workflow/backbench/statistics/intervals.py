"""Intervals around a value: from replicates over images, from refits, or from the values of several seeds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

IMAGES, SEEDS, BOTH, REFITS, REPEATS = "images", "seeds", "images and seeds", "refits", "repeats"
# The draws are of the training images of few-shot classifiers.
DRAWS, IMAGES_AND_DRAWS, GROUPS_AND_DRAWS = "draws", "images and draws", "groups and draws"
GROUPS, GROUPS_AND_SEEDS = "groups", "groups and seeds"
UNBOUNDED = (-math.inf, math.inf)
# Values that differ by less than this share of the largest are one value.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`; `over` says what was resampled: `images`, `seeds`, `images and seeds`, `refits`, `repeats`
    (splits of the same images), `groups` (of images), `groups and seeds`, `draws` (of training images), `images and
    draws` or `groups and draws`."""

    low: float
    high: float
    over: str


def percentile(
    replicates: np.ndarray, level: float = 0.95, observed: float | None = None, over: str = IMAGES
) -> Interval | None:
    """Percentile interval of replicates (resamples,), NaN left out (Efron and Tibshirani 1993, chapter 13).

    Given `observed`, the value on the images as they are, the replicates are shifted to that mean. Purity, cluster
    accuracy and the NMI of many clusters are larger on samples with repeated images than on distinct ones; after the
    shift, the interval shows how far the value varies, without that bias. None if there is no replicate.
    """
    kept = np.asarray(replicates, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if not len(kept):
        return None
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    shift = 0.0 if observed is None else float(observed - kept.mean())
    return Interval(float(low + shift), float(high + shift), over)


def student(
    value: float,
    error: float,
    degrees: float,
    over: str,
    level: float = 0.95,
    within: tuple[float, float] = UNBOUNDED,
) -> Interval:
    """Student's (1908) t interval around a value with a standard error on so many degrees of freedom.

    It ends where the metric does: `within` is the least and the largest value that it can have.
    """
    from scipy import stats

    half = float(stats.t.ppf((1 + level) / 2, degrees)) * error
    return Interval(max(value - half, min(within[0], value)), min(value + half, max(within[1], value)), over)


def over_seeds(
    values: Sequence[float] | np.ndarray, level: float = 0.95, within: tuple[float, float] = UNBOUNDED
) -> Interval | None:
    """Student's t interval of the mean of the values (seeds,); None for a single value. NaN are left out.

    It holds the mean over all seeds in 95 % of cases if values are normal, however few they are; a bootstrap of few
    values does not (71 % with 3 seeds, 84 % with 5, 90 % with 10).
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if len(kept) < 2:
        return None
    variance = variance_of_mean(kept)
    if not variance:
        return Interval(float(kept[0]), float(kept[0]), SEEDS)
    return student(statistics.fmean(kept), math.sqrt(variance), len(kept) - 1, SEEDS, level, within)


def variance_of_mean(values: np.ndarray) -> float:
    """Variance of the mean of values (seeds,); 0 for a single one, or values that are equal up to rounding."""
    if len(values) < 2 or np.ptp(values) <= ROUNDING * np.abs(values).max():
        return 0.0
    return float(values.var(ddof=1) / len(values))


def few(groups: int) -> float:
    """What a variance over draws of so many groups is multiplied by, to be that of the mean of few: m / (m - 1)."""
    return groups / max(groups - 1, 1)


def share(value: float, variance: float, groups: int, level: float = 0.95) -> Interval:
    """Interval of a share of images in groups: Wilson's (1927), with Student's quantile for so few groups.

    It is that of as many independent images as have the `variance` that the share has over draws of the groups (Korn
    and Graubard 1998). Where all images are right or wrong, and nothing varies, there are as many independent images as
    groups.
    """
    from scipy import stats

    effective = value * (1 - value) / variance if variance > 0 else float(groups)
    quantile = float(stats.t.ppf((1 + level) / 2, max(groups - 1, 1)))
    ratio = quantile**2 / effective
    middle = (value + ratio / 2) / (1 + ratio)
    half = math.sqrt(value * (1 - value) * ratio + ratio**2 / 4) / (1 + ratio)
    return Interval(max(middle - half, 0.0), min(middle + half, 1.0), GROUPS)


def degrees(variances: Sequence[float] | np.ndarray, of: Sequence[float] | np.ndarray) -> np.ndarray:
    """Degrees of freedom of a sum of variances (parts,) or (parts, pairs) with degrees `of` of the same shape.

    Welch (1947) and Satterthwaite (1946); infinite where there is no variance.
    """
    parts, freedom = np.asarray(variances, dtype=np.float64), np.asarray(of, dtype=np.float64)
    below = (parts**2 / freedom).sum(axis=0)
    return np.divide(parts.sum(axis=0) ** 2, below, out=np.full(below.shape, np.inf), where=below > 0)


def prediction(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval | None:
    """Where a single new value falls with probability `level`, from the values (seeds,) of as many independent runs.

    The mean -+ t s sqrt(1 + 1/m), t the quantile of Student's distribution with m - 1 degrees of freedom (Hahn and
    Meeker, "Statistical Intervals", 1991, section 4.7); exact for normal values. None for a single value. NaN are left
    out.
    """
    from scipy import stats

    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    count = len(kept)
    if count < 2:
        return None
    half = stats.t.ppf((1 + level) / 2, count - 1) * kept.std(ddof=1) * np.sqrt(1 + 1 / count)
    return Interval(float(kept.mean() - half), float(kept.mean() + half), SEEDS)
