"""Confident learning: which labels are doubtful, from probabilities that do not know them.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021. The
probabilities (n, classes) have to be out of fold: a model that has seen a label believes it.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Doubt:
    """What probabilities say of the labels of n images.

    Attributes
    ----------
    confidence : probability (n,) of the given class (self-confidence): the lower, the more doubtful
    best : the highest probability (n,)
    suggested : class (n,) int64 that confident learning would give; the given one where it has no other
    doubtful : whether that is another class than the given one, (n,) bool
    """

    confidence: np.ndarray
    best: np.ndarray
    suggested: np.ndarray
    doubtful: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """Numbers (n,) of the images, the least self-confidence first; of equal ones the surest of another class."""
        return np.lexsort((-self.best, self.confidence))


def doubt(given: np.ndarray, probabilities: np.ndarray) -> Doubt:
    """The doubts about the given classes (n,) int, by probabilities (n, classes).

    An image counts for a class if its probability is at least the mean that images with this label have (section 3.1,
    equation 1); of several such classes for the most probable one. It is doubtful if that is not its own class. The
    paper's estimate of how many labels are wrong is left out: it takes every confident error of a classifier for a
    wrong label.
    """
    given = given.astype(np.int64)
    count = probabilities.shape[1]
    confidence = probabilities[np.arange(len(given)), given].astype(np.float64)
    images = np.bincount(given, minlength=count)
    sums = np.bincount(given, confidence, minlength=count)
    # A class that none of its images has a probability for was unknown to the fits: nothing is said of it.
    known = sums > 0
    thresholds = np.divide(sums, images, out=np.full(count, np.inf), where=known)
    above = probabilities >= thresholds
    best = np.where(above, probabilities, -np.inf).argmax(axis=1)
    suggested = np.where(above.any(axis=1) & known[given], best, given)
    return Doubt(confidence, probabilities.max(axis=1).astype(np.float64), suggested, suggested != given)
