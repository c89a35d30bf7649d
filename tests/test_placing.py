"""New rows in clusterings and in embeddings: against a fit on all rows, and against umap-learn itself."""

import runpy

import numpy as np
import pytest
from sklearn.cluster import KMeans

from backbench import paths, plugins
from backbench.inference import _umap, placing
from backbench.inference.nearby import Nearby
from backbench.metrics import neighbours

BENCHMARK = runpy.run_path(str(paths.CHECKOUT / "benchmarks" / "placing.py"))
DENSITY = ("dbscan", "hdbscan", "optics", "plscan")


@pytest.mark.parametrize("name", plugins.names("clusterer"))
def test_held_back_rows_get_the_clusters_that_a_fit_on_all_gives_them(name):
    rows = BENCHMARK["blobs"]()
    config = BENCHMARK["configured"](name, 6, **BENCHMARK["BLOBS"].get(name, {}))
    agreement = BENCHMARK["agreement"](config, rows, 0)
    assert agreement.placed >= 0.9
    if name in DENSITY:
        assert agreement.refitted_noise > 0.02
        assert abs(agreement.noise - agreement.refitted_noise) <= 0.02
    else:
        assert agreement.noise == 0


@pytest.mark.parametrize("name", plugins.names("clusterer"))
def test_members_keep_their_clusters_also_where_they_differ_by_rounding(name):
    rows = BENCHMARK["blobs"](300)
    config = BENCHMARK["configured"](name, 6, **BENCHMARK["BLOBS"].get(name, {}))
    labels, info = BENCHMARK["fitted"](config, rows)
    placement = placing.fit(config, info, rows, labels)
    near = (rows * np.float32(1 + 1e-6)).astype(np.float32)
    assert np.array_equal(placement(rows).clusters, labels)
    assert np.array_equal(placement(near).clusters, labels)
    assert [placement(row[None]).clusters[0] for row in near[:9]] == labels[:9].tolist()
    kept = placing.unpack(*placing.pack(placement))
    assert np.array_equal(kept(near).clusters, labels)
    inside = labels >= 0
    centres = np.array([rows[labels == number].mean(axis=0, dtype=float) for number in labels[inside]])
    np.testing.assert_allclose(placement(rows).distances[inside], np.linalg.norm(rows[inside] - centres, axis=1))
    assert np.isnan(placement(rows).distances[~inside]).all()


def test_far_rows_are_noise_where_the_clusterer_knows_noise():
    rows = BENCHMARK["blobs"](300)
    far = np.full((2, rows.shape[1]), 1e4, np.float32)
    for name in plugins.names("clusterer"):
        config = BENCHMARK["configured"](name, 6, **BENCHMARK["BLOBS"].get(name, {}))
        labels, info = BENCHMARK["fitted"](config, rows)
        clusters = placing.fit(config, info, rows, labels)(far).clusters
        assert ((clusters < 0) if name in DENSITY else (clusters >= 0)).all()
        assert len(placing.fit(config, info, rows, labels)(far[:0]).clusters) == 0


@pytest.fixture(scope="module")
def embedded():
    """Blobs, UMAP of most of them, and what its own transform makes of the others."""
    from umap import UMAP

    rows = BENCHMARK["blobs"](260)
    options = {"n_neighbors": 10, "n_components": 2, "init": "pca", "n_epochs": 60, "n_jobs": 1}
    model = UMAP(**options, random_state=0).fit(rows[:200])
    return rows, model.embedding_, model.transform(rows[200:])


def test_memberships_are_those_of_umap(embedded):
    from umap.umap_ import compute_membership_strengths, smooth_knn_dist

    rows, _, _ = embedded
    near, lengths = Nearby(rows[:200], "euclidean")(rows[200:], 10)
    sigmas, rhos = smooth_knn_dist(lengths.astype(np.float32), 10.0, local_connectivity=0.0)
    kept = near.astype(np.int32), lengths.astype(np.float32), sigmas, rhos
    _, _, values, _ = compute_membership_strengths(*kept, bipartite=True)
    expected = values.reshape(lengths.shape)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_umap.memberships(lengths), expected, atol=1e-5)


def test_rows_placed_in_an_embedding_are_in_the_clusters_of_umaps_own_transform(embedded):
    rows, places, transformed = embedded
    embedding = _umap.Embedding(rows[:200], places, 10, "euclidean")
    placed = embedding.transform(rows[200:])
    groups = KMeans(6, n_init=3, random_state=0).fit(places)
    assert np.mean(groups.predict(placed) == groups.predict(transformed.astype(placed.dtype))) >= 0.9
    assert np.array_equal(embedding.transform(rows[:200]), places)
    np.testing.assert_allclose(embedding.transform(rows[200:201]), placed[:1], atol=1e-5)


def test_rows_that_an_embedding_was_not_learnt_from_stay_at_their_places():
    rows = BENCHMARK["blobs"](80)
    places, learnt = np.arange(160, dtype=np.float32).reshape(80, 2), np.arange(0, 80, 2)
    embedding = _umap.Embedding(rows, places, 5, "cosine", learnt)
    assert np.array_equal(embedding.transform(rows), places)
    near, _ = Nearby(rows[learnt], "cosine")(rows[1:2], 5)
    moved = embedding.transform(rows[1:2] + np.float32(0.05))[0]
    low, high = places[learnt[near[0]]].min(axis=0), places[learnt[near[0]]].max(axis=0)
    assert (low <= moved).all() and (moved <= high).all() and not np.array_equal(moved, places[1])


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan", "correlation"])
def test_metrics_of_embeddings_equal_scikit_learns(metric):
    from sklearn.neighbors import NearestNeighbors

    rows = BENCHMARK["blobs"](60)
    lengths, near = NearestNeighbors(metric=metric, algorithm="brute").fit(rows[:50]).kneighbors(rows[50:], 4)
    mine, distances = Nearby(rows[:50], metric)(rows[50:], 4)
    assert np.array_equal(mine, near)
    np.testing.assert_allclose(distances, lengths, atol=1e-5)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_one_query_gets_the_answer_of_many_bit_for_bit(metric):
    draw = np.random.default_rng(0)
    rows = (draw.normal(size=(400, 33)) + 3).astype(np.float32)
    rows[100:140], rows[7] = rows[:40], 0
    queries = np.concatenate([rows[90:110], draw.normal(size=(20, 33)).astype(np.float32), rows[7:8]])
    excluded = np.r_[np.arange(90, 110), np.full(21, -1)]
    near, lengths = neighbours.nearest(queries, rows, 5, metric, excluded)
    among = Nearby(rows, metric)
    for at in range(len(queries)):
        mine = among(queries[at : at + 1], 5, excluded[at : at + 1])
        assert np.array_equal(mine[0][0], near[at]) and np.array_equal(mine[1][0], lengths[at])
