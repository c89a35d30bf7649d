"""Variances of a Gaussian mixture: log densities of a block of rows are linear in its features, as are the sums.

So they are one product each with a matrix (b, f) of the rows, their squares and ones. Formulas are those of
`sklearn.mixture.GaussianMixture`. Functions of blocks take arrays of numpy and of PyTorch alike.
"""

from typing import Any

import numpy as np

from backbench.clusterers._covariances import ILL_DEFINED, Blockwise, Kind, Parameters, Sums, constant_of
from backbench.clusterers._rows import COLUMNS, FEWEST, Rows


def _roots(variances: np.ndarray) -> np.ndarray:
    """Roots of the precisions, (k, d) or (k,), from variances of that shape."""
    if np.any(variances <= 0.0):
        raise ValueError(ILL_DEFINED)
    return 1.0 / np.sqrt(variances)


class Linear(Kind):
    """Variances alone: log densities are linear in the rows and their squares."""

    def least_rows(self, d: int) -> int:
        return FEWEST

    def look_at(self, rows: Rows) -> None:
        self._xp = rows.xp

    def squares(self, block: Any, out: Any = None) -> Any:
        """Squares (b, d) of the values of a block of rows (b, d), in `out` if it is given."""
        raise NotImplementedError

    def features(self, block: Any) -> Any:
        if self._xp is not np:
            return self._xp.concatenate((block, self.squares(block), self._xp.ones_like(block[:, :1])), 1)
        count, d = block.shape
        features = np.empty((count, self.width(d)))
        features[:, :d], features[:, -1] = block, 1.0
        self.squares(block, features[:, d:-1])
        return features

    def factors(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The constant (k,) of the log densities, and the factors of the rows (k, d) and of their squares."""
        raise NotImplementedError

    def weights(self, parameters: Parameters) -> np.ndarray:
        """The factors (k, f) of the features."""
        constant, linear, square = self.factors(parameters)
        return np.concatenate((linear, square, constant[:, None]), axis=1)

    def density(self, rows: Rows, parameters: Parameters) -> Blockwise:
        weights = self.weights(parameters)
        k, f = weights.shape
        high = np.zeros((k + -k % COLUMNS, f))
        high[:k] = weights
        factors = rows.put(high)
        return lambda features: (factors @ features.T)[:k]

    def sums(self, rows: Rows, about: np.ndarray) -> Blockwise:
        """Sums (k, f) of the features."""
        return lambda features, shares: (shares @ features,)

    def parameters(self, sums: Sums, about: np.ndarray, n: int | None = None) -> Parameters:
        """The M-step from the sums (k, f) of the features."""
        d, features = about.shape[1], sums[0]
        return super().parameters([features[:, -1], features[:, :d], features[:, d:-1]], about, n)


class Diagonal(Linear):
    """A variance for each component and column."""

    def squares(self, block: Any, out: Any = None) -> Any:
        return self._xp.multiply(block, block, out=out)

    def width(self, d: int) -> int:
        return 2 * d + 1

    def factors(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The constant (k,), and the factors of the rows and of their squares, both (k, d)."""
        means, roots = parameters.means, parameters.factors
        precisions = roots * roots
        constant = constant_of(parameters, np.log(roots).sum(axis=1)) - 0.5 * (means * means * precisions).sum(axis=1)
        return constant, means * precisions, -0.5 * precisions

    def estimate(
        self, count: np.ndarray, held: np.ndarray, moments: Sums, about: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means and roots of the precisions, both (k, d)."""
        means, squares = (moment / held[:, None] for moment in moments)
        return means, _roots(squares - means**2 + self.reg_covar)

    def free(self, k: int, d: int) -> int:
        return k * d


class Spherical(Linear):
    """A variance for each component; the square of a row is its squared length."""

    def squares(self, block: Any, out: Any = None) -> Any:
        """The squared lengths (b, 1) of the rows."""
        lengths = self._xp.einsum("ij,ij->i", block, block)[:, None]
        if out is None:
            return lengths
        out[:] = lengths
        return out

    def width(self, d: int) -> int:
        return d + 2

    def factors(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The constant (k,), and the factors of the rows (k, d) and of their squared lengths (k, 1)."""
        means, precisions = parameters.means, parameters.factors**2
        log_det = means.shape[1] * np.log(parameters.factors)
        constant = constant_of(parameters, log_det) - 0.5 * precisions * (means * means).sum(axis=1)
        return constant, means * precisions[:, None], -0.5 * precisions[:, None]

    def estimate(
        self, count: np.ndarray, held: np.ndarray, moments: Sums, about: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (k, d) and roots of the precisions (k,)."""
        means, squares = moments[0] / held[:, None], moments[1][:, 0] / held
        return means, _roots(squares / means.shape[1] - (means**2).mean(axis=1) + self.reg_covar)

    def free(self, k: int, d: int) -> int:
        return k
