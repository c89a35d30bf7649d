"""Stages: outcomes of real members over a store, what is undefined, and failures that stay with their member."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from scoring import computed
from sklearn import cluster, decomposition, metrics, preprocessing

from backbench import hashing, paths
from backbench.engine.run import scoring
from backbench.metrics import internal, labels, probabilistic
from backbench.stage import Context, Inputs, Member
from backbench.stages import classification, clustering, matrix, retrieval
from backbench.store import Store

CLASSES = 3
ONE = Context(threads=1)


def conf(kind: str, name: str, **changed) -> dict:
    return yaml.safe_load((Path(paths.conf()) / kind / f"{name}.yaml").read_text()) | changed


def rows(n=120, d=8, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, n)
    x = (rng.normal(size=(n, d)) + 4 * rng.normal(size=(CLASSES, d))[truth]).astype(np.float32)
    return x, truth, rng.choice([0, 1, 2], n, p=[0.6, 0.2, 0.2]).astype(np.uint8)


@pytest.fixture
def world(tmp_path):
    """A function that stores rows, labels and a split, and gives the inputs of a shard on them."""

    def make(x, truth=None, split=None, source="features"):
        store = Store(tmp_path / "store")
        split = np.zeros(len(x), dtype=np.uint8) if split is None else split
        arrays = {"split": split} if truth is None else {"split": split, "labels": truth.astype(np.int64)}
        classes = None if truth is None else [f"class {i}" for i in range(CLASSES)]
        store.write("dataset", "d" * 64, {"info": {"n": len(x), "classes": classes}}, arrays)
        store.write(source, "f" * 64, {"info": {}}, {source: x})
        refs = dict.fromkeys(("features", "matrix"), (source, "f" * 64))
        return Inputs(store, {"dataset": ("dataset", "d" * 64), **refs})

    return make


def members(configs) -> list[Member]:
    return [Member(hashing.digest(config), config) for config in configs]


def compute(stage, configs, inputs, context=ONE) -> list:
    """Outcomes in the order of `configs`."""
    asked = members(configs)
    found = computed(stage, asked, inputs, context)
    assert set(found) == {member.hash for member in asked}
    return [found[member.hash] for member in asked]


def clustered(name="kmeans", k=3, seed=0, scope="all", **changed) -> dict:
    drawn = {each: {"k": k, "seed": seed} for each in ("kmeans", "minibatch_kmeans", "gaussian_mixture")}
    axes = {**drawn, "agglomerative": {"k": k}}
    return {"clusterer": conf("clusterer", name, **changed), **axes.get(name, {}), "scope": scope}


def classified(name="knn", **changed) -> dict:
    seed = {"seed": 0} if name == "random_forest" else {}
    return {"classifier": conf("classifier", name, **changed), **seed}


def retrieved(at=10, metric="euclidean", protocol="leave_one_out") -> dict:
    return {"metric": metric, "protocol": protocol, "at": at}


EVERY = {
    clustering: [
        *(clustered(k=k, seed=seed) for k in (1, 3, 5) for seed in (0, 1)),
        *(clustered("agglomerative", k=k, scope=scope) for k in (1, 3) for scope in ("all", "train", "per_split")),
        clustered("gaussian_mixture"),
        *(clustered("dbscan", eps_quantile=q) for q in (0.3, 0.9)),
    ],
    classification: [
        *(classified("knn", n_neighbors=k) for k in (1, 5)),
        *(classified("svm", C=c) for c in (0.1, 1.0)),
        classified("random_forest", n_estimators=10),
        classified("logistic_regression"),
    ],
    retrieval: [
        retrieved(at, metric, protocol)
        for at in (1, 10)
        for metric in ("cosine", "euclidean")
        for protocol in ("leave_one_out", "test_against_train")
    ],
}
BY_NAME = [pytest.param(stage, configs, id=stage.__name__.rpartition(".")[2]) for stage, configs in EVERY.items()]


def shown(outcome) -> tuple:
    """All of an outcome that must not depend on how it was computed."""
    metrics_ = {name: "nan" if math.isnan(value) else value for name, value in outcome.metrics.items()}
    arrays = {name: hashing.array_digest(array) for name, array in outcome.arrays.items()}
    return metrics_, dict(outcome.notes), outcome.info, arrays, outcome.failure


@pytest.mark.parametrize(("stage", "configs"), BY_NAME)
class TestContract:
    def test_alone_in_a_shard_reversed_and_with_threads_are_bit_equal(self, stage, configs, world):
        inputs = world(*rows())
        together = [shown(outcome) for outcome in compute(stage, configs, inputs)]
        assert all(each[-1] is None for each in together)
        assert [shown(outcome) for outcome in compute(stage, configs[::-1], inputs)][::-1] == together
        assert [shown(compute(stage, [config], inputs)[0]) for config in configs] == together
        assert [shown(outcome) for outcome in compute(stage, configs, inputs, Context(threads=4))] == together

    def test_an_outcome_can_be_stored(self, stage, configs, world):
        inputs = world(*rows())
        for outcome in compute(stage, configs, inputs):
            assert all(type(value) is float for value in outcome.metrics.values())
            assert set(outcome.notes) <= set(outcome.metrics)
            assert outcome.seconds > 0
            record = {"info": outcome.info, "metrics": outcome.metrics}
            inputs.store.write("test", outcome.hash, record, outcome.arrays)
            assert inputs.store.read("test", outcome.hash)["info"] == outcome.info

    def test_every_nan_has_its_reason(self, stage, configs, world):
        x, truth, _ = rows(30)
        for outcome in compute(stage, configs, world(x, truth)):
            for name, value in outcome.metrics.items():
                assert not math.isnan(value) or outcome.notes[name]

    def test_a_matrix_that_is_not_finite_fails_with_the_reason(self, stage, configs, world):
        x, truth, split = rows()
        x[3, 2] = np.nan
        for outcome in compute(stage, configs, world(x, truth, split)):
            assert outcome.failure == "ValueError: 1 of 960 values of the matrix are not finite"

    def test_progress_is_reported(self, stage, configs, world):
        seen = []
        context = Context(progress=lambda done, total: seen.append((done, total)))
        compute(stage, configs, world(*rows()), context)
        assert seen == [(i + 1, len(configs)) for i in range(len(configs))]

    def test_warning_filters_and_threads_are_as_before(self, stage, configs, world):
        before = list(warnings.filters)
        compute(stage, configs, world(*rows()))
        assert warnings.filters == before

    def test_reads_the_transformed_matrix_too(self, stage, configs, world):
        x, truth, split = rows()
        plain = shown(compute(stage, configs[:1], world(x, truth, split))[0])
        assert shown(compute(stage, configs[:1], world(x, truth, split, source="matrix"))[0]) == plain


class TestClustering:
    def test_equals_plain_scikit_learn(self, world):
        x, truth, split = rows(300)
        outcome = compute(clustering, [clustered(k=4)], world(x, truth, split))[0]
        model = cluster.KMeans(4, n_init=4, random_state=0).fit(x)
        part = model.labels_
        assert np.array_equal(outcome.arrays["labels"], labels.canonical(part))
        assert outcome.arrays["labels"].dtype == np.int32
        expected = {
            "silhouette": metrics.silhouette_score(x, part),
            "davies_bouldin": metrics.davies_bouldin_score(x, part),
            "calinski_harabasz": metrics.calinski_harabasz_score(x, part),
            "nmi": metrics.normalized_mutual_info_score(truth, part),
            "ari": metrics.adjusted_rand_score(truth, part),
            "ami": metrics.adjusted_mutual_info_score(truth, part),
            "inertia": model.inertia_,
            "noise_fraction": 0.0,
            "clusters": 4.0,
            "largest_share": np.bincount(part).max() / 300,
        }
        assert {name: outcome.metrics[name] for name in expected} == pytest.approx(expected, rel=1e-5)
        others = {"cluster_accuracy", "purity", "mean_majority_share", "generalisation", "coding_length"}
        assert set(outcome.metrics) - set(expected) == others
        assert outcome.info["label_digest"] == labels.digest(part)

    def test_one_cluster_is_a_result(self, world):
        outcome = compute(clustering, [clustered(k=1)], world(*rows()))[0]
        assert outcome.metrics["inertia"] > 0
        assert math.isnan(outcome.metrics["silhouette"])
        assert outcome.notes["silhouette"] == "there is one cluster only"

    def test_unlabelled_rows_have_internal_metrics_alone(self, world):
        outcome = compute(clustering, [clustered()], world(rows()[0]))[0]
        always = {"noise_fraction", "clusters", "largest_share", "inertia", "generalisation", "coding_length"}
        assert set(outcome.metrics) == {*internal.NAMES, *always}

    def test_all_noise(self, world):
        outcome = compute(clustering, [clustered("dbscan", eps=1e-9, eps_quantile=None)], world(*rows()))[0]
        assert outcome.metrics["noise_fraction"] == 1.0
        assert outcome.metrics["cluster_accuracy"] == 0.0
        assert outcome.notes["silhouette"] == "all points are noise"
        assert outcome.info["eps"] == 1e-9

    def test_train_scope_leaves_the_others_out(self, world):
        x, truth, split = rows()
        outcome = compute(clustering, [clustered("agglomerative", scope="train")], world(x, truth, split))[0]
        only = compute(clustering, [clustered("agglomerative")], world(x[split == 0], truth[split == 0]))[0]
        assert np.all((outcome.arrays["labels"] == labels.OUTSIDE) == (split != 0))
        assert np.array_equal(outcome.arrays["labels"][split == 0], only.arrays["labels"])
        assert outcome.metrics == only.metrics

    def test_per_split_reports_test_and_tells_of_the_others(self, world):
        x, truth, split = rows()
        outcome = compute(clustering, [clustered(scope="per_split")], world(x, truth, split))[0]
        for code, name in enumerate(("train", "validation", "test")):
            own = split == code
            only = compute(clustering, [clustered()], world(x[own], truth[own]))[0]
            assert np.array_equal(outcome.arrays["labels"][own], only.arrays["labels"])
            assert outcome.info["parts"][name]["silhouette"] == only.metrics["silhouette"]
        assert outcome.metrics == only.metrics

    def test_per_split_without_test_rows(self, world):
        x, truth, _ = rows()
        outcome = compute(clustering, [clustered(scope="per_split")], world(x, truth))[0]
        assert math.isnan(outcome.metrics["nmi"])
        assert set(outcome.notes.values()) == {"there are no test rows"}
        assert outcome.info["parts"]["train"]["nmi"] > 0.5

    def test_failures_stay_with_their_member(self, world):
        x, truth, split = rows()
        x[5] = 0
        configs = [
            clustered(k=500),
            clustered(k=3),
            clustered("agglomerative", linkage="average", metric="cosine"),
            clustered("agglomerative"),
            clustered("agglomerative", linkage="wart"),
            clustered("dbscan", eps=1.0),
            clustered(k=40, scope="per_split"),
        ]
        found = [outcome.failure for outcome in compute(clustering, configs, world(x, truth, split))]
        assert found[1] is found[3] is None
        assert found[0].startswith("ValueError: all rows: k = 500")
        assert "rows are zero" in found[2]
        assert "Did you mean 'ward'" in found[4]
        assert "one of eps and eps_quantile" in found[5]
        assert found[6].startswith("ValueError: validation rows: k = 40")

    def test_no_convergence_is_a_failure(self, world):
        short, fine = compute(clustering, [clustered("gaussian_mixture", max_iter=1), clustered()], world(rows()[0]))
        assert short.failure.startswith("did not converge: the likelihood still gains")
        assert fine.failure is None

    @pytest.mark.parametrize("name", ["kmeans", "minibatch_kmeans", "gaussian_mixture"])
    def test_fewer_clusters_than_k_are_a_result_with_a_note(self, name, world):
        """Beside each other on two threads, with every metric as of the four clusters that there are."""
        x, truth, split = rows(4)
        x, truth, split = (np.repeat(part, 10, axis=0) for part in (x, truth, split))
        configs = [clustered(name, k=k) for k in (9, 2, 4, 7)]
        few, fine, four, more = compute(clustering, configs, world(x, truth, split), Context(threads=2))
        assert few.failure is fine.failure is four.failure is more.failure is None
        assert few.metrics["clusters"] == more.metrics["clusters"] == 4
        assert few.notes["clusters"].startswith("4 distinct clusters of k = 9 requested")
        assert "clusters" not in fine.notes
        for metric in {"ami", "ari", "nmi", "cluster_accuracy", "silhouette", "largest_share", "noise_fraction"}:
            assert few.metrics[metric] == pytest.approx(four.metrics[metric]), metric
        assert few.metrics["largest_share"] == 0.25

    def test_no_rows_of_the_scope(self, world):
        x, truth, _ = rows()
        inputs = world(x, truth, np.full(len(x), 2, dtype=np.uint8))
        bad, good = compute(clustering, [clustered(scope="train"), clustered()], inputs)
        assert "no such rows" in bad.failure
        assert good.failure is None

    def test_batches_of_scoring_do_not_count(self, world, monkeypatch):
        inputs = world(*rows())
        whole = [shown(outcome) for outcome in compute(clustering, EVERY[clustering], inputs)]
        monkeypatch.setattr(scoring, "SCORE_AFTER_SECONDS", 0.0)
        monkeypatch.setattr(scoring, "FIT_TO_SCORE", 0.0)
        assert [shown(outcome) for outcome in compute(clustering, EVERY[clustering], inputs)] == whole

    @pytest.mark.parametrize(("pair_seconds", "passes"), [(0.0, 3), (1.0, 1)])
    def test_a_pass_that_takes_long_waits_for_more_fits(self, world, monkeypatch, pair_seconds, passes):
        from backbench.stages.scores import clustering as scores

        monkeypatch.setattr(scoring, "SCORE_AFTER_SECONDS", 0.0)
        monkeypatch.setattr(scoring, "PAIR_SECONDS", pair_seconds)
        monkeypatch.setattr(scoring, "FIT_TO_SCORE", 1.0 if pair_seconds else 0.0)
        batches, score = [], scores.scores
        monkeypatch.setattr(scores, "scores", lambda fits, inputs: batches.append(fits) or score(fits, inputs))
        compute(clustering, [clustered(k=k) for k in (2, 3, 4)], world(*rows()))
        assert len(batches) == passes

    def test_outcomes_come_before_all_are_fitted(self, world):
        stream = clustering.compute(members([clustered(k=k) for k in range(1, 9)]), world(*rows()), ONE)
        assert next(stream).failure is None
        stream.close()


class TestClassification:
    def test_predictions_and_metrics(self, world):
        x, truth, split = rows()
        outcome = compute(classification, [classified("logistic_regression")], world(x, truth, split))[0]
        found = outcome.arrays["predictions"]
        assert found.dtype == np.int32
        assert np.all((found == labels.OUTSIDE) == (split == 0))
        test = split == 2
        expected = {
            "accuracy": metrics.accuracy_score(truth[test], found[test]),
            "balanced_accuracy": metrics.balanced_accuracy_score(truth[test], found[test]),
            "macro_f1": metrics.f1_score(truth[test], found[test], average="macro"),
            "val_accuracy": metrics.accuracy_score(truth[split == 1], found[split == 1]),
        }
        given = probabilistic.scores(truth[test], outcome.arrays["probabilities"][test], None)
        assert set(given) == {"log_loss", "brier", "ece"}
        assert outcome.metrics == pytest.approx(expected | given)
        assert sum(each["support"] for each in outcome.info["per_class"].values()) == test.sum()
        assert list(outcome.info["per_class"]) == ["class 0", "class 1", "class 2"]

    @pytest.mark.parametrize(
        ("missing", "names"),
        [(1, {"val_accuracy"}), (2, {"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "ece"})],
    )
    def test_an_empty_part_is_noted(self, world, missing, names):
        x, truth, split = rows()
        split[split == missing] = 0
        outcome = compute(classification, [classified()], world(x, truth, split))[0]
        assert {name for name, value in outcome.metrics.items() if math.isnan(value)} == names == set(outcome.notes)

    def test_a_class_that_is_absent_from_training(self, world):
        x, truth, split = rows()
        split[truth == 2] = 2
        for name in ("knn", "svm", "random_forest", "logistic_regression"):
            outcome = compute(classification, [classified(name)], world(x, truth, split))[0]
            assert outcome.failure is None
            assert outcome.info["per_class"]["class 2"]["recall"] == 0.0
            assert ("log_loss" in outcome.metrics) == ("answering" in outcome.info) == (name != "svm")
            assert name == "svm" or "have the probability 0 for their class" in outcome.notes["log_loss"]

    def test_failures_stay_with_their_member(self, world):
        configs = [classified(n_neighbors=1000), classified(), classified("logistic_regression", max_iter=1)]
        many, fine, early = compute(classification, configs, world(*rows()))
        assert "n_neighbors = 1000" in many.failure
        assert fine.failure is None
        assert early.failure.startswith("did not converge: newton-cg failed to converge")

    @pytest.mark.parametrize(
        ("spread", "reason"),
        [
            (0, "lda on pixels l2: ValueError: all 72 training rows are equal"),
            (1, "lda on pixels l2: ValueError: the 72 training rows are equal within each class"),
        ],
    )
    def test_a_failed_fit_names_the_classifier_its_representation_and_what_is_wrong(self, world, spread, reason):
        truth = np.arange(120) % CLASSES
        split = np.repeat([0, 1, 2], [72, 24, 24]).astype(np.uint8)
        inputs = world(np.repeat(spread * truth[:, None], 8, axis=1).astype(np.float32), truth, split)
        inputs.store.write("features", "e" * 64, {"info": {}, "config": {"name": "pixels"}}, {})
        parents = {"features": ["features", "e" * 64]}
        inputs.store.write(
            "matrix",
            "c" * 64,
            {"info": {"steps": ["l2"]}, "parents": parents},
            {"matrix": inputs.array("matrix", "features")},
        )
        chained = Inputs(inputs.store, {**inputs.refs, "matrix": ("matrix", "c" * 64)})
        (outcome,) = compute(classification, [classified("lda", solver="svd", shrinkage=None)], chained)
        assert outcome.failure.startswith(reason)

    def test_one_class_no_labels_no_training_rows(self, world):
        x, truth, split = rows()
        configs = [classified("svm")]
        assert "two classes" in compute(classification, configs, world(x, truth * 0, split))[0].failure
        assert "no labels" in compute(classification, configs, world(x, None, split))[0].failure
        assert "no training rows" in compute(classification, configs, world(x, truth, split * 0 + 1))[0].failure


def test_one_class_alone_is_compared_with_nothing(world):
    """Agreement with one class is 1 whatever was done."""
    x, truth, _ = rows(30)
    inputs = world(x, truth * 0)
    record = inputs.store.read("dataset", "d" * 64)
    inputs.store.amend("dataset", "d" * 64, {"info": {**record["info"], "classes": ["class 0"]}})
    (clusters,) = compute(clustering, [clustered()], inputs)
    (neighbours,) = compute(retrieval, [retrieved()], inputs)
    assert "silhouette" in clusters.metrics and not {"nmi", "purity", "cluster_accuracy"} & set(clusters.metrics)
    assert neighbours.metrics == {} and neighbours.arrays["neighbours"].shape == (30, 10)


class TestRetrieval:
    def test_duplicates_of_the_query_count_and_itself_does_not(self, world):
        x = np.ones((4, 2), dtype=np.float32)
        outcome = compute(retrieval, [retrieved(at=3)], world(x, np.array([0, 0, 1, 2])))[0]
        assert outcome.arrays["neighbours"].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
        assert outcome.metrics["precision_at_3"] == pytest.approx((1 / 3 + 1 / 3) / 4)

    def test_test_rows_against_training_rows(self, world):
        x, truth, split = rows()
        outcome = compute(retrieval, [retrieved(protocol="test_against_train")], world(x, truth, split))[0]
        found = outcome.arrays["neighbours"]
        assert found.shape == ((split == 2).sum(), 10)
        assert np.all(split[found] == 0)
        assert outcome.info["queries"] == (split == 2).sum()

    def test_fewer_rows_than_neighbours_are_noted(self, world):
        x, truth, _ = rows(5)
        outcome = compute(retrieval, [retrieved()], world(x, truth))[0]
        assert outcome.arrays["neighbours"].shape == (5, 4)
        assert not math.isnan(outcome.metrics["precision_at_10"])
        assert "over 4 neighbours" in outcome.notes["precision_at_10"]

    @pytest.mark.parametrize("split", [0, 2])
    def test_no_queries_or_nothing_to_retrieve(self, world, split):
        x, truth, _ = rows()
        inputs = world(x, truth, np.full(len(x), split, dtype=np.uint8))
        outcome = compute(retrieval, [retrieved(protocol="test_against_train")], inputs)[0]
        assert math.isnan(outcome.metrics["precision_at_10"])
        assert outcome.notes["precision_at_10"] in ("there are no queries", "there are no rows to retrieve")

    def test_unlabelled_rows_have_neighbours_alone(self, world):
        outcome = compute(retrieval, [retrieved()], world(rows()[0]))[0]
        assert outcome.metrics == {}
        assert outcome.arrays["neighbours"].shape == (120, 10)


class TestMatrix:
    STEPS = (("standardise", {}), ("pca", {"n_components": 4}), ("l2", {}))

    def chain(self, *steps, fit="all"):
        return {"steps": [conf("transform", name, **changed) for name, changed in steps], "fit": fit}

    def test_steps_in_order_fitted_where_asked(self, world):
        x, truth, split = rows()
        every, train = compute(
            matrix, [self.chain(*self.STEPS), self.chain(*self.STEPS, fit="train")], world(x, truth, split)
        )
        for outcome, fit in ((every, np.arange(len(x))), (train, np.flatnonzero(split == 0))):
            scaled = preprocessing.StandardScaler().fit(x[fit].astype(float)).transform(x.astype(float))
            reduced = decomposition.PCA(4).fit(scaled[fit]).transform(scaled)
            assert outcome.arrays["matrix"] == pytest.approx(preprocessing.normalize(reduced), abs=1e-5)
            assert outcome.arrays["matrix"].dtype == np.float32
            assert outcome.info == {"n": 120, "d": 4, "steps": ["standardise", "pca4", "l2"]}

    def test_shared_beginnings_change_nothing(self, world):
        inputs = world(*rows())
        configs = [self.chain(*self.STEPS[:stop], fit=fit) for stop in (3, 1, 2) for fit in ("all", "train")] + [
            self.chain(self.STEPS[2], self.STEPS[1])
        ]
        together = [shown(outcome) for outcome in compute(matrix, configs, inputs)]
        assert [shown(outcome) for outcome in compute(matrix, configs[::-1], inputs)][::-1] == together
        assert [shown(compute(matrix, [config], inputs)[0]) for config in configs] == together

    def test_failures_stay_with_their_member(self, world):
        configs = [self.chain(("pca", {"n_components": 99})), self.chain(("l2", {})), self.chain(("l2", {"p": 3}))]
        wide, fine, unknown = compute(matrix, configs, world(*rows()))
        assert "at most 8" in wide.failure
        assert fine.failure is None
        assert unknown.failure.startswith("ConfigError: transform(l2)")

    def test_no_training_rows(self, world):
        x, truth, split = rows()
        outcome = compute(matrix, [self.chain(*self.STEPS, fit="train")], world(x, truth, split * 0 + 1))[0]
        assert "no train rows to fit on" in outcome.failure
