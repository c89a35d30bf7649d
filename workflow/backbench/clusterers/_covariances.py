"""Covariances of a Gaussian mixture that are matrices: densities of a block of rows, and the sums for the M-step.

Variances alone are in `_variances`. Formulas and degenerate cases are those of `sklearn.mixture.GaussianMixture`.
Functions of blocks take arrays of numpy and of PyTorch alike.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from backbench.clusterers._rows import FEWEST, Rows

ILL_DEFINED = (
    "a component has an ill-defined covariance (it holds few rows, or equal ones): ask for fewer clusters, increase "
    "reg_covar, or scale the features"
)
# Products of rows with all components that stay in the cache; but more, up to a limit, for as many rows as it takes for
# a product to be worth the order in which BLAS copies the factors.
PRODUCTS, MOST_PRODUCTS, PACKED = 1 << 18, 1 << 22, 512
# Rows of a block by the number of columns, and at most
SUMMED, MOST = 8, 1024
# A share that is lost in every sum of float64, and the part of the rows up to which it is worth to leave such rows out
LEAST, MOST_HELD = math.exp(-80.0), 0.8
# A function of a block of rows or features, arrays of numpy or PyTorch
Blockwise: TypeAlias = Callable[..., Any]
Sums: TypeAlias = list[np.ndarray]


@dataclass(frozen=True)
class Parameters:
    """Weights (k,), means (k, d) and factors of the precisions: Cholesky factors, or roots where they are diagonal."""

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray


def share(count: np.ndarray) -> np.ndarray:
    """Number of rows (k,) of each component; for an empty one slightly above zero."""
    return count + 10 * np.finfo(np.float64).eps


class Kind:
    """A kind of covariance: `features` of a block (b, d), from which its `density` (k, b) and `sums` follow.

    Sums are `centred` if they are taken about the means.
    """

    centred = False

    def __init__(self, reg_covar: float):
        self.reg_covar = reg_covar

    def look_at(self, rows: Rows) -> None:
        """Read the rows once, before the iteration."""

    def least_rows(self, d: int) -> int:
        """Rows of a block at least, of `d` columns: sums of d x d values are added once for each block."""
        return max(FEWEST, min(MOST, SUMMED * d))

    def width(self, d: int) -> int:
        """The number f of features of rows with `d` columns."""
        return d

    def features(self, block: Any) -> Any:
        """The features (b, f) of a block of rows (b, d)."""
        return block

    def density(self, rows: Rows, parameters: Parameters) -> Blockwise:
        """The function from features to the logarithms of weighted densities (k, b)."""
        raise NotImplementedError

    def sums(self, rows: Rows, about: np.ndarray) -> Blockwise:
        """The function from features and responsibilities (k, b) to a tuple of sums, centred at `about` (k, d) or not.

        Here they are the counts (k,) and the sums of the features.
        """
        return lambda features, shares: (shares.sum(1), shares @ features)

    def parameters(self, sums: Sums, about: np.ndarray, n: int | None = None) -> Parameters:
        """The M-step from sums at `about` (k, d); weights are shares of `n`, or of the counts."""
        count, *moments = sums
        held = share(count)
        means, factors = self.estimate(count, held, moments, about)
        return Parameters(held / (held.sum() if n is None else n), means, factors)

    def estimate(
        self, count: np.ndarray, held: np.ndarray, moments: Sums, about: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (k, d) and factors of the precisions."""
        raise NotImplementedError

    def free(self, k: int, d: int) -> int:
        """Free parameters of the covariances."""
        raise NotImplementedError


def constant_of(parameters: Parameters, log_det: np.ndarray) -> np.ndarray:
    """What is added (k,) to minus half the squared distances, from log determinants (k,)."""
    return np.log(parameters.weights) + log_det - 0.5 * parameters.means.shape[1] * math.log(2 * math.pi)


def _cholesky(covariance: np.ndarray) -> np.ndarray:
    """The upper triangular factor (d, d) of the precision."""
    from scipy import linalg

    try:
        lower = linalg.cholesky(covariance, lower=True)
    except linalg.LinAlgError as error:
        raise ValueError(ILL_DEFINED) from error
    return linalg.solve_triangular(lower, np.eye(len(lower)), lower=True).T


class Tied(Kind):
    """One covariance for all components. The products of the columns never change, so they are summed once."""

    def look_at(self, rows: Rows) -> None:
        (self._products,) = rows.sums(lambda block: (block.T @ block,))

    def density(self, rows: Rows, parameters: Parameters) -> Blockwise:
        factor, xp = parameters.factors, rows.xp
        centre = (parameters.weights @ parameters.means) @ factor
        means = parameters.means @ factor - centre
        constant = constant_of(parameters, np.log(np.diag(factor)).sum()) - 0.5 * (means * means).sum(axis=1)
        turn, shift, linear, constant = (rows.put(each) for each in (factor, centre, means, constant))

        def density(block: Any) -> Any:
            turned = block @ turn
            turned -= shift
            return linear @ turned.T - 0.5 * xp.einsum("ij,ij->i", turned, turned) + constant[:, None]

        return density

    def estimate(
        self, count: np.ndarray, held: np.ndarray, moments: Sums, about: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (k, d) and the factor (d, d) of the precision."""
        means = moments[0] / held[:, None]
        covariance = (self._products - (held * means.T) @ means) / held.sum()
        covariance.flat[:: len(covariance) + 1] += self.reg_covar
        return means, _cholesky(covariance)

    def free(self, k: int, d: int) -> int:
        return d * (d + 1) // 2


def _held(block: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of the rows (b, d) whose shares (b,) of a component do not vanish in its sums, with their shares."""
    places = np.flatnonzero(shares > LEAST)
    return (block, shares) if len(places) > MOST_HELD * len(block) else (block[places], shares[places])


class Full(Kind):
    """A covariance for each component, summed about the mean of the previous iteration."""

    centred = True

    def width(self, d: int) -> int:
        return d + 1

    def features(self, block: Any) -> Any:
        """The rows with a column of ones (b, d + 1), so that a product with factors also subtracts the means."""
        return self._xp.concatenate((block, self._xp.ones_like(block[:, :1])), 1)

    def look_at(self, rows: Rows) -> None:
        self._xp = rows.xp

    def density(self, rows: Rows, parameters: Parameters) -> Blockwise:
        factors, xp = parameters.factors, rows.xp
        k, d, _ = factors.shape
        log_det = np.log(np.einsum("kii->ki", factors)).sum(axis=1)
        shift = np.einsum("ki,kij->kj", parameters.means, factors)
        turn = rows.put(np.concatenate((factors.transpose(1, 0, 2), -shift[None])).reshape(d + 1, k * d))
        constant = rows.put(constant_of(parameters, log_det))

        size = max(PRODUCTS // (k * d), min(PACKED, MOST_PRODUCTS // (k * d)), 1) if xp is np else rows.n

        def distances(block: Any) -> Any:
            """Squared distances (b, k), in the metrics of the components, of rows whose products fit the cache."""
            turned = (block @ turn).reshape(-1, k, d)
            return xp.einsum("bkd,bkd->bk", turned, turned)

        def density(block: Any) -> Any:
            parts = [distances(block[start : start + size]) for start in range(0, len(block), size)]
            return rows.turned(constant - 0.5 * xp.concatenate(parts))

        return density

    def sums(self, rows: Rows, about: np.ndarray) -> Blockwise:
        """Counts (k,), sums of the rows (k, d) and of their products (k, d, d), centred at `about` (k, d)."""
        centres, xp = rows.put(about), rows.xp

        def sums(features: Any, shares: Any) -> tuple[Any, Any, Any]:
            first, second = [], []
            for centre, part in zip(centres, shares, strict=True):
                block, weight = _held(features[:, :-1], part) if xp is np else (features[:, :-1], part)
                weight = xp.sqrt(weight)
                apart = block - centre
                apart *= weight[:, None]
                first.append(weight @ apart)
                second.append(apart.T @ apart)
            return shares.sum(1), xp.stack(first), xp.stack(second)

        return sums

    def estimate(
        self, count: np.ndarray, held: np.ndarray, moments: Sums, about: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (k, d) and factors of the precisions (k, d, d)."""
        first, second = moments
        means = (first + count[:, None] * about) / held[:, None]
        moved = means - about
        cross = np.einsum("ki,kj->kij", first, moved)
        second = second - cross - cross.transpose(0, 2, 1)
        second += count[:, None, None] * np.einsum("ki,kj->kij", moved, moved)
        covariances = second / held[:, None, None] + self.reg_covar * np.eye(means.shape[1])
        return means, np.stack([_cholesky(each) for each in covariances])

    def free(self, k: int, d: int) -> int:
        return k * (d * (d + 1) // 2)
