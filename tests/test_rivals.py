"""Sampled silhouettes by the clusters that can be the nearest other: bounds, bits, and what is left out."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples

from backbench import threads
from backbench.metrics import _cells, _cloud, _rivals, _widths, internal, labels


def rows(n, d, k=9, seed=0):
    """Rows (n, d) around k centres, and the number (n,) of the centre of each."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    return (rng.normal(size=(n, d)) + 2 * rng.normal(size=(k, d))[truth]).astype(np.float32), truth


def labelings(truth):
    rng = np.random.default_rng(1)
    noisy = np.where(rng.random(len(truth)) < 0.2, -1, truth // 2)
    return [labels.canonical(part) for part in (truth, truth // 2, truth // 4, noisy, rng.integers(0, 3, len(truth)))]


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(_rivals, "worthwhile", lambda *_: True)


@pytest.mark.parametrize("d", [1, 2, 30])
@pytest.mark.parametrize("size", [1, 2, 60])
def test_mean_distances_lie_between_the_bounds(d, size):
    x, _ = rows(200, d)
    cloud = _cloud.Cloud(x)
    picked, which = np.arange(0, 200, 3), np.arange(100, 100 + size)
    low, high = _rivals._bounds(cloud, which, picked)
    means = cdist(x[picked].astype(float), x[which].astype(float)).mean(axis=1) / cloud.scale
    assert np.all(low <= means + 1e-7)
    assert np.all(means <= high + 1e-7)


def test_the_bounds_of_many_columns_are_close():
    x, truth = rows(2000, 100)
    low, high = _rivals._bounds(_cloud.Cloud(x), np.flatnonzero(truth == 0), np.arange(100))
    assert np.all(high - low < 0.05 * high)


@pytest.mark.parametrize(("n", "d"), [(700, 17), (1500, 130)])
def test_what_is_left_out_company_and_threads_do_not_count_for_the_bits(n, d, monkeypatch):
    x, truth = rows(n, d)
    parts = labelings(truth)
    monkeypatch.setattr(_rivals, "worthwhile", lambda *_: False)
    whole = [scores.values for scores in internal.scores(x, parts, 333)]
    monkeypatch.setattr(_rivals, "worthwhile", lambda *_: True)
    monkeypatch.setattr(_rivals, "UNIT_ROWS", 512)
    for count in (1, 3):
        with threads.one_core_each(count):
            assert [scores.values for scores in internal.scores(x, parts, 333)] == whole
            assert [internal.scores(x, [part], 333)[0].values for part in parts] == whole


@pytest.mark.parametrize("d", [3, 40])
def test_widths_are_those_of_scikit_learn(d, always):
    x, truth = rows(600, d)
    x[:50] = x[50:100] + np.float32(1e-4)
    picked = np.random.default_rng(2).permutation(600)[:200]
    (widths,) = _widths.drawn(_cloud.Cloud(x), [labels.canonical(truth)], picked)
    np.testing.assert_allclose(widths, silhouette_samples(x.astype(float), truth)[picked], atol=2e-6)


def test_noise_and_clusters_of_one_row(always):
    x, truth = rows(300, 5)
    part = np.where(np.arange(300) < 40, -1, truth)
    part[40:43] = 100, 101, 102
    widths = _widths.drawn(_cloud.Cloud(x), [labels.canonical(part)], np.arange(300))[0]
    kept = part >= 0
    assert np.isnan(widths[~kept]).all()
    np.testing.assert_allclose(widths[kept], silhouette_samples(x[kept].astype(float), part[kept]), atol=2e-6)


def test_most_distances_of_separate_clusters_are_left_out():
    x, truth = rows(4000, 50, k=12)
    cloud, part, picked = _cloud.Cloud(x), labels.canonical(truth), np.arange(500)
    (group,) = _cells.groups([part])
    ((number, sums),) = _rivals.sums(_cloud.Rough(cloud), [part], group, picked)
    assert number == 0
    assert np.isfinite(sums[part[picked], picked]).all()
    assert np.isfinite(sums).mean() < 0.5


def test_few_rows_and_large_moments_are_measured_whole():
    x, truth = rows(4000, 20)
    part = labels.canonical(truth)
    (group,) = _cells.groups([part])
    narrow, wide = _cloud.Cloud(x), _cloud.Cloud(np.zeros((40_000, 600), np.float32))
    assert not _rivals.worthwhile(narrow, [part], group, 1000)
    large = np.repeat(part, 10)
    (group,) = _cells.groups([large])
    assert _rivals.worthwhile(_cloud.Cloud(np.repeat(x, 10, axis=0)), [large], group, 1000)
    assert _rivals.worthwhile(wide, [large], group, 1000)
    assert not _rivals.worthwhile(wide, [large], group, 1 << 21)


def test_rows_far_outside_make_all_others_near():
    x, _ = rows(2000, 20)
    assert _cloud.Rough(_cloud.Cloud(x)).suits(np.arange(512))
    x[:3] *= np.float32(1e4)
    assert not _cloud.Rough(_cloud.Cloud(x)).suits(np.arange(512))
