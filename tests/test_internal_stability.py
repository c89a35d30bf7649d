"""How steady a clustering is: refits on samples of its rows, alone and in company, against refits by scikit-learn."""

import itertools
import math

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from test_internal_stage import blobs, dbscan, outcomes, ward

from backbench.stages import _stability

__all__ = ["outcomes"]


def steady(x, k, samples, share=None):
    """What the metric means, by scikit-learn alone."""
    rows = [_stability.sample(len(x), number, share) for number in range(samples)]
    found = [dict(zip(own, AgglomerativeClustering(k).fit_predict(x[own]), strict=True)) for own in rows]
    scores = []
    for one, other in itertools.combinations(found, 2):
        both = sorted(one.keys() & other.keys())
        scores.append(adjusted_rand_score([one[row] for row in both], [other[row] for row in both]))
    return float(np.mean(scores))


def test_equals_refits_by_scikit_learn(outcomes):
    x, _ = blobs()
    right, wrong = outcomes([ward(3, bootstraps=6), ward(7, bootstraps=6)], x)
    assert right.metrics["stability"] == pytest.approx(steady(x, 3, 6))
    assert wrong.metrics["stability"] == pytest.approx(steady(x, 7, 6))
    assert right.metrics["stability"] > wrong.metrics["stability"]


def test_company_and_order_change_nothing(outcomes):
    x, _ = blobs()
    configs = [ward(3, bootstraps=4), ward(5, bootstraps=4), ward(3, bootstraps=6), ward(3)]
    together, backwards = outcomes(configs, x), outcomes(configs[::-1], x)[::-1]
    for config, one, other in zip(configs, together, backwards, strict=True):
        (alone,) = outcomes([config], x)
        assert one.metrics == other.metrics == alone.metrics
        assert ("stability" in one.metrics) == ("bootstraps" in config)


def test_refits_are_stored_and_are_those_of_scikit_learn(outcomes):
    x, split = blobs()
    (half,) = outcomes([ward(3, bootstraps=4, sample_share=0.5)], x)
    assert half.metrics["stability"] == pytest.approx(steady(x, 3, 4, 0.5))
    refits = half.arrays["refits"]
    assert refits.shape == (4, len(x)) and refits.dtype == np.int8
    for number, labels in enumerate(refits):
        rows = _stability.sample(len(x), number, 0.5)
        assert np.array_equal(np.flatnonzero(labels != -2), rows)
        assert adjusted_rand_score(labels[rows], AgglomerativeClustering(3).fit_predict(x[rows])) == 1.0
    (apart,) = outcomes([ward(3, "per_split", bootstraps=4, sample_share=0.5)], x, split)
    assert set(np.flatnonzero((apart.arrays["refits"] != -2).any(axis=0))) <= set(np.flatnonzero(split == 2))
    (without,) = outcomes([ward(3)], x)
    assert set(without.arrays) == set(half.arrays) - {"refits"}


def test_a_sample_holds_half_of_the_rows_each_once():
    rows = _stability.sample(1001, 3, 0.5)
    assert np.array_equal(rows, np.unique(rows)) and len(rows) == 500
    assert not np.array_equal(rows, _stability.sample(1001, 4, 0.5))


def test_a_sample_of_before_is_drawn_with_replacement_and_holds_each_row_once():
    rows = _stability.sample(10_000, 3, None)
    assert np.array_equal(rows, np.unique(rows))
    assert len(rows) / 10_000 == pytest.approx(1 - math.exp(-1), abs=0.02)
    assert not np.array_equal(rows, _stability.sample(10_000, 4, None))


def test_a_refit_that_cannot_be_leaves_the_clustering(outcomes):
    x, _ = blobs(40)
    found, other = outcomes([ward(35, bootstraps=3), ward(4, bootstraps=3)], x)
    assert math.isnan(found.metrics["stability"])
    assert "sample 0" in found.notes["stability"]
    assert found.metrics["silhouette"] == found.metrics["silhouette"]
    assert not math.isnan(other.metrics["stability"])


def test_parts_that_are_not_reported_are_not_refitted(outcomes):
    x, split = blobs()
    (apart,) = outcomes([ward(3, "per_split", bootstraps=4)], x, split)
    assert apart.metrics["stability"] == pytest.approx(steady(x[split == 2], 3, 4))
    (without,) = outcomes([ward(3, "per_split", bootstraps=4)], x, np.zeros(len(x), dtype=np.uint8))
    assert math.isnan(without.metrics["stability"])


def test_noise_is_singletons(outcomes):
    x, _ = blobs()
    (noise,) = outcomes([{**dbscan(1e-9), "bootstraps": 3}], x)
    assert noise.metrics["stability"] == 1.0
