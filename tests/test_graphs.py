"""First neighbours, communities, persistent leaves, affinities and peaks: against references, and known answers."""

import ctypes
import importlib.util
import warnings

import numpy as np
import pytest
from densities import blobs, fit, one, options, same
from grids import NONE
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist
from sklearn.cluster import AffinityPropagation, MeanShift, estimate_bandwidth
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, homogeneity_score

from backbench import clusterers, planning
from backbench.clusterers import _first, _links, _reachability, affinity_propagation, finch, leiden, mean_shift, plscan
from backbench.engine.plan.shortage import Fit, TooLarge, TooSmall
from backbench.metrics import labels
from backbench.metrics.near import Near
from backbench.schema import ConfigError

LINE = np.array([[0], [1], [2.1], [10], [11], [30], [31], [32.1]], np.float32)


def levels_by_definition(x, metric):
    """Equation 1 and algorithm 1 of the paper, word for word, on matrices of all pairs."""
    found, current = [], np.arange(len(x))
    while True:
        means = np.array([x[current == c].mean(axis=0, dtype=np.float64) for c in range(current.max() + 1)])
        apart = cdist(means, means, metric)
        np.fill_diagonal(apart, np.inf)
        first = apart.argmin(axis=1)
        every = np.arange(len(means))
        linked = (every[None] == first[:, None]) | (first[None] == every[:, None]) | (first[:, None] == first[None])
        reach = np.linalg.matrix_power((linked | np.eye(len(means), dtype=bool)).astype(float), len(means)) > 0
        parts = np.unique(reach.argmax(axis=1), return_inverse=True)[1]
        if parts.max() == 0:
            return found
        current = parts[current]
        found.append(current)


def cut_by_definition(x, start, k, metric):
    """Algorithm 2: the linked pair of clusters with the nearest means is merged until there are k."""
    current = start.copy()
    while current.max() + 1 > k:
        means = np.array([x[current == c].mean(axis=0, dtype=np.float64) for c in range(current.max() + 1)])
        apart = cdist(means, means, metric)
        np.fill_diagonal(apart, np.inf)
        a, b = np.unravel_index(apart.argmin(), apart.shape)
        current[current == b] = a
        current = np.unique(current, return_inverse=True)[1]
    return current


class TestFinch:
    def test_levels_of_a_line(self):
        tasks = [clusterers.Task(options("finch", metric="euclidean", level=level)) for level in (0, -1, 4)]
        for found, info in fit(finch, LINE, tasks):
            assert same(found, np.array([0, 0, 0, 1, 1, 2, 2, 2])) and info["cluster_counts"] == "3"
        assert info["note"] == "level 4 is beyond the last of 1: this is level 0"

    @pytest.mark.parametrize(
        ("k", "expected"),
        [
            (2, [0, 0, 0, 0, 0, 1, 1, 1]),
            (3, [0, 0, 0, 1, 1, 2, 2, 2]),
            (5, [0, 0, 1, 2, 2, 3, 3, 4]),
            (8, list(range(8))),
        ],
    )
    def test_a_line_in_k_clusters(self, k, expected):
        assert same(one(finch, LINE, options("finch", metric="euclidean"), k=k)[0], np.array(expected))

    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_the_paper_word_for_word(self, metric, seed):
        x = blobs(seed, n=60, d=6)
        levels = levels_by_definition(x, metric)
        tree = _first.Hierarchy(x, Near(x).nearest(metric, 1)[0][:, 0], metric)
        assert len(tree.levels) == len(levels)
        assert all(same(found, expected) for found, expected in zip(tree.levels, levels, strict=True))
        for k in (2, 3, tree.counts[0] - 1):
            start = [level for level in levels if level.max() + 1 >= k][-1]
            assert same(tree.cut(k), cut_by_definition(x, start, k, metric))

    @pytest.mark.usefixtures("own_results")
    def test_a_level_has_no_k(self):
        asked = [NONE, "backbone=pixels", "dataset.sample=300", "classifier=none", "retrieval=none", "clusterer=finch"]
        plan = planning.make([*asked, "clusterer.level=null,0,1", "k=2,5,9"], fingerprint=False).plan
        configs = [stage.config for stage in plan.stages.values() if stage.kind == "clustering"]
        assert sorted(str(config.get("k")) for config in configs) == ["2", "5", "9", "None", "None"]


class TestLeiden:
    @pytest.mark.parametrize("method", ["leiden", "louvain"])
    def test_equals_scikit_network(self, method):
        from sknetwork.clustering import Leiden, Louvain

        x = blobs(3, n=300, d=6, k=5)
        params = options("leiden", method=method, weights="fuzzy")
        graph = csr_matrix(_links.links(*Near(x).nearest("euclidean", 15), "union", "fuzzy"))
        for seed in (0, 1):
            ctypes.CDLL(None).srand(seed)
            model = {"leiden": Leiden, "louvain": Louvain}[method](shuffle_nodes=True, random_state=seed)
            assert np.array_equal(one(leiden, x, params, seed=seed)[0], model.fit_predict(graph))

    def test_blobs_are_communities(self):
        truth = np.repeat(np.arange(4), 50)
        x = (np.eye(4)[truth] * 20 + np.random.default_rng(0).normal(size=(200, 4))).astype(np.float32)
        for graph in ("union", "mutual"):
            found, info = one(leiden, x, options("leiden", graph=graph, resolution=0.3), seed=0)
            kept = found >= 0
            assert homogeneity_score(truth[kept], found[kept]) == 1 and kept.mean() > 0.9 and info["modularity"] > 0.7
            assert graph == "mutual" or same(found, truth)

    def test_a_row_without_links_is_noise(self):
        x = np.concatenate([blobs(n=40, k=1), np.full((1, 4), 99, np.float32)])
        found, _ = one(leiden, x, options("leiden", n_neighbors=5, graph="mutual"), seed=0)
        assert found[-1] == -1 and (found[:-1] >= 0).any()

    def test_weights(self):
        x = blobs(1, n=80)
        rows, lengths = Near(x).nearest("euclidean", 7)
        before = rows.copy(), lengths.copy()
        assert np.allclose(_links.memberships(lengths).sum(axis=1), np.log2(8))
        jaccard = _links.links(rows, lengths, "union", "jaccard").toarray()
        sets = [{i, *row} for i, row in enumerate(rows)]
        for i, j in np.argwhere(jaccard):
            assert j in rows[i] or i in rows[j]
            assert jaccard[i, j] == pytest.approx(len(sets[i] & sets[j]) / len(sets[i] | sets[j]))
        assert np.array_equal(rows, before[0]) and np.array_equal(lengths, before[1])


class TestPlscan:
    def test_equals_the_package_on_the_same_tree_and_nearly_on_the_rows(self):
        from fast_plscan import PLSCAN

        for seed in range(4):
            x = blobs(seed, n=400, d=5, k=5, spread=4)
            known = _reachability.graph(Near(x), [6])
            edges = np.column_stack(_reachability.trees(x, known, [6])[6])
            found, info = one(plscan, x, options("plscan", persistence="distance"))
            tree = PLSCAN(metric="precomputed", persistence_measure="distance").fit((edges, len(x)))
            rows = PLSCAN(persistence_measure="distance").fit(x)
            assert np.array_equal(found, tree.labels_)
            assert labels.clusters(found) == rows.labels_.max() + 1 and info["min_cluster_size"] >= 5
            assert adjusted_rand_score(found, rows.labels_) > 0.99

    def test_layers_hold_the_blobs(self):
        x = blobs(2, n=300, d=3, k=4, spread=9)
        found, info = one(plscan, x, options("plscan"))
        assert labels.clusters(found) == 4 and "4" in info["cluster_counts"].split()


class TestAffinityPropagation:
    @pytest.mark.parametrize("quantile", [0.5, 0.05])
    def test_equals_scikit_learn(self, quantile):
        x = blobs(4, n=120)
        found, info = one(affinity_propagation, x, options("affinity_propagation", preference_quantile=quantile))
        pairs = -np.square(cdist(x, x))
        preference = None if quantile == 0.5 else np.quantile(pairs, quantile)
        model = AffinityPropagation(damping=0.9, max_iter=1000, preference=preference, random_state=0)
        assert np.array_equal(found, model.fit_predict(x.astype(np.float64)))
        assert info["preference"] == pytest.approx(np.quantile(pairs, quantile))

    def test_what_does_not_converge_warns_of_it(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            one(affinity_propagation, blobs(n=60), options("affinity_propagation", max_iter=3))
        assert any(issubclass(each.category, ConvergenceWarning) for each in caught)


class TestMeanShift:
    def test_equals_scikit_learn(self):
        x = blobs(5, n=120, d=3)
        found, info = one(mean_shift, x, options("mean_shift", quantile=0.2, cluster_all=False))
        bandwidth = estimate_bandwidth(x.astype(np.float64), quantile=0.2)
        expected = MeanShift(bandwidth=bandwidth, cluster_all=False).fit(x.astype(np.float64)).labels_
        assert np.array_equal(found, expected) and info["bandwidth"] == bandwidth

    def test_a_radius_of_zero_says_what_to_do(self):
        with pytest.raises(ValueError, match=r"duplicates.*raise clusterer\.quantile"):
            one(mean_shift, np.ones((20, 2), np.float32), options("mean_shift"))

    @pytest.mark.parametrize(("bandwidth", "quantile"), [(1.0, 0.1), (None, None)])
    def test_one_of_two_gives_the_radius(self, bandwidth, quantile):
        params = options("mean_shift", bandwidth=bandwidth, quantile=quantile)
        assert "takes one of bandwidth and quantile" in mean_shift.problems(params, 50, 2, None)[0]


LARGE = [NONE, "backbone=pixels", "dataset.sample=60000", "classifier=none", "retrieval=none"]


@pytest.mark.usefixtures("own_results")
class TestTooLarge:
    """Collections that are too large for a clusterer."""

    @pytest.mark.parametrize("name", ["affinity_propagation", "mean_shift"])
    def test_the_most_rows(self, name):
        with pytest.raises(TooLarge) as caught:
            Fit("clusterer", name, options(name), 60_000, 50, "clusterer", (None,)).check()
        assert caught.value.rows == 10_000 and "finch, leiden and plscan" in caught.value.problem

    def test_a_clusterer_of_few_rows_may_need_more_rows_than_there_are(self, monkeypatch):
        """A problem of two sizes is judged by those between them."""
        monkeypatch.setattr(mean_shift, "problems", lambda params, n, d, k: [] if 10 <= n <= 50 else [f"{n} rows"])
        params = options("mean_shift")
        for rows, kind in ((4, TooSmall), (600, TooLarge)):
            with pytest.raises(kind) as caught:
                Fit("clusterer", "mean_shift", params, rows, 5, "clusterer", (None,)).check()
            assert type(caught.value) is kind
        monkeypatch.setattr(mean_shift, "problems", lambda params, n, d, k: ["never"])
        with pytest.raises(ConfigError, match="never") as caught:
            Fit("clusterer", "mean_shift", params, 600, 5, "clusterer", (None,)).check()
        assert type(caught.value) is ConfigError

    def test_alone_it_is_refused_with_what_works(self):
        with pytest.raises(ConfigError) as refused:
            planning.make([*LARGE, "clusterer=mean_shift"], fingerprint=False)
        assert "the collection is too large" in str(refused.value)
        assert "at most 10,000 rows: dataset.sample" in str(refused.value)

    def test_what_lacks_a_package_is_left_out_of_a_grid_and_refused_by_name(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        small = [*LARGE[1:], "dataset.sample=300", "k=10", "chain=none"]
        made = planning.make(["experiment=clusterers", *small], fingerprint=False)
        names = {stage.config["clusterer"]["name"] for stage in made.plan.stages.values() if stage.kind == "clustering"}
        assert "finch" in names and not {"leiden", "plscan", "genie"} & names
        with pytest.raises(ConfigError, match=r"a package is missing.*\n.*backbench\[graph\].*\n.*or install it"):
            planning.make([NONE, *small, "clusterer=leiden"], fingerprint=False)

    def test_in_a_grid_it_is_left_out(self):
        made = planning.make(["experiment=clusterers", *LARGE[1:], "k=10", "chain=none"], fingerprint=False)
        names = {stage.config["clusterer"]["name"] for stage in made.plan.stages.values() if stage.kind == "clustering"}
        assert {"finch", "leiden", "plscan"} < names and "affinity_propagation" not in names
