"""Rows that one component of a mixture has to itself, told apart by products in float32 with a bound on their error.

In many columns most rows are e^80 times likelier in one component than in any other: in float64 their share of it is 1,
and their likelihood that of it alone. Their sums are kept from one iteration to the next, so that only rows that settle
or leave are added and subtracted, and the likelihood of all of them follows from the sums.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backbench.clusterers._covariances import Blockwise, Kind, Parameters
from backbench.clusterers._rows import Rows
from backbench.clusterers._variances import Linear

# Of log densities: shares of e^-80 are lost in every sum of float64
CERTAIN = 80.0
# With fewer settled rows than this share it is not worth to look for them
WORTH = 0.5
# Every so many iterations all settled rows are summed anew: of what is added and subtracted, the rounding stays
ANEW = 16
# Rounding of float32, and roundings beside those of a product
UNIT, MORE = 2.0**-24, 16


class Settled:
    """The settled rows of a mixture, if log densities are linear in the features of its kind; else there are none.

    Attributes
    ----------
    homes : the component (n,) of each row, k of those that are not settled
    """

    def __init__(self, rows: Rows, kind: Kind, k: int, held: Rows, features: Blockwise):
        """For k components of the rows, whose features (b, f) are those of the blocks of `held`."""
        self._rows, self._k, self.homes = rows, k, np.full(rows.n, k)
        self._held, self._features = held, features
        # The bound on the error is that of float32, and not of what PyTorch may be set to use in its place.
        precise = rows.xp is np or rows.xp.get_float32_matmul_precision() == "highest"
        self._kind = kind if isinstance(kind, Linear) and k > 1 and precise else None
        self._sums: list[np.ndarray] = []
        self._moves = 0

    def others(self, parameters: Parameters) -> np.ndarray | None:
        """Places (m,) of the rows that are not settled under `parameters`; None for all, from when on nobody looks."""
        if self._kind is None:
            return None
        homes = self._look(self._kind, parameters)
        if (homes < self._k).mean() < WORTH:
            self._kind = None
            return None
        self._move(homes)
        return np.flatnonzero(homes == self._k)

    def added(self, sums: Sequence[np.ndarray], parameters: Parameters) -> list[np.ndarray]:
        """The log-likelihood (scalar) and the sums of all rows, (k,), (k, d) and more, from those of the others."""
        settled = [np.array(self.likelihood(parameters)), *self._sums]
        return [a + b for a, b in zip(settled, sums, strict=True)] if sums else settled

    def likelihood(self, parameters: Parameters) -> float:
        """The log-likelihood of the settled rows under `parameters`."""
        assert self._kind is not None
        weights = self._kind.weights(parameters)
        return float(sum((part * weights).sum() for part in self._sums))

    def _look(self, kind: Linear, parameters: Parameters) -> np.ndarray:
        """The homes (n,) of all rows.

        With p the precisions and m the means, the terms of the product with p m are at most those of p x^2 / 2 and
        p m^2 / 2 together, so that sums which are at hand bound the error of the log densities.
        """
        rows, xp, k = self._rows, self._rows.xp, self._k
        constant, linear, square = kind.factors(parameters)
        unit = (rows.d + MORE) * UNIT
        error = unit * (3 * 0.5 * (linear * parameters.means).sum(axis=1) + np.abs(constant))
        with np.errstate(over="ignore"):
            low, high = (rows.put(each.astype(np.float32)[:, None]) for each in (constant - error, constant + error))
            left, right = rows.factor(linear.T, np.float32), rows.factor(square.T, np.float32)

        def step(block: Any) -> Any:
            far = rows.turned((kind.squares(block) @ right)[:, :k])
            logs = rows.turned((block @ left)[:, :k]) + far
            best, every, error = xp.argmax(logs, 0), rows.put(np.arange(len(block))), far * (-3 * unit)
            above, below = logs + error + high, logs - error + low
            above[best, every] = -np.inf
            return xp.where(below[best, every] - xp.amax(above, 0) > CERTAIN, best, k)

        with np.errstate(over="ignore", invalid="ignore"):
            return rows.rough(step)

    def _move(self, homes: np.ndarray) -> None:
        """Let rows (n,) that settle or leave be added and subtracted."""
        xp, codes = self._rows.xp, self._rows.put(np.arange(self._k)[:, None])

        def step(block: Any, after: Any, before: Any) -> tuple[Any, ...]:
            signs = xp.asarray(after == codes, dtype=xp.float64) - xp.asarray(before == codes, dtype=xp.float64)
            return (signs @ self._features(block),)

        moved = np.flatnonzero(homes != self.homes)
        self._moves += 1
        if self._moves % ANEW == 0:
            moved, self.homes, self._sums = np.flatnonzero(homes < self._k), np.full_like(homes, self._k), []
        if len(moved):
            sums = self._held.sums(step, homes, self.homes, places=moved)
            self._sums = [a + b for a, b in zip(self._sums, sums, strict=True)] if self._sums else sums
        self.homes = homes
