"""Metrics of predicted classes: accuracy, balanced accuracy, macro F1, and precision and recall of each class."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of samples whose class is right, classes (n,) both; NaN without samples."""
    return float((truth == predicted).mean()) if len(truth) else float("nan")


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Unweighted mean of the recalls of the classes in `truth` (n,), from predictions (n,); NaN without samples."""
    right, _, support = _counts(truth, predicted)
    return float((right[support > 0] / support[support > 0]).mean()) if len(truth) else float("nan")


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Unweighted mean of F1 over the classes in either array (n,); equals scikit-learn's with zero_division=0."""
    right, answers, support = _counts(truth, predicted)
    some = answers + support > 0
    return float((2 * right[some] / (answers + support)[some]).mean()) if len(truth) else float("nan")


def scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy and macro F1 of predicted classes (n,)."""
    return {
        "accuracy": accuracy(truth, predicted),
        "balanced_accuracy": balanced_accuracy(truth, predicted),
        "macro_f1": macro_f1(truth, predicted),
    }


def per_class(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support by class name, from classes (n,) both; 0 instead of 0 / 0."""
    right, answers, support = _counts(truth, predicted, len(names))
    precision = _ratio(right, answers)
    recall = _ratio(right, support)
    f1 = _ratio(2 * right, answers + support)
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(names, precision, recall, f1, support, strict=True)
    }


def _counts(truth: np.ndarray, predicted: np.ndarray, classes: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, predicted and true counts by class, (classes,) each, of classes (n,) both."""
    size = max(classes, int(max(truth.max(initial=-1), predicted.max(initial=-1))) + 1)
    right = np.bincount(truth[truth == predicted], minlength=size)
    return right, np.bincount(predicted, minlength=size), np.bincount(truth, minlength=size)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Elementwise ratio (classes,); 0 where the denominator is 0."""
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
