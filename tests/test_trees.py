"""Trees of merges: agglomerative, BIRCH, Genie and micro-clusters, against the libraries whose answers they equal."""

import genieclust
import numpy as np
import pytest
from densities import blobs, fit, one, options, same
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.cluster import hierarchy
from sklearn import cluster

from backbench import clusterers
from backbench.clusterers import _micro, _trees, agglomerative, birch, genie, micro_ward
from backbench.metrics import labels
from backbench.metrics.near import Near


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
    @settings(max_examples=40, deadline=None)
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

    def test_memory_is_that_of_the_way_the_tree_is_built(self):
        few, many = agglomerative.CONDENSED_ROWS, 60_000
        mb = {
            (how, n): agglomerative.memory_mb(options("agglomerative", linkage=how), n, 50, 14)
            for how in ("ward", "single", "average")
            for n in (few, many)
        }
        assert mb["ward", many] < mb["single", few] < mb["ward", few] < mb["average", many]
        assert mb["ward", few] == pytest.approx(2 * 4 * few**2 / 2**20, rel=0.1)
        assert mb["average", many] == pytest.approx(4 * many**2 / 2**20, rel=0.1)


class TestBirch:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("branching_factor", [10, 50])
    def test_equals_scikit_learn(self, seed, branching_factor):
        x = blobs(seed, n=[60, 300, 800][seed], d=[2, 5, 30][seed])
        params = options("birch", threshold=[0.4, 0.9, 3.0][seed], threshold_quantile=None)
        params = type(params)(params.threshold, None, branching_factor)
        tasks = [clusterers.Task(params, k=k) for k in (1, 2, 5, 12)]
        for task, (found, info) in zip(tasks, fit(birch, x, tasks), strict=True):
            model = cluster.Birch(threshold=params.threshold, branching_factor=branching_factor, n_clusters=task.k)
            assert same(found, model.fit(x).labels_)
            assert info["subclusters"] == len(model.subcluster_centers_)

    def test_threshold_follows_the_scale_of_the_features(self):
        x = blobs(n=200)
        small, large = (one(birch, factor * x, options("birch"), k=4) for factor in (np.float32(1), np.float32(1024)))
        assert same(small[0], large[0])
        assert large[1]["threshold"] == pytest.approx(1024 * small[1]["threshold"])
        assert small[1]["threshold"] == np.quantile(Near(x).nearest("euclidean", 1)[1], 0.8)

    def test_threshold_of_a_large_matrix_is_that_of_some_rows(self, monkeypatch):
        x = blobs(n=600)
        whole = one(birch, x, options("birch"), k=2)[1]["threshold"]
        monkeypatch.setattr(birch, "SAMPLED_ABOVE", 500)
        monkeypatch.setattr(birch, "SAMPLE", 200)
        assert one(birch, x, options("birch"), k=2)[1]["threshold"] == pytest.approx(whole, rel=0.2)
        assert birch.neighbours(options("birch"), 600) is None

    def test_too_few_subclusters(self):
        params = options("birch", threshold=3.0, threshold_quantile=None)
        with pytest.raises(ValueError, match="fewer than k = 100: lower"):
            one(birch, blobs(), params, k=100)

    def test_duplicates_make_a_threshold_of_zero(self):
        x = np.repeat(blobs(n=20), 5, axis=0)
        with pytest.raises(ValueError, match="gives a threshold of 0"):
            one(birch, x, options("birch"), k=2)
        params = options("birch", threshold=0.01, threshold_quantile=None)
        assert labels.clusters(one(birch, x, params, k=20)[0]) == 20

    def test_problems(self):
        assert "one of threshold and" in birch.problems(options("birch", threshold=1.0), 9, 2, 2)[0]
        assert birch.neighbours(options("birch"), 9) == ("euclidean", 1)
        assert birch.neighbours(options("birch", threshold=1.0, threshold_quantile=None), 9) is None


class TestGenie:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize(("gini", "smoothing"), [(0.3, 0), (0.0, 0), (1.0, 3), (0.5, 6)])
    def test_equals_genieclust(self, seed, gini, smoothing):
        x = blobs(seed, n=[40, 150, 500][seed], d=[2, 6, 30][seed])
        params = options("genie", gini_threshold=gini, M=smoothing)
        tasks = [clusterers.Task(params, k=k) for k in (1, 2, 5, 30)]
        for task, (found, _) in zip(tasks, fit(genie, x, tasks), strict=True):
            model = genieclust.Genie(task.k, gini_threshold=gini, M=smoothing).fit(x)
            assert labels.clusters(found) == task.k
            assert same(found, model.labels_)

    def test_without_a_threshold_it_is_single_linkage(self):
        x = blobs()
        found = one(genie, x, options("genie", gini_threshold=1.0), k=5)[0]
        assert same(found, one(agglomerative, x, options("agglomerative", linkage="single"), k=5)[0])

    def test_problems(self):
        assert "less than the number of rows" in genie.problems(options("genie", M=9), 9, 2, 2)[0]

    def test_one_row(self):
        assert one(genie, blobs(n=1), options("genie"), k=1)[0].tolist() == [0]


class TestMicroWard:
    @pytest.mark.parametrize("seed", range(3))
    def test_of_few_rows_it_is_ward(self, seed):
        x = blobs(seed, n=[1, 60, 400][seed], d=[2, 6, 30][seed])
        params = options("micro_ward")
        for k in {1, min(4, len(x)), min(30, len(x))}:
            found, info = one(micro_ward, x, params, k=k, seed=0)
            ward, other = one(agglomerative, x, options("agglomerative"), k=k)
            assert same(found, ward)
            assert (info["next_merge_height"] or 0) == pytest.approx(other["next_merge_height"] or 0, rel=1e-6)

    def test_the_tree_of_weighted_centres_is_that_of_repeated_rows(self):
        rng = np.random.default_rng(0)
        centres, counts = rng.normal(size=(40, 3)), rng.integers(1, 6, 40)
        rows = np.repeat(centres, counts, axis=0)
        expected = hierarchy.ward(rows)[-39:, 2]
        found = _micro.ward(centres, counts)
        assert np.allclose(found[:, 2], expected)
        assert found[-1, 3] == 40
        for k in (2, 7, 20):
            assert same(np.repeat(_trees.cut(found, k), counts), _trees.cut(hierarchy.ward(rows), k))

    def test_comes_near_to_ward(self):
        from sklearn.metrics import adjusted_rand_score

        x = blobs(n=1500, d=8, k=5, spread=6)
        found, info = one(micro_ward, x, options("micro_ward", micro_clusters=60, batch_size=256), k=5, seed=0)
        assert adjusted_rand_score(found, one(agglomerative, x, options("agglomerative"), k=5)[0]) > 0.99
        assert info["micro_clusters"] <= 60

    def test_problems(self):
        assert "raise micro_clusters" in micro_ward.problems(options("micro_ward", micro_clusters=5), 90, 2, 6)[0]
        assert "init_size" in micro_ward.problems(options("micro_ward", init_size=10), 9000, 2, 6)[0]
