"""Expectation maximisation of Gaussian mixtures that reads each block of rows once per iteration.

Densities, responsibilities and sums of a block come from matrix products while the block is in the cache, and the
M-step needs only the sums. Rows that one component has to itself are not read again (`_settled`). The same code runs
on numpy and on PyTorch.
"""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench.clusterers import _covariances, _variances
from backbench.clusterers._rows import Rows
from backbench.clusterers._settled import Settled

KINDS = {
    "full": _covariances.Full,
    "tied": _covariances.Tied,
    "diag": _variances.Diagonal,
    "spherical": _variances.Spherical,
}
# Up to so many values the features are held: threads beside each other wait less for the interpreter if each of their
# steps is longer, so that their blocks are larger.
HELD_VALUES, BLOCK_VALUES, BLOCK_ROWS = 1 << 22, 1 << 20, 1 << 13


@dataclass(frozen=True)
class Rule:
    """When the iteration stops, and what is added to every variance."""

    tol: float
    max_iter: int
    reg_covar: float


@dataclass(frozen=True)
class Fit:
    """The fit from the best start, with labels (n,)."""

    labels: np.ndarray
    lower_bound: float
    bic: float
    n_iter: int


def fit(x: np.ndarray, kind: str, starts: Iterable[np.ndarray], rule: Rule) -> Fit:
    """Fit rows (n, d) from each start, responsibilities (n, k), and keep the best lower bound, as scikit-learn does.

    Warns with scikit-learn's ConvergenceWarning if the best start has not converged.

    Raises
    ------
    ValueError
        If a covariance is not positive definite.
    """
    covariances = KINDS[kind](rule.reg_covar)
    mixture = _Mixture(Rows(x, least=covariances.least_rows(x.shape[1])), covariances)
    ends = [mixture.climb(mixture.start(responsibilities), rule) for responsibilities in starts]
    best = max(ends, key=lambda end: end.bound)
    if not best.converged:
        _warn(rule)
    total, labels = mixture.score(best)
    n, d = x.shape
    k = len(best.parameters.weights)
    free = mixture.kind.free(k, d) + k * d + k - 1
    return Fit(labels, best.bound, -2 * total + free * math.log(n), best.n_iter)


@dataclass(frozen=True)
class _End:
    """Where a start has led."""

    bound: float
    parameters: _covariances.Parameters
    settled: Settled
    n_iter: int
    converged: bool


def _warn(rule: Rule) -> None:
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(
        f"the likelihood still gains more than tol = {rule.tol:g} after {rule.max_iter} iterations: increase max_iter "
        "or tol, or ask for fewer clusters",
        ConvergenceWarning,
        stacklevel=3,
    )


def _same(features: Any) -> Any:
    """Features (b, f) as they are held."""
    return features


class _Mixture:
    """The steps of the iteration on one matrix, for one kind of covariance."""

    def __init__(self, rows: Rows, kind: _covariances.Kind):
        self.rows, self.kind = rows, kind
        self.kind.look_at(rows)
        width = kind.width(rows.d)
        # What the iteration reads, and the function from a block of it to features
        self.held = rows
        self.features: _covariances.Blockwise = kind.features
        if rows.xp is np and rows.n * width <= HELD_VALUES:
            self.held = Rows(rows.joined(kind.features), least=min(BLOCK_ROWS, BLOCK_VALUES // width))
            self.features = _same

    def start(self, responsibilities: np.ndarray) -> _covariances.Parameters:
        """Parameters from given responsibilities (n, k)."""
        about = (
            self._means(responsibilities) if self.kind.centred else np.zeros((responsibilities.shape[1], self.rows.d))
        )
        sums = self.kind.sums(self.rows, about)
        total = self.held.sums(lambda block, shares: sums(self.features(block), shares.T), responsibilities)
        return self.kind.parameters(total, about, self.rows.n)

    def _means(self, responsibilities: np.ndarray) -> np.ndarray:
        """Means (k, d) of the components with given responsibilities (n, k)."""
        count, first = self.rows.sums(lambda block, shares: (shares.sum(0), shares.T @ block), responsibilities)
        return first / _covariances.share(count)[:, None]

    def climb(self, parameters: _covariances.Parameters, rule: Rule) -> _End:
        """Iterate until the mean log-likelihood gains less than the tolerance."""
        bound, settled = -math.inf, self._settled(parameters)
        for n_iter in range(1, rule.max_iter + 1):
            before = bound
            total, *sums = self._pass(parameters, settled)
            bound = float(total) / self.rows.n
            parameters = self.kind.parameters(sums, parameters.means)
            if abs(bound - before) < rule.tol:
                return _End(bound, parameters, settled, n_iter, True)
        return _End(bound, parameters, settled, rule.max_iter, False)

    def _settled(self, parameters: _covariances.Parameters) -> Settled:
        """None yet of the rows that one component will have to itself."""
        return Settled(self.rows, self.kind, len(parameters.weights), self.held, self.features)

    def _pass(self, parameters: _covariances.Parameters, settled: Settled) -> list[np.ndarray]:
        """The log-likelihood (scalar) and the sums for the M-step, (k,), (k, d) and more, under `parameters`."""
        places = settled.others(parameters)
        density = self.kind.density(self.rows, parameters)
        sums = self.kind.sums(self.rows, parameters.means)

        def step(block: Any) -> tuple[Any, ...]:
            features = self.features(block)
            norms, shares = self._shares(density(features))
            return norms.sum(), *sums(features, shares)

        totals = self.held.sums(step, places=places)
        return totals if places is None else settled.added(totals, parameters)

    def _shares(self, shares: Any) -> tuple[Any, Any]:
        """Logarithms (b,) of the densities of rows, and responsibilities (k, b) in the place of those of components."""
        xp, top = self.rows.xp, self.rows.xp.amax(shares, 0)
        shares -= top
        xp.exp(shares, out=shares)
        total = shares.sum(0)
        shares /= total
        return top + xp.log(total), shares

    def score(self, end: _End) -> tuple[float, np.ndarray]:
        """The log-likelihood of all rows, and the most likely component (n,) of each."""
        places = end.settled.others(end.parameters)
        density, xp = self.kind.density(self.rows, end.parameters), self.rows.xp

        def step(block: Any) -> tuple[Any, Any]:
            logs = density(self.features(block))
            most = xp.argmax(logs, 0)
            return self._shares(logs)[0].sum(), most

        steps = list(self.held.each(step, places=places))
        total, labels = sum(part for part, _ in steps), [most for _, most in steps]
        if places is None:
            return float(total), np.concatenate(labels).astype(np.int64)
        homes = end.settled.homes.copy()
        homes[places] = np.concatenate([homes[:0], *labels])
        return float(total + end.settled.likelihood(end.parameters)), homes
