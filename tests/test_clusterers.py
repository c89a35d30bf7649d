"""Clusterers: one contract for all."""

import inspect
from pathlib import Path

import densities
import numpy as np
import pytest
import yaml
from densities import blobs, fit, one

from backbench import clusterers, paths, plugins, threads
from backbench.metrics import labels
from backbench.metrics.near import Near

NAMES = plugins.names("clusterer")
SMALL = {
    "kmeans": {"n_init": 2},
    "minibatch_kmeans": {"batch_size": 64},
    "micro_ward": {"micro_clusters": 30, "batch_size": 64},
    "birch": {"threshold_quantile": 0.5},
    "gaussian_mixture": {"tol": 0.01},
    "dbscan": {"min_samples": 4},
    "hdbscan": {"min_cluster_size": 6, "allow_single_cluster": True},
    "spectral": {"n_init": 2},
    "leiden": {"n_neighbors": 6},
    "mean_shift": {"max_iter": 1},
    "temi": {"heads": 2, "hidden": 16, "bottleneck": 8, "neighbours": 10, "iterations": 9, "batch_size": 64},
    "turtle": {"iterations": 20, "inner_steps": 4, "n_init": 1, "outer_rate": 0.03, "inner_rate": 0.03},
}
# What a plugin needs to work on rows that are all the same, and on as many clusters as rows
IDENTICAL = {
    "dbscan": {"eps": 0.5, "eps_quantile": None},
    "birch": {"threshold": 0.5, "threshold_quantile": None},
    "leiden": {"n_neighbors": 19},
    "mean_shift": {"bandwidth": 1.0, "quantile": None},
}
AS_MANY = {"birch": {"threshold": 1e-3, "threshold_quantile": None}}
# Those that may find fewer than k clusters, of rows that are not alike as well
FEWER = {"temi", "turtle"}
# Those that may find fewer than k clusters
TRYING = {"minibatch_kmeans", "temi", "turtle"}
# Options that came after results existed have a default
ADDED = {"dbscan": {"eps_knee"}}


def conf(name: str) -> dict:
    return yaml.safe_load((Path(paths.conf()) / "clusterer" / f"{name}.yaml").read_text())


def options(name: str, **changed):
    return densities.options(name, **SMALL.get(name, {}) | changed)


def shard(name: str) -> list[clusterers.Task]:
    module = plugins.load("clusterer", name)
    variants = {
        "agglomerative": [{"linkage": "ward"}, {"linkage": "average", "metric": "cosine"}],
        "gaussian_mixture": [{"covariance_type": kind} for kind in ("diag", "full", "tied", "spherical")],
        "birch": [{}, {"threshold": 0.7, "threshold_quantile": None}],
        "genie": [{}, {"M": 4, "gini_threshold": 0.5}],
        "dbscan": [{"eps_quantile": q} for q in (0.3, 0.9)]
        + [{"eps": 1.5, "eps_quantile": None, "min_samples": 7}, {"eps_quantile": None, "eps_knee": True}],
        "hdbscan": [{"min_cluster_size": size, "min_samples": rank} for size, rank in ((4, 3), (9, 3), (9, None))],
        "optics": [{}, {"xi": 0.2}, {"cluster_method": "dbscan", "eps": 1.5}],
        "finch": [{}, {"metric": "euclidean"}, {"level": 0}, {"level": -1}, {"level": 9, "metric": "euclidean"}],
        "leiden": [{"method": "louvain"}, {}, {"graph": "mutual", "weights": "fuzzy"}, {"weights": "connectivity"}],
        "plscan": [{}, {"min_samples": 3}, {"persistence": "size-distance"}],
        "affinity_propagation": [{}, {"preference_quantile": 0.1}],
        "mean_shift": [{}, {"bandwidth": 3.0, "quantile": None, "cluster_all": False}],
        "spectral": [{}, {"affinity": "rbf", "n_neighbors": None, "gamma": 0.2}, {"assign_labels": "cluster_qr"}],
    }.get(name, [{}])
    return [task for changed in variants for task in tasks(module, options(name, **changed))]


def tasks(module, params) -> list[clusterers.Task]:
    used = sorted(clusterers.axes(module, params))
    values = [{"k": k, "seed": seed} for k in (1, 3, 6) for seed in (0, 1)]
    return [clusterers.Task(params, **dict(each)) for each in sorted({tuple((a, v[a]) for a in used) for v in values})]


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_every_option_is_spelled_out_once(self, name):
        parameters = inspect.signature(plugins.load("clusterer", name).Params).parameters
        assert set(conf(name)) == {"name", *parameters}
        defaults = {option for option, each in parameters.items() if each.default is not inspect.Parameter.empty}
        assert defaults == ADDED.get(name, set())
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
            assert task.k is None or labels.clusters(found) == task.k or name in FEWER
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
        params = options(name, **IDENTICAL.get(name, {}))
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
        params = options(name, **AS_MANY.get(name, {}))
        count = labels.clusters(labels.canonical(one(module, x, params, k=12, seed=0)[0]))
        assert count == 12 or (name in TRYING and 1 <= count < 12)
