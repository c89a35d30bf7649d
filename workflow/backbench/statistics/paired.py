"""Tests of two rows on the same images, data sets or seeds, each with an effect size and an interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backbench.statistics import _proportions, intervals

LEVEL = 0.95
# The exact binomial test is used below this number of discordant images.
EXACT_BELOW = 25
# The least number of pairs for which the smallest two-sided p of a signed-rank test, 2 / 2^n, is below 0.05.
LEAST_PAIRS = 6
# A spread this small relative to the values is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Test:
    """One paired test of A against B.

    Attributes
    ----------
    name : name of the test, as used in a sentence
    n : number of pairs (images, data sets or seeds), or of resamples where the test is a bootstrap
    statistic, p : two-sided
    effect, effect_name : effect size on the scale of the test, and what it is
    difference, low, high : A minus B in the unit of the metric, with its 95 % interval; NaN where there is none
    note : what limits the test, empty where nothing does
    corrected : p after Holm's correction over `among` tests; None for a test on its own
    """

    __test__ = False

    name: str
    n: int
    statistic: float
    p: float
    effect: float
    effect_name: str
    difference: float
    low: float
    high: float
    note: str = ""
    corrected: float | None = None
    among: int = 1


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> Test:
    """McNemar's test (1947) of the images that A and B get right, two boolean arrays (n,).

    Exact if fewer than 25 images are right for only one of them, else chi-square with continuity correction
    (`statsmodels`). The effect is the odds ratio b/c of those images: infinite if B has none of them, NaN if neither
    has. The interval of the difference in accuracy is Newcombe's (1998) method 10.

    Raises
    ------
    ValueError
        If the arrays differ in length, or are empty.
    """
    from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test

    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    _refuse_unpaired(a, b)
    both, a_alone, b_alone, neither = (int(np.count_nonzero(images)) for images in (a & b, a & ~b, ~a & b, ~a & ~b))
    exact = a_alone + b_alone < EXACT_BELOW
    outcome = mcnemar_test([[both, a_alone], [b_alone, neither]], exact=exact, correction=True)
    low, high = _proportions.newcombe(both, a_alone, b_alone, neither, LEVEL)
    note = "" if a_alone + b_alone else "no image distinguishes them"
    odds = a_alone / b_alone if b_alone else (math.inf if a_alone else math.nan)
    name = "exact McNemar" if exact else "McNemar"
    effect = (odds, "odds ratio of the images that only one of them gets right")
    difference = (a_alone - b_alone) / len(a)
    return Test(name, len(a), float(outcome.statistic), float(outcome.pvalue), *effect, difference, low, high, note)


def bootstrap(
    replicates_a: np.ndarray,
    replicates_b: np.ndarray,
    observed_a: float,
    observed_b: float,
    groups: int | None = None,
) -> Test:
    """Paired bootstrap of any metric: replicates (resamples,) of both rows on the same samples (shared weights).

    The differences are shifted so that their mean is the observed one (see `intervals.percentile`); the interval is
    made of their percentiles, and the effect is the share of samples on which A is ahead, ties counted half. t is the
    observed difference divided by its standard deviation over the samples, p the two tails of Student's distribution
    with one degree of freedom fewer than there are samples. If the difference is the same on all samples there is no
    spread to judge it by: p is 1 if the values are equal and 0 otherwise, and `note` says so. Samples on which either
    row is NaN are left out. Where whole `groups` of images were drawn, so many, they have one degree of freedom fewer,
    the variance is larger by `intervals.few`, and the interval is Student's.

    Raises
    ------
    ValueError
        If the replicates differ in length, or fewer than two samples have both values.
    """
    if groups is not None:
        name = f"paired bootstrap of {groups:,} groups"
        test, moved = _resampled(name, replicates_a, replicates_b, observed_a, observed_b, groups)
        error = float(moved.std(ddof=1)) * math.sqrt(intervals.few(groups))
        span = intervals.student(test.difference, error, max(groups - 1, 1), intervals.GROUPS, LEVEL)
        return replace(test, low=span.low, high=span.high)
    test, moved = _resampled("paired bootstrap", replicates_a, replicates_b, observed_a, observed_b)
    interval = intervals.percentile(moved, LEVEL)
    assert interval is not None  # there are at least two samples
    return replace(test, low=interval.low, high=interval.high)


def refits(replicates_a: np.ndarray, replicates_b: np.ndarray, observed_a: float, observed_b: float) -> Test:
    """As `bootstrap`, for the few replicates (resamples,) of fits to samples of the images; the interval is Student's.

    Raises
    ------
    ValueError
        As `bootstrap`.
    """
    test, moved = _resampled("refits on samples", replicates_a, replicates_b, observed_a, observed_b)
    span = intervals.student(test.difference, float(moved.std(ddof=1)), len(moved) - 1, intervals.REFITS, LEVEL)
    return replace(test, low=span.low, high=span.high)


def _resampled(
    name: str,
    replicates_a: np.ndarray,
    replicates_b: np.ndarray,
    observed_a: float,
    observed_b: float,
    groups: int | None = None,
) -> tuple[Test, np.ndarray]:
    """The test on replicates (resamples,) without its interval, and their differences (samples,) around the observed
    one."""
    from scipy import stats

    _refuse_unpaired(replicates_a, replicates_b)
    gaps = np.asarray(replicates_a, dtype=np.float64) - np.asarray(replicates_b, dtype=np.float64)
    gaps = gaps[~np.isnan(gaps)]
    if len(gaps) < 2:
        raise ValueError(f"{len(gaps)} samples on which both rows have a value: a paired test needs at least two")
    difference, spread = float(observed_a - observed_b), float(gaps.std(ddof=1))
    moved = gaps - gaps.mean() + difference
    note = ""
    if spread <= ROUNDING * max(abs(observed_a), abs(observed_b)):
        equal = abs(difference) <= ROUNDING * max(abs(observed_a), abs(observed_b))
        t, p = (0.0, 1.0) if equal else (math.copysign(math.inf, difference), 0.0)
        note = "the difference is the same on every sample, so there is no spread to judge it by"
    else:
        t = difference / (spread if groups is None else spread * math.sqrt(intervals.few(groups)))
        p = float(2 * stats.t.sf(abs(t), len(gaps) - 1 if groups is None else max(groups - 1, 1)))
    ahead = float((moved > 0).mean() + (moved == 0).mean() / 2)
    effect = (ahead, "share of samples on which A is ahead")
    return Test(name, len(gaps), t, p, *effect, difference, math.nan, math.nan, note), moved


def wilcoxon(a: Sequence[float], b: Sequence[float]) -> Test:
    """Wilcoxon's signed-rank test (1945) over data sets or seeds, with one value of A and one of B for each.

    The ranks of pairs without a difference are split evenly between the two sides (`zsplit` of `scipy.stats.wilcoxon`),
    as in Demsar (2006, section 3.1.3): two rows that are equal on most data sets do not become distinguishable by the
    rest. p is exact for up to 50 pairs without ties and up to 13 with ties, else from the normal approximation. The
    effect is the matched-pairs rank-biserial correlation (Kerby 2014): the share of the rank sum in favour of A minus
    the share in favour of B. The difference is the mean one, with the interval of `intervals.over_seeds`.

    Raises
    ------
    ValueError
        If the values differ in length, are empty, or are not finite.
    """
    from scipy import stats

    values_a, values_b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    _refuse_unpaired(values_a, values_b)
    if not np.isfinite([values_a, values_b]).all():
        raise ValueError("some values are not finite: leave out pairs without a value before the test")
    differences = gaps(values_a, values_b)
    ranks = stats.rankdata(np.abs(differences))
    halves = ranks[differences == 0].sum() / 2
    plus, minus = (float(ranks[side].sum() + halves) for side in (differences > 0, differences < 0))
    p = float(stats.wilcoxon(differences, zero_method="zsplit", correction=False).pvalue) if differences.any() else 1.0
    span = intervals.over_seeds(differences, LEVEL)
    low, high = (span.low, span.high) if span else (math.nan, math.nan)
    effect = ((plus - minus) / (plus + minus), "matched-pairs rank-biserial correlation")
    note = _too_few(len(differences), int(np.count_nonzero(differences)))
    return Test("Wilcoxon", len(differences), min(plus, minus), p, *effect, float(differences.mean()), low, high, note)


def holm(ps: Sequence[float] | np.ndarray) -> np.ndarray:
    """The p values (tests,) after Holm's (1979) correction; NaN stay and are not counted.

    Bit for bit those of `statsmodels`' ``multipletests``, which collects the garbage of the whole process in each call
    (half a second where torch and pandas are loaded).
    """
    values = np.array(ps, dtype=np.float64)
    defined = np.flatnonzero(~np.isnan(values))
    order = defined[np.argsort(values[defined])]
    values[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return values


def corrected(tests: Sequence[Test]) -> list[Test]:
    """The tests with their p values after Holm's correction over all of them; those with a NaN are not counted."""
    ps = holm([test.p for test in tests])
    count = int((~np.isnan(ps)).sum())
    return [replace(test, corrected=float(p), among=count) for test, p in zip(tests, ps, strict=True)]


def words(test: Test, a: str, b: str, alpha: float = 0.05, points: bool = True, lower: bool = False) -> str:
    """The outcome of a test as a sentence without its full stop.

    For example "A is better than B by 1.8 points (95 % interval 0.6 to 3.0, McNemar p = 0.004 after Holm over 3)". The
    interval is that of this test alone: Holm's correction applies to p only. A point is a hundredth of the metric; if
    `points` is false, the difference is in the metric's own unit. `lower` says that the lower value is the better one.
    """
    p = test.p if test.corrected is None else test.corrected
    if math.isnan(p):
        return f"{a} and {b} cannot be compared" + (f": {test.note}" if test.note else "")
    sign = -1.0 if test.difference < 0 else 1.0
    first, second = (b, a) if (sign < 0) != lower else (a, b)
    low, high = sorted((sign * test.low, sign * test.high))
    size, least, most = (
        f"{100 * value:.1f}" if points else f"{value:.4g}" for value in (abs(test.difference), low, high)
    )
    by = f"{size} points" if points else size
    span = "" if math.isnan(test.low) else f"95 % interval {least} to {most}, "
    after = f" after Holm over {test.among}" if test.among > 1 else ""
    why = f"({span}{test.name} {_shown(p)}{after}){test.note and f'; {test.note}'}"
    if p <= alpha:
        return f"{first} is better than {second} by {by} {why}"
    if test.difference == 0:
        return f"{a} and {b} are indistinguishable: they score the same {why}"
    return f"{a} and {b} are indistinguishable: {first} is ahead by {by} {why}"


def gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differences (n,) rounded to a grid, so that those equal up to rounding are ties: 0.838 - 0.775 and 0.063."""
    gaps = a - b
    largest = np.abs(np.concatenate([a, b])).max()
    unit = ROUNDING * 2.0 ** np.ceil(np.log2(largest)) if largest else 1.0
    return np.round(gaps / unit) * unit


def _shown(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _too_few(n: int, different: int) -> str:
    if different >= LEAST_PAIRS:
        return ""
    pairs = "1 pair" if n == 1 else f"{n} pairs"
    of = pairs if different == n else f"{pairs}, of which {different} differ,"
    least = 2 / 2**different if different else 1.0
    return f"{of} cannot give p below {min(least, 1.0):.3g}; it takes {LEAST_PAIRS} to reach 0.05"


def _refuse_unpaired(a: np.ndarray, b: np.ndarray) -> None:
    """Refuse values (n,) of A and B that do not form pairs."""
    if len(a) != len(b) or not len(a):
        raise ValueError(f"{len(a)} and {len(b)} values: a paired test takes the same number of each, at least one")
