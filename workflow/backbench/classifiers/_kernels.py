"""Kernel matrices, block by block."""

import numpy as np

from backbench import threads
from backbench.metrics import distances


def width(gamma: str | float, train: np.ndarray) -> float:
    """The number that scikit-learn takes for `gamma` with training rows (n, d)."""
    if gamma == "scale":
        variance = float(train.var())
        return 1.0 / (train.shape[1] * variance) if variance else 1.0
    if gamma == "auto":
        return 1.0 / train.shape[1]
    assert not isinstance(gamma, str)  # no other names are options
    return gamma


class Kernel:
    """The kernel exp(-gamma |a - b|^2) of training rows (n, d); without `gamma` it is the inner product."""

    def __init__(self, train: np.ndarray, gamma: float | None = None):
        """Of training rows (n, d)."""
        self._train, self.gamma = train, gamma
        self._norms = (train * train).sum(axis=1)

    def among_rows(self) -> np.ndarray:
        """The kernel (n, n) of all pairs of training rows, computed once for both orders of a pair."""
        n = len(self._train)
        kernel = np.empty((n, n))

        def fill(span: tuple[int, int]) -> None:
            start, stop = span
            block = kernel[start:stop, start:]
            np.matmul(self._train[start:stop], self._train[start:].T, out=block)
            self._finish(block, self._norms[start:stop], self._norms[start:])
            if self.gamma is not None:
                np.fill_diagonal(block, 1.0)
            for first in range(start, n, stop - start):
                kernel[first : first + stop - start, start:stop] = kernel[start:stop, first : first + stop - start].T

        for _ in threads.in_order(fill, distances.spans(n, n)):
            pass
        return kernel

    def of(self, asked: np.ndarray) -> np.ndarray:
        """The kernel (q, n) of rows (q, d) and the training rows."""
        block: np.ndarray = asked @ self._train.T
        self._finish(block, (asked * asked).sum(axis=1), self._norms)
        return block

    def _finish(self, products: np.ndarray, norms: np.ndarray, others: np.ndarray) -> None:
        """Make kernels of products (q, m), in place, given the squared lengths (q,) and (m,) of both sides."""
        if self.gamma is None:
            return
        products *= -2.0
        products += norms[:, None]
        products += others
        np.maximum(products, 0.0, out=products)
        products *= -self.gamma
        np.exp(products, out=products)
