"""Metrics of probabilities: by hand, against scikit-learn and torchmetrics, and as the stage reports them."""

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from backbench.metrics import answering, probabilistic

CLASSES = 8


def drawn(seed, n=300, classes=CLASSES, sharp=2.0):
    """Classes (n,) and probabilities (n, classes) float32 that are right more often than not."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) * sharp
    logits[np.arange(n), truth] += sharp
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return truth, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def calibrated(seed, n=400):
    """Highest probabilities (n,), and which are right (n,): as many as they say."""
    rng = np.random.default_rng(seed)
    confident = rng.beta(4, 1.5, n)
    return confident, rng.random(n) < confident


def of_votes(seed, n=300, classes=CLASSES, votes=5):
    """Classes (n,) and shares of five votes (n, classes): ties, zeros and ones."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    cast = np.where(rng.random((n, votes)) < 0.5, truth[:, None], rng.integers(0, classes, (n, votes)))
    counts = (cast[:, :, None] == np.arange(classes)).sum(axis=1)
    return truth, (counts / votes).astype(np.float32)


class TestKnownAnswers:
    truth = np.array([0, 1, 2, 2])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], np.float32)

    def test_log_loss(self):
        eps = np.finfo(np.float32).eps
        expected = [-math.log(0.7), -math.log(0.5), -math.log(1 - eps), -math.log(eps)]
        assert probabilistic.log_losses(self.truth, self.probabilities) == pytest.approx(expected, abs=1e-7)
        assert -math.log(eps) == pytest.approx(15.942385)

    def test_brier(self):
        expected = [0.09 + 0.04 + 0.01, 0.5, 0.0, 2.0]
        assert probabilistic.brier_scores(self.truth, self.probabilities) == pytest.approx(expected, abs=1e-7)

    def test_calibration_error(self):
        """Four bins of one image each, the first of equal classes counts: |1 - 0.7|, |0 - 0.5|, |1 - 1| + |0 - 1|."""
        confident, right = probabilistic.confidence(self.truth, self.probabilities)
        assert confident == pytest.approx([0.7, 0.5, 1, 1]) and right.tolist() == [True, False, True, False]
        assert probabilistic.bins(confident).tolist() == [10, 7, 15, 15]
        assert probabilistic.calibration_error(confident, right) == pytest.approx((0.3 + 0.5 + 1.0) / 4)

    def test_among_first(self):
        scores = np.tile(np.array([6, 5, 4, 3, 2, 2, 2, 1.0]), (8, 1))
        assert probabilistic.among_first(np.arange(8), scores) == pytest.approx([1, 1, 1, 1, 1 / 3, 1 / 3, 1 / 3, 0])

    def test_a_class_without_scores_is_the_last(self):
        scores = np.array([[3, 2, 1, 0, np.nan, np.nan]] * 2)
        assert probabilistic.among_first(np.array([3, 4]), scores).tolist() == [1, 0]

    def test_perfect_and_hopeless(self):
        truth = np.arange(CLASSES)
        sure = np.eye(CLASSES, dtype=np.float32)
        good, bad = (probabilistic.scores(truth, given, None) for given in (sure, np.roll(sure, 1, axis=1)))
        assert good == pytest.approx({"top_5_accuracy": 1, "log_loss": 0, "brier": 0, "ece": 0}, abs=1e-6)
        # Of the seven classes with the probability 0, four have a place among the first five.
        assert bad == pytest.approx({"top_5_accuracy": 4 / 7, "log_loss": 15.942385, "brier": 2, "ece": 1})

    def test_which_classifiers_have_which(self):
        truth, probabilities = drawn(0)
        assert list(probabilistic.scores(truth, probabilities, None)) == ["top_5_accuracy", "log_loss", "brier", "ece"]
        assert list(probabilistic.scores(truth, None, probabilities)) == ["top_5_accuracy"]
        assert list(probabilistic.scores(*drawn(0, classes=5), None)) == ["log_loss", "brier", "ece"]
        assert probabilistic.scores(truth, None, None) == {}
        none = probabilistic.scores(truth[:0], probabilities[:0], None)
        assert len(none) == 4 and all(map(math.isnan, none.values()))


@pytest.mark.parametrize("make", [drawn, of_votes], ids=["any", "of votes"])
@pytest.mark.parametrize("classes", [2, CLASSES])
def test_equals_scikit_learn(make, classes):
    truth, probabilities = make(1, classes=classes)
    values = probabilistic.scores(truth, probabilities, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sums of float32 are not one to the last digit
        assert values["log_loss"] == pytest.approx(reference.log_loss(truth, probabilities), rel=1e-5)
        whole = probabilities if classes > 2 else probabilities[:, 1]
        brier = reference.brier_score_loss(truth, whole, scale_by_half=False)
        assert values["brier"] == pytest.approx(brier, rel=1e-5)


def test_the_first_five_equal_scikit_learn():
    truth, probabilities = drawn(2)
    expected = reference.top_k_accuracy_score(truth, probabilities, k=5, labels=np.arange(CLASSES))
    assert probabilistic.scores(truth, probabilities, None)["top_5_accuracy"] == expected < 1


def test_ties_count_as_orders_at_random_do():
    truth, shares = of_votes(3)
    rng = np.random.default_rng(0)
    chances = [
        reference.top_k_accuracy_score(truth, shares + rng.uniform(0, 1e-3, shares.shape), k=5, labels=range(CLASSES))
        for _ in range(200)
    ]
    expected = probabilistic.scores(truth, shares, None)["top_5_accuracy"]
    assert np.mean(chances) == pytest.approx(expected, abs=4 * np.std(chances) / math.sqrt(200))


@pytest.mark.parametrize("make", [drawn, of_votes], ids=["any", "of votes"])
@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_equals_torchmetrics(make, seed):
    import torch

    classification = pytest.importorskip("torchmetrics.functional.classification")
    truth, probabilities = make(seed)
    given = torch.from_numpy(probabilities), torch.from_numpy(truth)
    theirs = classification.multiclass_calibration_error(*given, num_classes=CLASSES, n_bins=15, norm="l1")
    assert probabilistic.scores(truth, probabilities, None)["ece"] == pytest.approx(float(theirs), abs=1e-6)


def test_the_error_of_calibrated_probabilities_is_foretold():
    errors = [probabilistic.calibration_error(*calibrated(seed)) for seed in range(300)]
    assert probabilistic.chance_error(calibrated(0)[0]) == pytest.approx(np.mean(errors), rel=0.05)


class TestAnswering:
    def test_known_answers(self):
        """Of 100 images 30 are wrong, all with probabilities below 0.6: to be right in 90 %, answer from 0.57 on."""
        confident = np.concatenate([np.linspace(0.5, 0.595, 20), np.linspace(0.5, 0.59, 10), np.linspace(0.6, 1, 70)])
        right = np.arange(100) >= 30
        chosen = answering.choose(confident, right)
        assert chosen.target == 0.9
        before = answering.reached(confident, round(chosen.value - 0.01, 2))
        answered = answering.reached(confident, chosen.value)
        assert right[before].mean() < 0.9 <= right[answered].mean()
        assert answering.facts(chosen, confident, right) == {
            "threshold": chosen.value,
            "target": 0.9,
            "images": 100,
            "answered": int(answered.sum()),
            "right": 70,
        }

    @pytest.mark.parametrize(
        ("share", "target"), [(0.5, 0.9), (0.79, 0.9), (0.82, 0.95), (0.91, 0.99), (0.97, 0.99), (0.99, None)]
    )
    def test_the_target_halves_the_errors(self, share, target):
        assert answering.target(np.arange(100) < 100 * share) == target

    def test_where_nothing_can_be_chosen_the_usual_threshold_stands(self):
        rng = np.random.default_rng(0)
        usual = answering.Threshold(answering.USUAL, None)
        assert answering.choose(np.empty(0), np.empty(0, bool)) == usual
        assert answering.choose(rng.random(200), rng.random(200) < 0.5) == usual
        assert answering.choose(np.full(answering.FEWEST - 1, 0.5), np.ones(answering.FEWEST - 1, bool)) == usual

    def test_a_probability_at_the_threshold_counts(self):
        assert answering.reached(np.array([0.9, 0.7], np.float32).astype(float), 0.9).tolist() == [True, False]
        assert answering.reached(np.array([0.7], np.float32).astype(float), 0.7).tolist() == [True]

    def test_the_curve_has_every_threshold(self):
        confident, right = np.array([0.5, 0.9, 0.9, 0.2]), np.array([True, True, False, False])
        values, answered, good = answering.curve(confident, right)
        assert (values.tolist(), answered.tolist(), good.tolist()) == ([0.9, 0.5, 0.2], [2, 3, 4], [1, 2, 2])
        assert all(len(part) == 0 for part in answering.curve(confident[:0], right[:0]))

    def test_a_choice_on_validation_keeps_its_word_on_test(self):
        """Over many draws, the share of right answers on other images is near the share that was aimed at."""
        differences = []
        for seed in range(40):
            chosen = answering.choose(*calibrated(seed))
            facts = answering.facts(chosen, *calibrated(1000 + seed))
            assert chosen.target is not None
            differences.append(facts["right"] / facts["answered"] - chosen.target)
        assert np.mean(differences) == pytest.approx(0, abs=0.015)
