"""Paired tests against published examples and answers worked out by hand."""

import math

import numpy as np
import pytest
from demsar import PLAIN, WITH_M
from scipy import stats
from statsmodels.stats.multitest import multipletests

from backbench.statistics import _proportions, intervals, paired, replicates, resampling


def right(both, a_alone, b_alone, neither):
    """Which images A and B have right, from the counts."""
    counts = [both, a_alone, b_alone, neither]
    return np.repeat([1, 1, 0, 0], counts).astype(bool), np.repeat([1, 0, 1, 0], counts).astype(bool)


def made(p=0.004, difference=0.018, low=0.006, high=0.03, **more):
    return paired.Test("McNemar", 500, 8.3, p, 2.0, "odds ratio", difference, low, high, **more)


class TestMcNemar:
    def test_approval_ratings(self):
        # Agresti, "Categorical data analysis", 1990, p. 350: of 1,600 people 794 approve in both surveys, 150 in the
        # first alone, 86 in the second alone. There z^2 = (86 - 150)^2 / 236 = 17.36, and the difference is 0.04 with
        # an interval of 0.02 to 0.06. Corrected for continuity: (64 - 1)^2 / 236 = 16.82.
        found = paired.mcnemar(*right(794, 150, 86, 570))
        assert found.name == "McNemar"
        assert found.n == 1600
        assert found.statistic == pytest.approx(63**2 / 236)
        assert found.statistic == pytest.approx(16.82, abs=0.005)
        assert found.p == pytest.approx(stats.chi2.sf(16.8178, 1), rel=1e-3)
        assert found.effect == pytest.approx(150 / 86)
        assert found.difference == pytest.approx(0.04)
        assert (found.low, found.high) == pytest.approx((0.02, 0.06), abs=0.002)
        assert found.note == ""

    def test_exact_of_few_images(self):
        # 1 against 7: p = 2 (1 + 8) / 2^8.
        found = paired.mcnemar(*right(90, 7, 1, 2))
        assert found.name == "exact McNemar"
        assert found.p == pytest.approx(18 / 256)
        assert found.effect == pytest.approx(7.0)

    def test_exact_below_25(self):
        assert paired.mcnemar(*right(10, 20, 4, 10)).name == "exact McNemar"
        assert paired.mcnemar(*right(10, 20, 5, 10)).name == "McNemar"

    def test_the_other_way_round(self):
        one, other = paired.mcnemar(*right(50, 30, 10, 10)), paired.mcnemar(*right(50, 10, 30, 10))
        assert other.p == one.p
        assert other.effect == pytest.approx(1 / one.effect)
        assert (other.difference, other.low, other.high) == pytest.approx((-one.difference, -one.high, -one.low))

    def test_nothing_tells_them_apart(self):
        found = paired.mcnemar(*right(30, 0, 0, 10))
        assert found.p == 1.0
        assert math.isnan(found.effect)
        assert "no image distinguishes them" in found.note
        assert found.low < 0 < found.high

    def test_one_side_alone(self):
        found = paired.mcnemar(*right(0, 5, 0, 0))
        assert found.effect == math.inf
        assert found.p == pytest.approx(2 / 2**5)
        assert -1 <= found.low <= found.high <= 1

    @pytest.mark.parametrize("sizes", [(3, 4), (0, 0)])
    def test_lengths(self, sizes):
        with pytest.raises(ValueError, match=f"{sizes[0]} and {sizes[1]} values"):
            paired.mcnemar(np.ones(sizes[0], bool), np.ones(sizes[1], bool))

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [
            # Newcombe, Statistics in Medicine 17, 1998, 2635, table of examples, method 10.
            ((36, 12, 2, 0), (0.0569, 0.3404)),
            # Altman et al., "Statistics with confidence", 2000, table 6.2: 0.01 to 0.23.
            ((14, 5, 0, 22), (0.0115, 0.2265)),
        ],
    )
    def test_newcombe(self, counts, expected):
        assert _proportions.newcombe(*counts) == pytest.approx(expected, abs=5e-5)

    def test_interval_agrees_with_the_bootstrap(self):
        one, other = right(1200, 200, 120, 480)
        weights = resampling.weights(2000)
        gaps = replicates.mean(one.astype(float), weights) - replicates.mean(other.astype(float), weights)
        span, found = intervals.percentile(gaps), paired.mcnemar(one, other)
        assert (found.low, found.high) == pytest.approx((span.low, span.high), abs=0.002)


class TestBootstrap:
    def setup_method(self):
        rng = np.random.default_rng(0)
        self.a, self.b = rng.random(1500) < 0.82, rng.random(1500) < 0.80
        self.weights = resampling.weights(1500)

    def of(self, a, b):
        own = [replicates.mean(side.astype(float), self.weights) for side in (a, b)]
        return paired.bootstrap(*own, a.mean(), b.mean())

    def test_t_is_that_of_a_paired_difference(self):
        found = self.of(self.a, self.b)
        gaps = self.a.astype(float) - self.b
        z = gaps.mean() / (gaps.std() / math.sqrt(1500))
        assert found.difference == pytest.approx(gaps.mean())
        assert found.statistic == pytest.approx(z, rel=0.06)
        assert found.p == pytest.approx(2 * stats.t.sf(abs(found.statistic), 999))
        assert found.low < found.difference < found.high
        assert found.effect == pytest.approx(stats.norm.cdf(z), abs=0.03)
        assert found.n == 1000

    def test_agrees_with_mcnemar(self):
        b = np.where(np.arange(1500) < 90, ~self.a, self.a)
        one, other = self.of(self.a, b), paired.mcnemar(self.a, b)
        assert one.p == pytest.approx(other.p, abs=0.02)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.003)

    def test_no_spread(self):
        same = self.of(self.a, self.a)
        assert (same.p, same.statistic, same.difference, same.effect) == (1.0, 0.0, 0.0, 0.5)
        assert "no spread" in same.note
        apart = self.of(np.ones(1500, bool), np.zeros(1500, bool))
        assert (apart.p, apart.statistic, apart.effect) == (0.0, math.inf, 1.0)
        assert "no spread" in apart.note

    def test_a_shift_of_the_samples_does_not_count(self):
        # The samples flatter A by 0.5; what was observed is a difference of 0.
        gaps = np.random.default_rng(1).normal(0.5, 0.01, 1000)
        found = paired.bootstrap(gaps, np.zeros(1000), 0.3, 0.3)
        assert found.p == pytest.approx(1.0)
        assert found.low == pytest.approx(-0.0196, abs=0.002)
        assert found.effect == pytest.approx(0.5, abs=0.05)

    def test_samples_without_a_value(self):
        a = np.array([0.1, np.nan, 0.3, 0.4])
        assert paired.bootstrap(a, np.zeros(4), 0.2, 0.0).n == 3
        with pytest.raises(ValueError, match="1 samples on which both"):
            paired.bootstrap(a[:2], np.zeros(2), 0.2, 0.0)


class TestRefits:
    def test_is_the_paired_t_of_the_spread(self):
        rng = np.random.default_rng(0)
        a, b = rng.normal(0.6, 0.05, 20), rng.normal(0.4, 0.05, 20)
        found, spread = paired.refits(a, b, 0.55, 0.45), (a - b).std(ddof=1)
        assert (found.difference, found.statistic) == pytest.approx((0.1, 0.1 / spread))
        assert found.p == pytest.approx(2 * stats.t.sf(0.1 / spread, 19))
        half = stats.t.ppf(0.975, 19) * spread
        assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half))
        assert (found.low > 0) == (found.p < 0.05)
        assert found.n == 20 and "is ahead" in found.effect_name

    def test_no_spread(self):
        found = paired.refits(np.ones(5), np.ones(5), 0.5, 0.5)
        assert found.p == 1.0 and "no spread" in found.note


class TestWilcoxon:
    def test_demsar(self):
        # Section 3.1.3: R+ = 93, R- = 12, z = -2.54.
        found = paired.wilcoxon(WITH_M, PLAIN)
        assert found.n == 14
        assert found.statistic == 12.0
        assert (found.statistic - 14 * 15 / 4) / math.sqrt(14 * 15 * 29 / 24) == pytest.approx(-2.54, abs=0.005)
        assert found.effect == pytest.approx((93 - 12) / (93 + 12))
        assert found.difference == pytest.approx(np.mean(np.subtract(WITH_M, PLAIN)))
        assert found.low < found.difference < found.high
        # With ties, and more than 13 pairs, scipy takes the normal approximation; ties make |z| a little larger.
        assert found.p == pytest.approx(2 * stats.norm.sf(2.54), abs=0.001)
        assert found.note == ""

    def test_kerby(self):
        # Kerby, Comprehensive Psychology 3, 2014: favourable less unfavourable share of the rank sum. The differences
        # of the example in Wikipedia's article on the test without its zero: W+ = 27, W- = 18, r = 9 / 45 = 0.20.
        gaps = np.array([15, -7, 5, 20, -9, 17, -12, 5, -10])
        found = paired.wilcoxon(gaps, np.zeros(9))
        assert found.statistic == 18.0
        assert found.effect == pytest.approx(0.20)
        assert found.effect_name == "matched-pairs rank-biserial correlation"

    def test_zeros_are_halved_between_the_sides(self):
        # Ranks 1.5, 1.5 (zeros), 3, 4: R+ = 3 + 4 + 1.5, R- = 1.5.
        found = paired.wilcoxon([0.5, 0.5, 0.6, 0.8], [0.5, 0.5, 0.5, 0.5])
        assert found.statistic == 1.5
        assert found.effect == pytest.approx((8.5 - 1.5) / 10)

    def test_ties_that_rounding_hides(self):
        # 0.3 - 0.1 and 0.5 - 0.3 differ in the last digit, and so do 0.1 + 0.2 and 0.3.
        found = paired.wilcoxon([0.3, 0.5, 0.1 + 0.2], [0.1, 0.3, 0.3])
        assert found.statistic == 0.5
        assert found.effect == pytest.approx(5 / 6)

    @pytest.mark.parametrize(("n", "p"), [(5, 0.0625), (6, 0.03125), (10, 2 / 2**10)])
    def test_all_on_one_side(self, n, p):
        found = paired.wilcoxon(np.arange(1, n + 1), np.zeros(n))
        assert found.p == pytest.approx(p)
        assert found.effect == 1.0
        assert (found.note == "") == (n >= 6)

    def test_says_when_pairs_are_too_few(self):
        assert "5 pairs cannot give p below 0.0625; it takes 6" in paired.wilcoxon(range(1, 6), np.zeros(5)).note
        mixed = paired.wilcoxon([1, 2, 3, 0, 0, 0, 0], np.zeros(7))
        assert "7 pairs, of which 3 differ, cannot give p below 0.25" in mixed.note
        assert mixed.p >= 0.25

    def test_no_difference_at_all(self):
        found = paired.wilcoxon([0.1, 0.2], [0.1, 0.2])
        assert (found.p, found.effect, found.difference, found.low, found.high) == (1.0, 0.0, 0.0, 0.0, 0.0)

    def test_one_pair(self):
        found = paired.wilcoxon([0.2], [0.1])
        assert found.p == 1.0
        assert math.isnan(found.low)

    def test_what_cannot_be(self):
        with pytest.raises(ValueError, match="not finite"):
            paired.wilcoxon([0.1, np.nan], [0.1, 0.2])
        with pytest.raises(ValueError, match="2 and 1 values"):
            paired.wilcoxon([0.1, 0.2], [0.1])


class TestHolm:
    def test_by_hand(self):
        # Holm, Scandinavian Journal of Statistics 6, 1979: times 4, 3, 2, 1 from the least on, never falling.
        assert paired.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
        # p.adjust of R's stats: stdlib's documentation of padjust pins the same five.
        assert paired.holm([0.319, 0.201, 0.4, 0.374, 0.113]) == pytest.approx([0.957, 0.804, 0.957, 0.957, 0.565])

    def test_equals_statsmodels_bit_for_bit(self):
        rng = np.random.default_rng(0)
        # Ties, ones, zeros and products above one among them.
        values = [rng.random(1000), rng.integers(0, 6, 60) / 5, rng.random(45) ** 8, np.array([0.3])]
        for ps in values:
            assert paired.holm(ps).tobytes() == multipletests(ps, method="holm")[1].tobytes()

    def test_missing_are_not_counted(self):
        assert paired.holm([0.02, np.nan, 0.04]) == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)
        assert len(paired.holm([])) == 0

    def test_corrected(self):
        tests = paired.corrected([made(0.01), made(math.nan), made(0.02), made(0.6)])
        assert [test.corrected for test in tests] == pytest.approx([0.03, np.nan, 0.04, 0.6], nan_ok=True)
        assert {test.among for test in tests} == {3}
        assert tests[0].p == 0.01


class TestWords:
    def test_told_apart(self):
        assert paired.words(made(), "A", "B") == (
            "A is better than B by 1.8 points (95 % interval 0.6 to 3.0, McNemar p = 0.004)"
        )

    def test_after_holm(self):
        said = paired.words(made(0.001, corrected=0.004, among=3), "A", "B")
        assert said.endswith("McNemar p = 0.004 after Holm over 3)")
        # Told apart alone, not among ten.
        assert "are indistinguishable" in paired.words(made(0.01, corrected=0.1, among=10), "A", "B")

    def test_the_other_is_better(self):
        said = paired.words(made(difference=-0.018, low=-0.03, high=-0.006), "A", "B")
        assert said.startswith("B is better than A by 1.8 points (95 % interval 0.6 to 3.0,")

    def test_not_told_apart(self):
        said = paired.words(made(0.38, 0.004, -0.005, 0.013), "A", "B")
        assert said == (
            "A and B are indistinguishable: A is ahead by 0.4 points (95 % interval -0.5 to 1.3, McNemar p = 0.38)"
        )
        same = paired.words(paired.mcnemar(*right(30, 0, 0, 10)), "A", "B")
        assert "they score the same (95 % interval" in same
        assert same.endswith("exact McNemar p = 1); no image distinguishes them")

    def test_little_to_say(self):
        assert "p < 0.0001" in paired.words(made(1e-9), "A", "B")
        few = paired.words(paired.wilcoxon([0.2], [0.1]), "A", "B")
        assert few.startswith(
            "A and B are indistinguishable: A is ahead by 10.0 points (Wilcoxon p = 1); 1 pair cannot"
        )
        assert paired.words(made(math.nan, note="no images"), "A", "B") == "A and B cannot be compared: no images"

    def test_in_the_unit_of_the_metric(self):
        said = paired.words(made(0.01, 12345.6, 11000.0, 13000.0), "A", "B", points=False)
        assert said.startswith("A is better than B by 1.235e+04 (95 % interval 1.1e+04 to 1.3e+04,")
        assert "by 0.018 (95 % interval 0.006 to 0.03," in paired.words(made(), "A", "B", points=False)

    def test_alpha(self):
        assert "are indistinguishable" in paired.words(made(0.004), "A", "B", alpha=0.001)

    def test_where_lower_is_better_the_lower_one_is_ahead(self):
        assert paired.words(made(), "A", "B", lower=True).startswith("B is better than A by 1.8 points (95 % interval")
        less = made(difference=-0.018, low=-0.03, high=-0.006)
        assert paired.words(less, "A", "B", lower=True).startswith("A is better than B by 1.8 points (95 % interval")
