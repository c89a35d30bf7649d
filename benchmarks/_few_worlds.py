"""Classifiers that learn from few images of each class, with a known truth, for `inference.py`.

Classes are normal clouds; a classifier takes the nearest centroid of the images that it learns from. The truth is what
it gets right on average over all draws from the same training images and over all test images.
"""

from functools import cache

import numpy as np
from _worlds import SHARE, Claims, Judged, weights

from backbench.datasets import _shots
from backbench.evaluate import estimates, learning_curves
from backbench.evaluate.estimates import Estimate, Replicated
from backbench.statistics import replicates

# Columns, images for the truth, and draws for it.
COLUMNS, MANY, TRUE_DRAWS = 8, 4000, 150


def few_shot(seed: int, n: int, k: int, shots: int, draws: int, pool: int) -> Claims:
    """A classifier that learns from `shots` and from twice as many of `pool` training images of each of k classes, in
    so many draws, and is judged by n test images: the mean of either, and the gain."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(k), pool)
    train = _images(rng, labels)
    truth, many = (rng.integers(0, k, count) for count in (n, MANY))
    test, population = _images(rng, truth), _images(rng, many)

    def right(number: int, draw: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        rows = _shots.drawn(np.arange(len(labels)), labels, number, draw)
        centres = np.stack([train[rows[labels[rows] == label]].mean(axis=0) for label in range(k)])
        return np.asarray(((x**2).sum(1)[:, None] - 2 * x @ centres.T + (centres**2).sum(1)).argmin(1) == y)

    judged = {number: [right(number, draw, test, truth) for draw in range(draws)] for number in (shots, 2 * shots)}
    real = {
        number: float(np.mean([right(number, draw, population, many).mean() for draw in range(TRUE_DRAWS)]))
        for number in judged
    }
    sides = {number: _sides(each) for number, each in judged.items()}
    claims = {f"mean of {number} a class": _claim(_mean(side), real[number]) for number, side in sides.items()}
    gain = learning_curves.gain(sides[shots], sides[2 * shots])
    return {**claims, "gain": _claim(gain, real[2 * shots] - real[shots])}


@cache
def _centres() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(64, COLUMNS)) * 1.1


def _images(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Images (n, d) of these classes; some are harder than others, whatever is learnt from."""
    return _centres()[labels] + rng.normal(size=(len(labels), COLUMNS)) * rng.choice([0.6, 1.6], len(labels))[:, None]


def _sides(judged: list[np.ndarray]) -> learning_curves.Draws:
    """The accuracy of each draw, with its values on samples of the test images."""
    n = len(judged[0])
    ones = np.ones(n, np.int64)
    return {
        draw: (float(right.mean()), replicates.accuracy_like("accuracy", ones, right.astype(np.int64), weights(n)), n)
        for draw, right in enumerate(judged)
    }


def _mean(side: learning_curves.Draws) -> Estimate:
    values, drawn = [value for value, _, _ in side.values()], [drawn for _, drawn, _ in side.values()]
    return estimates.estimate(values, Replicated(np.stack(drawn), side[0][2], share=True), False, SHARE, drawn=True)


def _claim(estimate: Estimate, truth: float) -> Judged:
    span = None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)
    return Judged(estimate.mean, span, truth)
