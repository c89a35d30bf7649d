"""The rows of a matrix in float64 blocks that stay in the cache (or fill the device), for numpy and PyTorch alike."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from backbench import device, threads

CPU_VALUES, DEVICE_VALUES = 1 << 15, 1 << 24
FEWEST = 64
PARALLEL_VALUES = 1 << 22
# Matrix products are much faster if the narrow side is a multiple of this
COLUMNS = 8
# Arrays of numpy or PyTorch that a function makes of a block
Parts: TypeAlias = tuple[Any, ...]


class Rows:
    """Blocks of rows, and functions of them whose results come back as numpy arrays, in order.

    The blocks depend on the shape of the matrix alone, so no sum depends on the number of threads.

    Parameters
    ----------
    x : array of shape (n, d), never copied on the CPU
    minus : row (d,) that is subtracted from all
    """

    _x: Any

    def __init__(self, x: np.ndarray, minus: np.ndarray | None = None):
        """From rows (n, d)."""
        self.n, self.d = x.shape
        self._torch = device.accelerated()
        self._x = device.tensor(x, str(x.dtype)) if self._torch else x
        self._minus = None if minus is None else self.put(minus)
        size = max(FEWEST, (DEVICE_VALUES if self._torch else CPU_VALUES) // self.d)
        self._spans = [slice(start, min(start + size, self.n)) for start in range(0, self.n, size)]

    @property
    def xp(self) -> Any:
        """The module whose arrays the blocks are: numpy or torch."""
        if not self._torch:
            return np
        import torch

        return torch

    def put(self, array: np.ndarray) -> Any:
        """The array, of any shape (m, ...), in a form that blocks can be combined with."""
        return device.tensor(array, str(array.dtype)) if self._torch else array

    def factor(self, array: np.ndarray) -> Any:
        """A matrix (d, k) in a form that blocks can be multiplied with; columns of zeros are added."""
        d, k = array.shape
        wide = np.zeros((d, k + -k % COLUMNS))
        wide[:, :k] = array
        return self.put(wide)

    def take(self, places: np.ndarray) -> np.ndarray:
        """The rows (m, d) at `places` (m,), in float64."""
        rows = self._numpy(self._x[places.copy()]).astype(np.float64)
        return rows if self._minus is None else rows - self._numpy(self._minus)

    def each(self, function: Callable[..., Parts], *others: np.ndarray) -> Iterator[Parts]:
        """`function` of each block (b, d) and of the same rows of `others`, arrays (n, ...)."""
        if self._torch or self.n * self.d < PARALLEL_VALUES or threads.available() == 1:
            return (self._step(function, span, others) for span in self._spans)
        return threads.in_order(lambda span: self._step(function, span, others), self._spans)

    def sums(self, function: Callable[..., Parts], *others: np.ndarray) -> list[np.ndarray]:
        """The results for all blocks (b, d), added up in order."""
        totals: list[np.ndarray] = []
        for parts in self.each(function, *others):
            totals = totals or [np.zeros(np.shape(part)) for part in parts]
            for total, part in zip(totals, parts, strict=True):
                total += part
        return totals

    def joined(self, function: Callable[..., Any], *others: np.ndarray) -> np.ndarray:
        """The results (b, ...) for all blocks (b, d) as one array (n, ...)."""
        return np.concatenate([part for (part,) in self.each(lambda *block: (function(*block),), *others)])

    def _step(self, function: Callable[..., Parts], span: slice, others: tuple[np.ndarray, ...]) -> Parts:
        """The results for the block (b, d) of a span, as numpy arrays."""
        block = self._x[span].double() if self._torch else self._x[span].astype(np.float64)
        if self._minus is not None:
            block -= self._minus
        parts = function(block, *(self.put(other[span]) for other in others))
        return tuple(self._numpy(part) for part in parts)

    def _numpy(self, array: Any) -> np.ndarray:
        """A tensor or array of any shape (m, ...) as a numpy array."""
        return array.cpu().numpy() if self._torch else array
