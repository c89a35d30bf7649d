"""Class by class: the worst ones, what they are taken for, and whether size matters, in words."""

import re

import numpy as np
import pytest
from scipy import stats
from stored import N, Stored

from backbench import cli, paths
from backbench.evaluate import classes
from backbench.store import Store

AXES = ("classifier=knn", "clusterer=none", "retrieval=none")
SIX = ("a", "b", "c", "d", "e", "f")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


def audit(predict, **given):
    (row,) = Stored(predictions=lambda stage, truth: predict(truth), **given).rows(*AXES)
    return classes.audit(row)


def shirts(truth):
    """Of the shirts (2) a third are called dress, some coat; one dress in ten is called coat."""
    place = np.arange(len(truth)) // 4
    found = np.where((truth == 2) & (place % 3 == 0), 1, truth)
    found = np.where((truth == 2) & (place % 15 == 1), 0, found)
    return np.where((truth == 1) & (place % 10 == 0), 0, found)


def test_the_worst_class_and_what_it_is_taken_for():
    found = audit(shirts)
    worst = found.worst[0]
    assert (worst.name, worst.support, worst.right, worst.taken_for, worst.taken) == ("shirt", 75, 45, "dress", 25)
    assert [own.name for own in found.worst] == ["shirt", "dress", "coat"] and found.best.recall == 1.0
    assert found.gap == pytest.approx(0.4) and worst.recall == pytest.approx(0.6) and worst.size == 150
    assert found.text.startswith(
        "The worst of 4 classes is shirt with recall 0.60 (45 of 75 test images), taken for dress most often (25). "
        "Next come dress (0.89) and coat (1.00); the best is shoe (1.00), a gap of 0.40."
    )
    assert found.text.endswith("All classes have about equally many training images, so their size explains nothing.")


def sized(shares):
    """Six classes of growing training size; of each test class the given share is right."""
    truth, split = np.zeros(N, int), np.zeros(N, np.uint8)
    split[:600] = 2
    truth[:600] = np.arange(600) % 6
    truth[600:] = np.repeat(np.arange(6), [20, 40, 80, 110, 150, 200])

    def predict(truth):
        right = np.arange(N) // 6 % 100 < 100 * np.array(shares)[truth]
        return np.where(right, truth, (truth + 1) % 6)

    return audit(predict, names=SIX, truth=truth, split=split)


def test_larger_classes_that_are_recalled_better():
    found = sized((0.1, 0.2, 0.3, 0.5, 0.8, 0.9))
    assert found.correlation == pytest.approx(1.0)
    assert (
        "Classes with more training images have higher recall (Spearman +1.00 over 6 classes with 20 to 200"
        in found.text
    )


def test_smaller_classes_that_are_recalled_better():
    assert "Classes with fewer training images have higher recall" in sized((0.9, 0.8, 0.5, 0.3, 0.2, 0.1)).text


def test_a_size_that_explains_nothing():
    shares = (0.5, 0.9, 0.3, 0.8, 0.2, 0.6)
    found = sized(shares)
    assert found.correlation == pytest.approx(stats.spearmanr(range(6), shares).statistic)
    assert "The size of a class does not explain its recall (Spearman -0.20" in found.text


def test_fewer_than_five_classes_have_no_correlation():
    assert audit(shirts).correlation is None


def test_classes_without_a_test_image_are_named_and_not_judged():
    truth = np.where(np.arange(N) < 900, np.arange(N) % 4, 0)
    truth = np.where((Stored().split == 2) & (truth == 3), 2, truth)
    found = audit(lambda truth: np.where(truth == 2, 1, truth), truth=truth)
    assert found.untested == ("shoe",) and "shoe" not in [own.name for own in found.worst]
    assert "1 class has no test image and cannot be judged: shoe." in found.text


def test_one_class_with_test_images():
    found = audit(lambda truth: truth, truth=np.where(Stored().split == 2, 1, np.arange(N) % 4))
    assert found.text.startswith("Only one class has test images: dress with recall 1.00 (300 of 300 test images).")
    assert np.isnan(found.gap) and "3 classes have no test image" in found.text


def test_no_test_rows():
    found = audit(lambda truth: truth, split=np.repeat([0, 1], N // 2).astype(np.uint8))
    assert found.text == "There are no test images, so nothing is known of single classes."
    assert (found.worst, found.best, found.correlation) == ((), None, None)


def test_all_classes_alike():
    assert audit(lambda truth: truth).text.startswith("All 4 classes have the same recall, 1.00.")


def test_few_images_are_called_so():
    split = np.zeros(N, np.uint8)
    split[:16] = 2
    found = audit(lambda truth: np.where(truth == 2, 1, truth), split=split)
    assert "shirt with recall 0.00 (0 of 4 test images, too few for more than a rough figure)" in found.text


def test_long_names_are_shortened_in_words_alone():
    names = ("x" * 300, "dress", "shirt\nnext line", "靴")
    found = audit(lambda truth: np.where(truth == 0, 3, truth), names=names)
    assert found.worst[0].name == names[0] and len(found.text) < 400 and "\n" not in found.text
    assert "taken for 靴 most often (75)" in found.text


def test_without_predictions_what_is_recorded_is_said():
    (row,) = Stored(predictions=lambda stage, truth: shirts(truth), arrays=False).rows(*AXES)
    found = classes.audit(row)
    assert (found.worst[0].right, found.worst[0].taken_for, found.worst[0].size) == (45, None, None)
    assert "taken for" not in found.text and "training" not in found.text


def test_a_run_without_a_classifier_has_none():
    (row,) = Stored().rows("classifier=none", "clusterer=agglomerative", "k=3", "retrieval=none")
    assert classes.audit(row) is None


def test_show_prints_it(capsys):
    (row,) = Stored(predictions=lambda stage, truth: shirts(truth)).rows(*AXES)
    assert cli.main(["show", row.config_hash[:8]]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^classes$", out, re.MULTILINE) and classes.audit(row, Store(paths.store())).text in out
