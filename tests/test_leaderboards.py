"""Intervals and ranks from stored arrays, against formulas, scikit-learn and the package's own metrics."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from stored import N, Stored, mixed

from backbench import derived, paths
from backbench.datasets import TEST, VALIDATION
from backbench.evaluate import estimates, leaderboards, resampled
from backbench.evaluate.estimates import Replicated
from backbench.metrics import external
from backbench.store import Store

FIXED = ("davies_bouldin", "calinski_harabasz", "noise_fraction", "clusters", "largest_share")
CLASSIFIED = ("clusterer=none", "retrieval=none")
CLUSTERED = ("classifier=none", "retrieval=none")
RETRIEVED = ("clusterer=none", "classifier=none")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


def store():
    return Store(paths.store())


def table(rows, **options):
    (found,) = leaderboards.leaderboards(rows, store(), **options)
    return found


def cached():
    return sorted((paths.results() / "cache" / "leaderboard").glob("*/*.json"))


def name(stage):
    return stage.config["classifier"]["name"]


class Once(resampled.Images):
    """Every image once: each metric then has the value that is recorded."""

    def weights(self, n, seed=0):
        return np.ones((1, n), dtype=np.uint8)


# What is resampled


@pytest.mark.parametrize(
    ("head", "axes"),
    [
        ("classification", ("classifier=knn", *CLASSIFIED)),
        ("clustering", ("clusterer=kmeans", "k=4", *CLUSTERED)),
        ("clustering", ("clusterer=kmeans", "k=4", "clustering.scope=train", *CLUSTERED)),
        ("clustering", ("clusterer=kmeans", "k=4", "clustering.scope=per_split", *CLUSTERED)),
        ("retrieval", ("retrieval=cosine", *RETRIEVED)),
        ("retrieval", ("retrieval=cosine", "retrieval.protocol=test_against_train", *RETRIEVED)),
    ],
)
def test_metrics_of_the_images_as_they_are_equal_those_that_are_recorded(head, axes):
    """Noise among the clusters, and a class with one image, which no query can find."""
    truth = np.arange(N) % 4
    truth[700] = 4
    given = {"names": ("a", "b", "c", "d", "e"), "truth": truth}
    (row,) = Stored(labels=lambda stage, truth: mixed(truth, 0.7, 1, 5) - (np.arange(N) % 9 == 0), **given).rows(*axes)
    images = Once(store(), row.stages["dataset"], True)
    # Of the means over classes, one of which has a single image, nothing is claimed.
    resampling = [key for key in row.metrics if key not in (*FIXED, *resampled.OVER_CLASSES)]
    found = resampled.metrics(row, head, row.metrics, images)
    assert set(found) >= set(resampling) and len(found) >= (2 if head == "classification" else 4)
    for key, (values, count) in found.items():
        assert values == pytest.approx([row.metrics[key]], abs=1e-6), key
        assert 0 < count <= N


def test_metrics_of_probabilities_equal_those_that_are_recorded():
    """Of six classes, so that there are first five; some probabilities are 0 or 1."""
    truth, draw = np.arange(N) % 6, np.random.default_rng(0)
    given = np.round(draw.dirichlet(np.full(6, 0.3), N), 1).astype(np.float32)
    stored = Stored(truth=truth, names=tuple("abcdef"), probabilities=lambda stage, truth: given)
    (row,) = stored.rows("classifier=knn", *CLASSIFIED)
    names = ("top_5_accuracy", "log_loss", "brier")
    found = resampled.metrics(row, "classification", (*names, "ece"), Once(store(), row.stages["dataset"], True))
    assert set(found) == set(names)
    for key, (values, count) in found.items():
        assert values == pytest.approx([row.metrics[key]], abs=1e-6) and count == N // 4, key


def test_nothing_is_resampled_where_some_images_are_junk():
    (row,) = Stored().rows("retrieval=cosine", "retrieval.junk=duplicates", *RETRIEVED)
    assert resampled.metrics(row, "retrieval", row.metrics, Once(store(), row.stages["dataset"], True)) == {}
    assert "Only the mean of this metric is stored" in leaderboards.words(table([row]))


# Intervals


def test_an_accuracy_has_the_interval_of_a_proportion():
    rows = Stored().rows("classifier=knn", *CLASSIFIED)
    (entry,) = table(rows).entries
    for key in ("val_accuracy", "accuracy"):
        estimate, p = entry.values[key], rows[0].metrics[key]
        half = 1.96 * math.sqrt(p * (1 - p) / 300)
        assert estimate.mean == p and (estimate.over, estimate.n) == ("images", 300)
        assert (estimate.low, estimate.high) == pytest.approx((p - half, p + half), abs=0.15 * half)


def test_of_several_seeds_a_classifier_has_both_in_its_interval():
    def predictions(stage, truth):
        return mixed(truth, 0.6 + 0.1 * stage.config["seed"], stage.config["seed"])

    rows = Stored(predictions=predictions).rows("classifier=random_forest", "seed=0,1,2", *CLASSIFIED)
    (entry,) = table(rows).entries
    estimate = entry.values["val_accuracy"]
    assert [row.params["seed"] for row in entry.rows] == [0, 1, 2] and entry.config_hash == entry.rows[0].config_hash
    assert estimate.mean == pytest.approx(np.mean([row.metrics["val_accuracy"] for row in rows])) and estimate.n == 300
    alone = [leaderboards.leaderboards([row], store())[0].entries[0].values["val_accuracy"] for row in rows]
    assert estimate.over == "images and seeds"
    assert estimate.high - estimate.low > 1.5 * max(other.high - other.low for other in alone)


def test_of_several_seeds_a_clustering_is_taken_over_them():
    def labels(stage, truth):
        return mixed(truth, 0.5 + 0.1 * stage.config["seed"], stage.config["seed"])

    rows = Stored(labels=labels).rows("clusterer=kmeans", "k=4", "seed=0,1,2", *CLUSTERED)
    (entry,) = table(rows).entries
    values = [row.metrics["ami"] for row in entry.rows]
    estimate = entry.values["ami"]
    assert (estimate.over, estimate.n) == ("seeds", 3) and estimate.mean == pytest.approx(np.mean(values))
    t = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == pytest.approx((max(t.low, -1), t.high))
    assert not entry.tested
    labelings = [labels(row.plan.stages[row.run.stages["clustering"]], np.arange(N) % 4) for row in entry.rows]
    pairs = [adjusted_rand_score(*pair) for pair in itertools.combinations(labelings, 2)]
    assert entry.stability == pytest.approx(np.mean(pairs))


def test_stability_of_one_fit_is_what_its_record_says():
    rows = Stored(metrics=lambda stage: {"stability": 0.75}).rows("clusterer=agglomerative", "k=4", *CLUSTERED)
    assert table(rows).entries[0].stability == 0.75
    assert table(Stored().rows("clusterer=agglomerative", "k=5", *CLUSTERED)).entries[0].stability is None


def test_what_has_no_replicates_has_no_interval():
    (entry,) = table(Stored().rows("clusterer=kmeans", "k=4", *CLUSTERED)).entries
    assert {key: value.over for key, value in entry.values.items()} == {
        "ami": "images",
        "ari": "images",
        "cluster_accuracy": "images",
        "clusters": None,
        "noise_fraction": None,
        "largest_share": None,
        "nmi": "images",
        "purity": "images",
        "silhouette": "images",
        "davies_bouldin": None,
    }
    assert (entry.values["davies_bouldin"].low, entry.values["davies_bouldin"].n) == (None, 1)


def test_a_mean_of_widths_has_the_interval_of_a_mean():
    (entry,) = table(Stored(names=None).rows("clusterer=kmeans", "k=4", *CLUSTERED)).entries
    widths, estimate = np.random.default_rng(2).uniform(0, 0.4, N), entry.values["silhouette"]
    half = 1.96 * widths.std() / math.sqrt(N)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.15) and estimate.n == N


def test_where_all_images_are_right_the_interval_is_that_of_wilson():
    """Of n right ones of n it is from n / (n + z^2) to 1."""
    (entry,) = table(Stored(predictions=lambda stage, truth: truth).rows("classifier=knn", *CLASSIFIED)).entries
    estimate = entry.values["val_accuracy"]
    assert (estimate.low, estimate.high) == pytest.approx((300 / (300 + 1.959964**2), 1.0))
    assert estimate.over == "images"
    assert entry.values["macro_f1"].over is None


def test_a_perfect_clustering_has_none():
    (entry,) = table(Stored(labels=lambda stage, truth: truth).rows("clusterer=kmeans", "k=4", *CLUSTERED)).entries
    assert entry.values["ami"].mean == 1.0 and entry.values["ami"].over is None


def test_an_interval_does_not_pass_what_the_metric_can_be():
    replicated = Replicated(np.array([[0.90, 0.95, 0.99]]), 100)
    assert estimates.estimate([0.99], replicated, fits=False, within=(0.0, 1.0)).high == 1.0


def test_seeds_without_arrays_are_resampled_alone():
    estimate = estimates.estimate([0.5, 0.6, math.nan, 0.7], None, fits=False)
    assert (estimate.over, estimate.n, estimate.mean) == ("seeds", 3, pytest.approx(0.6))
    half = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert (estimate.low, estimate.high) == pytest.approx((0.6 - half, 0.6 + half))


def test_refits_are_the_spread_of_samples_and_seeds_alike():
    spread = np.random.default_rng(0).normal(0.5, 0.02, (3, 20))
    estimate = estimates.estimate([0.5, 0.52, 0.54], Replicated(spread, 20, refitted=True), fits=True)
    half = stats.t.ppf(0.975, 19) * spread.mean(axis=0).std(ddof=1)
    assert (estimate.over, estimate.n) == ("refits", 20)
    assert (estimate.low, estimate.high) == pytest.approx((0.52 - half, 0.52 + half))


# Ranks


def test_a_row_that_is_right_wherever_the_other_is_and_more_is_told_apart():
    """Their intervals overlap; on the same images one is never behind."""

    def predictions(stage, truth):
        mostly = mixed(truth, 0.8, 0)
        return np.where(np.arange(N) % 5 == 0, truth, mostly) if name(stage) == "lda" else mostly

    best, second = table(Stored(predictions=predictions).rows("classifier=knn,lda", *CLASSIFIED)).entries
    assert best.params["classifier.name"] == "lda" and (best.rank, second.rank) == (1, 2)
    assert second.values["val_accuracy"].high > best.values["val_accuracy"].low


def test_equal_predictions_share_a_rank_whatever_their_number():
    rows = Stored().rows("classifier=knn,lda,svm", *CLASSIFIED)
    found = table(rows)
    assert [(entry.rank, entry.tied, entry.tested) for entry in found.entries] == [(1, 3, True)] * 3
    assert "all 3 rows are tied" in leaderboards.words(found)


def test_noise_of_the_seeds_keeps_rows_together():
    """Each seed has its own level: three seeds do not tell the two means apart, the images alone would."""

    def predictions(stage, truth):
        shares = {"random_forest": (0.9, 0.7, 0.5), "mlp": (0.85, 0.63, 0.45)}[name(stage)]
        return mixed(truth, shares[stage.config["seed"]], 7)

    rows = Stored(predictions=predictions).rows("classifier=random_forest,mlp", "seed=0,1,2", *CLASSIFIED)
    assert [entry.rank for entry in table(rows).entries] == [1, 1]
    alone = [row for row in rows if row.params["seed"] == 1]
    assert [entry.rank for entry in table(alone).entries] == [1, 2]


def test_of_many_rows_the_best_alone_are_resampled_and_it_is_said(monkeypatch):
    def predictions(stage, truth):
        return mixed(truth, 0.9 - 0.02 * stage.config["classifier"]["n_neighbors"], 0)

    rows = Stored(predictions=predictions).rows("classifier=knn", "classifier.n_neighbors=1,5,9,13", *CLASSIFIED)
    monkeypatch.setattr(leaderboards, "IMAGES", 2 * N)
    monkeypatch.setattr(leaderboards, "BESIDE", 1)
    found = table(rows)
    assert [entry.tested for entry in found.entries] == [True, True, False, False]
    assert [entry.values["val_accuracy"].over for entry in found.entries] == ["images", "images", None, None]
    assert [entry.values["accuracy"].over for entry in found.entries] == ["images", None, None, None]
    assert [entry.rank for entry in found.entries][2:] == [3, 4]
    assert "The best 2 have intervals" in found.note and found.note in leaderboards.words(found)


def test_the_best_row_is_resampled_even_where_it_alone_exceeds_the_limit(monkeypatch):
    rows = Stored().rows("classifier=knn", "classifier.n_neighbors=1,5,9", *CLASSIFIED)
    monkeypatch.setattr(leaderboards, "IMAGES", N - 1)
    entries = table(rows).entries
    assert [entry.tested for entry in entries] == [True, False, False]
    assert [entry.values["val_accuracy"].over for entry in entries] == ["images", None, None]


def test_no_more_rows_are_compared_pair_by_pair_than_the_limit_says(monkeypatch):
    rows = Stored().rows("classifier=knn", "classifier.n_neighbors=1,5,9", *CLASSIFIED)
    monkeypatch.setattr(leaderboards, "COMPARED", 2)
    leaderboard = table(rows)
    assert [entry.tested for entry in leaderboard.entries] == [True, True, False]
    assert "The best 2 have intervals" in leaderboard.note


def test_progress_counts_what_is_resampled():
    steps = []
    table(Stored().rows("classifier=knn,lda", *CLASSIFIED), progress=lambda *counts: steps.append(counts))
    assert steps == [(1, 2), (2, 2)]


# Clusterings


# How many images a clusterer has right, and the seed of its errors.
QUALITY = {"kmeans": (0.8, 1), "agglomerative": (0.7, 2), "birch": (0.8, 3)}


def clustered(stage, truth, number=0):
    share, seed = QUALITY[stage.config["clusterer"]["name"]]
    return mixed(truth, share, 100 * number + seed)


def refits(stage, truth):
    """Labels (20, N) of halves of the images."""
    found = np.full((20, N), -2, dtype=np.int8)
    for number, row in enumerate(found):
        half = np.random.default_rng(number).permutation(N)[: N // 2]
        row[half] = clustered(stage, truth, number + 1)[half]
    return {"refits": found}


def test_one_fit_of_each_does_not_tell_which_is_better():
    found = table(Stored(labels=clustered).rows("clusterer=kmeans,agglomerative", "k=4", *CLUSTERED))
    assert [(entry.rank, entry.tied, entry.tested) for entry in found.entries] == [(1, 1, False), (2, 1, False)]
    words = leaderboards.words(found)
    assert "one sample cannot tell which is better" in words and "clustering.bootstraps=20" in words
    assert "with the clusters as they are" in words and "tied" not in words


def test_refits_tell_clusterings_apart_as_far_as_samples_differ():
    rows = Stored(labels=clustered, fits=refits).rows(
        "clusterer=kmeans,agglomerative,birch", "k=4", "clustering.bootstraps=20", *CLUSTERED
    )
    found = table(rows)
    names = [entry.params["clusterer.name"] for entry in found.entries]
    assert set(names[:2]) == {"kmeans", "birch"} and names[2] == "agglomerative"
    assert [(entry.rank, entry.tested) for entry in found.entries] == [(1, True), (1, True), (3, True)]
    estimate, row = found.entries[0].values[found.spec.rank], found.entries[0].row
    assert (estimate.over, estimate.n) == ("refits", 20)
    truth = np.arange(N) % 4
    halves = refits(row.plan.stages[row.run.stages["clustering"]], truth)["refits"]
    metric = getattr(external, found.spec.rank)
    values = [metric(truth[half != -2], half[half != -2]) for half in halves]
    half = stats.t.ppf(0.975, 19) * np.std(values, ddof=1)
    assert (estimate.low, estimate.high) == pytest.approx((estimate.mean - half, estimate.mean + half))
    assert "fits to halves of the images" in leaderboards.words(found)


# Without arrays


def test_without_arrays_rows_stand_by_their_values_and_it_is_said():
    def predictions(stage, truth):
        return mixed(truth, {"knn": 0.8, "lda": 0.81, "svm": 0.8}[name(stage)], 0)

    found = table(Stored(predictions=predictions, arrays=False).rows("classifier=knn,lda,svm", *CLASSIFIED))
    assert [(entry.rank, entry.tied) for entry in found.entries] == [(1, 1), (2, 2), (2, 2)]
    assert not any(entry.tested or entry.values["accuracy"].over for entry in found.entries)
    assert leaderboards.words(found).startswith("The arrays of 3 results are missing")


def test_an_array_that_is_damaged_is_no_interval_and_nothing_is_cached():
    rows = Stored().rows("classifier=knn", *CLASSIFIED)
    (path,) = (paths.store() / "classification").rglob("*.npy")
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")
    assert table(rows).entries[0].values["accuracy"].over is None and "cannot be read" in table(rows).note
    assert not cached()


# Cached


def test_what_was_computed_is_read_again_and_a_damaged_file_replaced():
    rows = Stored().rows("classifier=knn,lda", *CLASSIFIED)
    first = table(rows)
    (file,) = cached()
    body = json.loads(file.read_text())
    changed = {**json.loads(body["info"]), "note": "from the file"}
    derived.of_results().amend("leaderboard", file.stem, {"info": json.dumps(changed)})
    assert table(rows).note == "from the file"
    written = file.read_text()
    for damaged in (written[:-20], written.replace('\\"rank\\": 1', '\\"rank\\": 2'), "", "{}"):
        file.write_text(damaged)
        assert table(rows) == first
        assert json.loads(file.read_text())["info"] == body["info"]


def test_other_results_are_other_leaderboards():
    one = Stored().rows("classifier=knn", *CLASSIFIED)
    table(one)
    other = Stored(predictions=lambda stage, truth: mixed(truth, 0.8, 9)).rows("classifier=knn", *CLASSIFIED)
    assert table(other).entries[0].values["accuracy"].mean == other[0].metrics["accuracy"]
    table(Stored(arrays=False).rows("classifier=knn", *CLASSIFIED))
    assert len(cached()) == 3


def test_results_that_come_back_have_their_intervals_again():
    rows = Stored(arrays=False).rows("classifier=knn", *CLASSIFIED)
    assert table(rows).entries[0].values["accuracy"].over is None
    assert table(Stored().rows("classifier=knn", *CLASSIFIED)).entries[0].values["accuracy"].over == "images"


def test_metrics_of_validation_and_test_are_of_their_own_images():
    """All right on validation, all wrong on test."""
    split = Stored().split

    def predictions(stage, truth):
        return np.where(split == VALIDATION, truth, (truth + 1) % 4)

    (entry,) = table(Stored(predictions=predictions).rows("classifier=knn", *CLASSIFIED)).entries
    assert (entry.values["val_accuracy"].mean, entry.values["accuracy"].mean) == (1.0, 0.0)
    assert entry.values["accuracy"].high < 0.02 and (split == TEST).sum() == entry.values["accuracy"].n
