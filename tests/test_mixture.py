"""Gaussian mixtures against scikit-learn's, on the CPU and on PyTorch."""

import warnings

import numpy as np
import pytest
from densities import blobs, fit, one, options
from sklearn import mixture
from sklearn.exceptions import ConvergenceWarning

from backbench import clusterers, threads
from backbench.clusterers import _covariances, _mixture, _rows, _settled, gaussian_mixture
from backbench.metrics import catalogue

KINDS = ("full", "tied", "diag", "spherical")


def model(x, k, seed, **changed):
    own = {"covariance_type": "diag", "max_iter": 300, "random_state": seed} | changed
    return mixture.GaussianMixture(k, **own).fit(x.astype(np.float64))


def assert_equal(found, info, expected, x):
    rows = x.astype(np.float64)
    assert np.array_equal(found, expected.predict(rows))
    assert info["lower_bound"] == pytest.approx(expected.lower_bound_, rel=1e-6)
    assert info["bic"] == pytest.approx(expected.bic(rows), rel=1e-6)
    assert info["n_iter"] == expected.n_iter_


@pytest.mark.parametrize("kind", KINDS)
class TestKinds:
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_scikit_learn(self, kind, seed, monkeypatch):
        monkeypatch.setattr(_rows, "CPU_VALUES", 500)
        x = blobs(seed, n=[300, 500, 900][seed], d=[1, 4, 9][seed], spread=1.2) + np.float32(10)
        for k in (1, 4):
            found, info = one(gaussian_mixture, x, options("gaussian_mixture", covariance_type=kind), k=k, seed=seed)
            assert_equal(found, info, model(x, k, seed, covariance_type=kind), x)

    @pytest.mark.parametrize("init", ["kmeans", "k-means++", "random", "random_from_data"])
    def test_several_starts_are_drawn_as_scikit_learn_draws_them(self, kind, init):
        x = blobs(4, n=250, spread=1.5)
        changed = {"covariance_type": kind, "n_init": 3, "init_params": init, "reg_covar": 0.01}
        found, info = one(gaussian_mixture, x, options("gaussian_mixture", **changed), k=3, seed=1)
        assert_equal(found, info, model(x, 3, 1, **changed), x)

    @pytest.mark.parametrize(("distinct", "k"), [(4, 5), (7, 12)])
    def test_fewer_distinct_rows_than_components_equal_scikit_learn(self, kind, distinct, k):
        x = 5 * blobs(1, n=distinct, d=3)[np.random.default_rng(0).integers(0, distinct, 60)]
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            found, info = one(gaussian_mixture, x, options("gaussian_mixture", covariance_type=kind), k=k, seed=0)
        with pytest.warns(ConvergenceWarning, match="Number of distinct clusters"):
            expected = model(x, k, 0, covariance_type=kind)
        assert_equal(found, info, expected, x)
        assert len(set(found.tolist())) == distinct

    def test_blocks_beside_each_other_do_not_count(self, kind, monkeypatch):
        monkeypatch.setattr(_rows, "CPU_VALUES", 500)
        monkeypatch.setattr(_rows, "PARALLEL_VALUES", 1)
        x = blobs(2, n=700, d=7)
        task = clusterers.Task(options("gaussian_mixture", covariance_type=kind), k=3, seed=0)
        found = []
        for count in (1, 3):
            with threads.one_core_each(count):
                found.append(gaussian_mixture.fit(gaussian_mixture.prepare(x, [task], None), x, task))
        assert np.array_equal(found[0][0], found[1][0])
        assert found[0][1] == found[1][1]

    def test_features_that_are_held_change_nothing(self, kind, monkeypatch):
        x, params = blobs(3, n=900, d=6, spread=1.5), options("gaussian_mixture", covariance_type=kind)
        found, info = one(gaussian_mixture, x, params, k=4, seed=0)
        monkeypatch.setattr(_mixture, "HELD_VALUES", 0)
        monkeypatch.setattr(_rows, "CPU_VALUES", 500)
        monkeypatch.setattr(_covariances, "SUMMED", 0)
        other, info_of_other = one(gaussian_mixture, x, params, k=4, seed=0)
        assert np.array_equal(found, other) and info["n_iter"] == info_of_other["n_iter"]
        assert info["lower_bound"] == pytest.approx(info_of_other["lower_bound"], rel=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_one_component_and_collinear_columns(self, kind, dtype):
        x = blobs(5, n=300, d=5).astype(dtype)
        x[:, 4] = x[:, 0] + x[:, 1]
        for k in (1, 3):
            found, info = one(gaussian_mixture, x, options("gaussian_mixture", covariance_type=kind), k=k, seed=0)
            assert_equal(found, info, model(x, k, 0, covariance_type=kind), x)

    def test_constant_features(self, kind):
        x = blobs(3, n=200)
        x[:, 1] = 7
        found, info = one(gaussian_mixture, x, options("gaussian_mixture", covariance_type=kind), k=3, seed=0)
        assert_equal(found, info, model(x, 3, 0, covariance_type=kind), x)

    def test_collapsed_components_are_refused(self, kind):
        x = np.zeros((40, 2), dtype=np.float32)
        x[20:] = 8
        params = options("gaussian_mixture", covariance_type=kind, reg_covar=0.0)
        with pytest.raises(ValueError, match="increase reg_covar"):
            one(gaussian_mixture, x, params, k=2, seed=0)


def test_too_few_iterations_are_a_convergence_warning():
    with pytest.warns(ConvergenceWarning, match="after 2 iterations"):
        one(gaussian_mixture, blobs(spread=0.5), options("gaussian_mixture", max_iter=2, tol=1e-9), k=4, seed=0)


def test_a_start_by_kmeans_is_shared_by_all_kinds(monkeypatch):
    from backbench.clusterers import _lloyd

    calls, partition = [], _lloyd.partition
    monkeypatch.setattr(_lloyd, "partition", lambda *args: calls.append(1) or partition(*args))
    tasks = [clusterers.Task(options("gaussian_mixture", covariance_type=kind), k=3, seed=0) for kind in KINDS]
    fit(gaussian_mixture, blobs(), tasks)
    assert len(calls) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_number_of_components_has_the_best_bic(kind):
    x = blobs(0, n=600, d=3, k=3, spread=12)
    tasks = [clusterers.Task(options("gaussian_mixture", covariance_type=kind), k=k, seed=0) for k in (1, 2, 3, 6)]
    values = {task.k: info["bic"] for task, (_, info) in zip(tasks, fit(gaussian_mixture, x, tasks), strict=True)}
    for k, value in values.items():
        assert value == pytest.approx(model(x, k, 0, covariance_type=kind).bic(x.astype(np.float64)), rel=1e-6)
    assert catalogue.metric("bic").best(values.values()) == values[3]


@pytest.mark.parametrize("sizes", [{"PRODUCTS": 1, "PACKED": 7}, {"MOST_HELD": -1.0}, {"LEAST": 0.0}])
def test_full_covariances_do_not_depend_on_how_rows_are_read(sizes, monkeypatch):
    x, params = blobs(1, n=500, d=8, k=5, spread=6.0), options("gaussian_mixture", covariance_type="full")
    expected = model(x, 5, 0, covariance_type="full")
    for name, value in sizes.items():
        monkeypatch.setattr(_covariances, name, value)
    found, info = one(gaussian_mixture, x, params, k=5, seed=0)
    assert np.array_equal(found, expected.predict(x.astype(np.float64))) and info["n_iter"] == expected.n_iter_
    assert info["lower_bound"] == pytest.approx(expected.lower_bound_, rel=1e-12)


def test_rows_without_a_share_are_left_out_of_a_component():
    block, shares = np.arange(20.0).reshape(10, 2), np.where(np.arange(10) % 2, 0.5, 1e-40)
    rows, held = _covariances._held(block, shares)
    assert np.array_equal(rows, block[1::2]) and np.array_equal(held, np.full(5, 0.5))
    assert _covariances._held(block, np.full(10, 0.1))[0] is block


def test_full_covariances_of_wide_rows_are_refused():
    full = options("gaussian_mixture", covariance_type="full")
    assert "covariance_type=diag" in gaussian_mixture.problems(full, 3000, 1280, 10)[0]
    assert gaussian_mixture.problems(full, 3000, 50, 10) == []
    assert gaussian_mixture.problems(options("gaussian_mixture"), 3000, 1280, 10) == []


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_settled_rows_change_nothing(kind, monkeypatch):
    x = blobs(1, n=600, d=40, k=4, spread=2.0)
    params = options("gaussian_mixture", covariance_type=kind)
    found, info = one(gaussian_mixture, x, params, k=5, seed=0)
    assert_equal(found, info, model(x, 5, 0, covariance_type=kind), x)
    monkeypatch.setattr(_settled, "WORTH", 2.0)
    plain, before = one(gaussian_mixture, x, params, k=5, seed=0)
    assert np.array_equal(found, plain) and info["n_iter"] == before["n_iter"]
    assert info["lower_bound"] == pytest.approx(before["lower_bound"], rel=1e-12)


def test_seeds_that_members_share_are_those_of_each_alone():
    x, params = blobs(2, n=400, spread=0.5), options("gaussian_mixture")
    tasks = [clusterers.Task(params, k=k, seed=0) for k in (2, 3, 7, 8, 9)]
    for task, (labels, info) in zip(tasks, fit(gaussian_mixture, x, tasks), strict=True):
        alone, alone_info = fit(gaussian_mixture, x, [task])[0]
        assert np.array_equal(labels, alone) and info == alone_info
