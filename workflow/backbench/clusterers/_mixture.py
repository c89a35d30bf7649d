"""Expectation maximisation of Gaussian mixtures that reads each block of rows once per iteration.

Densities, responsibilities and sums of a block come from matrix products while the block is in the cache, and the
M-step needs only the sums. The same code runs on numpy and on PyTorch.
"""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench.clusterers import _covariances
from backbench.clusterers._rows import Rows


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
    mixture = _Mixture(Rows(x), _covariances.KINDS[kind](rule.reg_covar))
    ends = [mixture.climb(mixture.start(responsibilities), rule) for responsibilities in starts]
    best = max(ends, key=lambda end: end.bound)
    if not best.converged:
        _warn(rule)
    total, labels = mixture.score(best.parameters)
    n, d = x.shape
    k = len(best.parameters.weights)
    free = mixture.kind.free(k, d) + k * d + k - 1
    return Fit(labels, best.bound, -2 * total + free * math.log(n), best.n_iter)


@dataclass(frozen=True)
class _End:
    """Where a start has led."""

    bound: float
    parameters: _covariances.Parameters
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


class _Mixture:
    """The steps of the iteration on one matrix, for one kind of covariance."""

    def __init__(self, rows: Rows, kind: _covariances.Kind):
        self.rows, self.kind = rows, kind
        self.kind.look_at(rows)

    def start(self, responsibilities: np.ndarray) -> _covariances.Parameters:
        """Parameters from given responsibilities (n, k)."""
        count, first = self.rows.sums(lambda block, shares: (shares.sum(0), shares.T @ block), responsibilities)
        about = first / _covariances.share(count)[:, None]
        moments = self.kind.moments(self.rows, about)
        sums = self.rows.sums(
            lambda block, shares: (shares.sum(0), *moments(self.kind.features(block), shares)), responsibilities
        )
        return self.kind.parameters(sums, about, self.rows.n)

    def climb(self, parameters: _covariances.Parameters, rule: Rule) -> _End:
        """Iterate until the mean log-likelihood gains less than the tolerance."""
        bound = -math.inf
        for n_iter in range(1, rule.max_iter + 1):
            before = bound
            total, *sums = self._pass(parameters)
            bound = float(total) / self.rows.n
            parameters = self.kind.parameters(sums, parameters.means)
            if abs(bound - before) < rule.tol:
                return _End(bound, parameters, n_iter, True)
        return _End(bound, parameters, rule.max_iter, False)

    def _pass(self, parameters: _covariances.Parameters) -> list[np.ndarray]:
        """The log-likelihood and the sums for the M-step (counts (k,), then moments) under `parameters`."""
        density = self.kind.density(self.rows, parameters)
        moments = self.kind.moments(self.rows, parameters.means)
        xp = self.rows.xp

        def step(block: Any) -> tuple[Any, ...]:
            features = self.kind.features(block)
            logs = density(features)
            norms = _log_sum(logs, xp)
            shares = xp.exp(logs - norms[:, None])
            return norms.sum(), shares.sum(0), *moments(features, shares)

        return self.rows.sums(step)

    def score(self, parameters: _covariances.Parameters) -> tuple[float, np.ndarray]:
        """The log-likelihood of all rows, and the most likely component (n,) of each."""
        density, xp = self.kind.density(self.rows, parameters), self.rows.xp

        def step(block: Any) -> tuple[Any, Any]:
            logs = density(self.kind.features(block))
            return _log_sum(logs, xp).sum(), xp.argmax(logs, 1)

        totals, labels = zip(*self.rows.each(step), strict=True)
        return float(sum(totals)), np.concatenate(labels).astype(np.int64)


def _log_sum(logs: Any, xp: Any) -> Any:
    top = xp.amax(logs, 1)
    return top + xp.log(xp.exp(logs - top[:, None]).sum(1))
