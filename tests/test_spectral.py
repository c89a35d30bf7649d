"""Spectral clustering against scikit-learn's, and its eigenvectors against those of all eigenvalues."""

import tracemalloc

import numpy as np
import pytest
from densities import blobs, fit, one, options, same
from scipy.linalg import eigh
from sklearn import cluster
from sklearn.datasets import load_digits
from sklearn.neighbors import kneighbors_graph

from backbench import clusterers, threads
from backbench.clusterers import _spectrum, spectral
from backbench.metrics import labels
from backbench.metrics.near import Near

RBF = {"affinity": "rbf", "n_neighbors": None, "gamma": 0.3}


def digits(n=500):
    return load_digits().data[:n].astype(np.float32)


def affinity(x, count=10):
    """scikit-learn's affinity by neighbours."""
    found = kneighbors_graph(x.astype(np.float64), count, include_self=True)
    return (0.5 * (found + found.T)).toarray()


def own_graph(x, count=10):
    with threads.one_core_each(1):
        return _spectrum.graph(Near(x).nearest("euclidean", count - 1)[0])


def normalised(dense):
    dense = dense - np.diag(np.diag(dense))
    root = np.sqrt(dense.sum(axis=0))
    return dense / root / root[:, None], root


def cut(dense, found):
    """Normalised cut of a partition (Shi and Malik 2000)."""
    total = 0.0
    for name in np.unique(found):
        inside = found == name
        total += dense[inside][:, ~inside].sum() / dense[inside].sum()
    return total


class TestSpectral:
    @pytest.mark.parametrize("assign", ["kmeans", "cluster_qr"])
    @pytest.mark.parametrize("ways", [{}, RBF])
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_scikit_learn_on_separated_rows(self, seed, ways, assign):
        x = blobs(seed, n=[120, 200, 500][seed], d=4, k=4, spread=6)
        found, _ = one(spectral, x, options("spectral", assign_labels=assign, **ways), k=4, seed=seed)
        plain = {"affinity": "rbf", "gamma": 0.3} if ways else {"affinity": "nearest_neighbors", "n_neighbors": 10}
        model = cluster.SpectralClustering(4, assign_labels=assign, random_state=seed, **plain)
        with pytest.warns(UserWarning, match="connected") if not ways else pytest.MonkeyPatch.context():
            expected = model.fit(x.astype(np.float64)).labels_
        assert same(found, expected)

    @pytest.mark.parametrize("k", [3, 10, 16])
    def test_cuts_digits_as_well_as_scikit_learn(self, k):
        x = digits()
        dense = affinity(x)
        found, _ = one(spectral, x, options("spectral"), k=k, seed=0)
        model = cluster.SpectralClustering(k, affinity="nearest_neighbors", random_state=0).fit(x.astype(np.float64))
        assert labels.clusters(found) == k
        assert cut(dense, found) <= 1.02 * cut(dense, model.labels_)

    def test_seeds_and_numbers_of_clusters_share_without_a_trace(self):
        x = digits(450)
        tasks = [clusterers.Task(options("spectral", n_init=2), k, seed) for k in (2, 9, 17) for seed in (0, 1)]
        together = fit(spectral, x, tasks, count=2)
        for task, (found, info) in zip(tasks, together, strict=True):
            alone = one(spectral, x, task.params, k=task.k, seed=task.seed)
            assert np.array_equal(found, alone[0])
            assert info == alone[1]

    def test_a_stored_graph_changes_nothing(self):
        x = digits(200)
        tasks = [clusterers.Task(options("spectral"), 5, 0)]
        with threads.one_core_each(1):
            stored = Near(x).nearest("euclidean", 30)
        known = fit(spectral, x, tasks, Near(x, stored={"euclidean": stored}))[0]
        assert np.array_equal(known[0], fit(spectral, x, tasks)[0][0])
        assert spectral.neighbours(tasks[0].params, 200) == ("euclidean", 9)
        assert spectral.neighbours(options("spectral", **RBF), 200) is None

    @pytest.mark.parametrize("ways", [{}, RBF])
    def test_one_cluster_and_as_many_as_rows(self, ways):
        x = blobs(n=24)
        assert labels.clusters(one(spectral, x, options("spectral", **ways), k=1, seed=0)[0]) == 1
        assert labels.clusters(one(spectral, x, options("spectral", **ways), k=24, seed=0)[0]) == 24

    def test_duplicates(self):
        x = np.repeat(blobs(n=4, spread=9), 30, axis=0)
        found, _ = one(spectral, x, options("spectral"), k=4, seed=0)
        assert same(found, np.repeat(np.arange(4), 30)) or labels.clusters(found) == 4
        rbf, _ = one(spectral, x, options("spectral", **RBF), k=4, seed=0)
        assert same(rbf, np.repeat(np.arange(4), 30))

    def test_more_parts_than_clusters(self):
        x = np.concatenate([blobs(i, n=30 - i, k=1) + np.float32(100 * i) for i in range(5)])
        found, info = one(spectral, x, options("spectral"), k=3, seed=0)
        assert labels.clusters(found) == 3
        assert len({name for i in range(3) for name in found[[0, 30, 59][i] :][: 28 - i]}) == 3
        assert info["eigengap"] == pytest.approx(0)

    def test_a_kernel_without_any_affinity(self):
        x = 1000 * blobs(n=30)
        with pytest.raises(ValueError, match="gamma is too large"):
            one(spectral, x, options("spectral", affinity="rbf", n_neighbors=None, gamma=1000.0), k=2, seed=0)

    def test_a_row_far_from_all_others(self):
        x = blobs(n=60, k=2, spread=5)
        x[7] = 1e6
        found, _ = one(spectral, x, options("spectral", **RBF), k=2, seed=0)
        assert labels.clusters(found) == 2

    def test_problems(self):
        assert spectral.problems(options("spectral"), 99, 2, 5) == []
        assert spectral.problems(options("spectral", **RBF), 99, 2, 5) == []
        assert "at most 9" in spectral.problems(options("spectral"), 9, 2, 5)[0]
        for changed in ({"gamma": 1.0}, {"n_neighbors": None}, {"affinity": "rbf"}, {**RBF, "n_neighbors": 5}):
            assert "the other null" in spectral.problems(options("spectral", **changed), 99, 2, 5)[0]

    def test_the_memory_it_says_for_a_kernel(self):
        x = blobs(n=1500, d=8)
        params = options("spectral", **RBF)
        one(spectral, x[:50], params, k=3, seed=0)
        tracemalloc.start()
        one(spectral, x, params, k=3, seed=0)
        peak = tracemalloc.get_traced_memory()[1] / clusterers.MB
        tracemalloc.stop()
        assert peak < spectral.memory_mb(params, 1500, 8, 1)
        assert peak - 8 * 1500**2 / clusterers.MB < spectral.BLOCKS_MB


class TestSpectrum:
    def test_the_graph_is_that_of_scikit_learn_but_for_the_diagonal(self):
        x = blobs(n=80, d=5)
        expected = affinity(x)
        np.fill_diagonal(expected, 0)
        assert np.array_equal(own_graph(x).toarray(), expected)

    @pytest.mark.parametrize("restarts", [300, 1])
    def test_eigenvectors_are_those_of_all(self, restarts, monkeypatch):
        monkeypatch.setattr(_spectrum, "RESTARTS", restarts)
        x = digits()
        graph = own_graph(x)  # its distances are tied, and scikit-learn breaks ties otherwise
        values, vectors = _spectrum.embedding(graph, 16, 0.0)
        matrix, root = normalised(graph.toarray())
        expected, basis = eigh(matrix)
        assert np.allclose(values, expected[::-1][:16], rtol=0, atol=1e-10)
        own, all_vectors = vectors * root[:, None], basis[:, ::-1]
        assert np.allclose(own.T @ own, np.eye(16), atol=1e-8)
        for k in np.flatnonzero(-np.diff(expected[::-1][:17]) > 1e-4) + 1:
            assert np.linalg.norm(own[:, :k] - all_vectors[:, :k] @ (all_vectors[:, :k].T @ own[:, :k])) < 1e-8
        assert np.all(vectors[np.abs(vectors).argmax(axis=0), np.arange(16)] > 0)

    @pytest.mark.parametrize("sizes", [(450, 40, 30), (20,) * 6, (20,) * 20])
    def test_unconnected_graphs(self, sizes):
        x = np.concatenate([blobs(i, n=size, k=1) + np.float32(200 * i) for i, size in enumerate(sizes)])
        matrix, root = normalised(affinity(x))
        values, vectors = _spectrum.embedding(own_graph(x), 16, 0.0)
        assert np.allclose(values, np.linalg.eigvalsh(matrix)[::-1][:16], rtol=0, atol=1e-10)
        assert np.allclose(matrix @ (vectors * root[:, None]), vectors * root[:, None] * values, atol=1e-8)
        assert np.allclose((vectors * root[:, None]).T @ (vectors * root[:, None]), np.eye(16), atol=1e-8)

    def test_a_ring_whose_eigenvalues_lie_close(self):
        n = 600
        angle = 2 * np.pi * np.arange(n) / n
        rng = np.random.default_rng(0)
        x = (np.stack([np.cos(angle), np.sin(angle)], axis=1) * 100 + 0.05 * rng.normal(size=(n, 2))).astype(np.float32)
        values, _ = _spectrum.embedding(own_graph(x, 4), 16, 0.0)
        assert np.allclose(values, np.linalg.eigvalsh(normalised(affinity(x, 4))[0])[::-1][:16], rtol=0, atol=1e-10)

    def test_parts_of_a_kernel(self):
        x = np.concatenate([blobs(i, n=20, k=1) + np.float32(200 * i) for i in range(3)])
        with threads.one_core_each(2):
            found = _spectrum.kernel(x, 0.5)
        assert np.array_equal(_spectrum.parts(found), np.repeat(np.arange(3), 20))
        apart = ((x[:, None].astype(np.float64) - x[None]) ** 2).sum(axis=2)
        assert np.allclose(found + np.eye(60), np.exp(-0.5 * apart), rtol=0, atol=1e-9)

    def test_as_many_eigenvectors_as_the_next_power_of_two(self):
        assert [_spectrum.bucket(k, 1000) for k in (1, 2, 16, 17, 32, 33, 700)] == [16, 16, 16, 32, 32, 64, 1000]
        assert _spectrum.bucket(5, 12) == 12
