"""Metrics of probabilities of the classes: log-loss, Brier score, calibration error, and accuracy of the first five.

Arrays of probabilities or of other scores are (n, classes) with a column for each class of the data set. A class that
no training image has has the probability 0, or a score of NaN, which is below all others.
"""

from collections.abc import Callable, Mapping

import numpy as np

FIRST = 5
BINS = 15
# Accuracy of the first five says nothing of fewer classes than six.
FEWEST_CLASSES = FIRST + 1

PerImage = Callable[[np.ndarray, np.ndarray], np.ndarray]


def among_first(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Whether the class of each image (n,) is among the five with the highest scores (n, classes), (n,) float64.

    Of classes that tie for the last of the five places, each has an equal part of them: the value is then the chance
    that an order drawn at random puts the class among the five. Without ties, the mean equals
    `sklearn.metrics.top_k_accuracy_score` with ``k=5``.
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    true = known[np.arange(len(truth)), truth][:, None]
    above, equal = (known > true).sum(axis=1), (known == true).sum(axis=1)
    chance = np.clip((FIRST - above) / np.maximum(equal, 1), 0.0, 1.0)
    return np.where(np.isfinite(true[:, 0]), chance, 0.0)


def log_losses(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Minus the natural logarithm of the probability of the class of each image (n,), (n,) float64.

    Clipped as in `sklearn.metrics.log_loss`, to [eps, 1 - eps] with the precision eps of the array's type: a class
    with the probability 0 costs 15.9 in float32.
    """
    eps = np.finfo(probabilities.dtype).eps
    given = probabilities[np.arange(len(truth)), truth]
    return -np.log(np.clip(given, eps, 1 - eps).astype(np.float64))


def brier_scores(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Squared distance (n,), from 0 to 2, of the probabilities of each image from certainty of its class (n,).

    Brier (1950), equation 2; the mean equals `sklearn.metrics.brier_score_loss` with ``scale_by_half=False``, for two
    classes as for more.
    """
    wrong = probabilities.astype(np.float64)
    wrong[np.arange(len(truth)), truth] -= 1.0
    return (wrong * wrong).sum(axis=1)


# The metrics that are means of a value of each image.
PER_IMAGE: Mapping[str, PerImage] = {
    "top_5_accuracy": among_first,
    "log_loss": log_losses,
    "brier": brier_scores,
}


def confidence(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest probability of each image (n,) float64, and whether the class that has it is right, (n,) bool.

    Of classes with equal probabilities the first counts.
    """
    first = probabilities.argmax(axis=1)
    return probabilities[np.arange(len(first)), first].astype(np.float64), first == truth


def bins(confident: np.ndarray) -> np.ndarray:
    """The bin (n,) of each highest probability (n,): 0 to 14 of equal width, closed below, and 15 for certainty."""
    edges = np.linspace(0.0, 1.0, BINS + 1, dtype=np.float32)
    return np.clip(np.searchsorted(edges, confident.astype(np.float32), side="right") - 1, 0, BINS)


def calibration_error(confident: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error of the highest probabilities (n,) and whether they are `right` (n,); NaN of none.

    The mean, weighted by the images of each bin, of how far the share of right images is from the mean probability
    (Naeini et al. 2015; Guo et al. 2017, equation 3). Equals torchmetrics' ``MulticlassCalibrationError`` with 15 bins
    and the norm l1, in which certainty (a probability of 1) has a bin of its own.
    """
    if not len(confident):
        return float("nan")
    gaps = np.bincount(bins(confident), right - confident, minlength=BINS + 1)
    return float(np.abs(gaps).sum() / len(confident))


def chance_error(confident: np.ndarray) -> float:
    """The calibration error that perfectly calibrated probabilities (n,) have on average on so few images.

    The gap of a bin is then the sum of independent errors with the variances p (1 - p), close to normal, whose mean
    size is sqrt(2 / pi) times its standard deviation. NaN of none.
    """
    if not len(confident):
        return float("nan")
    spread = np.bincount(bins(confident), confident * (1 - confident), minlength=BINS + 1)
    return float(np.sqrt(2 / np.pi * spread).sum() / len(confident))


def scores(truth: np.ndarray, probabilities: np.ndarray | None, decision: np.ndarray | None) -> dict[str, float]:
    """The metrics of images with the classes `truth` (n,); NaN without images.

    From `probabilities` (n, classes) all of them; from `decision` scores (n, classes) only the accuracy of the first
    five; from neither none. With five classes or fewer there is no accuracy of the first five.
    """
    ordered = decision if probabilities is None else probabilities
    if ordered is None:
        return {}
    first = {"top_5_accuracy": ordered} if ordered.shape[1] >= FEWEST_CLASSES else {}
    others = {} if probabilities is None else dict.fromkeys(("log_loss", "brier"), probabilities)
    values = {}
    for name, given in (first | others).items():
        values[name] = float(PER_IMAGE[name](truth, given).mean()) if len(truth) else float("nan")
    if probabilities is not None:
        values["ece"] = calibration_error(*confidence(truth, probabilities))
    return values
