"""Probabilities and decision scores of the classifiers, each against plain scikit-learn."""

from dataclasses import asdict

import numpy as np
import pytest
from classifying import NAMES, digits, predict, predictions, shard
from sklearn import discriminant_analysis, ensemble, linear_model, metrics, neighbors, neural_network, svm

from backbench import plugins

WITH_DECISIONS = ("nearest_centroid", "svm")


def fitted(name, task, train_x, train_y):
    """The same classifier of scikit-learn, fitted."""
    options = {
        option: value for option, value in asdict(task.params).items() if option not in ("temperature", "engine")
    }
    if name == "mlp":
        hidden, epochs = options.pop("hidden"), options.pop("epochs")
        model = neural_network.MLPClassifier(hidden_layer_sizes=(hidden,), **options, random_state=task.seed)
        for _ in range(epochs):
            model.partial_fit(train_x, train_y, classes=np.unique(train_y))
        return model
    make = {
        "gradient_boosting": lambda: ensemble.HistGradientBoostingClassifier(**options, early_stopping=False),
        "knn": lambda: neighbors.KNeighborsClassifier(**options, algorithm="brute"),
        "lda": lambda: discriminant_analysis.LinearDiscriminantAnalysis(**options),
        "logistic_regression": lambda: linear_model.LogisticRegression(**options),
        "random_forest": lambda: ensemble.RandomForestClassifier(**options, random_state=task.seed),
        "svm": lambda: svm.SVC(**options),
    }[name]()
    return make.fit(train_x, train_y)


def _exponential(task) -> bool:
    """Whether neighbours have weights that scikit-learn lacks; test_selecting.py has a reference for them."""
    return getattr(task.params, "weights", "") == "exponential"


def without_ties(data):
    """Rows of which no two are equally far from a third: scikit-learn leaves open which of them counts."""
    train_x, train_y, queries = data
    draw = np.random.default_rng(0)
    return *(train_x + draw.uniform(0, 0.05, train_x.shape).astype(np.float32), train_y), queries


def two_classes(data):
    """Digits 0 and 4 of the training rows; all queries."""
    train_x, train_y, queries = data
    kept = np.isin(train_y, (0, 4))
    return train_x[kept], train_y[kept], queries


@pytest.mark.parametrize("few", [False, True], ids=["ten classes", "two classes"])
# Those that choose are held against it in test_selecting.py.
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"nearest_centroid", "linear_probe", "logistic_sweep"}))
def test_equal_scikit_learn(name, few):
    data, tasks = without_ties(digits()[:3]), [task for task in shard(name) if not _exponential(task)]
    data = two_classes(data) if few else data
    wide = data if name in ("knn", "mlp", "random_forest") else [data[0].astype(float), data[1], data[2].astype(float)]
    for task, prediction in zip(tasks, predictions(plugins.load("classifier", name), data, tasks), strict=True):
        model = fitted(name, task, *wide[:2])
        if name in WITH_DECISIONS:
            scores = model.decision_function(wide[2])
            expected = np.column_stack([-scores, scores]) if few else scores
            assert prediction.probabilities is None
            assert prediction.decision == pytest.approx(expected, abs=1e-6)
        else:
            assert prediction.decision is None
            assert prediction.probabilities == pytest.approx(model.predict_proba(wide[2]), abs=1e-6)


@pytest.mark.parametrize("block", [1, 4096, 1 << 25])
def test_blocks_of_pairs_do_not_count(block, monkeypatch):
    from backbench.classifiers import _pairs

    module, data = plugins.load("classifier", "svm"), digits()[:3]
    whole = predictions(module, data, shard("svm")[:2])
    monkeypatch.setattr(_pairs, "BLOCK_BYTES", block)
    for one, other in zip(whole, predictions(module, data, shard("svm")[:2]), strict=True):
        assert np.array_equal(one.classes, other.classes)
        assert np.array_equal(one.decision, other.decision)


def test_pairs_that_are_undecided_go_as_libsvm_and_scikit_learn_have_them():
    from sklearn.utils.multiclass import _ovr_decision_function

    from backbench.classifiers import _pairs

    pairs = np.random.default_rng(0).integers(-1, 2, (50, 6)).astype(float)
    codes, decision = _pairs.decided(pairs, 4)
    assert decision == pytest.approx(_ovr_decision_function(pairs < 0, -pairs, 4))
    votes = np.zeros((50, 4))
    for number, (i, j) in enumerate([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]):
        votes[np.arange(50), np.where(pairs[:, number] > 0, i, j)] += 1
    assert np.array_equal(codes, votes.argmax(axis=1))


def test_centroids_decide_by_minus_the_distance():
    module, data, tasks = plugins.load("classifier", "nearest_centroid"), digits()[:3], shard("nearest_centroid")
    for task, prediction in zip(tasks, predictions(module, data, tasks), strict=True):
        model = neighbors.NearestCentroid(**asdict(task.params)).fit(data[0].astype(float), data[1])
        kept = ~np.isnan(model.centroids_).any(axis=0)
        if kept.all():
            lengths = metrics.pairwise_distances(data[2].astype(float), model.centroids_, metric=task.params.metric)
            assert prediction.decision == pytest.approx(-lengths, rel=1e-5)
        assert np.array_equal(np.unique(data[1])[prediction.decision.argmax(axis=1)], prediction.classes)


@pytest.mark.parametrize("name", NAMES)
def test_the_highest_is_the_predicted_class(name):
    data = digits()[:3]
    known = np.unique(data[1])
    for prediction in predictions(plugins.load("classifier", name), data, shard(name)):
        scores = prediction.decision if prediction.probabilities is None else prediction.probabilities
        assert scores.shape == (len(data[2]), len(known))
        agree = known[scores.argmax(axis=1)] == prediction.classes
        assert agree.mean() > 0.98 if name == "svm" else agree.all()
        if prediction.probabilities is not None:
            assert scores.sum(axis=1) == pytest.approx(1.0)
            assert scores.min() >= 0


@pytest.mark.parametrize("name", NAMES)
def test_the_other_members_do_not_count(name):
    module, data, tasks = plugins.load("classifier", name), digits()[:3], shard(name)
    for task, together in zip(tasks, predictions(module, data, tasks), strict=True):
        (alone,) = predictions(module, data, [task])
        for scores in ("probabilities", "decision"):
            assert np.array_equal(getattr(alone, scores), getattr(together, scores))


def test_a_neighbour_of_no_other_class_leaves_it_at_nothing():
    data = digits()[:3]
    (prediction,) = predictions(plugins.load("classifier", "knn"), data, shard("knn")[:1])
    assert set(np.unique(prediction.probabilities)) == {0.0, 1.0}
    assert predict(plugins.load("classifier", "knn"), data, shard("knn")[:1])[0][1] == {}
