"""Answering only where a classifier is sure: the threshold of the highest probability, and what it leaves.

An image is answered if its highest probability is at least the threshold (selective classification: El-Yaniv and
Wiener 2010; Geifman and El-Yaniv 2017). The threshold is chosen on validation images and judged on test images, so that
the share of right answers is no flattered one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Thresholds that may be chosen, in hundredths and beyond: round numbers, too few to fit the validation images.
THRESHOLDS = (*(hundredths / 100 for hundredths in range(100)), 0.995, 0.999)
# Shares of right answers that are aimed at: the first that leaves at most half of the errors.
TARGETS = (0.9, 0.95, 0.99)
# Fewer answered validation images say too little of a threshold.
FEWEST = 20
# The threshold where none is chosen: no image has had a part in it.
USUAL = 0.9


@dataclass(frozen=True)
class Threshold:
    """A threshold, and the share of right answers that it was chosen for; None where it is the usual one."""

    value: float
    target: float | None


def target(right: np.ndarray) -> float | None:
    """The share of right answers to aim at, given which validation images (n,) are right; None if none is left."""
    if not len(right):
        return None
    wrong = 1.0 - float(right.mean())
    return next((share for share in TARGETS if 1.0 - share <= wrong / 2), None)


def choose(confident: np.ndarray, right: np.ndarray) -> Threshold:
    """The lowest threshold with which enough of the answered validation images are right.

    `confident` (n,) are their highest probabilities, `right` (n,) says whether these are of the right class. The usual
    threshold where no share is aimed at, or none is reached with `FEWEST` images or more.
    """
    wanted = target(right)
    for value in THRESHOLDS if wanted is not None else ():
        answered = reached(confident, value)
        if wanted is not None and answered.sum() >= FEWEST and right[answered].mean() >= wanted:
            return Threshold(value, wanted)
    return Threshold(USUAL, None)


def reached(confident: np.ndarray, threshold: float) -> np.ndarray:
    """Which of the highest probabilities (n,) are at least a threshold, (n,) bool; both as float32 holds them."""
    return confident.astype(np.float32) >= np.float32(threshold)


def facts(threshold: Threshold, confident: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """How many images (n,) are answered, and how many answers are right, as plain JSON."""
    answered = reached(confident, threshold.value)
    counts = {"images": len(right), "answered": int(answered.sum()), "right": int(right[answered].sum())}
    return {"threshold": threshold.value, "target": threshold.target, **counts}


def curve(confident: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every threshold (t,) that changes anything, highest first, with the numbers of answered and of right images (t,).

    `confident` (n,) are the highest probabilities, `right` (n,) says whether these are of the right class.
    """
    order = np.argsort(-confident, kind="stable")
    values = confident[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.empty(0, np.int64)
    return values[last], last + 1, right[order].cumsum()[last]
