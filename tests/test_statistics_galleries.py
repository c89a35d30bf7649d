"""Contributions of images to retrieval against deleting each of them by hand, and intervals against a known truth."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from backbench.metrics import retrieval
from backbench.statistics import galleries, intervals, replicates, resampling
from backbench.statistics.galleries import Lists

KINDS = ("precision", "hit_rate", "recall", "map")


def searched(seed, n=40, classes=4, k=6, whole=True, spread=1.0):
    """Nearest images among Gaussian classes; the last class has two images."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    if classes > 2:
        truth[truth == classes - 1] = 0
        truth[:2] = classes - 1
    x = np.eye(classes, 5)[truth] * 2 + spread * rng.normal(size=(n, 5))
    if whole:
        nearest = NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)
        return Lists(nearest, truth, truth, True)
    half = n // 2
    nearest = NearestNeighbors(n_neighbors=k).fit(x[half:]).kneighbors(x[:half], return_distance=False)
    return Lists(nearest, truth[:half], truth[half:], False)


def without(lists, kind, k, image):
    """The metric without an image: lists are mended one by one, the image that moves up being relevant by chance."""
    hits, totals = lists.hits[:, :k], lists.totals
    rate = hits[:, -1].mean()
    values = []
    for query, row in enumerate(hits):
        if lists.whole and query == image:
            continue
        total = totals[query] - (lists.queries[query] == lists.gallery[image])
        at = np.flatnonzero(lists.nearest[query, :k] == image)
        if not len(at):
            values.append(galleries.per_query(kind, row[None], np.array([total]), k)[0])
            continue
        chance = (row.sum() + rate) / (k + 1) if totals[query] > row.sum() else 0.0
        ends = [[*np.delete(row, at[0]), last] for last in (False, True)]
        both = galleries.per_query(kind, np.array(ends), np.array([total, total]), k)
        values.append((1 - chance) * both[0] + chance * both[1])
    return np.nanmean(values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("k", [1, 6])
def test_contributions_are_those_of_leaving_each_image_out(kind, whole, k):
    lists = searched(1, whole=whole)
    metric = np.nanmean(galleries.per_query(kind, lists.hits, lists.totals, k))
    *queries, images = galleries.contributions(kind, lists, k)
    left = np.array([without(lists, kind, k, image) for image in range(len(lists.gallery))])
    pseudo = (len(left) - 1) * (metric - left)
    assert images - images.mean() == pytest.approx(pseudo - pseudo.mean(), abs=1e-9)
    assert sum(np.nanmean(part) for part in (*queries, images)) == pytest.approx(metric)


def test_queries_one_by_one_give_the_means_of_the_metrics():
    hits = np.random.default_rng(0).random((50, 7)) < 0.4
    totals = np.random.default_rng(1).integers(0, 12, 50)
    hits[totals == 0] = False
    for depth in (1, 3, 7, 20):
        for key, value in retrieval.curves(hits, totals, [depth]).items():
            per_query = galleries.per_query(key.rpartition("_at_")[0], hits, totals, depth)
            assert np.nanmean(per_query) == pytest.approx(value), key


@pytest.mark.parametrize("whole", [True, False])
def test_intervals_hold_the_expected_precision(whole):
    """Of 95 % intervals at least 92 %; with the queries alone it is about 75 % where the images find each other."""
    found, alone = [], []
    for seed in range(150):
        lists = searched(seed, 160, 2, 5, whole, 1.5)
        parts = galleries.contributions("precision", lists, 5)
        weights = [resampling.weights(len(part), 200, seed=place) for place, part in enumerate(parts)]
        values = sum(replicates.mean(part, drawn) for part, drawn in zip(parts, weights, strict=True))
        metric = lists.hits.mean()
        found.append((metric, intervals.percentile(values, observed=metric)))
        per_query = replicates.mean(lists.hits.mean(axis=1), weights[0])
        alone.append((metric, intervals.percentile(per_query, observed=metric)))
    truth = np.mean([metric for metric, _ in found])
    covered, narrow = (np.mean([span.low <= truth <= span.high for _, span in spans]) for spans in (found, alone))
    assert covered >= 0.92
    assert narrow < covered
