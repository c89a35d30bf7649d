"""Clusterers: one contract for all, and each against plain scikit-learn."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import cluster, mixture

from backbench import clusterers, paths, plugins, threads
from backbench.clusterers import _trees, agglomerative, dbscan
from backbench.metrics import distances, labels
from backbench.metrics.near import Near

NAMES = plugins.names("clusterer")
SMALL = {"kmeans": {"n_init": 2}, "dbscan": {"min_samples": 4}}


def conf(name: str) -> dict:
    return yaml.safe_load((Path(paths.conf()) / "clusterer" / f"{name}.yaml").read_text())


def options(name: str, **changed):
    return plugins.params("clusterer", conf(name) | SMALL.get(name, {}) | changed)


def blobs(seed=0, n=150, d=4, k=4, spread=2.5):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + spread * rng.normal(size=(k, d))[rng.integers(0, k, n)]).astype(np.float32)


def fit(module, x, tasks):
    """Labels and information of all tasks, fitted as a shard."""
    with threads.one_core_each(1):
        shared = module.prepare(x, tasks, Near(x))
        return [module.fit(shared, x, task) for task in tasks]


def one(module, x, params, **axes):
    return fit(module, x, [clusterers.Task(params, **axes)])[0]


def shard(name: str) -> list[clusterers.Task]:
    module = plugins.load("clusterer", name)
    variants = {
        "agglomerative": [{"linkage": "ward"}, {"linkage": "average", "metric": "cosine"}],
        "dbscan": [{"eps_quantile": q} for q in (0.3, 0.9)] + [{"eps": 1.5, "eps_quantile": None, "min_samples": 7}],
    }.get(name, [{}])
    axes = [{"k": k, "seed": seed} for k in (1, 3, 6) for seed in (0, 1)]
    kept = list({tuple((axis, each[axis]) for axis in sorted(module.AXES)) for each in axes})
    return [clusterers.Task(options(name, **changed), **dict(each)) for changed in variants for each in sorted(kept)]


def same(one, other):
    return np.array_equal(labels.canonical(one), labels.canonical(other))


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_every_option_is_spelled_out_once(self, name):
        parameters = inspect.signature(plugins.load("clusterer", name).Params).parameters
        assert set(conf(name)) == {"name", *parameters}
        assert all(parameter.default is inspect.Parameter.empty for parameter in parameters.values())
        assert plugins.params("clusterer", conf(name)) is not None

    def test_yaml_says_what_it_is(self, name):
        text = (Path(paths.conf()) / "clusterer" / f"{name}.yaml").read_text()
        assert text.startswith("# ")
        assert conf(name)["name"] == name

    def test_axes(self, name):
        module = plugins.load("clusterer", name)
        assert isinstance(module.AXES, frozenset)
        assert {"k", "seed"} >= module.AXES

    def test_labels_and_information(self, name):
        module, x = plugins.load("clusterer", name), blobs()
        before = x.copy()
        for task, (found, info) in zip(shard(name), fit(module, x, shard(name)), strict=True):
            assert found.dtype == np.int64
            assert found.shape == (len(x),)
            assert found.min() >= -1
            assert task.k is None or labels.clusters(found) == task.k
            assert all(value is None or type(value) in (int, float, str) for value in info.values())
        assert np.array_equal(x, before)

    def test_alone_in_a_shard_and_reversed_are_bit_equal(self, name):
        module, x, tasks = plugins.load("clusterer", name), blobs(1), shard(name)
        together = fit(module, x, tasks)
        backwards = fit(module, x, tasks[::-1])[::-1]
        alone = [fit(module, x, [task])[0] for task in tasks]
        for found, other, single in zip(together, backwards, alone, strict=True):
            assert np.array_equal(found[0], other[0])
            assert np.array_equal(found[0], single[0])
            assert found[1] == other[1] == single[1]

    def test_threads_do_not_count(self, name):
        module, x, tasks = plugins.load("clusterer", name), blobs(2, n=900, d=20), shard(name)
        few = fit(module, x, tasks)
        with threads.one_core_each(3):
            shared = module.prepare(x, tasks, Near(x))
            many = list(threads.as_done(lambda i: (i, module.fit(shared, x, tasks[i])), range(len(tasks))))
        for i, found in many:
            assert np.array_equal(found[0], few[i][0])
            assert found[1] == few[i][1]

    def test_memory_grows(self, name):
        module, params = plugins.load("clusterer", name), options(name)
        sizes = [module.memory_mb(params, n, d, count) for n, d, count in ((100, 5, 1), (9000, 5, 1), (9000, 500, 4))]
        assert 0 < sizes[0] < sizes[1] < sizes[2]

    def test_identical_rows(self, name):
        module = plugins.load("clusterer", name)
        x = np.ones((20, 3), dtype=np.float32)
        params = options(name, eps=0.5, eps_quantile=None) if name == "dbscan" else options(name)
        found, _ = one(module, x, params, **dict.fromkeys(module.AXES, 1))
        assert labels.clusters(found) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if "k" in plugins.load("clusterer", name).AXES])
class TestNumberOfClusters:
    def test_too_many_clusters_are_refused_at_planning_time(self, name):
        module = plugins.load("clusterer", name)
        assert "at most the number of rows" in module.problems(options(name), 5, 2, 6)[0]
        assert module.problems(options(name), 500, 2, 5) == []

    def test_as_many_clusters_as_rows(self, name):
        module, x = plugins.load("clusterer", name), blobs(n=12)
        found, _ = one(module, x, options(name), k=12, seed=0)
        assert labels.clusters(found) == 12


class TestKmeans:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("k", [1, 4, 9])
    def test_equals_scikit_learn(self, seed, k):
        x = blobs(seed, n=300, d=10)
        found, info = one(plugins.load("clusterer", "kmeans"), x, options("kmeans", n_init=4), k=k, seed=seed)
        model = cluster.KMeans(k, n_init=4, random_state=seed).fit(x)
        assert np.array_equal(found, model.labels_)
        assert info["inertia"] == pytest.approx(model.inertia_, rel=1e-6)
        assert info["n_iter"] == model.n_iter_


class TestAgglomerative:
    @pytest.mark.parametrize(
        ("linkage", "metric"),
        [("ward", "euclidean")]
        + [
            (how, metric)
            for how in ("average", "complete", "single")
            for metric in ("euclidean", "cosine", "manhattan")
        ],
    )
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("matrix_fits", [True, False])
    def test_equals_scikit_learn(self, linkage, metric, seed, matrix_fits, monkeypatch):
        monkeypatch.setattr(agglomerative, "CONDENSED_ROWS", 10_000 if matrix_fits else 1)
        x = blobs(seed, n=[40, 150, 600][seed], d=[2, 6, 40][seed])
        tasks = [clusterers.Task(options("agglomerative", linkage=linkage, metric=metric), k=k) for k in (1, 2, 5, 30)]
        for task, (found, _) in zip(tasks, fit(agglomerative, x, tasks), strict=True):
            model = cluster.AgglomerativeClustering(task.k, linkage=linkage, metric=metric).fit(x.astype(np.float64))
            assert same(found, model.labels_)

    @given(arrays.arrays(np.int64, st.tuples(st.integers(2, 25), st.integers(1, 2)), elements=st.integers(0, 3)))
    @settings(max_examples=60, deadline=None)
    @pytest.mark.filterwarnings("ignore::scipy.cluster.hierarchy.ClusterWarning")
    def test_breaks_ties_as_scikit_learn_does(self, grid):
        x = grid.astype(np.float32)
        for how in ("ward", "average", "complete"):
            for k in {1, 2, len(x) // 2 or 1, len(x)}:
                model = cluster.AgglomerativeClustering(k, linkage=how).fit(x.astype(np.float64))
                found, _ = one(agglomerative, x, options("agglomerative", linkage=how), k=k)
                assert labels.clusters(found) == k
                assert same(found, model.labels_)

    def test_the_condensed_matrix_is_that_of_scipy(self):
        from scipy.spatial.distance import pdist

        x = blobs(n=700, d=30)
        x[10:20] = x[:10]
        for metric, name in (("euclidean", "euclidean"), ("cosine", "cosine"), ("manhattan", "cityblock")):
            expected = pdist(x.astype(np.float64), name)
            assert np.allclose(_trees.condensed(x, metric), expected, rtol=0, atol=1e-9)

    def test_height_of_the_next_merge(self):
        x = np.array([[0.0], [1.0], [10.0]], dtype=np.float32)
        params = options("agglomerative", linkage="single")
        assert one(agglomerative, x, params, k=2)[1] == {"next_merge_height": 9.0}
        assert one(agglomerative, x, params, k=1)[1] == {"next_merge_height": None}

    def test_problems(self):
        assert "ward" in agglomerative.problems(options("agglomerative", metric="cosine"), 9, 2, 2)[0]

    def test_cosine_refuses_rows_of_zeros(self):
        x = blobs()
        x[3] = 0
        with pytest.raises(ValueError, match="1 of 150 rows are zero"):
            one(agglomerative, x, options("agglomerative", linkage="average", metric="cosine"), k=2)

    def test_one_row(self):
        assert one(agglomerative, blobs(n=1), options("agglomerative"), k=1)[0].tolist() == [0]


class TestGaussianMixture:
    @pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
    @pytest.mark.parametrize("seed", range(2))
    def test_equals_scikit_learn(self, kind, seed):
        x = blobs(seed, n=300)
        params = options("gaussian_mixture", covariance_type=kind)
        found, info = one(plugins.load("clusterer", "gaussian_mixture"), x, params, k=4, seed=seed)
        model = mixture.GaussianMixture(4, covariance_type=kind, max_iter=300, random_state=seed)
        assert np.array_equal(found, model.fit_predict(x.astype(np.float64)))
        assert info["bic"] == pytest.approx(model.bic(x.astype(np.float64)))

    def test_full_covariances_of_wide_rows_are_refused(self):
        module = plugins.load("clusterer", "gaussian_mixture")
        full = options("gaussian_mixture", covariance_type="full")
        assert "covariance_type=diag" in module.problems(full, 3000, 1280, 10)[0]
        assert module.problems(full, 3000, 50, 10) == []
        assert module.problems(options("gaussian_mixture"), 3000, 1280, 10) == []


class TestDbscan:
    @pytest.mark.parametrize("seed", range(6))
    def test_equals_scikit_learn_at_every_radius(self, seed, monkeypatch):
        monkeypatch.setattr(distances, "MOST", 64)
        x = blobs(seed, n=400, d=[2, 2, 3, 8, 20, 60][seed], k=6)
        x[100:105] = x[:5]
        tasks = [
            clusterers.Task(options("dbscan", eps_quantile=q, min_samples=m))
            for q in (0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
            for m in (2, 5, 12)
        ]
        for task, (found, info) in zip(tasks, fit(dbscan, x, tasks), strict=True):
            model = cluster.DBSCAN(eps=info["eps"], min_samples=task.params.min_samples).fit(x.astype(np.float64))
            assert np.array_equal(found, model.labels_)
            assert info["core_points"] == len(model.core_sample_indices_)

    @given(
        arrays.arrays(np.int64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(0, 7)),
        st.sampled_from([1.0, float(np.sqrt(2)), 2.0, 3.5]),
        st.integers(1, 6),
    )
    @settings(max_examples=150, deadline=None)
    def test_equals_scikit_learn_where_the_radius_meets_a_distance(self, grid, eps, min_samples):
        x = grid.astype(np.float32)
        if min_samples > len(x):
            return
        found, _ = one(dbscan, x, options("dbscan", eps=eps, eps_quantile=None, min_samples=min_samples))
        assert np.array_equal(found, cluster.DBSCAN(eps=eps, min_samples=min_samples).fit(x.astype(np.float64)).labels_)

    def test_the_quantile_is_rounded_up_so_that_its_pairs_are_inside(self):
        x = blobs(n=101)
        for quantile in (0.0, 0.5, 1.0):
            _, info = one(dbscan, x, options("dbscan", eps_quantile=quantile, min_samples=3))
            assert info["core_points"] >= round(100 * quantile) + 1
            assert float(f"{info['eps']:.6g}") == info["eps"]

    def test_all_noise(self):
        found, info = one(dbscan, blobs(), options("dbscan", eps=1e-6, eps_quantile=None))
        assert np.all(found == -1)
        assert info["core_points"] == 0

    def test_duplicates_make_a_radius_of_zero(self):
        x = np.repeat(blobs(n=20), 5, axis=0)
        bad, good = (clusterers.Task(options("dbscan", **each)) for each in ({}, {"eps": 2.0, "eps_quantile": None}))
        shared = dbscan.prepare(x, [bad, good], Near(x))
        with pytest.raises(ValueError, match="is 0"):
            dbscan.fit(shared, x, bad)
        assert dbscan.fit(shared, x, good)[0].shape == (100,)

    def test_problems(self):
        assert "one of eps and eps_quantile" in dbscan.problems(options("dbscan", eps=1.0), 99, 2, None)[0]
        assert "no point could be" in dbscan.problems(options("dbscan", min_samples=100), 99, 2, None)[0]
        assert dbscan.problems(options("dbscan"), 99, 2, None) == []
