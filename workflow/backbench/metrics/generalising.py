"""How well linear classifiers generalise a labeling: each row labelled by a classifier that has not seen it.

The score by which Gadetsky et al. 2024 choose among labellings without classes, in a form that costs one factorisation
for all labelings of a matrix: ridge regression on indicators of the clusters, whose leave-one-out predictions follow
from the leverages of the rows (Hastie, Tibshirani and Friedman 2009, 7.10), and Cohen's kappa in place of the share of
right labels, which a single large cluster has for nothing. It compares labelings with the same number of clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backbench import threads
from backbench.metrics import _scatter, labels

NAME = "generalisation"
# The penalty, as a share of the mean squared distance of the rows from their mean.
PENALTY = 0.01
ALIKE = "the rows are all alike"


def scores(x: np.ndarray, labelings: Sequence[np.ndarray], widths: Sequence[int] = ()) -> tuple[list[float], str]:
    """The score of each labeling of rows (n, d), -1 to 1, and why all are NaN if they are.

    Parameters
    ----------
    labelings : arrays of shape (n,) with two clusters or more; negative is noise, which belongs to no cluster
    widths : of representations side by side in the columns; the score is then the mean over these
    """
    ends = np.cumsum(widths or (x.shape[1],))
    blocks = [x[:, end - width : end] for end, width in zip(ends, widths or (x.shape[1],), strict=True)]
    if any(map(_scatter.too_large, blocks)):
        return [float("nan")] * len(labelings), _scatter.TOO_LARGE
    ridges = [_ridge(block) for block in blocks] if labelings else []
    if any(ridge is None for ridge in ridges):
        return [float("nan")] * len(labelings), ALIKE
    parts = [labels.canonical(labeling) for labeling in labelings]
    every = [list(threads.in_order(ridge.kappa, parts)) for ridge in ridges if ridge is not None]
    return [float(np.mean(each)) for each in zip(*every, strict=True)], ""


@dataclass(frozen=True)
class _Ridge:
    """Rows (n, d), their mean (d,), the Cholesky factor (d, d) of their penalised scatter, the leverages (n,)."""

    rows: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    leverages: np.ndarray

    def kappa(self, part: np.ndarray) -> float:
        """Cohen's kappa of a labeling (n,) and the labels by classifiers without the row."""
        kept = np.flatnonzero(part >= 0)
        count = int(part.max()) + 1
        guessed = np.concatenate([*self._guesses(part, count)])[kept]
        right = float((guessed == part[kept]).mean())
        shares = np.bincount(guessed, minlength=count) @ np.bincount(part[kept], minlength=count)
        chance = float(shares) / len(kept) ** 2
        return (right - chance) / (1 - chance)

    def _guesses(self, part: np.ndarray, count: int) -> list[np.ndarray]:
        """Labels (b,) of the rows of each block by leave-one-out ridge regression on a labeling (n,)."""
        from scipy import linalg

        shares = np.bincount(part[part >= 0], minlength=count) / len(part)
        sums = np.zeros((count, self.rows.shape[1]))
        for span in _scatter.spans(len(part)):
            sums += _indicators(part[span], count) @ self.rows[span]
        sums -= (shares * len(part))[:, None] * self.mean
        turn = linalg.cho_solve((self.factor, True), sums.T).T
        offsets = (shares - turn @ self.mean)[:, None]
        narrow, guesses = turn.astype(self.rows.dtype), []
        for span in _scatter.spans(len(part)):
            fitted = narrow @ self.rows[span].T + offsets
            # Dividing by 1 - leverage leaves the order of a column's entries as it is.
            guesses.append((fitted - self.leverages[span] * _indicators(part[span], count)).argmax(axis=0))
        return guesses


def _indicators(part: np.ndarray, count: int) -> np.ndarray:
    """1 where a row (b,) is in a cluster, 0 elsewhere, (count, b)."""
    return (part == np.arange(count)[:, None]).astype(np.float32)


def _ridge(x: np.ndarray) -> _Ridge | None:
    """The factored scatter of rows (n, d); None if they are all alike."""
    from scipy import linalg

    rows = _scatter.coordinates(x)
    mean, scatter = _scatter.of(rows)
    penalty = PENALTY * float(np.trace(scatter)) / len(rows)
    if not penalty > 0:
        return None
    factor = linalg.cholesky(scatter + penalty * np.eye(len(mean)), lower=True)
    # The penalty bounds the condition of the factor. Unlike solvers, products let other threads run.
    inverse = linalg.solve_triangular(factor, np.eye(len(mean)), lower=True)

    def leverages(span: slice) -> np.ndarray:
        """Of the rows (b,) of a block."""
        turned = (rows[span] - mean) @ inverse.T
        return np.einsum("ij,ij->i", turned, turned) + 1 / len(rows)

    return _Ridge(rows, mean, factor, np.concatenate([*threads.in_order(leverages, _scatter.spans(len(rows)))]))
