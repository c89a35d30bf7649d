"""The reliability diagram and the curve of accuracy against coverage: what they show, from records and by hand."""

import numpy as np
import pytest
from drawn import artists, digest, unreadable
from test_pictures_heads import BOTH, TEST, TRUTH, parts, source
from test_pictures_heads import results as results

from backbench.metrics import answering, probabilistic
from backbench.pictures import catalogue
from backbench.pictures.kinds import coverage, reliability
from backbench.plots import Heading
from backbench.plots import coverage as plot

KINDS = (coverage, reliability)


def probabilities(sharp=4.0):
    """Probabilities (60, 3) of the classes, not all of them right; NaN for training images."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, 3)) * 2
    logits[np.arange(60), TRUTH] += sharp
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.where(np.arange(60)[:, None] < 20, np.nan, shares).astype(np.float32)


def certain(given):
    arrays = {**parts()["classification"]["arrays"], "probabilities": given}
    return source(BOTH, classification={"metrics": {"accuracy": 0.8}, "arrays": arrays})


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_without_probabilities_has_none(kind):
    assert kind.lacks(source(classification=None)) == "the classification is not done"
    assert kind.lacks(source()) == "the classifier gives no probabilities"
    assert kind.lacks(certain(probabilities())) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [probabilities(), np.eye(3, dtype=np.float32)[TRUTH], np.full((60, 3), 1 / 3, "f4")])
def test_texts_are_readable_and_the_file_is_the_same_twice(kind, given):
    picture = kind.draw(certain(given))
    assert digest(picture) == digest(kind.draw(certain(given)))
    assert not unreadable(picture)
    assert len({len(values) for values in picture.data.values()}) == 1


def test_the_bins_of_the_diagram_give_the_error_in_its_title():
    given = probabilities()
    picture = reliability.draw(certain(given))
    data = {name: np.array(values, float) for name, values in picture.data.items()}
    error = probabilistic.scores(TRUTH[TEST], given[TEST], None)["ece"]
    assert data["images"].sum() == TEST.sum()
    assert np.nansum(data["images"] * np.abs(data["right"] - data["claimed"])) / TEST.sum() == pytest.approx(error)
    title = next(text.get_text() for text in picture.figure.texts if text.get_gid() == "title")
    assert f"calibration error {error:.3f}" in title.replace("\n", " ")
    some = data["images"] > 0
    assert (data["right_low"][some] <= data["right"][some]).all() and np.isnan(data["right"][~some]).all()


def test_the_diagram_says_how_sure_it_is():
    sure = np.eye(3, dtype=np.float32)[(TRUTH + (np.arange(60) % 2)) % 3]
    assert "claims 100 % and is right in 50 %: it is too sure of itself" in reliability.draw(certain(sure)).caption
    modest = np.where(np.eye(3)[TRUTH] > 0, 0.5, 0.25).astype(np.float32)
    assert "is right more often than it claims" in reliability.draw(certain(modest)).caption


def test_the_curve_goes_through_the_facts_of_the_record():
    given = probabilities(2.0)
    picture, source_ = coverage.draw(certain(given)), certain(given)
    held = probabilistic.confidence(TRUTH[20:40], given[20:40])
    chosen = answering.choose(*held)
    facts = answering.facts(chosen, *probabilistic.confidence(source_.truth[TEST], given[TEST]))
    ((x,), (y,)) = next(line.get_data() for line in artists(picture, "chosen") if line.get_marker() == "o")
    assert x == pytest.approx(facts["answered"] / facts["images"])
    assert y == pytest.approx(facts["right"] / facts["answered"])
    assert picture.data["covered"][-1] == 1.0
    assert picture.data["right"][-1] == pytest.approx((given[TEST].argmax(axis=1) == TRUTH[TEST]).mean())


def test_a_threshold_that_nothing_reaches_is_said():
    curve = plot.Curve(*(np.array(part) for part in ([0.5, 0.4], [0.5, 1.0], [1.0, 0.5], [0.9, 0.4], [1.0, 0.6])))
    picture = plot.draw(Heading("a", "b", "c"), curve, 40, 0.9, "why not")
    assert "No image has a probability of 0.9 or more; why not." in picture.caption and not artists(picture, "chosen")


def test_they_are_drawn_of_the_best_classifier_alone():
    leading = {kind.name for kind in catalogue.kinds(catalogue.RUN) if kind.leading}
    assert leading == {"reliability", "coverage"}
