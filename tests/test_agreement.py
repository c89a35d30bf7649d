"""Internal metrics against the classes: known correlations, choices and what they cost."""

import math

import numpy as np
import pytest
from scipy import stats
from stored import Stored, mixed

from backbench.evaluate import agreement, candidates

CLUSTERED = ("classifier=none", "retrieval=none", "clusterer=kmeans")
AMI = {2: 0.4, 3: 0.6, 4: 0.55, 5: 0.5, 6: 0.45}
SILHOUETTE = {2: 0.5, 3: 0.3, 4: 0.35, 5: 0.2, 6: 0.1}
DB = {2: 3.0, 3: 1.0, 4: 1.5, 5: 2.0, 6: 2.5}


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


def metrics(stage):
    k = stage.config["k"]
    found = {"silhouette": SILHOUETTE[k], "davies_bouldin": DB[k], "calinski_harabasz": 70.0, "ami": AMI[k]}
    return found | {"ari": AMI[k], "cluster_accuracy": 1.0 - AMI[k]}


def agreements(rows):
    return agreement.agreements(candidates.representations(rows))


def found(rows, internal, external="ami"):
    return [one for one in agreements(rows) if (one.internal, one.external) == (internal, external)]


def test_correlations_picks_and_cost_are_those_of_the_numbers():
    rows = Stored(metrics=metrics).rows("k=2,3,4,5,6", *CLUSTERED)
    (one,) = found(rows, "silhouette")
    inner, outer = [SILHOUETTE[k] for k in AMI], list(AMI.values())
    assert one.spearman == pytest.approx(stats.spearmanr(inner, outer).statistic)
    assert one.kendall == pytest.approx(stats.kendalltau(inner, outer).statistic)
    assert (one.pick.k, one.best.k, one.n) == (2, 3, 5) and one.cost == pytest.approx(0.2) and one.notable
    assert one.text == (
        "pixels: by silhouette you would take kmeans k=2 (AMI 0.40); the best by AMI is kmeans k=3 (0.60). "
        "Over 5 clusterings silhouette and AMI correlate at -0.10."
    )


def test_ties_have_the_correlation_that_scipy_gives_them():
    drawn = np.random.default_rng(0).integers(0, 4, (2, 12)) / 4
    k = range(2, 14)
    values = {own: {"silhouette": a, "ami": b} for own, a, b in zip(k, *drawn.tolist(), strict=True)}
    rows = Stored(metrics=lambda stage: values[stage.config["k"]]).rows(f"k={','.join(map(str, k))}", *CLUSTERED)
    (one,) = found(rows, "silhouette")
    assert one.spearman == pytest.approx(stats.spearmanr(*drawn).statistic)
    assert one.kendall == pytest.approx(stats.kendalltau(*drawn).statistic)


def test_a_metric_that_falls_as_it_gets_better_has_its_sign():
    """Davies-Bouldin ranks exactly as AMI does."""
    (one,) = found(Stored(metrics=metrics).rows("k=2,3,4,5,6", *CLUSTERED), "davies_bouldin")
    assert (one.spearman, one.kendall) == (pytest.approx(1), pytest.approx(1))
    assert (one.pick.k, one.cost, one.notable) == (3, 0.0, False)
    assert "Davies-Bouldin and AMI both take kmeans k=3 (AMI 0.60)" in one.text and "at +1.00" in one.text


def test_a_metric_that_never_changes_correlates_with_nothing():
    (one,) = found(Stored(metrics=metrics).rows("k=2,3,4,5,6", *CLUSTERED), "calinski_harabasz")
    assert math.isnan(one.spearman) and math.isnan(one.kendall)
    assert one.text.endswith("Over 5 clusterings one of Calinski-Harabasz and AMI never changes.")


def test_disagreements_are_those_that_cost_much_the_dearest_first():
    rows = Stored(metrics=metrics).rows("k=2,3,4,5,6", *CLUSTERED)
    assert [(one.internal, round(one.cost, 2)) for one in agreement.disagreements(agreements(rows))] == [
        ("silhouette", 0.2),
        ("calinski_harabasz", 0.2),
    ]
    by_accuracy = agreement.disagreements(agreements(rows), "cluster_accuracy")
    assert [(one.internal, round(one.cost, 2)) for one in by_accuracy] == [("davies_bouldin", 0.2)]


def test_feature_spaces_are_compared_apart():
    rows = Stored(metrics=metrics).rows("chain=none,pca50", "k=2,3,4,5,6", *CLUSTERED)
    assert [(one.space, one.n) for one in found(rows, "silhouette")] == [("pixels", 5), ("pixels, pca50", 5)]


def test_fewer_than_five_clusterings_say_nothing():
    assert agreements(Stored(metrics=metrics).rows("k=2,3,4,5", *CLUSTERED)) == []


def test_without_classes_there_is_nothing_to_agree_with():
    assert agreements(Stored(names=None).rows("k=2,3,4,5,6", *CLUSTERED)) == []


def test_a_clustering_that_leaves_images_out_is_said_to():
    """The others are better than the one with noise, which has the best silhouette."""

    def labels(stage, truth):
        noise = "dbscan" in str(stage.config["clusterer"]["name"])
        return np.where(np.arange(len(truth)) % 4 > 0, -1, 0) if noise else mixed(truth, 0.9, stage.config["k"])

    def widths(stage, truth):
        return np.full(len(truth), 0.9 if stage.config["clusterer"]["name"] == "dbscan" else 1 / stage.config["k"])

    rows = Stored(labels=labels, widths=widths).rows("clusterer=kmeans,dbscan", "k=2,3,4,5", *CLUSTERED[:2])
    (one,) = found(rows, "silhouette")
    assert "by silhouette you would take dbscan, 75 % noise" in one.text
