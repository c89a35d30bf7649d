"""Means over splits of the same images, and images in groups: by hand, and with a known truth."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from backbench.statistics import intervals, ranking, repeated, resampling

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
VALUES = np.array([0.80, 0.84, 0.79, 0.86, 0.81])


@pytest.fixture(scope="module")
def worlds():
    """The simulations of `benchmarks/_split_worlds.py`."""
    with pytest.MonkeyPatch().context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        before = set(sys.modules)
        yield runpy.run_path(str(BENCHMARKS / "_split_worlds.py"))
        for name in set(sys.modules) - before:
            if name.startswith("_"):
                sys.modules.pop(name)


def shares(world, times, **options):
    """By claim: how often equals are called different, and how often the interval holds the mean over all."""
    found = [world(seed, **options) for seed in range(times)]
    told = {}
    for claim in found[0]:
        judged = [one[claim] for one in found]
        truth = np.mean([one.value for one in judged])
        held = [one.span[0] <= truth <= one.span[1] for one in judged if one.span is not None]
        told[claim] = (np.mean([one.false for one in judged]), np.mean(held))
    return told


def test_the_variance_is_that_of_nadeau_and_bengio():
    span = repeated.interval(VALUES, 0.25)
    error = np.sqrt((1 / 5 + 0.25) * VALUES.var(ddof=1))
    assert (span.low, span.high) == pytest.approx(stats.t.interval(0.95, 4, VALUES.mean(), error))
    assert span.over == "repeats"
    other = VALUES - [0.03, 0.01, 0.02, 0.03, 0.02]
    test = repeated.test(VALUES, other, 0.25)
    gaps = VALUES - other
    t = gaps.mean() / np.sqrt((1 / 5 + 0.25) * gaps.var(ddof=1))
    assert (test.statistic, test.p) == pytest.approx((t, 2 * stats.t.sf(t, 4)))
    assert test.effect == 1.0 and test.low < test.difference < test.high


def test_without_shared_images_it_is_students():
    span, plain = repeated.interval(VALUES, 0.0), intervals.over_seeds(VALUES)
    assert (span.low, span.high) == pytest.approx((plain.low, plain.high))


def test_a_difference_without_spread_is_no_evidence():
    assert repeated.test([0.8, 0.9], [0.7, 0.8], 0.25).p == 1.0
    assert "no spread" in repeated.test([0.8, 0.9], [0.7, 0.8], 0.25).note
    assert ranking.over_splits(np.array([[0.8, 0.9], [0.7, 0.8]]), 0.25) == [1, 1]
    assert repeated.interval([0.5, 0.5, 0.5], 0.25) is None
    assert repeated.interval([0.5], 0.25) is None
    with pytest.raises(ValueError, match="at least two"):
        repeated.test([0.5], [0.4], 0.25)


def test_ranks_are_those_of_the_tests():
    rows = np.stack([VALUES, VALUES - 0.002 * np.arange(5), VALUES - 0.3 + 0.01 * np.arange(5)])
    assert ranking.over_splits(rows, 0.25) == [1, 1, 3]


def test_groups_of_unequal_size_widen_the_ratio():
    assert repeated.ratio(20, 80) == 0.25
    assert repeated.ratio(20, 80, np.array([5, 5, 5])) == 0.25
    assert repeated.ratio(20, 80, np.array([2, 6])) == pytest.approx(0.25 * 1.25)


def test_images_of_a_group_are_drawn_together():
    groups = np.array([7, 3, 7, 9, 3])
    drawn = resampling.of_groups(groups, resampling.weights(3, 50))
    assert drawn.shape == (50, 5)
    np.testing.assert_array_equal(drawn[:, [0, 1]], drawn[:, [2, 4]])
    np.testing.assert_array_equal(drawn[:, 1] + drawn[:, 0] + drawn[:, 3], 3)


def test_a_share_of_groups_is_wilsons_of_as_many_independent_images():
    from statsmodels.stats.proportion import proportion_confint

    span = intervals.share(0.8, 0.8 * 0.2 / 50, 10**6)
    assert (span.low, span.high) == pytest.approx(proportion_confint(40, 50, method="wilson"), rel=1e-4)
    assert intervals.share(1.0, 0.0, 10).low < 0.75, "ten groups that are all right"


@pytest.mark.parametrize("options", [{"count": 10}, {"count": 5, "folds": 5}])
def test_repeats_hold_the_truth_and_students_t_does_not(worlds, options):
    told = shares(worlds["repeats"], 120, n=80, **options)
    false, held = told["corrected"]
    assert false <= 0.06 + 0.045 and held >= 0.92 - 0.05, "limits, and two standard errors of 120 collections"
    if "folds" not in options:
        false, held = told["uncorrected (not used)"]
        assert false > 0.12 and held < 0.85


def test_draws_of_groups_hold_the_truth_and_draws_of_images_do_not(worlds):
    told = shares(worlds["groups"], 80, count=30, each=8)
    for name in ("accuracy", "balanced accuracy"):
        false, held = told[name]
        assert false <= 0.06 + 0.055 and held >= 0.92 - 0.06
        false, held = told[f"{name}, images drawn (not used)"]
        assert false > 0.25 and held < 0.7
