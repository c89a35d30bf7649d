"""Intervals: a published example, scipy, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from backbench.statistics import intervals, replicates, resampling
from backbench.statistics.intervals import Interval

# Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, table 3.1: 15 law schools, LSAT and GPA.
LSAT = np.array([576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594])
GPA = np.array([3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96])


def correlations(weights):
    """Correlation of the law schools under each weight vector."""
    found = []
    for own in weights:
        found.append(np.corrcoef(np.repeat(LSAT, own), np.repeat(GPA, own))[0, 1])
    return np.array(found)


class TestPercentile:
    def test_law_schools(self):
        assert np.corrcoef(LSAT, GPA)[0, 1] == pytest.approx(0.776, abs=5e-4)
        found = correlations(resampling.weights(15, 3200))
        # Table 6.1: standard error 0.132 from 3,200 samples.
        assert found.std(ddof=1) == pytest.approx(0.132, abs=0.006)
        assert intervals.percentile(found, 0.9) == Interval(*map(float, np.quantile(found, [0.05, 0.95])), "images")
        # Ends as scipy finds them with samples of its own.
        theirs = stats.bootstrap(
            (LSAT, GPA), lambda a, b: np.corrcoef(a, b)[0, 1], paired=True, vectorized=False, method="percentile",
            confidence_level=0.9, n_resamples=3200, rng=np.random.default_rng(5),
        ).confidence_interval  # fmt: skip
        ours = intervals.percentile(found, 0.9)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)

    def test_an_accuracy_has_the_interval_of_a_binomial(self):
        truth, predicted = np.zeros(2000, dtype=int), (np.arange(2000) >= 1600).astype(int)
        found = replicates.accuracy_like("accuracy", truth, predicted, resampling.weights(2000, 4000))
        own = intervals.percentile(found)
        low, high = stats.binom.ppf([0.025, 0.975], 2000, 0.8) / 2000
        assert (own.low, own.high) == pytest.approx((low, high), abs=0.0015)

    def test_moved_to_what_was_observed(self):
        found = intervals.percentile(np.array([0.4, 0.5, 0.6]), 1.0, observed=0.3)
        assert (found.low, found.high) == pytest.approx((0.2, 0.4))

    def test_many_clusters_are_flattered_by_repeated_images(self):
        # Labels by chance: the observed NMI lies below all values of samples, so the plain interval misses it.
        rng = np.random.default_rng(0)
        truth, labels = rng.integers(0, 20, 600), rng.integers(0, 40, 600)
        weights = resampling.weights(600, 200)
        observed = float(replicates.agreement("nmi", truth, labels, np.ones((1, 600), np.uint8))[0])
        found = replicates.agreement("nmi", truth, labels, weights)
        assert observed < intervals.percentile(found).low
        moved = intervals.percentile(found, observed=observed)
        assert moved.low < observed < moved.high

    def test_values_that_are_missing(self):
        assert intervals.percentile(np.array([np.nan, 2.0, np.nan]), over="seeds") == Interval(2.0, 2.0, "seeds")
        assert intervals.percentile(np.full(3, np.nan)) is None


class TestOverSeeds:
    def test_is_the_t_interval_of_scipy(self):
        values = [0.81, 0.84, 0.79, 0.90, 0.82]
        found = intervals.over_seeds(values)
        theirs = stats.ttest_1samp(values, 0.8).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high)) and found.over == "seeds"
        assert intervals.over_seeds([*values, np.nan]) == found

    def test_ends_where_the_metric_does(self):
        found = intervals.over_seeds([0.9, 1.0], within=(0.0, 1.0))
        assert found.high == 1.0 and found.low == pytest.approx(0.95 - stats.t.ppf(0.975, 1) * 0.05)
        # A mean that rounding has put beyond the range stays inside its interval.
        assert intervals.over_seeds([1.01, 1.02], within=(0.0, 1.0)).high == pytest.approx(1.015)

    def test_without_spread_or_with_one_value(self):
        assert intervals.over_seeds([0.7, 0.7, 0.7]) == Interval(0.7, 0.7, "seeds")
        assert intervals.over_seeds([0.1 + 0.2, 0.3]).low == pytest.approx(0.3, abs=1e-15)
        assert intervals.over_seeds([0.7]) is None
        assert intervals.over_seeds([0.7, np.nan]) is None
        assert intervals.over_seeds([]) is None

    @pytest.mark.parametrize("seeds", [3, 10])
    def test_holds_the_mean_however_few_they_are(self, seeds):
        rng = np.random.default_rng(0)
        found = [intervals.over_seeds(rng.normal(size=seeds)) for _ in range(1000)]
        assert np.mean([own.low <= 0 <= own.high for own in found]) == pytest.approx(0.95, abs=0.02)


class TestDegrees:
    def test_are_those_of_welch(self):
        a, b = np.array([0.1, 0.4, 0.3, 0.9]), np.array([0.2, 0.25, 0.3])
        parts = [intervals.variance_of_mean(side) for side in (a, b)]
        assert intervals.degrees(parts, [3, 2]) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).df)
        assert intervals.degrees([0.0, 0.0], [3, 2]) == np.inf
        assert intervals.degrees(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[5, 5], [9, 9]])) == pytest.approx(
            [5, 9]
        )


class TestPrediction:
    def test_by_hand(self):
        # t of 0.975 with 4 degrees of freedom is 2.7764; s is sqrt(2.5).
        interval = intervals.prediction([1.0, 2.0, 3.0, 4.0, 5.0, np.nan])
        half = 2.7764451 * np.sqrt(2.5) * np.sqrt(1.2)
        assert (interval.low, interval.high) == pytest.approx((3 - half, 3 + half))
        assert interval.over == "seeds"

    def test_one_value_has_none_and_equal_values_no_width(self):
        assert intervals.prediction([0.5]) is None and intervals.prediction([]) is None
        assert intervals.prediction([0.5, 0.5]) == Interval(0.5, 0.5, "seeds")

    @pytest.mark.parametrize("count", [2, 3, 5, 10])
    @pytest.mark.parametrize("law", ["normal", "uniform", "skewed", "two optima"])
    def test_holds_a_new_value(self, count, law):
        """The last value of each row is the new one. Of the two optima, a fit takes the worse in a third of cases."""
        rng = np.random.default_rng(0)
        size = (2000, count + 1)
        drawn = {
            "normal": lambda: rng.normal(size=size),
            "uniform": lambda: rng.uniform(size=size),
            "skewed": lambda: rng.gamma(4.0, size=size),
            "two optima": lambda: (rng.uniform(size=size) < 1 / 3) + 0.3 * rng.normal(size=size),
        }[law]()
        ranges = [intervals.prediction(row[:-1]) for row in drawn]
        held = [made.low <= row[-1] <= made.high for made, row in zip(ranges, drawn, strict=True)]
        assert np.mean(held) >= 0.92
