"""A line in words, by hand."""

import dataclasses

import pytest

from backbench.papers import reasons
from backbench.papers.line import Line
from backbench.papers.published import Answer, Figure
from backbench.papers.table import _inside


def line(ours, published, **more):
    given = isinstance(ours, float) and isinstance(published, float)
    difference = ours - published if given else None
    return Line(name="n", called=None, metric="purity", published=published, ours=ours, difference=difference, **more)


@pytest.mark.parametrize(
    ("found", "published", "ours", "difference", "same"),
    [
        (line(0.553, 0.5534, percent=True), "55.34 %", "55.30 %", "-0.04 points", False),
        (line(7 / 9, 0.78), "0.78", "0.78", "0.00", True),
        (line(0.6085, 0.608, percent=True, decimals=1), "60.8 %", "60.9 %", "+0.1 points", False),
        (line(0.60795, 0.608, percent=True, decimals=1), "60.8 %", "60.8 %", "0.0 points", True),
        (line(-0.001, 0.0), "0.00", "0.00", "0.00", True),
        (line(0.5, None), "not published", "0.50", "", False),
        (line(None, 0.5), "0.50", "none", "", False),
        (line("dbscan", "dbscan"), "dbscan", "dbscan", "the same", False),
        (line("kmeans k=3", "dbscan"), "dbscan", "kmeans k=3", "another", False),
        (line((0.9, 0.5), (0.9939, 0.941), percent=True), "99.39, 94.10 %", "90.00, 50.00 %", "", False),
    ],
)
def test_numbers_in_words(found, published, ours, difference, same):
    assert (found.published_text, found.ours_text, found.difference_text) == (published, ours, difference)
    assert found.same_digits is same


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"samples": 1, "chance": True}, "0.50, 1 seed"),
        ({"samples": 5, "chance": True, "low": 0.4, "high": 0.6, "over": "seeds"}, "0.50 [0.40, 0.60], 5 seeds"),
        ({"samples": 1, "low": 0.4, "high": 0.6, "over": "images", "images": 1234}, "0.50 [0.40, 0.60], 1,234 images"),
        ({"samples": 1, "low": 0.2, "high": 1.0, "over": "images", "images": 1}, "0.50 [0.20, 1.00], 1 image"),
        ({"samples": 3, "fits": 3, "over": "trainings"}, "0.50, 3 trainings"),
        ({"samples": 3, "fits": 6, "over": "trainings"}, "0.50, 3 trainings of 2 seeds each"),
        ({"samples": 2, "chance": True, "over": "images and seeds", "images": 9}, "0.50, 9 images and 2 seeds"),
    ],
)
def test_what_an_interval_is_over(more, text):
    assert line(0.5, 0.5, **more).ours_text == text


@pytest.mark.parametrize(
    ("published", "low", "high", "inside"),
    [
        (0.5534, 0.5530, 0.5540, True),
        (0.5534, 0.55344, 0.5540, True),  # 55.34 % may have been 55.344 %
        (0.5534, 0.55346, 0.5540, False),
        (0.5534, 0.5520, 0.55336, True),
        (0.5534, None, None, None),
        (None, 0.1, 0.2, None),
    ],
)
def test_rounding_belongs_to_the_published_figure(published, low, high, inside):
    figure = Figure(name="n", metric="purity", published=published, percent=True)
    assert _inside(figure, low, high) is inside


def question(*lines, stand_ins=()):
    return reasons.answer(Answer("Which?", ("a", "b")), lines, stand_ins)


def named(name, ours, inside):
    found = line(ours, 0.6)
    return dataclasses.replace(found, name=name, inside=inside)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((named("a", 0.5, False), named("b", 0.61, True)), "B: its range contains it; a is off by -0.10."),
        (
            (named("a", 0.5, False), named("b", 0.68, False)),
            "No range contains it; b is off by +0.08; a is off by -0.10.",
        ),
        (
            (named("a", 0.59, True), named("b", 0.62, True)),
            "Undecided: the ranges of a and b contain it; a is off by -0.01; b is off by +0.02.",
        ),
        (
            (named("a", 0.5, None), named("b", 0.62, None)),
            "Closest, though without a range of single runs: b is off by +0.02; a is off by -0.10.",
        ),
        ((named("a", None, None), named("b", 0.62, True)), "Undecided: of ours, there is a figure for b only."),
    ],
)
def test_answers(lines, said):
    assert question(*lines) == f"Which? {said}"
