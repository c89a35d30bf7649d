"""Mean pairwise adjusted Rand index: answers by hand, scikit-learn, noise and rows out of scope."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from backbench.metrics import external
from backbench.statistics import stability


def test_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    labelings = [rng.integers(0, 4, 80) for _ in range(4)] + [np.arange(80) % 3]
    expected = [adjusted_rand_score(one, other) for one, other in itertools.combinations(labelings, 2)]
    assert len(expected) == 10
    assert stability.mean_pairwise_ari(labelings) == pytest.approx(np.mean(expected))


def test_known_answer():
    # Hubert and Arabie's (1985) form on {0,1}{2,3} and {0,1}{2}{3}: 1 pair together in both, 2 and 1 in each,
    # 2 * 1 / 6 expected: (1 - 1/3) / (3/2 - 1/3) = 4/7. The same labeling under other names agrees fully.
    one, other = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    assert stability.mean_pairwise_ari([one, other]) == pytest.approx(4 / 7)
    assert stability.mean_pairwise_ari([one, 1 - one]) == 1.0
    assert stability.mean_pairwise_ari([one, 1 - one, other]) == pytest.approx((1 + 4 / 7 + 4 / 7) / 3)


def test_noise_is_a_cluster_of_its_own_as_in_the_external_metrics():
    rng = np.random.default_rng(1)
    truth, found = rng.integers(0, 5, 200), rng.integers(-1, 5, 200)
    assert stability.mean_pairwise_ari([truth, found]) == pytest.approx(external.ari(truth, found))
    # {0,1} and two points of noise against {0,1}{2}{3}.
    assert stability.mean_pairwise_ari([np.array([0, 0, -1, -1]), np.array([0, 0, 1, 2])]) == 1.0
    assert stability.mean_pairwise_ari([np.full(5, -1), np.full(5, -1)]) == 1.0
    assert stability.mean_pairwise_ari([np.full(5, -1), np.zeros(5, int)]) == 0.0


def test_rows_out_of_scope_are_left_out_of_the_pair():
    one, other = np.array([0, 0, 1, 1, -2, 0]), np.array([5, 5, 6, 7, 1, -2])
    assert stability.mean_pairwise_ari([one, other]) == pytest.approx(4 / 7)
    apart = [np.array([0, 0, -2, -2]), np.array([-2, -2, 0, 0])]
    assert math.isnan(stability.mean_pairwise_ari(apart))
    assert stability.mean_pairwise_ari([*apart, np.array([0, 0, 0, 0])]) == 1.0


def test_fewer_than_two():
    assert math.isnan(stability.mean_pairwise_ari([]))
    assert math.isnan(stability.mean_pairwise_ari([np.zeros(3, int)]))
