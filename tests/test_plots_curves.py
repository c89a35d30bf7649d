"""Curves over epochs: their values, the best epoch, why it ended, and the axis that fits them."""

import math

import pytest
from drawn import HEADING, artists, digest, unreadable

from backbench.plots import _files, curves

LOSSES = {"training images": [0.30, 0.20, 0.10, 0.09], "validation images": [0.28, 0.19, 0.15, 0.16]}
UNIT = "mean squared error per pixel (0 to 1)"


def drawn(found=LOSSES, best=("validation images", 3), stopped="stopped early, after epoch 4 of at most 50"):
    return curves.draw(HEADING, found, UNIT, "A caption.", best, stopped)


def test_a_curve_has_its_values_from_the_first_epoch_on():
    picture = drawn()
    found = {line.get_label(): line.get_xydata().tolist() for line in artists(picture, "curve")}
    assert found["training images"] == [[1, 0.30], [2, 0.20], [3, 0.10], [4, 0.09]]
    assert picture.data == {"epoch": [1, 2, 3, 4], **LOSSES}


def test_curves_are_told_apart_without_colours():
    lines = artists(drawn(), "curve")
    assert len({line.get_linestyle() for line in lines}) == len({line.get_marker() for line in lines}) == 2


def test_the_best_epoch_is_marked_on_the_curve_that_decides():
    rule, ring = artists(drawn(), "best")
    assert rule.get_xdata()[0] == 3 and ring.get_xydata().tolist() == [[3, 0.15]]
    assert ring.get_label() == "best epoch 3: 0.15 (validation images)"
    assert not artists(drawn(best=None), "best")


def test_why_it_ended_is_said():
    axes = drawn().figure.axes[0]
    assert axes.get_title(loc="right") == "stopped early, after epoch 4 of at most 50"
    assert axes.get_xlabel() == "epoch (passes over the training images)" and axes.get_ylabel() == UNIT


@pytest.mark.parametrize(
    ("values", "found"),
    [([1.0, 0.5], "linear"), ([1.0, 0.05], "log"), ([1.0, 0.0], "linear"), ([1.0, -0.1], "linear"), ([1.0], "linear")],
)
def test_orders_of_magnitude_stand_on_a_logarithmic_axis(values, found):
    axes = drawn({"loss": values}, None).figure.axes[0]
    assert axes.get_yscale() == found and ("logarithmic" in axes.get_ylabel()) == (found == "log")


def test_a_logarithmic_axis_has_numbers_that_can_be_read():
    picture = drawn({"training images": [0.9, 0.05, 0.02], "validation images": [0.8, 0.06, 0.03]})
    picture.figure.draw_without_rendering()
    axes = picture.figure.axes[0]
    low, high = axes.get_ylim()
    shown = [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert "0.05" in shown and "0.1" in shown and not unreadable(picture)


@pytest.mark.parametrize("epochs", [1, 2, 40, 41, 2000])
def test_one_epoch_and_thousands(epochs):
    values = [1 / (epoch + 1) for epoch in range(epochs)]
    picture = drawn({"training images": values, "validation images": values}, ("validation images", epochs))
    assert not unreadable(picture)
    assert all((line.get_marker() != "") == (epochs <= curves.MARKED) for line in artists(picture, "curve"))
    assert all(float(tick).is_integer() for tick in picture.figure.axes[0].get_xticks())


def test_a_shorter_curve_is_empty_at_its_end():
    data = drawn({"a": [1.0, 2.0], "b": [1.0]}, None).data
    assert data["b"][0] == 1.0 and math.isnan(data["b"][1])
    assert _files.table(drawn({"a": [1.0, 2.0], "b": [1.0]}, None)) == "epoch,a,b\n1,1.0,1.0\n2,2.0,\n"


def test_the_same_file_twice():
    assert digest(drawn()) == digest(drawn())
