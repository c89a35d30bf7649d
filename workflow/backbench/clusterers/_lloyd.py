"""k-means with float64 arithmetic on numpy or PyTorch: starts by k-means++, Lloyd's iterations.

Draws, starts, the rule of convergence and the treatment of empty clusters are those of `sklearn.cluster.KMeans`, so
the same seed gives the same clusters. Sums are kept from one iteration to the next: only rows that change their
cluster are added and subtracted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench.clusterers._rows import Rows

# Above this share of the rows all are measured, which reads them in order
MOST_MEASURED = 0.6


@dataclass(frozen=True)
class Fit:
    """Where a start has led, with labels (n,)."""

    labels: np.ndarray
    inertia: float
    n_iter: int


def starts(rows: Rows, k: int, random: np.random.RandomState, count: int, dtype: type) -> np.ndarray:
    """Row numbers (count, k) that start k-means, by greedy k-means++ (Arthur and Vassilvitskii 2007).

    Draws and choices are those of `sklearn.cluster.kmeans_plusplus` on rows of `dtype`, one start after the other; here
    all starts advance together, so that the rows are read once per step.

    A single start of a smaller k with as many trials is the beginning of that of a larger one.
    """
    each = trials(k)
    weights: np.ndarray = np.ones(rows.n, dtype=dtype)
    places, draws = np.empty((count, k), dtype=np.int64), []
    for i in range(count):
        places[i, 0] = random.choice(rows.n, p=weights / weights.sum())
        draws.append(random.uniform(size=(k - 1, each)))
    distances = _Distances(rows, dtype)
    nearest = list(distances.to(places[:, 0])[:, None, :])
    potential = [each @ weights for each in nearest]
    for step in range(1, k):
        chosen = [_drawn(near, draw[step - 1] * pot) for near, draw, pot in zip(nearest, draws, potential, strict=True)]
        apart = distances.to(np.concatenate(chosen)).reshape(count, each, -1)
        for i in range(count):
            np.minimum(nearest[i], apart[i], out=apart[i])
            potentials = apart[i] @ weights.reshape(-1, 1)
            best = int(np.argmin(potentials))
            places[i, step], potential[i], nearest[i] = chosen[i][best], potentials[best], apart[i][best][None]
    return places


def trials(k: int) -> int:
    """Candidates of each step of k-means++ for k centres."""
    return 2 + int(np.log(k))


def _drawn(nearest: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Row numbers (m,) that values (m,) draw with probabilities proportional to `nearest` (1, n)."""
    return np.minimum(np.searchsorted(np.cumsum(nearest), values), nearest.size - 1)


class _Distances:
    """Squared distances of some of the rows to all."""

    def __init__(self, rows: Rows, dtype: type):
        self._rows, self._dtype = rows, dtype
        self._norms = rows.joined(lambda block: rows.xp.einsum("ij,ij->i", block, block))

    def to(self, places: np.ndarray) -> np.ndarray:
        """Distances (m, n) from the rows at `places` (m,), rounded to the type."""
        rows, xp, count = self._rows, self._rows.xp, len(places)
        turn, norms_of_places = rows.factor(-2.0 * rows.take(places).T), rows.put(self._norms[places])
        kind = getattr(xp, np.dtype(self._dtype).name)

        def step(block: Any, norms: Any) -> Any:
            return xp.asarray((block @ turn)[:, :count] + norms_of_places + norms[:, None], dtype=kind)

        squared = np.ascontiguousarray(rows.joined(step, self._norms).T)
        return np.maximum(squared, 0, out=squared)


def climb(rows: Rows, centres: np.ndarray, max_iter: int, tol: float) -> Fit:
    """Lloyd's iterations from `centres` (k, d), until no label changes or the centres move less than `tol` allows.

    Parameters
    ----------
    tol : bound on the squared length of all moves, from `tolerance`
    """
    state, n_iter = _climbed(rows, centres, max_iter, tol)
    return Fit(state.labels, state.inertia(), n_iter)


def partition(rows: Rows, centres: np.ndarray, max_iter: int, tol: float) -> np.ndarray:
    """The labels (n,) of `climb` from `centres` (k, d), without the inertia."""
    return _climbed(rows, centres, max_iter, tol)[0].labels


def _climbed(rows: Rows, centres: np.ndarray, max_iter: int, tol: float) -> tuple["_State", int]:
    """Where `centres` (k, d) have led, and the number of iterations."""
    state = _State(rows, centres)
    for n_iter in range(1, max_iter + 1):
        changed = state.assign()
        moved = state.update()
        if not changed:
            return state, n_iter
        if moved <= tol:
            break
    state.assign()
    return state, n_iter


def tolerance(rows: Rows, tol: float) -> float:
    """`tol` times the mean variance of the columns of centred rows."""
    first, second = rows.sums(lambda block: (block.sum(0), rows.xp.einsum("ij,ij->j", block, block)))
    return tol * float(np.mean(second / rows.n - (first / rows.n) ** 2))


class _State:
    """Labels, the sums and counts that belong to them, and bounds that tell whose label cannot have changed.

    The bounds are those of Hamerly, "Making k-means even faster", SDM 2010. Rows within rounding of them are measured.
    """

    def __init__(self, rows: Rows, centres: np.ndarray):
        """From centres (k, d)."""
        self.rows, self.centres = rows, centres
        self.labels = np.full(rows.n, len(centres), dtype=np.int64)
        self._sums, self._counts = np.zeros_like(centres), np.zeros(len(centres))
        self._lengths = rows.joined(lambda block: rows.xp.einsum("ij,ij->i", block, block))
        # At least the distance to the own centre, at most that to any other
        self._near, self._far = np.full(rows.n, np.inf), np.zeros(rows.n)
        # The error of a square by way of products: of d + 2 terms that are at most four times the largest together
        error = 4 * (rows.d + 8) * np.finfo(np.float64).eps * float(self._lengths.max())
        self._slack = 4 * math.sqrt(error)

    def assign(self) -> bool:
        """Assign each row to its nearest centre; whether any label changed."""
        places = self._doubtful()
        if places is not None and not len(places):
            return False
        steps = list(self.rows.each(self._measure(), self.labels, self._lengths, places=places))
        chosen = slice(None) if places is None else places
        labels, near, far = (np.concatenate([step[part] for step in steps]) for part in range(3))
        for *_, sums, counts in steps:
            self._sums += sums
            self._counts += counts
        changed = not np.array_equal(labels, self.labels[chosen])
        self.labels[chosen] = labels
        self._near[chosen], self._far[chosen] = (np.sqrt(np.maximum(squares, 0.0)) for squares in (near, far))
        return changed

    def _doubtful(self) -> np.ndarray | None:
        """Places (m,) of the rows whose label may have changed; None for all, if they are most of them."""
        if self.rows.xp is not np or np.isinf(self._near[0]):
            return None
        bound = np.maximum(self._far, _half_apart(self.centres)[self.labels])
        places = np.flatnonzero(self._near + self._slack >= bound)
        return places if len(places) < MOST_MEASURED * self.rows.n else None

    def _measure(self) -> Callable[..., tuple[Any, ...]]:
        """The function from a block, its labels and squared lengths to what `assign` needs of it."""
        k, xp = len(self.centres), self.rows.xp
        turn = self.rows.factor(-2.0 * self.centres.T)
        norms = self.rows.put((self.centres * self.centres).sum(axis=1))
        codes = self.rows.put(np.arange(k))

        def step(block: Any, before: Any, lengths: Any) -> tuple[Any, ...]:
            squares = (block @ turn)[:, :k] + norms
            after = xp.argmin(squares, 1)
            moved = xp.nonzero(after != before)[0] if xp is np else xp.nonzero(after != before)[:, 0]
            gained, lost = (xp.asarray(labels[moved][:, None] == codes, dtype=xp.float64) for labels in (after, before))
            signs, chosen = gained - lost, (self.rows.put(np.arange(len(after))), after)
            near = squares[chosen] + lengths
            squares[chosen] = np.inf
            return after, near, xp.amin(squares, 1) + lengths, signs.T @ block[moved], signs.sum(0)

        return step

    def update(self) -> float:
        """Move the centres to the means of their rows; the squared length of all moves."""
        sums, counts = self._relocated()
        before, self.centres = self.centres, sums / np.maximum(counts, 1)[:, None]
        self.centres[counts == 0] = self.centres[np.argmax(counts)]
        squares = ((self.centres - before) ** 2).sum(axis=1)
        moves = np.sqrt(squares)
        self._near += moves[self.labels]
        self._far -= moves.max()
        return float(squares.sum())

    def _relocated(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums (k, d) and counts (k,), each empty cluster having taken one of the rows farthest from their centres."""
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

        def step(block: Any, labels: Any) -> Any:
            apart = block - centres[labels]
            return xp.einsum("ij,ij->i", apart, apart)

        return self.rows.joined(step, self.labels)

    def inertia(self) -> float:
        """Sum of the squared distances to the centres."""
        return float(self._apart().sum())


def _half_apart(centres: np.ndarray) -> np.ndarray:
    """Half the distance (k,) of each centre (k, d) to the nearest other; infinite for a single one."""
    lengths = (centres * centres).sum(axis=1)
    squares = lengths[:, None] + lengths - 2 * (centres @ centres.T)
    np.fill_diagonal(squares, np.inf)
    return np.sqrt(np.maximum(squares.min(axis=1), 0.0)) / 2
