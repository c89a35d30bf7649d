"""DBSCAN, HDBSCAN and OPTICS, each against plain scikit-learn."""

import itertools

import numpy as np
import pytest
from densities import blobs, fit, one, options, same
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from sklearn import cluster

from backbench import clusterers, threads
from backbench.clusterers import _crossing, _radii, _reachability, _within, dbscan, hdbscan, optics
from backbench.metrics import distances, labels
from backbench.metrics.near import Near


class TestDbscan:
    @pytest.mark.parametrize("seed", range(5))
    def test_equals_scikit_learn_at_every_radius(self, seed, monkeypatch):
        monkeypatch.setattr(distances, "MOST", 64)
        x = blobs(seed, n=300, d=[2, 2, 3, 8, 60][seed], k=6)
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
    @settings(max_examples=50, deadline=None)
    def test_equals_scikit_learn_where_the_radius_meets_a_distance(self, grid, eps, min_samples):
        x = grid.astype(np.float32)
        if min_samples > len(x):
            return
        found, _ = one(dbscan, x, options("dbscan", eps=eps, eps_quantile=None, min_samples=min_samples))
        assert np.array_equal(found, cluster.DBSCAN(eps=eps, min_samples=min_samples).fit(x.astype(np.float64)).labels_)

    def test_the_quantile_counts_the_point_itself_as_the_first(self):
        x = np.array([[0.0], [1.0], [3.0], [7.0], [15.0]], dtype=np.float32)
        # To the second other point, the third with the point itself: 3, 2, 3, 6, 12.
        _, info = one(dbscan, x, options("dbscan", eps_quantile=0.5, min_samples=3))
        assert info["eps"] == 3.0

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

    def test_a_stored_graph_changes_nothing(self):
        x = blobs(n=300, d=6)
        x[100:105] = x[:5]
        tasks = [clusterers.Task(options("dbscan", eps_quantile=q, min_samples=m)) for q in (0.3, 0.9) for m in (1, 5)]
        tasks = tasks[1::2] + [clusterers.Task(options("dbscan", eps=1.5, eps_quantile=None, min_samples=1))]
        with threads.one_core_each(1):
            stored = Near(x).nearest("euclidean", 40)
        known = fit(dbscan, x, tasks, Near(x, stored={"euclidean": stored}))
        for found, other in zip(fit(dbscan, x, tasks), known, strict=True):
            assert np.array_equal(found[0], other[0])
            assert found[1] == other[1]

    def test_it_asks_for_no_more_neighbours_than_it_says(self):
        class Asked(Near):
            def nearest(self, metric, count):
                counts.append((metric, count))
                return super().nearest(metric, count)

        x = blobs(n=60)
        for module, name in ((dbscan, "dbscan"), (hdbscan, "hdbscan")):
            for rank in (1, 3, 20, 60):
                counts = []
                params = options(name, min_samples=rank)
                radii = [{"eps": eps, "eps_quantile": None} for eps in (1.0, 2.0)] if name == "dbscan" else [{}]
                fit(module, x, [clusterers.Task(options(name, min_samples=rank, **each)) for each in radii], Asked(x))
                assert counts == [module.neighbours(params, 60)]

    @pytest.mark.parametrize("seed", range(3))
    def test_the_knee_is_where_outliers_begin(self, seed):
        rng = np.random.default_rng(seed)
        x = np.concatenate([blobs(seed, n=450, d=3, spread=20), rng.uniform(-60, 60, (50, 3)).astype(np.float32)])
        found, info = one(dbscan, x, options("dbscan", eps_quantile=None, eps_knee=True))
        assert info["eps_from"] == "knee"
        assert same(found, cluster.DBSCAN(eps=info["eps"], min_samples=5).fit(x.astype(np.float64)).labels_)
        assert np.mean(found[450:] == -1) > 0.9
        assert np.mean(found[:450] == -1) < 0.1
        assert labels.clusters(found) == 4

    def test_where_there_is_no_knee(self):
        with pytest.raises(ValueError, match="no knee"):
            _radii.knee(np.linspace(1, 2, 50))
        with pytest.raises(ValueError, match="no knee"):
            _radii.knee(np.ones(50))
        with pytest.raises(ValueError, match="give eps"):
            one(dbscan, np.ones((20, 2), np.float32), options("dbscan", eps_quantile=None, eps_knee=True))

    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    @pytest.mark.parametrize(
        "x", [np.ones((30, 3)), np.arange(40.0)[:, None] ** 1.5, np.repeat(np.eye(7), 5, axis=0), blobs(n=90, d=30)]
    )
    def test_equals_scikit_learn_alone(self, x, kind, monkeypatch):
        x = x.astype(kind)
        for eps, min_samples in itertools.product((0.5, 1.2, 7.0, 1e9), (1, 2, 5, len(x))):
            params = options("dbscan", eps=eps, eps_quantile=None, min_samples=min_samples)
            model = cluster.DBSCAN(eps=eps, min_samples=min_samples).fit(x.astype(np.float64))
            for most in (0, 32, 1000):
                monkeypatch.setattr(_within, "PAIRS", most)
                monkeypatch.setattr(_within, "CROWDED", most)
                monkeypatch.setattr(distances, "MOST", 16)
                (found, info), *_ = fit(dbscan, x, [clusterers.Task(params)], count=2)
                assert np.array_equal(found, model.labels_)
                assert info == {"eps": eps, "eps_from": "given", "core_points": len(model.core_sample_indices_)}

    def test_one_radius_is_answered_by_the_pairs_within_it(self, monkeypatch):
        x = blobs(n=80)
        given = [options("dbscan", eps=eps, eps_quantile=None, min_samples=3) for eps in (1.0, 1.5)]
        single = dbscan.prepare(x, [clusterers.Task(given[0])], Near(x))
        several = dbscan.prepare(x, [clusterers.Task(params) for params in given], Near(x))
        monkeypatch.setattr(_reachability, "graph", None)
        assert np.array_equal(single.result(given[0])[0], several.result(given[0])[0])
        known = Near(x)
        known.nearest("euclidean", 5)
        with pytest.raises(TypeError):
            dbscan.prepare(x, [clusterers.Task(given[0])], known).result(given[0])

    def test_one_row(self):
        found, _ = one(dbscan, blobs(n=1), options("dbscan", min_samples=1, eps=1.0, eps_quantile=None))
        assert found.tolist() == [0]

    def test_exactly_one_way_to_the_radius(self):
        for eps, quantile, knee in itertools.product((None, 1.0), (None, 0.5), (False, True)):
            params = options("dbscan", eps=eps, eps_quantile=quantile, eps_knee=knee)
            several = (eps is not None) + (quantile is not None) + knee != 1
            assert bool(dbscan.problems(params, 99, 2, None)) == several


def mutual_reachability(x, rank):
    apart = squareform(pdist(x.astype(np.float64)))
    core = np.sort(apart, axis=1)[:, rank - 1]
    return np.maximum(apart, np.maximum(core[:, None], core[None, :]))


def grown(x, ranks, count=1):
    with threads.one_core_each(count):
        return _reachability.trees(x, _reachability.graph(Near(x), ranks), ranks)


class TestTrees:
    @pytest.mark.parametrize(("n", "d", "spread"), [(2, 2, 1), (90, 2, 1), (300, 5, 40), (250, 60, 3)])
    def test_they_are_the_shortest(self, n, d, spread, monkeypatch):
        monkeypatch.setattr(distances, "MOST", 16)
        x = blobs(n, n=n, d=d, k=6, spread=spread)
        ranks = sorted({1, 2, min(7, n), min(40, n)})
        for rank, tree in grown(x, ranks).items():
            expected = np.sort(minimum_spanning_tree(mutual_reachability(x, rank)).data)
            assert np.allclose(tree.length, expected, rtol=1e-12, atol=0)

    @pytest.mark.parametrize("pairs", [1, 32])
    def test_ties_and_duplicates(self, pairs, monkeypatch):
        monkeypatch.setattr(_crossing, "PAIRS", pairs)
        lattice = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3).astype(np.float32)
        corners = np.repeat(np.eye(20, dtype=np.float32), 10, axis=0)
        for x in (lattice, corners, np.ones((70, 3), dtype=np.float32)):
            for rank, tree in grown(x, [1, 4, 12]).items():
                shifted = mutual_reachability(x, rank) + 1  # scipy takes a distance of 0 for none
                expected = np.sort(minimum_spanning_tree(shifted).data) - 1
                assert len(tree.length) == len(x) - 1
                assert np.allclose(tree.length, expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("large", [2, 512])
    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    def test_parts_that_the_neighbour_graph_leaves_apart(self, kind, large, monkeypatch):
        monkeypatch.setattr(_crossing, "LARGE", large)
        monkeypatch.setattr(distances, "MOST", 16)
        centres = 30 * np.random.default_rng(0).normal(size=(40, 3))
        x = (np.repeat(centres, 9, axis=0) + blobs(n=360, d=3)).astype(kind)
        line = np.random.default_rng(1).exponential(size=(300, 1)).astype(kind) ** 3
        for rows in (x, line):
            for rank, tree in grown(rows, [1, 3, 20], 2).items():
                expected = np.sort(minimum_spanning_tree(mutual_reachability(rows, rank)).data)
                assert np.allclose(tree.length, expected, rtol=1e-12, atol=0)

    def test_two_parts_very_far_apart(self):
        """Products of float32 cannot tell the pairs between them from each other."""
        x = blobs(n=120, d=4, spread=0).astype(np.float64)
        x[60:, 0] += 1e6
        expected = np.sort(minimum_spanning_tree(mutual_reachability(x, 3)).data)
        assert np.allclose(grown(x, [3])[3].length, expected, rtol=1e-12, atol=0)

    @pytest.mark.parametrize("seed", range(4))
    def test_a_forest_joins_as_the_tree_does_between_its_bounds(self, seed):
        x = blobs(seed, n=200, d=3, k=6, spread=8)
        if seed == 3:
            x = np.round(x)
        known = _reachability.graph(Near(x), [4])
        tree = _reachability.trees(x, known, [4])[4]
        for low, high in np.quantile(tree.length, [(0.5, 0.5), (0.2, 0.9), (0.9, 0.98), (0.0, 1.0)]):
            forest = _reachability.forests(x, known, {4: (low, high)})[4]
            assert np.all(forest.length <= high)
            for radius in (low, (low + high) / 2, high):
                joined, expected = (_radii._parts(edges, radius, len(x)) for edges in (forest, tree))
                assert same(joined, expected)

    def test_far_from_the_origin(self):
        x = blobs(n=200, d=8) + np.float32(1000)
        expected = np.sort(minimum_spanning_tree(mutual_reachability(x, 4)).data)
        assert np.allclose(grown(x, [4])[4].length, expected, rtol=1e-12, atol=0)

    def test_neither_other_ranks_nor_threads_count(self, monkeypatch):
        monkeypatch.setattr(distances, "MOST", 16)
        for x in (np.repeat(np.eye(30, dtype=np.float32), 6, axis=0), blobs(n=300, d=6, k=5, spread=30)):
            together = grown(x, [1, 3, 9], 3)
            for rank in (1, 3, 9):
                for own, other in zip(grown(x, [rank])[rank], together[rank], strict=True):
                    assert np.array_equal(own, other)


def plain_hdbscan(x, params):
    return cluster.HDBSCAN(
        min_cluster_size=params.min_cluster_size,
        min_samples=params.min_samples,
        cluster_selection_method=params.cluster_selection_method,
        cluster_selection_epsilon=params.cluster_selection_epsilon,
        allow_single_cluster=params.allow_single_cluster,
        copy=True,
    ).fit(x.astype(np.float64))


def hdbscans(*axes):
    names = ("min_cluster_size", "min_samples", "cluster_selection_method", "allow_single_cluster")
    made = [dict(zip(names, each, strict=True)) for each in itertools.product(*axes)]
    return [clusterers.Task(options("hdbscan", **each)) for each in made]


class TestHdbscan:
    @pytest.mark.parametrize(("n", "d", "spread"), [(100, 2, 3), (60, 3, 8), (250, 20, 3), (400, 2, 8), (300, 5, 3)])
    def test_equals_scikit_learn(self, n, d, spread, monkeypatch):
        monkeypatch.setattr(distances, "MOST", 64)
        rng = np.random.default_rng(n)
        x = blobs(n, n=n, d=d, k=5, spread=spread) * rng.uniform(0.5, 1.5, (n, 1)).astype(np.float32)
        tasks = hdbscans((2, 5, 15), (None, 1, 2, 10), ("eom", "leaf"), (False, True))
        for task, (found, _) in zip(tasks, fit(hdbscan, x, tasks), strict=True):
            assert same(found, plain_hdbscan(x, task.params).labels_)

    def test_duplicates(self):
        x = blobs(3, n=200, d=3, spread=8)
        x[:20] = x[20:40]
        tasks = hdbscans((3, 8), (2, 5), ("eom",), (False, True))
        for task, (found, _) in zip(tasks, fit(hdbscan, x, tasks), strict=True):
            assert same(found, plain_hdbscan(x, task.params).labels_)

    @pytest.mark.parametrize("method", ["eom", "leaf"])
    def test_no_cluster_is_born_below_epsilon(self, method):
        x = blobs(1, n=400, d=2, k=8, spread=6)
        ways = {"min_cluster_size": 8, "min_samples": 4, "cluster_selection_method": method}
        sizes = []
        for epsilon in (0.0, 0.3, 1.0, 2.0, 50.0):
            params = options("hdbscan", cluster_selection_epsilon=epsilon, **ways)
            found, _ = one(hdbscan, x, params)
            sizes.append(labels.clusters(found))
            if 0 < epsilon < 50:  # all core points that DBSCAN joins at the radius are together
                joined = cluster.DBSCAN(eps=epsilon, min_samples=4).fit(x.astype(np.float64))
                core = joined.core_sample_indices_
                for part in np.unique(joined.labels_[core]):
                    inside = found[core[joined.labels_[core] == part]]
                    assert len(np.unique(inside[inside >= 0])) <= 1
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > sizes[3] >= sizes[4] == 2

    def test_epsilon_may_leave_one_cluster(self):
        x = blobs(1, n=200, d=2, k=4, spread=6)
        params = options("hdbscan", min_cluster_size=8, cluster_selection_epsilon=50.0, allow_single_cluster=True)
        found, _ = one(hdbscan, x, params)
        assert labels.clusters(found) == 1

    def test_uniform_rows_are_noise_or_one_cluster(self):
        x = np.random.default_rng(0).uniform(size=(150, 2)).astype(np.float32)
        apart = one(hdbscan, x, options("hdbscan", min_cluster_size=60))
        assert np.all(apart[0] == -1)
        assert apart[1]["candidates"] == 1
        together, _ = one(hdbscan, x, options("hdbscan", min_cluster_size=60, allow_single_cluster=True))
        assert labels.clusters(together) == 1

    def test_two_rows(self):
        x = np.array([[0.0], [1.0]], dtype=np.float32)
        assert one(hdbscan, x, options("hdbscan", min_cluster_size=2))[0].tolist() == [-1, -1]

    def test_problems(self):
        assert "at least two" in hdbscan.problems(options("hdbscan"), 1, 2, None)[0]
        assert "no cluster could be" in hdbscan.problems(options("hdbscan", min_cluster_size=100), 99, 2, None)[0]
        assert "min_samples = 100" in hdbscan.problems(options("hdbscan", min_samples=100), 99, 2, None)[0]
        assert hdbscan.problems(options("hdbscan"), 99, 2, None) == []


class TestOptics:
    @pytest.mark.parametrize(("seed", "d", "metric"), [(0, 2, "euclidean"), (1, 20, "cosine"), (2, 6, "manhattan")])
    def test_equals_scikit_learn(self, seed, d, metric):
        x = blobs(seed, n=90, d=d, spread=4)
        each = [{}, {"xi": 0.2, "min_cluster_size": 12}, {"predecessor_correction": False}]
        each.append({"cluster_method": "dbscan", "eps": 0.05 if metric == "cosine" else 1.5})
        tasks = [clusterers.Task(options("optics", metric=metric, **changed)) for changed in each]
        for changed, (found, _) in zip(each, fit(optics, x, tasks, count=2), strict=True):
            model = cluster.OPTICS(min_samples=5, metric=metric, **changed).fit(x.astype(np.float64))
            assert np.array_equal(found, model.labels_)

    def test_problems(self):
        assert optics.problems(options("optics"), 99, 2, None) == []
        assert "takes eps with" in optics.problems(options("optics", eps=1.0), 99, 2, None)[0]
        assert "takes eps with" in optics.problems(options("optics", cluster_method="dbscan"), 99, 2, None)[0]
        assert "min_samples = 5 of 4" in optics.problems(options("optics"), 4, 2, None)[0]
        assert "min_cluster_size = 9" in optics.problems(options("optics", min_cluster_size=9), 8, 2, None)[0]
