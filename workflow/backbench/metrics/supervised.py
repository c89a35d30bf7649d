"""Metrics of predicted classes: accuracy, balanced accuracy, macro F1, and precision and recall of each class."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def accuracy(truth: np.ndarray, found: np.ndarray) -> float:
    """Share of samples whose class is right; NaN without samples."""
    return float((truth == found).mean()) if len(truth) else float("nan")


def balanced_accuracy(truth: np.ndarray, found: np.ndarray) -> float:
    """Unweighted mean of the recalls of the classes that occur in `truth`; NaN without samples."""
    right, _, support = _counts(truth, found)
    return float((right[support > 0] / support[support > 0]).mean()) if len(truth) else float("nan")


def macro_f1(truth: np.ndarray, found: np.ndarray) -> float:
    """Unweighted mean of F1 over the classes in `truth` or `found`; equals scikit-learn's, zero_division=0."""
    right, predicted, support = _counts(truth, found)
    some = predicted + support > 0
    return float((2 * right[some] / (predicted + support)[some]).mean()) if len(truth) else float("nan")


def scores(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy and macro F1."""
    return {
        "accuracy": accuracy(truth, found),
        "balanced_accuracy": balanced_accuracy(truth, found),
        "macro_f1": macro_f1(truth, found),
    }


def per_class(truth: np.ndarray, found: np.ndarray, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support by class name; 0 where nothing was predicted or nothing is there."""
    right, predicted, support = _counts(truth, found, len(names))
    precision = _ratio(right, predicted)
    recall = _ratio(right, support)
    f1 = _ratio(2 * right, predicted + support)
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(names, precision, recall, f1, support, strict=True)
    }


def _counts(truth: np.ndarray, found: np.ndarray, classes: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(right, predicted, true) counts by class."""
    size = max(classes, int(max(truth.max(initial=-1), found.max(initial=-1))) + 1)
    right = np.bincount(truth[truth == found], minlength=size)
    return right, np.bincount(found, minlength=size), np.bincount(truth, minlength=size)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
