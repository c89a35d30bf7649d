"""Intervals around a value: from replicates over images, or from the values of several seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

IMAGES, SEEDS, BOTH = "images", "seeds", "images and seeds"
RESAMPLES = 9999
# With fewer distinct values the acceleration of BCa has no meaning.
LEAST_FOR_BCA = 3


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`; `over` says what was resampled: `images`, `seeds` or `images and seeds`."""

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


def over_seeds(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval | None:
    """Bootstrap interval of the mean of the values (seeds,), by `scipy.stats.bootstrap`; None for a single value.

    Bias-corrected and accelerated if there are at least three distinct values, else percentiles. NaN are left out.

    Notes
    -----
    With few seeds a bootstrap interval is too narrow: for normal values a 95 % interval covers the true mean in 71 % of
    cases with 3 seeds, 84 % with 5, 90 % with 10 and 93 % with 20 (5,000 simulated samples each).
    """
    from scipy import stats

    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if len(kept) < 2:
        return None
    different = len(np.unique(kept))
    if different == 1:
        return Interval(float(kept[0]), float(kept[0]), SEEDS)
    method = "BCa" if different >= LEAST_FOR_BCA else "percentile"
    generator = np.random.default_rng(0)
    interval = stats.bootstrap(
        (kept,), np.mean, confidence_level=level, n_resamples=RESAMPLES, method=method, rng=generator
    ).confidence_interval
    return Interval(float(interval.low), float(interval.high), SEEDS)


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
