"""Multinomial logistic regression with an L2 penalty, for many strengths of it, by L-BFGS in float64.

The loss is that of `sklearn.linear_model.LogisticRegression`: the mean over the rows, with a penalty of
``|coef|^2 / (2 C n)`` that leaves the intercept out; of two classes there is one row of coefficients. It is minimised in
other coordinates. Rows are centred, divided by their spread and turned to their principal axes, which changes neither
loss nor penalty, and each axis is stretched so that the loss is about equally curved along all of them. There L-BFGS
takes tens of steps where it takes thousands on features as they are, and where it ends does not depend on the scale of
the data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Steps that L-BFGS remembers.
MEMORY = 20
# The loss is taken to be at least so much curved: a probability that is certain has no curvature.
FLATTEST = 1e-9


@dataclass(frozen=True)
class Axes:
    """Rows in their principal axes.

    Attributes
    ----------
    rows : coordinates (n, r) of the centred rows, whose mean square is 1
    spread : mean square (r,) of each coordinate
    directions : the axes (d, r)
    centre : mean (d,) of the rows
    scale : what the centred rows were divided by
    """

    rows: np.ndarray
    spread: np.ndarray
    directions: np.ndarray
    centre: np.ndarray
    scale: float


@dataclass(frozen=True)
class Fit:
    """Coefficients (m, r) and intercepts (m,) in principal axes, with how many steps they took.

    `slope` is the largest component of the gradient in the coordinates of the minimiser.
    """

    coef: np.ndarray
    intercept: np.ndarray
    steps: int
    slope: float


def axes(rows: np.ndarray) -> Axes:
    """Principal axes of rows (n, d) float64, by the smaller of their two Gram matrices."""
    centre = rows.mean(axis=0)
    centred = rows - centre
    scale = float(np.sqrt(np.square(centred).mean())) or 1.0
    centred /= scale
    n, d = centred.shape
    if n >= d:
        spread, directions = np.linalg.eigh(centred.T @ centred / n)
        return Axes(centred @ directions, np.maximum(spread, 0.0), directions, centre, scale)
    spread, turned = np.linalg.eigh(centred @ centred.T / n)
    kept = spread > n * np.finfo(np.float64).eps * spread.max(initial=0.0)
    spread, turned = spread[kept], turned[:, kept]
    lengths = np.sqrt(spread * n)
    return Axes(turned * lengths, spread, centred.T @ (turned / lengths), centre, scale)


def path(turned: Axes, codes: np.ndarray, strengths: Sequence[float], tol: float, max_iter: int) -> Iterator[Fit]:
    """The fits for each C of `strengths`, one after the other, given the classes (n,) as numbers from 0.

    Each begins where a line through the two before it leads, which saves two steps of three.
    """
    before: list[Fit] = []
    for strength in strengths:
        fit = _minimise(turned, codes, strength, tol, max_iter, _ahead(before))
        before = [*before[-1:], fit]
        yield fit


def single(turned: Axes, codes: np.ndarray, strength: float, tol: float, max_iter: int) -> Fit:
    """The fit for one C, from coefficients of zero, given the classes (n,) as numbers from 0."""
    return _minimise(turned, codes, strength, tol, max_iter, None)


def model(turned: Axes, fit: Fit, names: np.ndarray, strength: float) -> Any:
    """A fit as scikit-learn's classifier of rows as they were, with the names (k,) of the classes."""
    from sklearn.linear_model import LogisticRegression

    made = LogisticRegression(C=strength)
    made.classes_, made.n_features_in_ = names, len(turned.centre)
    made.coef_ = fit.coef @ turned.directions.T / turned.scale
    made.intercept_ = fit.intercept - made.coef_ @ turned.centre
    made.n_iter_ = np.array([fit.steps], dtype=np.int32)
    return made


def _ahead(before: Sequence[Fit]) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the next fit begins: on the line through the last two."""
    if len(before) < 2:
        return (before[0].coef, before[0].intercept) if before else None
    first, second = before
    return 2 * second.coef - first.coef, 2 * second.intercept - first.intercept


def _minimise(
    turned: Axes,
    codes: np.ndarray,
    strength: float,
    tol: float,
    max_iter: int,
    start: tuple[np.ndarray, np.ndarray] | None,
) -> Fit:
    from scipy.optimize import minimize

    n, r = turned.rows.shape
    count = int(codes.max()) + 1
    m = count if count > 2 else 1
    coef, intercept = start or (np.zeros((m, r)), np.zeros(m))
    penalty = 1.0 / (strength * n * turned.scale**2)
    curved = _curvature(turned.rows @ coef.T + intercept)
    stretch = np.append(1 / np.sqrt(curved * turned.spread + penalty), 1 / np.sqrt(curved))
    loss = _Loss(turned.rows * stretch[:-1], codes, m, penalty * stretch[:-1] ** 2, stretch[-1])
    begin = np.column_stack([coef, intercept]) / stretch
    options = {"maxcor": MEMORY, "maxiter": max_iter, "maxfun": 2 * max_iter, "gtol": tol, "ftol": 0.0}
    end = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
    weights = end.x.reshape(m, r + 1) * stretch
    return Fit(weights[:, :-1], weights[:, -1], int(end.nit), float(np.abs(end.jac).max()))


def _curvature(logits: np.ndarray) -> float:
    """The mean of p (1 - p) over rows and classes, by the logits (n, m) of the starting point."""
    chances = _chances(logits)[0]
    return max(float((chances * (1 - chances)).mean()), FLATTEST)


def _chances(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, k), and the logarithm (n,) of what they were divided by; of two classes the first has logit 0."""
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    most = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - most)
    sums = powers.sum(axis=1, keepdims=True)
    powers /= sums
    return powers, (np.log(sums) + most)[:, 0]


class _Loss:
    """The penalised mean loss and its gradient, of coefficients and intercepts (m, r + 1) in one array."""

    def __init__(self, rows: np.ndarray, codes: np.ndarray, m: int, penalty: np.ndarray, step: float):
        """Take stretched rows (n, r), codes (n,), the penalty (r,) of each axis, and the unit of an intercept."""
        self.rows, self.codes, self.m, self.penalty, self.step = rows, codes, m, penalty, step
        self.every = np.arange(len(rows))

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(self.m, -1)
        coef = weights[:, :-1]
        logits = self.rows @ coef.T + weights[:, -1] * self.step
        error, divided = _chances(logits)
        right = logits[self.every, self.codes] if self.m > 1 else logits[:, 0] * self.codes
        loss = float((divided - right).mean() + 0.5 * (self.penalty * coef * coef).sum())
        error[self.every, self.codes] -= 1.0
        error = (error if self.m > 1 else error[:, 1:]) / len(self.rows)
        slopes = np.column_stack([error.T @ self.rows + self.penalty * coef, error.sum(axis=0) * self.step])
        return loss, slopes.ravel()
