"""Scores of the classes and their sizes: against scikit-learn and scipy; honest about what is left out."""

import math

import numpy as np
import pytest
from drawn import HEADING, artists, digest, names, unreadable
from scipy.stats import spearmanr
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from backbench.plots import _files, per_class, size_recall


def predicted(classes, each=30, seed=0):
    """(truth, predictions): the last class never occurs, the first is never predicted."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(max(1, classes - 1)), each)
    found = np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(1, max(2, classes), len(truth)))
    return (truth, np.maximum(found, 1)) if classes > 1 else (truth, np.zeros_like(truth))


def matrix(classes):
    truth, found = predicted(classes)
    return confusion_matrix(truth, found, labels=np.arange(classes)) if classes > 1 else np.array([[len(truth)]])


def draw(classes):
    return per_class.draw(HEADING, names(classes), matrix(classes))


def marks(picture, score):
    """Values of a score from the top of the picture to its bottom."""
    (line,) = artists(picture, score)
    return np.asarray(line.get_xdata())[np.argsort(line.get_ydata())]


def side(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_scores_are_those_of_scikit_learn():
    found = per_class.scores(matrix(12))
    wanted = precision_recall_fscore_support(*predicted(12), labels=np.arange(12), zero_division=np.nan)
    for ours, theirs in zip((found.precision, found.recall, found.f1, found.support), wanted, strict=True):
        assert np.allclose(ours, theirs, equal_nan=True)
    assert math.isnan(found.precision[0]) and math.isnan(found.recall[11])


def test_classes_stand_by_f1_the_lowest_on_top():
    counts = np.array([[8, 2, 0], [1, 9, 0], [5, 0, 5]])
    picture = per_class.draw(HEADING, ["a", "b", "c"], counts)
    assert marks(picture, "f1") == pytest.approx([2 / 3, 2 / 3, 6 / 7])
    assert marks(picture, "precision") == pytest.approx([8 / 14, 1, 9 / 11])
    assert marks(picture, "recall") == pytest.approx([0.8, 0.5, 0.9])
    axes = picture.figure.axes[0]
    assert side(axes.yaxis) == ["a", "c", "b"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1] and axes.get_xlim() == (0, 1)


def test_support_stands_at_the_right():
    counts = np.diag([7, 1200, 30])
    counts[0, 1] = 3
    picture = per_class.draw(HEADING, ["a", "b", "c"], counts)
    (right,) = picture.figure.axes[0].child_axes
    assert side(right.yaxis) == ["10", "1,200", "30"]
    assert right.get_ylabel() == "test images"


def test_equal_scores_can_all_be_seen():
    picture = per_class.draw(HEADING, ["a", "b"], np.diag([5, 5]))
    heights = {float(artists(picture, score)[0].get_ydata()[0]) for score in ("precision", "recall", "f1")}
    assert len(heights) == 3


def test_the_legend_names_the_marks():
    (legend,) = draw(4).figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["precision", "recall", "F1"]
    assert len({handle.get_marker() for handle in legend.legend_handles}) == 3


def test_forty_classes_are_all_shown():
    picture = draw(40)
    assert len(marks(picture, "f1")) == 40 and not artists(picture, "gap")


def test_of_more_classes_the_worst_and_the_best_are_shown_and_the_table_has_all():
    picture = draw(102)
    every = per_class.scores(matrix(102)).f1
    known = np.sort(np.nan_to_num(every, nan=2.0))
    shown = marks(picture, "f1")
    assert np.allclose(np.nan_to_num(shown, nan=2.0), np.concatenate([known[:20], known[-20:]]))
    (gap,) = artists(picture, "gap")
    assert gap.get_text().startswith("62 classes in between are not shown")
    assert "20 worst and the 20 best of 102" in picture.caption
    assert list(picture.data) == ["class", "precision", "recall", "f1", "support"]
    assert sorted(picture.data["class"]) == sorted(names(102))


def test_what_is_undefined_is_not_drawn_and_is_said():
    picture = draw(12)
    assert np.isnan(marks(picture, "recall")).sum() == np.isnan(marks(picture, "precision")).sum() == 1
    assert "1 of 12 classes: without test images" in picture.caption
    assert "1 of 12 classes: never predicted" in picture.caption
    assert "nan" not in _files.table(picture)


def test_the_caption_has_the_worst_and_the_best():
    picture = per_class.draw(HEADING, ["北京", "b"], np.array([[5, 5], [0, 10]]))
    assert "F1 ranges from 0.667 (北京) to 0.800 (b)" in picture.caption


@pytest.mark.parametrize("classes", [1, 2, 10, 102])
def test_names_in_any_script_and_number_can_be_read(classes):
    assert not unreadable(draw(classes))


# Size against recall


def sized(sizes, recalls, called=None):
    sizes, recalls = np.asarray(sizes), np.asarray(recalls, dtype=float)
    return size_recall.draw(HEADING, called or names(len(sizes)), sizes, recalls, np.full(len(sizes), 10))


def many(classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(5, 2000, classes), rng.uniform(0.5, 0.7, classes)


def named(picture):
    picture.figure.draw_without_rendering()
    return [text.get_text() for text in artists(picture, "name")]


def test_every_class_is_a_mark():
    sizes, recalls = many(50)
    picture = sized(sizes, recalls)
    (line,) = artists(picture, "classes")
    assert np.array_equal(line.get_xydata(), np.column_stack([sizes, recalls]))
    axes = picture.figure.axes[0]
    assert axes.get_xscale() == "log" and "training images" in axes.get_xlabel()


def test_the_correlation_is_spearmans():
    sizes, recalls = many(50)
    wanted = f"Spearman correlation {spearmanr(sizes, recalls).statistic:+.2f}"
    picture = sized(sizes, recalls)
    assert wanted.replace("correlation ", "correlation is ") in picture.caption
    (about,) = [text for text in picture.figure.texts if text.get_gid() == "about"]
    assert wanted in " ".join(about.get_text().split())


def test_the_line_is_the_least_squares_one():
    sizes, recalls = many(50)
    (line,) = artists(sized(sizes, recalls), "trend")
    slope, start = np.polyfit(np.log10(sizes), recalls, 1)
    assert np.allclose(line.get_ydata(), start + slope * np.log10(line.get_xdata()))


def test_outliers_are_named():
    sizes, recalls = many(80)
    recalls[[7, 33]] = 0.05, 0.99
    called = [f"class {at}" for at in range(80)]
    found = named(sized(sizes, recalls, called))
    assert {"class 7", "class 33"} <= set(found) and len(found) <= 10


def test_few_classes_are_all_named():
    assert sorted(named(sized([10, 100, 1000], [0.2, 0.5, 0.6], ["a", "b", "c"]))) == ["a", "b", "c"]


@pytest.mark.parametrize("sizes", [[50] * 5, [205, 206, 205, 206, 206]])
def test_sizes_as_good_as_equal_explain_nothing(sizes):
    picture = sized(sizes, [0.1, 0.9, 0.3, 0.4, 0.5])
    assert "size explains nothing here" in picture.caption
    assert not artists(picture, "trend")
    low, high = picture.figure.axes[0].get_xlim()
    assert high / low >= 1.45, "a difference of nothing is not drawn as one"


def test_two_classes_have_no_correlation():
    picture = sized([10, 100], [0.1, 0.9])
    assert "undefined" in picture.caption and not artists(picture, "trend")


def test_a_class_without_training_images_has_its_place():
    sizes, recalls = many(20)
    sizes[3] = 0
    picture = sized(sizes, recalls)
    low, high = picture.figure.axes[0].get_xlim()
    assert low < 0 < sizes.max() < high


def test_a_class_without_test_images_is_left_out_and_said():
    picture = sized([10, 20, 30, 40], [0.5, math.nan, 0.6, 0.7], list("abcd"))
    assert len(artists(picture, "classes")[0].get_xdata()) == 3
    assert "1 of 4 classes" in picture.caption
    assert picture.data["class"] == list("abcd") and math.isnan(picture.data["recall"][1])


def test_no_class_with_test_images():
    assert "0 classes" in sized([10, 20], [math.nan, math.nan]).caption


@pytest.mark.parametrize("classes", [2, 10, 200])
def test_names_of_any_script_and_number_can_be_read_beside_their_marks(classes):
    assert not unreadable(sized(*many(classes)))


def test_the_same_file_twice():
    assert digest(draw(12)) == digest(draw(12))
    assert digest(sized(*many(30))) == digest(sized(*many(30)))
