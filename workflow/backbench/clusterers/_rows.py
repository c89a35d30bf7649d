"""The rows of a matrix in float64 blocks that stay in the cache (or fill the device), for numpy and PyTorch alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from backbench import device, threads

CPU_VALUES, DEVICE_VALUES = 1 << 17, 1 << 24
FEWEST = 64
ROUGH_BLOCKS = 4
PARALLEL_VALUES = 1 << 22
# Matrix products are much faster if the narrow side is a multiple of this
COLUMNS = 8
# Arrays of numpy or PyTorch that a function makes of a block
Parts: TypeAlias = tuple[Any, ...]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Rows:
    """Blocks of rows, and functions of them whose results come back as numpy arrays, in order.

    The blocks depend on the shape of the matrix alone, so no sum depends on the number of threads.

    Parameters
    ----------
    x : array of shape (n, d), never copied on the CPU
    minus : row (d,) that is subtracted from all
    least : rows of a block on the CPU at least, where more than stay in the cache
    """

    _x: Any

    def __init__(self, x: np.ndarray, minus: np.ndarray | None = None, least: int = FEWEST):
        """From rows (n, d)."""
        self.n, self.d = x.shape
        self._torch = device.accelerated()
        self._x = device.tensor(x, str(x.dtype)) if self._torch else x
        self._minus = None if minus is None else self.put(minus)
        self._size = max(FEWEST, DEVICE_VALUES // self.d) if self._torch else max(least, CPU_VALUES // self.d)
        self._spans = [slice(start, min(start + self._size, self.n)) for start in range(0, self.n, self._size)]

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

    def factor(self, array: np.ndarray, dtype: type = np.float64) -> Any:
        """A matrix (d, k) in a form that blocks can be multiplied with; columns of zeros are added."""
        d, k = array.shape
        wide = np.zeros((d, k + -k % COLUMNS), dtype)
        wide[:, :k] = array
        return self.put(wide)

    def take(self, places: np.ndarray) -> np.ndarray:
        """The rows (m, d) at `places` (m,), in float64."""
        rows = self._numpy(self._x[places.copy()]).astype(np.float64)
        return rows if self._minus is None else rows - self._numpy(self._minus)

    def each(
        self, function: Callable[..., Parts], *others: np.ndarray, places: np.ndarray | None = None
    ) -> Iterator[Parts]:
        """`function` of each block (b, d) and of the same rows of `others`, arrays (n, ...).

        With `places` (m,), of these rows alone, in that order.
        """
        spans: Sequence[slice | np.ndarray] = self._spans
        if places is not None:
            spans = [places[start : start + self._size] for start in range(0, len(places), self._size)]
        return self._beside(lambda span: self._step(function, span, others), spans)

    def sums(
        self, function: Callable[..., Parts], *others: np.ndarray, places: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """The results for all blocks (b, d), or those at `places` (m,), added up in order."""
        totals: list[np.ndarray] = []
        for parts in self.each(function, *others, places=places):
            totals = totals or [np.zeros(np.shape(part)) for part in parts]
            for total, part in zip(totals, parts, strict=True):
                total += part
        return totals

    def joined(self, function: Callable[..., Any], *others: np.ndarray) -> np.ndarray:
        """The results (b, ...) for all blocks (b, d) as one array (n, ...)."""
        return np.concatenate([part for (part,) in self.each(lambda *block: (function(*block),), *others)])

    def rough(self, function: Callable[..., Any]) -> np.ndarray:
        """The results (b, ...) of `function` of blocks (b, d) in float32 as one array (n, ...)."""
        size = ROUGH_BLOCKS * self._size

        def step(start: int) -> np.ndarray:
            """The results (b, ...) for the block from `start` on."""
            block = self._x[start : start + size]
            return self._numpy(function(block.float() if self._torch else block.astype(np.float32, copy=False)))

        return np.concatenate(list(self._beside(step, range(0, self.n, size))))

    def turned(self, block: Any) -> Any:
        """The transpose (k, b) of an array (b, k), in order: sums over k are much faster there."""
        return block.T.contiguous() if self._torch else block.T.copy()

    def _beside(self, step: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results of the items in order, beside each other if the rows are many."""
        if self._torch or self.n * self.d < PARALLEL_VALUES or threads.available() == 1:
            return map(step, items)
        return threads.in_order(step, items)

    def _step(self, function: Callable[..., Parts], span: slice | np.ndarray, others: tuple[np.ndarray, ...]) -> Parts:
        """The results for the block (b, d) of a span or of places (b,), as numpy arrays."""
        copied = self._minus is not None
        block = self._x[span].double() if self._torch else self._x[span].astype(np.float64, copy=copied)
        if self._minus is not None:
            block -= self._minus
        parts = function(block, *(self.put(other[span]) for other in others))
        return tuple(self._numpy(part) for part in parts)

    def _numpy(self, array: Any) -> np.ndarray:
        """A tensor or array of any shape (m, ...) as a numpy array."""
        return array.cpu().numpy() if self._torch else array
