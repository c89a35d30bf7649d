"""Votes of support vector machines of two classes each: predictions and decision scores from one pass over the kernel.

Of more than two classes `sklearn.svm.SVC` asks libsvm once for its ``predict`` and once more for its
``decision_function``, which holds all pairs of classes of all queries. Here they come from the same values, block by
block, and equal both.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from backbench.classifiers import Prediction

if TYPE_CHECKING:
    from sklearn.svm import SVC

BLOCK_BYTES = 1 << 25
# Codes (rows,) of classes, and scores (rows, classes)
Decided: TypeAlias = tuple[np.ndarray, np.ndarray]


def prediction(model: "SVC", asked: np.ndarray) -> Prediction:
    """Classes, and decision scores (queries, classes), of a model with ``decision_function_shape="ovo"``.

    `asked` are the queries as the model wants them: rows (queries, d), at least one.
    """
    return joined(model, blocks(model, asked))


def blocks(model: "SVC", asked: np.ndarray) -> list[Decided]:
    """What the model decides for blocks of the queries (queries, d)."""
    count = len(model.classes_)
    size = max(1, BLOCK_BYTES // (4 * count * (count - 1)))
    return [decided(model.decision_function(asked[i : i + size]), count) for i in range(0, len(asked), size)]


def joined(model: "SVC", blocks: Sequence[Decided], info: Mapping[str, Any] | None = None) -> Prediction:
    """The prediction of what is decided for blocks of queries, at least one."""
    codes, decision = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return Prediction(model.classes_[codes].astype(np.int64), info or {}, decision=decision)


class Machine:
    """A model that is fitted on the kernel (n, n) of rows sorted by class, and decides by products with kernels."""

    def __init__(self, model: "SVC", counts: np.ndarray):
        """From the numbers (classes,) of rows of each class."""
        self.model, self._count = model, len(counts)
        self._ends = np.cumsum(counts)
        self._coefficients = np.zeros((self._ends[-1], self._count - 1))
        self._coefficients[model.support_] = model.dual_coef_.T

    def decided(self, kernel: np.ndarray) -> Decided:
        """Codes and scores of queries, given their kernel (queries, n) with the rows."""
        starts = self._ends - np.diff(self._ends, prepend=0)
        # Of each class its part in the decisions on the pairs that it has with the others, in order
        parts = np.stack(
            [
                kernel[:, start:stop] @ self._coefficients[start:stop]
                for start, stop in zip(starts, self._ends, strict=True)
            ],
            axis=1,
        )
        ones, others = np.triu_indices(self._count, 1)
        pairs = parts[:, ones, others - 1] + parts[:, others, ones] + self.model.intercept_
        return decided(pairs[:, 0] if self._count == 2 else pairs, self._count)


def decided(pairs: np.ndarray, count: int) -> Decided:
    """Codes (rows,) and scores float32 (rows, classes) by what is decided for each pair of classes (rows, pairs).

    Of two classes scikit-learn turns the sign, and gives (rows,). A pair at 0 is the second class's for libsvm's
    predictions, and the first one's for scikit-learn's scores.
    """
    if pairs.ndim == 1:
        return (pairs >= 0).astype(np.int64), np.column_stack([-pairs, pairs]).astype(np.float32)
    codes = _sums(pairs > 0, pairs <= 0, count).argmax(axis=1)
    confidence = _sums(pairs, -pairs, count)
    votes = _sums(pairs >= 0, pairs < 0, count)
    return codes, (votes + confidence / (3 * (np.abs(confidence) + 1))).astype(np.float32)


def _sums(first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """Sums (rows, classes) of values of pairs (rows, pairs): `first` for a pair's first class, `second` for the other.

    Pairs are in the order (0, 1), (0, 2), ..., (1, 2), ...
    """
    ones, others = np.triu_indices(count, 1)
    order = np.argsort(others, kind="stable")
    every = np.arange(count)
    sums = np.zeros((len(first), count))
    sums[:, :-1] += np.add.reduceat(first.astype(np.float64), np.searchsorted(ones, every[:-1]), axis=1)
    starts = np.searchsorted(others[order], every[1:])
    sums[:, 1:] += np.add.reduceat(second[:, order].astype(np.float64), starts, axis=1)
    return sums
