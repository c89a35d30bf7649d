"""Tests of two rows on the same images, data sets or seeds, each with an effect size and an interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backbench.statistics import _proportions, intervals

LEVEL = 0.95
# Discordant images below which the exact binomial test is taken.
EXACT_BELOW = 25
# Pairs from which the least two-sided p of a signed-rank test, 2 / 2^n, is below 0.05.
LEAST_PAIRS = 6
# A spread this small beside the values is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Test:
    """One paired test of A against B.

    Attributes
    ----------
    name : of the test, as in a sentence
    n : number of pairs: images, data sets or seeds; of resamples where the test is made of these
    statistic, p : two-sided
    effect, effect_name : how large the difference is on the scale that belongs to the test
    difference, low, high : A less B in the unit of the metric, with its 95 % interval; NaN where there is none
    note : what limits the test, empty where nothing does
    corrected : p after Holm over `among` tests; `p` itself where the test stands alone
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
    """McNemar's test (1947) of which images A and B have right, two arrays (n,) of booleans.

    Exact below 25 images that one of them alone has right, else chi-square with continuity correction
    (`statsmodels`). The effect is the odds ratio b/c of those images: infinite if B has none of them, NaN if neither
    has. The interval of the difference of accuracies is Newcombe's (1998) method 10.

    Raises
    ------
    ValueError
        If the arrays are not of one length, or empty.
    """
    from statsmodels.stats.contingency_tables import mcnemar as tested

    one, other = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    _same(one, other)
    both, a_alone, b_alone, neither = (
        int(np.count_nonzero(part)) for part in (one & other, one & ~other, ~one & other, ~one & ~other)
    )
    exact = a_alone + b_alone < EXACT_BELOW
    found = tested([[both, a_alone], [b_alone, neither]], exact=exact, correction=True)
    low, high = _proportions.newcombe(both, a_alone, b_alone, neither, LEVEL)
    note = "" if a_alone + b_alone else "no image tells them apart"
    odds = a_alone / b_alone if b_alone else (math.inf if a_alone else math.nan)
    name = "exact McNemar" if exact else "McNemar"
    effect = (odds, "odds ratio of the images that one alone has right")
    difference = (a_alone - b_alone) / len(one)
    return Test(name, len(one), float(found.statistic), float(found.pvalue), *effect, difference, low, high, note)


def bootstrap(replicates_a: np.ndarray, replicates_b: np.ndarray, observed_a: float, observed_b: float) -> Test:
    """Paired bootstrap of any metric: both rows on the same samples (resamples,), `replicates` of shared weights.

    z is the observed difference over the standard deviation of the difference on the samples, p its two tails under
    a normal distribution. The differences on the samples are moved so that their mean is the observed one (why:
    `intervals.percentile`); the interval is of their percentiles, and the effect is the share of samples on which A is
    ahead, ties by half. Where the difference is the same on all samples there is no spread to judge by: p is 1 if the
    values are equal and else 0, and `note` says so. Samples where one row is NaN are left out.

    Raises
    ------
    ValueError
        If the replicates are not of one length, or fewer than two samples have both.
    """
    from scipy import stats

    _same(replicates_a, replicates_b)
    gaps = np.asarray(replicates_a, dtype=np.float64) - np.asarray(replicates_b, dtype=np.float64)
    gaps = gaps[~np.isnan(gaps)]
    if len(gaps) < 2:
        raise ValueError(f"{len(gaps)} samples on which both rows have a value: a paired bootstrap takes two at least")
    difference, spread = float(observed_a - observed_b), float(gaps.std(ddof=1))
    moved = gaps - gaps.mean() + difference
    note = ""
    if spread <= ROUNDING * max(abs(observed_a), abs(observed_b)):
        equal = abs(difference) <= ROUNDING * max(abs(observed_a), abs(observed_b))
        z, p = (0.0, 1.0) if equal else (math.copysign(math.inf, difference), 0.0)
        note = "the difference is the same on every sample, so there is no spread to judge it by"
    else:
        z = difference / spread
        p = float(2 * stats.norm.sf(abs(z)))
    ahead = float((moved > 0).mean() + (moved == 0).mean() / 2)
    found = intervals.percentile(moved, LEVEL)
    effect = (ahead, "share of samples on which A is ahead")
    return Test("paired bootstrap", len(gaps), z, p, *effect, difference, found.low, found.high, note)


def wilcoxon(a: Sequence[float], b: Sequence[float]) -> Test:
    """Wilcoxon's signed-rank test (1945) over data sets or seeds, one value of A and of B for each.

    The ranks of pairs without a difference are halved between the two sides (`zsplit` of `scipy.stats.wilcoxon`), as
    Demsar (2006, section 3.1.3) has it: two rows that are equal on most data sets are then not told apart by the rest.
    p is exact up to 50 pairs without ties and up to 13 with ties, else from the normal approximation. The effect is the
    matched-pairs rank-biserial correlation (Kerby 2014): the share of the rank sum that speaks for A less the share
    that speaks for B. The difference is the mean one, its interval `intervals.over_seeds`.

    Raises
    ------
    ValueError
        If the values are not of one length, none, or not finite.
    """
    from scipy import stats

    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    _same(one, other)
    if not np.isfinite([one, other]).all():
        raise ValueError("some values are not finite: leave pairs without a value out before the test")
    gaps = _gaps(one, other)
    ranks = stats.rankdata(np.abs(gaps))
    halves = ranks[gaps == 0].sum() / 2
    plus, minus = (float(ranks[side].sum() + halves) for side in (gaps > 0, gaps < 0))
    p = float(stats.wilcoxon(gaps, zero_method="zsplit", correction=False).pvalue) if gaps.any() else 1.0
    span = intervals.over_seeds(gaps, LEVEL)
    low, high = (span.low, span.high) if span else (math.nan, math.nan)
    effect = ((plus - minus) / (plus + minus), "matched-pairs rank-biserial correlation")
    note = _too_few(len(gaps), int(np.count_nonzero(gaps)))
    return Test("Wilcoxon", len(gaps), min(plus, minus), p, *effect, float(gaps.mean()), low, high, note)


def holm(ps: Sequence[float]) -> np.ndarray:
    """p values after Holm's (1979) correction, in the order given (`statsmodels`); NaN stay and are not counted."""
    from statsmodels.stats.multitest import multipletests

    found = np.array(ps, dtype=np.float64)
    tested = ~np.isnan(found)
    if tested.any():
        found[tested] = multipletests(found[tested], method="holm")[1]
    return found


def corrected(tests: Sequence[Test]) -> list[Test]:
    """The tests with their p after Holm over all of them; those whose p is NaN are not counted."""
    ps = holm([test.p for test in tests])
    count = int((~np.isnan(ps)).sum())
    return [replace(test, corrected=float(p), among=count) for test, p in zip(tests, ps, strict=True)]


def words(test: Test, a: str, b: str, alpha: float = 0.05, points: bool = True) -> str:
    """What a test says, as a sentence without its full stop.

    Such as "A is better than B by 1.8 points (95 % interval 0.6 to 3.0, McNemar p = 0.004 after Holm over 3)". The
    interval is that of this one test: Holm's correction is in p alone. A point is a hundredth of the metric; with
    `points` false the difference stands in the metric's own unit.
    """
    p = test.p if test.corrected is None else test.corrected
    if math.isnan(p):
        return f"{a} and {b} cannot be compared" + (f": {test.note}" if test.note else "")
    sign = -1.0 if test.difference < 0 else 1.0
    first, second = (b, a) if sign < 0 else (a, b)
    low, high = sorted((sign * test.low, sign * test.high))
    size, low, high = (
        f"{100 * value:.1f}" if points else f"{value:.4g}" for value in (abs(test.difference), low, high)
    )
    by = f"{size} points" if points else size
    span = "" if math.isnan(test.low) else f"95 % interval {low} to {high}, "
    after = f" after Holm over {test.among}" if test.among > 1 else ""
    why = f"({span}{test.name} {_shown(p)}{after}){test.note and f'; {test.note}'}"
    if p <= alpha:
        return f"{first} is better than {second} by {by} {why}"
    if test.difference == 0:
        return f"{a} and {b} cannot be told apart: they score the same {why}"
    return f"{a} and {b} cannot be told apart: {first} is ahead by {by} {why}"


def _shown(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _gaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Differences on a grid, so that those that are equal but for rounding are ties: 0.838 - 0.775 and 0.063."""
    gaps = one - other
    largest = np.abs(np.concatenate([one, other])).max()
    unit = ROUNDING * 2.0 ** np.ceil(np.log2(largest)) if largest else 1.0
    return np.round(gaps / unit) * unit


def _too_few(n: int, different: int) -> str:
    if different >= LEAST_PAIRS:
        return ""
    pairs = "1 pair" if n == 1 else f"{n} pairs"
    of = pairs if different == n else f"{pairs}, of which {different} differ,"
    least = 2 / 2**different if different else 1.0
    return f"{of} cannot give p below {min(least, 1.0):.3g}; it takes {LEAST_PAIRS} to reach 0.05"


def _same(one: np.ndarray, other: np.ndarray) -> None:
    if len(one) != len(other) or not len(one):
        raise ValueError(f"{len(one)} and {len(other)} values: a paired test takes as many of each, and at least one")
