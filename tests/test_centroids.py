"""k-means on the CPU and on PyTorch, and mini-batch k-means, against plain scikit-learn."""

import warnings

import numpy as np
import pytest
from densities import blobs, fit, one, options
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from backbench import clusterers, device, plugins, threads
from backbench.clusterers import _lloyd, _rows, kmeans, minibatch_kmeans


class TestKmeans:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("k", [1, 4, 9])
    @pytest.mark.parametrize("changed", [{}, {"algorithm": "elkan"}, {"init": "random"}, {"n_init": 1, "tol": 0.0}])
    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    @pytest.mark.filterwarnings("ignore:algorithm='elkan'")
    @pytest.mark.parametrize("cores", [1, 3])
    def test_equals_scikit_learn(self, seed, k, changed, kind, cores):
        x = (blobs(seed, n=300, d=10) + np.float32(20)).astype(kind)
        task = clusterers.Task(options("kmeans", **changed), k=k, seed=seed)
        ((found, info),) = fit(kmeans, x, [task], count=cores)
        model = cluster.KMeans(k, random_state=seed, **{"n_init": 4} | changed).fit(x)
        assert np.array_equal(found, model.labels_)
        assert info["inertia"] == pytest.approx(model.inertia_, rel=1e-6)
        assert info["n_iter"] == model.n_iter_

    def test_of_fewer_distinct_rows_than_k_each_is_a_cluster(self):
        x = np.repeat(blobs(n=3), 5, axis=0)
        task = clusterers.Task(options("kmeans"), k=4, seed=0)
        for name, cores in (("cpu", 1), ("cpu", 2), ("torch", 1)):
            with device.using(name), warnings.catch_warnings():
                warnings.simplefilter("error", ConvergenceWarning)
                ((found, info),) = fit(kmeans, x, [task], count=cores)
            assert adjusted_rand_score(np.repeat(np.arange(3), 5), found) == 1.0
            assert info["inertia"] == pytest.approx(0, abs=1e-6)


class TestStarts:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    def test_are_drawn_as_scikit_learn_draws_them(self, seed, kind):
        x = blobs(seed, n=500, d=[3, 20, 200, 700][seed])
        x = (x - x.mean(axis=0)).astype(kind)
        for k in (1, 2, 9, 25):
            ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
            found = _lloyd.starts(_rows.Rows(x), k, ours, 3, kind)
            expected = [cluster.kmeans_plusplus(x, k, random_state=theirs)[1] for _ in range(3)]
            assert np.array_equal(found, expected)
            assert ours.uniform() == theirs.uniform()

    def test_of_duplicates(self):
        x = np.repeat(blobs(n=3), 4, axis=0)
        found = _lloyd.starts(_rows.Rows(x), 6, np.random.RandomState(0), 2, float)
        assert found.shape == (2, 6)
        assert len(np.unique(x[found[0]], axis=0)) == 3


class TestLloyd:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("on", ["cpu", "torch"])
    def test_equals_scikit_learn_from_the_same_centres(self, seed, on):
        x = blobs(seed, n=900, d=9).astype(np.float64)
        x -= x.mean(axis=0)
        # One of the centres is far from all rows, so that its cluster is empty at first
        centres = np.vstack([x[:7], np.full((1, 9), 1e3)])
        model = cluster.KMeans(8, init=centres, n_init=1, random_state=0).fit(x)
        with device.using(on):
            rows = _rows.Rows(x)
            found = _lloyd.climb(rows, centres, 300, _lloyd.tolerance(rows, 1e-4))
        assert np.array_equal(found.labels, model.labels_)
        assert found.inertia == pytest.approx(model.inertia_)
        assert found.n_iter == model.n_iter_

    def test_ends_at_max_iter_with_the_labels_of_its_centres(self):
        x = blobs(n=400, d=5).astype(np.float64)
        x -= x.mean(axis=0)
        model = cluster.KMeans(9, init=x[:9], n_init=1, max_iter=2).fit(x)
        assert np.array_equal(_lloyd.climb(_rows.Rows(x), x[:9], 2, 0.0).labels, model.labels_)

    @pytest.mark.parametrize("on", ["cpu", "torch"])
    def test_an_empty_cluster_that_no_row_can_fill_joins_the_largest_one(self, on):
        # Three places, the second the most frequent; two centres lie on it, so that one of them stays without rows
        x = np.repeat([[-4.0, 1.0], [3.0, 0.5], [2.0, -6.0]], [2, 6, 3], axis=0)
        centres = x[[0, 2, 2, 8]]
        with device.using(on):
            state = _lloyd._State(_rows.Rows(x), centres)
            state.assign()
            moved = state.update()
        model = cluster.KMeans(4, init=centres, n_init=1)
        with pytest.warns(ConvergenceWarning, match="distinct clusters"):
            model.fit(x)
        assert state.centres == pytest.approx(model.cluster_centers_)
        assert np.array_equal(state.centres[2], x[2])
        assert moved == 0


@pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
@pytest.mark.parametrize(("distinct", "k"), [(4, 5), (7, 12)])
def test_k_means_of_fewer_distinct_rows_than_k_equals_scikit_learn(algorithm, distinct, k):
    x = blobs(n=distinct, d=3)[np.random.default_rng(0).integers(0, distinct, 60)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        found, info = one(kmeans, x, options("kmeans", n_init=3, algorithm=algorithm), k=k, seed=0)
    with pytest.warns(ConvergenceWarning, match="^Number of distinct clusters"):
        model = cluster.KMeans(k, n_init=3, algorithm=algorithm, random_state=0).fit(x)
    assert np.array_equal(found, model.labels_) and len(set(found.tolist())) == distinct
    assert info["inertia"] == pytest.approx(model.inertia_, abs=1e-9)


class TestMiniBatch:
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_scikit_learn(self, seed):
        x = blobs(seed, n=900, d=10)
        params = options("minibatch_kmeans", batch_size=128)
        found, info = one(minibatch_kmeans, x, params, k=5, seed=seed)
        with threads.one_core_each(1):
            model = cluster.MiniBatchKMeans(5, batch_size=128, n_init=3, random_state=seed).fit(x)
        assert np.array_equal(found, model.labels_)
        assert info == {"inertia": float(model.inertia_), "n_iter": model.n_iter_}

    def test_fewer_clusters_than_k_are_a_result_as_in_scikit_learn(self):
        x = np.repeat(blobs(n=3), 50, axis=0)
        found, _ = one(minibatch_kmeans, x, options("minibatch_kmeans"), k=5, seed=0)
        assert len(np.unique(found)) == 3

    def test_problems(self):
        params = options("minibatch_kmeans", init_size=3)
        assert "init_size = 3" in minibatch_kmeans.problems(params, 99, 2, 5)[0]

    def test_a_million_rows_need_little_beyond_the_matrix(self):
        for name in ("minibatch_kmeans", "micro_ward"):
            assert plugins.load("clusterer", name).memory_mb(options(name), 1_000_000, 128, 2) < 300


def test_no_warning_where_all_clusters_are_found():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one(minibatch_kmeans, blobs(), options("minibatch_kmeans"), k=3, seed=0)
