"""Ranks with ties against tests of each pair by scipy, and what must hold of any ranks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backbench.statistics import paired, ranking, replicates, resampling


def by_pairs(values, p, alpha=0.05):
    """The plain reading: one and the number of better rows that Holm leaves significant, never falling with value."""
    rows = len(values)
    pairs = [(i, j) for i in range(rows) for j in range(i)]
    adjusted = dict(zip(pairs, paired.holm([p(i, j) for i, j in pairs]), strict=True))
    beaten = [
        sum(values[j] > values[i] and adjusted[max(i, j), min(i, j)] <= alpha for j in range(rows) if j != i)
        for i in range(rows)
    ]
    return [1 + max(beaten[j] for j in range(rows) if values[j] >= values[i]) for i in range(rows)]


class TestRanks:
    def test_rows_not_told_apart_share_a_rank(self):
        differ = np.zeros((4, 4), bool)
        differ[2:, :2] = differ[:2, 2:] = True
        assert ranking.ranks([0.9, 0.8, 0.5, 0.4], differ) == [1, 1, 3, 3]

    def test_all_and_none(self):
        assert ranking.ranks([1.0, 3.0, 2.0], np.ones((3, 3), bool)) == [3, 1, 2]
        assert ranking.ranks([1.0, 3.0, 2.0], np.zeros((3, 3), bool)) == [1, 1, 1]
        assert ranking.ranks([], np.zeros((0, 0), bool)) == []

    def test_a_row_does_not_gain_from_its_spread(self):
        # The last cannot be told from the first, the middle one can.
        differ = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
        assert ranking.ranks([0.9, 0.8, 0.7], differ) == [1, 2, 2]

    def test_missing_values_have_no_rank(self):
        assert ranking.ranks([0.5, np.nan, 0.9], np.ones((3, 3), bool)) == [2, None, 1]

    @given(st.lists(st.integers(0, 8), min_size=1, max_size=12), st.integers(0, 10_000))
    @settings(max_examples=100, deadline=None)
    def test_never_better_below(self, values, seed):
        differ = np.random.default_rng(seed).random((len(values),) * 2) < 0.5
        differ |= differ.T
        found = ranking.ranks(values, differ)
        order = sorted(range(len(values)), key=lambda at: -values[at])
        ranks = [found[at] for at in order]
        assert ranks == sorted(ranks)
        assert ranks[0] == 1
        assert all(found[i] == found[j] for i in range(len(values)) for j in order if values[i] == values[j])


class TestStandings:
    def rows(self, seed=0, n=800, count=12):
        rng = np.random.default_rng(seed)
        hard = rng.random(n)
        right = [(hard + rng.normal(0, 0.15, n) < level) for level in np.linspace(0.55, 0.8, count)]
        weights = resampling.weights(n, 400)
        return np.array([replicates.mean(own.astype(float), weights) for own in right]), [own.mean() for own in right]

    def test_equals_the_paired_bootstrap_of_each_pair(self):
        values, observed = self.rows()
        found = ranking.standings(values, observed)

        def p(i, j):
            return paired.bootstrap(values[i], values[j], observed[i], observed[j]).p

        assert found == by_pairs(observed, p)
        assert 1 < len(set(found)) < len(found)

    def test_the_same_row_twice_shares_its_rank(self):
        values, observed = self.rows()
        twice = ranking.standings(np.concatenate([values, values]), [*observed, *observed])
        assert twice[: len(observed)] == twice[len(observed) :]

    def test_rows_without_spread(self):
        flat = np.repeat([[1.0], [1.0], [0.0]], 50, axis=1)
        assert ranking.standings(flat, [1.0, 1.0, 0.0]) == [1, 1, 3]

    def test_missing_rows_are_not_counted(self):
        values, observed = self.rows(count=5)
        holes = np.concatenate([values, values[:1], values[:1]])
        holes[5, 3] = np.nan
        found = ranking.standings(holes, [*observed, observed[0], np.nan])
        assert found == [*ranking.standings(values, observed), None, None]

    def test_rows_of_pure_chance_are_seldom_told_apart(self):
        rng = np.random.default_rng(3)
        weights = resampling.weights(200, 300).astype(float)
        false = 0
        for _ in range(40):
            right = (rng.random((6, 200)) < 0.7).astype(float)
            values = right @ weights.T / 200
            false += max(ranking.standings(values, right.mean(axis=1))) > 1
        # 2 of 40 at most are expected; without a correction it would be about 12.
        assert false < 7

    def test_shapes(self):
        assert ranking.standings(np.empty((0, 10)), []) == []
        assert ranking.standings(np.ones((1, 10)), [0.4]) == [1]
        with pytest.raises(ValueError, match=r"\(2, 10\) for 3 values"):
            ranking.standings(np.ones((2, 10)), [1, 2, 3])


class TestFewImages:
    def test_of_shares_it_is_mcnemar(self):
        # 8 images are right for the first alone and 1 for the second: z^2 = 7^2 / 9, p = 0.0196 (uncorrected).
        first, second = np.arange(60) < 48, (np.arange(60) >= 8) & (np.arange(60) < 49)
        weights = resampling.weights(60, 4000)
        drawn = np.stack([replicates.mean(side.astype(float), weights) for side in (first, second)])
        values, p = [first.mean(), second.mean()], 2 * stats.norm.sf(7 / 3)
        assert ranking.standings(drawn, values, alpha=1.15 * p, images=60) == [1, 2]
        assert ranking.standings(drawn, values, alpha=0.85 * p, images=60) == [1, 1]
        # With the variance of unequal rows p would be 0.012.
        assert ranking.standings(drawn, values, alpha=0.85 * p) == [1, 2]


class TestSeeds:
    """The spread of the seeds beside that of the images."""

    def found(self, rows, images=0.0):
        """Ranks of rows of values (seeds,), whose means vary by so much over the images, each for itself."""
        rng = np.random.default_rng(1)
        drawn = rng.normal(size=(len(rows), 500))
        drawn = images * (drawn - drawn.mean(axis=1, keepdims=True)) / drawn.std(axis=1, ddof=1, keepdims=True)
        return ranking.standings(drawn, [row.mean() for row in rows], seeds=rows)

    def test_without_spread_over_images_it_is_welch_of_each_pair(self):
        rng = np.random.default_rng(0)
        rows = [rng.normal(i / 4, 0.1 + i / 20, 3 + i % 4) for i in range(8)]
        found, means = self.found(rows), [row.mean() for row in rows]
        assert found == by_pairs(means, lambda i, j: stats.ttest_ind(rows[i], rows[j], equal_var=False).pvalue)
        assert 1 < len(set(found)) < len(found)

    def test_both_spreads_add_up(self):
        several = [np.array([0.50, 0.52, 0.49, 0.53]), np.array([0.60, 0.61, 0.62])]
        assert self.found(several) == [2, 1]
        assert self.found(several, images=0.01) == [2, 1]
        assert self.found(several, images=0.1) == [1, 1]

    def test_a_row_with_one_seed_has_none(self):
        assert self.found([np.array([0.5]), np.array([0.6]), np.array([0.1, 1.1])]) == [2, 1, 1]

    def test_equal_rows_are_seldom_told_apart_with_three_seeds(self):
        rng = np.random.default_rng(3)
        false = sum(max(self.found(list(rng.normal(size=(6, 3))), images=0.1)) > 1 for _ in range(60))
        assert false <= 0.1 * 60
