"""Confusion matrices: cells, names and pairs against scikit-learn; readable at any number of classes."""

import numpy as np
import pytest
from drawn import HEADING, artists, digest, names, texts, unreadable
from sklearn.metrics import confusion_matrix

from backbench.plots import _style, confusion

FEW = ["shirt", "T-shirt", "shoe"]
COUNTS = np.array([[50, 31, 19], [8, 92, 0], [0, 0, 40]])


def draw(counts, called=None):
    return confusion.draw(HEADING, called or names(len(counts)), np.asarray(counts))


def random(classes, each=40, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(classes), each)
    found = np.where(rng.random(len(truth)) < 0.7, truth, rng.integers(0, classes, len(truth)))
    return confusion_matrix(truth, found, labels=np.arange(classes)) if classes > 1 else np.array([[each]])


def cells(picture):
    """Text of each cell by (row, column)."""
    texts = picture.figure.axes[0].texts
    return {(round(text.get_position()[1]), round(text.get_position()[0])): text for text in texts}


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_few_classes_have_counts_and_shares_in_their_cells():
    picture = draw(COUNTS, FEW)
    found = {place: text.get_text() for place, text in cells(picture).items()}
    assert (
        found[0, 0] == "50\n50%" and found[0, 1] == "31\n31%" and found[1, 0] == "8\n8%" and found[2, 2] == "40\n100%"
    )
    assert set(found) == set(zip(*map(tuple, np.nonzero(COUNTS)), strict=True)), "cells of zero are empty"
    axes = picture.figure.axes[0]
    assert labels(axes.xaxis) == labels(axes.yaxis) == FEW
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


def test_colours_are_shares_of_the_rows():
    counts = random(10)
    (image,) = draw(counts).figure.axes[0].images
    assert np.allclose(image.get_array(), counts / counts.sum(axis=1, keepdims=True))


def test_numbers_stand_out_from_their_cells():
    picture = draw(COUNTS, FEW)
    (image,) = picture.figure.axes[0].images
    inks = {place: text.get_color() for place, text in cells(picture).items()}
    assert inks[2, 2] == "white" and inks[1, 0] == "black"
    for (row, column), ink in inks.items():
        red, green, blue, _ = image.cmap(image.norm(COUNTS[row, column] / COUNTS[row].sum()))
        assert ink == _style.ink_on((red, green, blue))


def test_black_or_white_by_contrast():
    assert _style.ink_on((1, 1, 1)) == _style.ink_on((1, 0.9, 0)) == "black"
    assert _style.ink_on((0, 0, 0)) == _style.ink_on((0, 0.13, 0.3)) == "white"
    # WCAG 2.1: #757575 has 4.6 to 1 on white and 4.56 to 1 on black.
    assert _style.ink_on((0x75 / 255,) * 3) == "white" and _style.ink_on((0x77 / 255,) * 3) == "black"


def test_more_classes_have_numbers_alone():
    counts = random(30)
    found = {place: text.get_text() for place, text in cells(draw(counts)).items()}
    assert found == {place: str(count) for place, count in np.ndenumerate(counts) if count}


@pytest.mark.parametrize(("count", "said"), [(9999, "9999"), (12345, "12k"), (3_400_000, "3M")])
def test_large_numbers_are_shortened_in_cells_alone(count, said):
    picture = draw([[count, 0], [0, 1]], ["a", "b"])
    assert cells(picture)[0, 0].get_text() == f"{said}\n100%"
    assert picture.data["images"][0] == count


def test_many_classes_have_colours_and_a_list_of_the_most_confused():
    counts = random(102)
    counts[3, 70] += 500
    called = [f"class {at}" for at in range(102)]
    picture = draw(counts, called)
    assert not picture.figure.axes[0].texts
    pairs = [text.get_text() for text in artists(picture, "pair", panel=1)]
    assert len(pairs) == 10
    assert pairs[0] == f"class 3\n   mistaken for class 70: {counts[3, 70]:,} of {counts[3].sum():,}"
    shown = [int(text.rpartition(": ")[2].split(" of ")[0].replace(",", "")) for text in pairs]
    wrong = counts[~np.eye(102, dtype=bool)]
    assert shown == sorted(wrong, reverse=True)[:10]


def test_many_classes_stand_beside_those_that_they_are_taken_for():
    """Classes i and i + 20 are confused with one another alone."""
    counts = np.eye(40, dtype=int) * 60
    counts += np.roll(np.eye(40, dtype=int), 20, axis=1) * 40
    order = confusion.by_similarity(counts)
    assert sorted(order) == list(range(40))
    assert all(abs(a - b) == 20 for a, b in order.reshape(20, 2))
    picture = draw(counts, [f"class {at}" for at in range(40)])
    axes = picture.figure.axes[0]
    assert labels(axes.yaxis) == labels(axes.xaxis) == [f"class {at}" for at in order]
    assert np.array_equal(axes.images[0].get_array(), counts[np.ix_(order, order)] / 100)
    assert "ordered by similarity" in axes.get_ylabel() and "stand together" in picture.caption


def test_nothing_confused_is_said():
    picture = draw(np.eye(31, dtype=int) * 5)
    assert "All images" in " ".join(text.get_text() for text in picture.figure.axes[1].texts)
    assert "Most confused" not in picture.caption


def test_of_very_many_classes_some_are_named():
    picture = draw(random(200, each=5))
    axes = picture.figure.axes[0]
    places = axes.get_yticks()
    assert len(places) == 100 and set(np.diff(places)) == {2}
    assert axes.get_ylabel().endswith("(one of 2 is named)")


def test_a_class_without_test_images_is_grey():
    counts = COUNTS.copy()
    counts[1] = 0
    picture = draw(counts, FEW)
    (image,) = picture.figure.axes[0].images
    assert np.ma.getmaskarray(image.get_array())[1].all() and not np.ma.getmaskarray(image.get_array())[[0, 2]].any()
    assert "1 of 3 classes have no test image" in picture.caption


def test_the_table_has_every_pair_that_occurs_and_the_diagonal():
    counts = COUNTS.copy()
    counts[2] = 0
    data = draw(counts, FEW).data
    rows = list(zip(*data.values(), strict=True))
    assert list(data) == ["true_class", "predicted_class", "images", "share_of_true_class"]
    assert rows[:3] == [("shirt", "shirt", 50, 0.5), ("shirt", "T-shirt", 31, 0.31), ("shirt", "shoe", 19, 0.19)]
    assert rows[3:5] == [("T-shirt", "shirt", 8, 0.08), ("T-shirt", "T-shirt", 92, 0.92)]
    assert rows[5][:3] == ("shoe", "shoe", 0) and np.isnan(rows[5][3])


def test_the_caption_names_what_is_confused_most():
    assert "shirt mistaken for T-shirt: 31 of 100; shirt mistaken for shoe: 19 of 100" in draw(COUNTS, FEW).caption


@pytest.mark.parametrize("classes", [1, 2, 12, 30, 102, 200])
def test_names_in_any_script_and_number_can_be_read(classes):
    picture = draw(random(classes))
    assert len(texts(picture)) > 2 * min(classes, 100)
    assert not unreadable(picture)


def test_the_same_file_twice():
    assert digest(draw(random(31))) == digest(draw(random(31)))
