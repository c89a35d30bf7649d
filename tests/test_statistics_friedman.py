"""Friedman, Iman and Davenport, Nemenyi: the worked example of Demsar (2006), and edges."""

import itertools
import math

import numpy as np
import pytest
from demsar import TABLE
from scipy import stats

from backbench.statistics import friedman


class TestDemsar:
    def test_mean_ranks(self):
        assert friedman.compare(TABLE).mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)

    def test_statistics(self):
        # The paper has 9.28 and 3.69 without a correction for ties, which scipy makes: it divides by 1 less the share
        # of ties: one data set ties all four (4^3 - 4), three tie two (2^3 - 2 each).
        found = friedman.compare(TABLE)
        ties = 1 - (60 + 6 + 6 + 6) / (14 * 4 * 15)
        plain = found.statistic * ties
        assert plain == pytest.approx(9.28, abs=0.005)
        assert 13 * plain / (14 * 3 - plain) == pytest.approx(3.69, abs=0.005)
        assert found.f == pytest.approx(13 * found.statistic / (42 - found.statistic))
        assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 3))
        assert found.f_p == pytest.approx(stats.f.sf(found.f, 3, 39))
        assert found.f_p < found.p < 0.05

    def test_critical_difference_and_groups(self):
        # CD = 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25; no two of the four differ by as much, which the paper notes; at
        # 0.10 it is 2.291 * 0.488 = 1.12, and C4.5 differs from both that tune m.
        found = friedman.compare(TABLE)
        assert found.critical_difference == pytest.approx(1.25, abs=0.005)
        assert found.groups == ((3, 1, 2, 0),)
        assert found.nemenyi[np.triu_indices(4, 1)].min() > 0.05
        at_ten = friedman.compare(TABLE, alpha=0.10)
        assert at_ten.critical_difference == pytest.approx(1.12, abs=0.005)
        assert at_ten.groups == ((3, 1, 2), (2, 0))
        assert (at_ten.nemenyi[0] <= 0.10).tolist() == [False, True, False, True]

    def test_lower_may_be_better(self):
        found, turned = friedman.compare(TABLE), friedman.compare(-TABLE, higher=False)
        assert np.array_equal(found.mean_ranks, turned.mean_ranks)
        assert found.statistic == turned.statistic
        assert friedman.compare(TABLE, higher=False).mean_ranks == pytest.approx(5 - found.mean_ranks)


class TestEdges:
    def test_nemenyi_is_that_of_the_studentised_range(self):
        found = friedman.compare(np.random.default_rng(0).random((9, 5)) + np.arange(5) / 4)
        gap = abs(found.mean_ranks[0] - found.mean_ranks[4])
        q = gap / math.sqrt(5 * 6 / (6 * 9)) * math.sqrt(2)
        assert found.nemenyi[0, 4] == pytest.approx(stats.studentized_range.sf(q, 5, np.inf), rel=1e-6)
        assert np.array_equal(found.nemenyi, found.nemenyi.T)
        assert (np.diag(found.nemenyi) == 1).all()

    @pytest.mark.parametrize("seed", range(6))
    def test_groups_are_the_largest_sets_not_told_apart(self, seed):
        rng = np.random.default_rng(seed)
        found = friedman.compare(rng.random((12, 8)) + np.linspace(0, 1.5, 8))
        alike = found.nemenyi > 0.05
        for group in found.groups:
            assert alike[np.ix_(group, group)].all()
            outside = [row for row in range(8) if row not in group]
            assert not any(alike[row, list(group)].all() for row in outside)
        within = {frozenset(pair) for group in found.groups for pair in itertools.pairwise(group)}
        order = np.argsort(found.mean_ranks)
        assert within == {frozenset(map(int, pair)) for pair in itertools.pairwise(order) if alike[pair]}

    def test_all_blocks_rank_alike(self):
        found = friedman.compare(np.tile([0.1, 0.2, 0.3], (5, 1)))
        assert found.statistic == pytest.approx(10.0)
        assert (found.f, found.f_p) == (math.inf, 0.0)
        assert found.mean_ranks.tolist() == [3.0, 2.0, 1.0]

    def test_nothing_but_ties(self):
        found = friedman.compare(np.full((4, 3), 0.5))
        assert (found.statistic, found.p, found.f, found.f_p) == (0.0, 1.0, 0.0, 1.0)
        assert found.mean_ranks.tolist() == [2.0, 2.0, 2.0]
        assert found.groups == ((0, 1, 2),)

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            (np.ones((5, 2)), "for two methods use Wilcoxon"),
            (np.ones((1, 4)), r"shape \(1, 4\)"),
            (np.ones(4), r"shape \(4,\)"),
            (np.array([[1, 2, 3], [1, np.nan, 2]]), "1 of 6 values are not finite"),
        ],
    )
    def test_what_cannot_be(self, table, said):
        with pytest.raises(ValueError, match=said):
            friedman.compare(table)
