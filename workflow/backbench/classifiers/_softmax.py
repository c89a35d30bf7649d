"""Multinomial logistic regression with an L2 penalty, for many strengths of it, by Newton's method in float64.

The loss is that of `sklearn.linear_model.LogisticRegression`: the mean over the rows, with a penalty of
``|coef|^2 / (2 C n)`` that leaves the intercept out; of two classes there is one row of coefficients. Rows are centred,
divided by their spread and turned to their principal axes, which changes neither loss nor penalty. Each Newton step is
solved by conjugate gradients, preconditioned by the whole Hessian where it is small, else by its blocks of one class
over the first axes and its diagonal over the others, kept orthogonal to what a softmax does not see: the same change of
all classes. Where a fit ends depends neither on the scale of the data nor on rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The whole Hessian is used up to so many coefficients; beyond, blocks over so many times the root of the axes.
WHOLE, BLOCK = 1024, 4
# Newton steps at most; a dozen are many.
NEWTON_STEPS = 50
# A preconditioner is made anew after a Newton step that took more turns than this.
STALE = 8
# A share of the trace that keeps a singular block from failing, and the rounding of a loss.
RIDGE, ROUNDING = 1e-13, 1e-14

Solve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Axes:
    """Rows in their principal axes.

    Attributes
    ----------
    rows : ones, then the coordinates of the centred rows, whose mean square is 1: (n, 1 + r), by descending spread
    directions : the axes (d, r)
    centre : mean (d,) of the rows
    scale : what the centred rows were divided by
    """

    rows: np.ndarray
    directions: np.ndarray
    centre: np.ndarray
    scale: float


@dataclass(frozen=True)
class Fit:
    """Intercepts and coefficients (m, 1 + r) in principal axes, and the steps of conjugate gradients that they took.

    `gap` is the root of about twice the loss that is left to gain.
    """

    weights: np.ndarray
    steps: int
    gap: float


def axes(rows: np.ndarray) -> Axes:
    """Principal axes of rows (n, d) float64, by the smaller of their two Gram matrices."""
    centre = rows.mean(axis=0)
    centred = rows - centre
    scale = float(np.sqrt(np.square(centred).mean())) or 1.0
    centred /= scale
    n, d = centred.shape
    if n >= d:
        directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    else:
        squares, turned = np.linalg.eigh(centred @ centred.T)
        kept = squares > n * np.finfo(np.float64).eps * squares.max(initial=0.0)
        directions = centred.T @ (turned[:, kept] / np.sqrt(squares[kept]))[:, ::-1]
    return Axes(np.hstack([np.ones((n, 1)), centred @ directions]), directions, centre, scale)


def path(turned: Axes, codes: np.ndarray, strengths: Sequence[float], tol: float, max_iter: int) -> Iterator[Fit]:
    """The fits for each C of `strengths`, one after the other, given the classes (n,) as numbers from 0.

    Each begins where a line through the two before it leads.
    """
    before: list[np.ndarray] = []
    for strength in strengths:
        ahead = 2 * before[1] - before[0] if len(before) == 2 else None
        fit = _minimise(_Problem(turned, codes, strength), ahead, tol, max_iter)
        before = [*before[-1:], fit.weights]
        yield fit


def single(turned: Axes, codes: np.ndarray, strength: float, tol: float, max_iter: int) -> Fit:
    """The fit for one C, from coefficients of zero, given the classes (n,) as numbers from 0."""
    return _minimise(_Problem(turned, codes, strength), None, tol, max_iter)


def model(turned: Axes, fit: Fit, names: np.ndarray, strength: float) -> Any:
    """A fit as scikit-learn's classifier of rows as they were, with the names (k,) of the classes."""
    from sklearn.linear_model import LogisticRegression

    made = LogisticRegression(C=strength)
    made.classes_, made.n_features_in_ = names, len(turned.centre)
    made.coef_ = fit.weights[:, 1:] @ turned.directions.T / turned.scale
    made.intercept_ = fit.weights[:, 0] - made.coef_ @ turned.centre
    made.n_iter_ = np.array([fit.steps], dtype=np.int32)
    return made


class _Problem:
    """The penalised mean loss of weights (m, 1 + r), with its gradient and its Hessian."""

    def __init__(self, turned: Axes, codes: np.ndarray, strength: float):
        """Take rows, their classes (n,) as numbers from 0, and C."""
        self.rows, self.codes, self.n = turned.rows, codes, len(codes)
        self.m = count if (count := int(codes.max()) + 1) > 2 else 1
        self.penalty = np.full(self.rows.shape[1], 1.0 / (strength * self.n * turned.scale**2))
        self.penalty[0] = 0.0

    def loss(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss at weights (m, 1 + r), and the probabilities (n, m) there; of two classes those of the second."""
        logits = self.rows @ weights.T
        if self.m == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        logits -= logits.max(axis=1, keepdims=True)
        right = logits[np.arange(self.n), self.codes]
        chances = np.exp(logits)
        sums = chances.sum(axis=1, keepdims=True)
        chances /= sums
        loss = float((np.log(sums[:, 0]) - right).mean() + 0.5 * (self.penalty * weights * weights).sum())
        return loss, chances if self.m > 1 else chances[:, 1:]

    def gradient(self, weights: np.ndarray, chances: np.ndarray) -> np.ndarray:
        """The gradient (m, 1 + r) at weights of that shape, by the probabilities (n, m)."""
        error = chances.copy()
        if self.m > 1:
            error[np.arange(self.n), self.codes] -= 1.0
        else:
            error[:, 0] -= self.codes
        return (error / self.n).T @ self.rows + self.penalty * weights

    def curved(self, chances: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The Hessian at probabilities (n, m) times a step (m, 1 + r)."""
        along = self.rows @ step.T
        shared = (chances * along).sum(axis=1, keepdims=True) if self.m > 1 else chances * along
        return (chances * (along - shared) / self.n).T @ self.rows + self.penalty * step


def _minimise(problem: _Problem, start: np.ndarray | None, tol: float, max_iter: int) -> Fit:
    """The minimum from a start (m, 1 + r) on, by default from zero."""
    weights = np.zeros((problem.m, problem.rows.shape[1])) if start is None else start
    loss, chances = problem.loss(weights)
    steps, newton, taken = 0, 0, STALE + 1
    while True:
        slope = problem.gradient(weights, chances)
        if taken > STALE:
            solve = _preconditioner(problem, chances)
        gap = float(np.sqrt(max((slope * solve(slope)).sum(), 0.0)))
        if gap <= tol or steps >= max_iter or newton >= NEWTON_STEPS:
            return Fit(weights, steps, gap)
        step, taken = _conjugate(problem, chances, -slope, solve, min(0.1, gap**0.5), max_iter - steps)
        weights, loss, chances = _along(problem, weights, step, loss, float((slope * step).sum()))
        steps, newton = steps + taken, newton + 1


def _conjugate(
    problem: _Problem, chances: np.ndarray, target: np.ndarray, solve: Solve, share: float, most: int
) -> tuple[np.ndarray, int]:
    """About the step (m, 1 + r) that the Hessian maps to the target, but for a `share`, and in how many turns."""
    step, left, turns = np.zeros_like(target), target, 0
    direction = solve(left)
    size = first = float((left * direction).sum())
    while turns < most:
        turns += 1
        image = problem.curved(chances, direction)
        length = size / float((direction * image).sum())
        step, left = step + length * direction, left - length * image
        solved = solve(left)
        smaller = float((left * solved).sum())
        if smaller <= share * share * first:
            break
        direction, size = solved + smaller / size * direction, smaller
    return step, turns


def _along(
    problem: _Problem, weights: np.ndarray, step: np.ndarray, loss: float, slope: float
) -> tuple[np.ndarray, float, np.ndarray]:
    """Weights (m, 1 + r) after as much of a step as lowers the loss, the loss, and the probabilities (n, m) there."""
    share = 1.0
    while True:
        moved = weights + share * step
        lower, chances = problem.loss(moved)
        if lower <= loss + 1e-4 * share * slope + ROUNDING or share < 1e-8:
            return moved, lower, chances
        share /= 2


def _preconditioner(problem: _Problem, chances: np.ndarray) -> Solve:
    """What maps a gradient (m, 1 + r) to about the step that the Hessian at probabilities (n, m) asks for."""
    columns = problem.rows.shape[1]
    if problem.m * columns <= WHOLE:
        return _whole(problem, chances)
    return _blocks(problem, chances, min(columns, round(BLOCK * columns**0.5)))


def _whole(problem: _Problem, chances: np.ndarray) -> Solve:
    """By the whole Hessian at probabilities (n, m)."""
    m, columns = problem.m, problem.rows.shape[1]
    hessian = np.empty((m, columns, m, columns))
    for first in range(m):
        for other in range(first, m):
            share = chances[:, first] * ((first == other) - chances[:, other]) / problem.n
            hessian[first, :, other] = (problem.rows * share[:, None]).T @ problem.rows
            hessian[other, :, first] = hessian[first, :, other].T
    factor = _factor(hessian.reshape(m * columns, -1), np.tile(problem.penalty, m))
    return lambda slope: _unseen(_solved(factor, slope.ravel()).reshape(slope.shape))


def _blocks(problem: _Problem, chances: np.ndarray, size: int) -> Solve:
    """By blocks of each class over the first `size` columns, else by the diagonal, at probabilities (n, m)."""
    share = chances * (1 - chances) / problem.n
    diagonal = share.T @ np.square(problem.rows) + problem.penalty
    head = problem.rows[:, :size]
    factors = [_factor((head * share[:, [place]]).T @ head, problem.penalty[:size]) for place in range(problem.m)]

    def solve(slope: np.ndarray) -> np.ndarray:
        """The step (m, 1 + r) for a gradient of that shape."""
        solved = slope / np.maximum(diagonal, np.finfo(np.float64).tiny)
        for place, factor in enumerate(factors):
            solved[place, :size] = _solved(factor, slope[place, :size])
        return _unseen(solved)

    return solve


def _unseen(step: np.ndarray) -> np.ndarray:
    """A step (m, 1 + r) without what all classes have in common."""
    return step - step.mean(axis=0) if len(step) > 1 else step


def _factor(block: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray, bool]:
    """Cholesky factor of a block (b, b) with its penalty (b,) on the diagonal."""
    from scipy.linalg import cho_factor

    block[np.diag_indices(len(block))] += penalty + RIDGE * np.trace(block) + np.finfo(np.float64).tiny
    factor: tuple[np.ndarray, bool] = cho_factor(block, lower=True, check_finite=False)
    return factor


def _solved(factor: tuple[np.ndarray, bool], target: np.ndarray) -> np.ndarray:
    """What the factored block maps to the target (b,)."""
    from scipy.linalg import cho_solve

    solved: np.ndarray = cho_solve(factor, target, check_finite=False)
    return solved
