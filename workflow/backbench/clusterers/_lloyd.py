"""k-means with float64 arithmetic on numpy or PyTorch: starts by k-means++, Lloyd's iterations.

The draws, the starts, the rule of convergence and the treatment of empty clusters are those of
`sklearn.cluster.KMeans`, so that the same seed gives the same clusters. Sums are kept from one iteration to the next:
only rows that change their cluster are added and taken away.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench.clusterers._rows import Rows


@dataclass(frozen=True)
class Fit:
    """Where one start has led."""

    labels: np.ndarray
    inertia: float
    n_iter: int


def starts(rows: Rows, k: int, random: np.random.RandomState, count: int, dtype: type) -> np.ndarray:
    """Rows (count, k) that start k-means, by greedy k-means++ (Arthur and Vassilvitskii 2007).

    The same draws and choices as `sklearn.cluster.kmeans_plusplus` on rows of `dtype` one start after the other; here
    all starts advance together, so that the rows are read once a step.
    """
    trials, weights = 2 + int(np.log(k)), np.ones(rows.n, dtype=dtype)
    found, draws = np.empty((count, k), dtype=np.int64), []
    for i in range(count):
        found[i, 0] = random.choice(rows.n, p=weights / weights.sum())
        draws.append(random.uniform(size=(k - 1, trials)))
    distances = _Distances(rows, dtype)
    nearest = list(distances.to(found[:, 0])[:, None, :])
    potential = [each @ weights for each in nearest]
    for step in range(1, k):
        chosen = [_drawn(each, own[step - 1] * pot) for each, own, pot in zip(nearest, draws, potential, strict=True)]
        apart = distances.to(np.concatenate(chosen)).reshape(count, trials, -1)
        for i in range(count):
            np.minimum(nearest[i], apart[i], out=apart[i])
            potentials = apart[i] @ weights.reshape(-1, 1)
            best = int(np.argmin(potentials))
            found[i, step], potential[i], nearest[i] = chosen[i][best], potentials[best], apart[i][best][None]
    return found


def _drawn(nearest: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rows drawn with probabilities in proportion to `nearest`."""
    return np.minimum(np.searchsorted(np.cumsum(nearest), values), nearest.size - 1)


class _Distances:
    """Squared distances of some of the rows to all."""

    def __init__(self, rows: Rows, dtype: type):
        self._rows, self._dtype = rows, dtype
        self._norms = rows.joined(lambda block: rows.xp.einsum("ij,ij->i", block, block))

    def to(self, places: np.ndarray) -> np.ndarray:
        """(len(places), n), rounded to the type."""
        rows, xp, count = self._rows, self._rows.xp, len(places)
        turn, own = rows.factor(-2.0 * rows.take(places).T), rows.put(self._norms[places])
        kind = getattr(xp, np.dtype(self._dtype).name)

        def step(block: Any, norms: Any) -> Any:
            return xp.asarray((block @ turn)[:, :count] + own + norms[:, None], dtype=kind)

        found = np.ascontiguousarray(rows.joined(step, self._norms).T)
        return np.maximum(found, 0, out=found)


def climb(rows: Rows, centres: np.ndarray, max_iter: int, tol: float) -> Fit:
    """Lloyd's iterations from `centres` (k, d), until no label changes or the centres move less than `tol` allows.

    Parameters
    ----------
    tol : bound of the squared length of all moves, as `tolerance` gives it
    """
    state = _State(rows, centres)
    for n_iter in range(1, max_iter + 1):
        changed = state.assign()
        moved = state.update()
        if not changed:
            return Fit(state.labels, state.inertia(), n_iter)
        if moved <= tol:
            break
    state.assign()
    return Fit(state.labels, state.inertia(), n_iter)


def tolerance(rows: Rows, tol: float) -> float:
    """`tol` times the mean variance of the columns of centred rows."""
    first, second = rows.sums(lambda block: (block.sum(0), rows.xp.einsum("ij,ij->j", block, block)))
    return tol * float(np.mean(second / rows.n - (first / rows.n) ** 2))


class _State:
    """Labels, and the sums and counts that belong to them."""

    def __init__(self, rows: Rows, centres: np.ndarray):
        self.rows, self.centres = rows, centres
        self.labels = np.full(rows.n, len(centres), dtype=np.int64)
        self._sums, self._counts = np.zeros_like(centres), np.zeros(len(centres))

    def assign(self) -> bool:
        """Give each row to its nearest centre; whether any label changed."""
        k, xp = len(self.centres), self.rows.xp
        turn = self.rows.factor(-2.0 * self.centres.T)
        norms = self.rows.put((self.centres * self.centres).sum(axis=1))
        codes = self.rows.put(np.arange(k))

        def step(block: Any, before: Any) -> tuple:
            after = xp.argmin((block @ turn)[:, :k] + norms, 1)
            moved = xp.nonzero(after != before)[0] if xp is np else xp.nonzero(after != before)[:, 0]
            gained, lost = (xp.asarray(own[moved][:, None] == codes, dtype=xp.float64) for own in (after, before))
            signs = gained - lost
            return after, signs.T @ block[moved], signs.sum(0)

        found = list(self.rows.each(step, self.labels))
        labels = np.concatenate([part[0] for part in found])
        for _, sums, counts in found:
            self._sums += sums
            self._counts += counts
        changed = not np.array_equal(labels, self.labels)
        self.labels = labels
        return changed

    def update(self) -> float:
        """Move the centres to the means of their rows; the squared length of all moves."""
        sums, counts = self._relocated()
        before, self.centres = self.centres, sums / np.maximum(counts, 1)[:, None]
        self.centres[counts == 0] = self.centres[np.argmax(counts)]
        return float(((self.centres - before) ** 2).sum())

    def _relocated(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums and counts, in which each empty cluster has taken one of the rows that are farthest off."""
        sums, counts = self._sums.copy(), self._counts.copy()
        empty = np.flatnonzero(counts == 0)
        apart = self._apart() if len(empty) else np.zeros(1)
        if apart.max() == 0:
            return sums, counts
        farthest = np.argpartition(apart, -len(empty))[: -len(empty) - 1 : -1]
        for cluster, place, row in zip(empty, farthest, self.rows.take(farthest), strict=True):
            sums[cluster], counts[cluster] = row, 1
            sums[self.labels[place]] -= row
            counts[self.labels[place]] -= 1
        return sums, counts

    def _apart(self) -> np.ndarray:
        """Squared distance (n,) of each row to its centre."""
        centres, xp = self.rows.put(self.centres), self.rows.xp

        def step(block: Any, own: Any) -> Any:
            apart = block - centres[own]
            return xp.einsum("ij,ij->i", apart, apart)

        return self.rows.joined(step, self.labels)

    def inertia(self) -> float:
        """Sum of the squared distances to the centres."""
        return float(self._apart().sum())
