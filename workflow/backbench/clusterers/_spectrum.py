"""Leading eigenvectors of normalised affinities (Ng et al. 2002, von Luxburg 2007), one connected part at a time.

The normalised affinity is D^-1/2 A D^-1/2 with a zero diagonal; its largest eigenvalues are one minus the smallest of
the normalised Laplacian. Every connected part of the graph has the eigenvalue 1 with a known vector; an iteration from
a single start vector would find such equal eigenvalues only by rounding errors, or not at all.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from backbench import threads
from backbench.metrics import distances

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FEWEST = 16
DENSE_ROWS = 400
# Restarts of the iteration on the affinity before the solver turns to the inverse, which scikit-learn uses at once
RESTARTS = 300
SHIFT = 1e-5


def bucket(k: int, n: int) -> int:
    """How many eigenvectors a member with `k` clusters works from, whatever the other members need."""
    return min(max(FEWEST, 1 << (k - 1).bit_length()), n)


def graph(rows: np.ndarray) -> "csr_array":
    """The symmetrised graph (n, n) of neighbour numbers (n, count), scikit-learn's except for the diagonal."""
    from scipy.sparse import coo_array

    n, count = rows.shape
    pairs = (np.repeat(np.arange(n), count), rows.ravel())
    directed = coo_array((np.ones(n * count), pairs), shape=(n, n)).tocsr()
    return 0.5 * (directed + directed.T).tocsr()


def kernel(x: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma times the squared distance) (n, n) of all pairs of rows (n, d), with a zero diagonal."""
    points = distances.Points(x)
    n = len(x)
    affinity = np.empty((n, n))

    def fill(span: tuple[int, int]) -> None:
        block = points.squared(*span)
        block *= -gamma
        np.exp(block, out=affinity[span[0] : span[1]])

    for _ in threads.in_order(fill, distances.spans(n, n)):
        pass
    np.fill_diagonal(affinity, 0.0)
    return affinity


def parts(affinity: Any) -> np.ndarray:
    """Number (n,) of the connected part of each row of an affinity (n, n)."""
    from scipy.sparse import issparse
    from scipy.sparse.csgraph import connected_components

    if issparse(affinity):
        return connected_components(affinity, directed=False)[1]
    numbers = np.full(len(affinity), -1)
    for row in range(len(affinity)):
        fresh = np.array([row]) if numbers[row] < 0 else np.empty(0, dtype=np.int64)
        while len(fresh):
            numbers[fresh] = row
            reached = np.zeros(len(affinity), dtype=bool)
            for start in range(0, len(fresh), distances.MOST):
                reached |= (affinity[fresh[start : start + distances.MOST]] > 0).any(axis=0)
            fresh = np.flatnonzero(reached & (numbers < 0))
    return np.unique(numbers, return_inverse=True)[1]


def embedding(affinity: Any, count: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (count,) from the largest down, and D^-1/2 times their eigenvectors (n, count), with fixed signs.

    Overwrites a dense `affinity`. A row without any affinity is a part of its own, with the eigenvalue 0.
    """
    degree = np.asarray(affinity.sum(axis=0)).ravel()
    if not (degree > 0).any():
        raise ValueError("no two rows have any affinity: gamma is too large for these distances; scale or lower it")
    root = np.where(degree > 0, np.sqrt(degree), 1.0)
    normalised = _scaled(affinity, 1.0 / root)
    values, vectors = _largest(normalised, root, degree > 0, count, tolerance)
    vectors /= root[:, None]
    steepest = vectors[np.abs(vectors).argmax(axis=0), np.arange(count)]
    return values, vectors * np.where(steepest < 0, -1.0, 1.0)


def _scaled(affinity: Any, scale: np.ndarray) -> Any:
    """The affinity (n, n) with rows and columns multiplied by `scale` (n,)."""
    if isinstance(affinity, np.ndarray):
        affinity *= scale[:, None]
        affinity *= scale
        return affinity
    from scipy.sparse import diags_array

    return (diags_array(scale) @ affinity @ diags_array(scale)).tocsr()


def _largest(
    normalised: Any, root: np.ndarray, linked: np.ndarray, count: int, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues (count,) over all parts and their vectors (n, count).

    First the 1 of each part, larger parts first, then the others. `root` and `linked` are (n,).
    """
    numbers = parts(normalised)
    sizes = np.bincount(numbers)
    order = np.argsort(-sizes, kind="stable")
    alone = len(order) == 1
    missing = count - int(np.bincount(numbers, linked).astype(bool).sum())
    pairs: list[tuple[float, int, np.ndarray, np.ndarray]] = []
    for part in order[: max(count, 1)] if missing <= 0 else order:
        rows = np.flatnonzero(numbers == part)
        within = normalised if alone else normalised[rows][:, rows]
        wanted = min(len(rows), 1 + max(0, missing))
        values, vectors = _of_part(within, root[rows], wanted, tolerance)
        pairs += [(-value, len(pairs) + i, rows, vectors[:, i]) for i, value in enumerate(values)]
    kept = sorted(pairs, key=lambda pair: pair[:2])[:count]
    vectors = np.zeros((len(root), count))
    for column, (_, _, rows, vector) in enumerate(kept):
        vectors[rows, column] = vector
    return np.array([-pair[0] for pair in kept]), vectors


def _of_part(part: Any, root: np.ndarray, count: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues (count,) of a connected part and their vectors (m, count), 1 with `root` (m,) first."""
    if len(root) == 1:
        return np.zeros(1), np.ones((1, 1))
    first = root / np.linalg.norm(root)
    if count == 1:
        return np.ones(1), first[:, None]
    if len(root) <= DENSE_ROWS or 2 * count >= len(root):
        values, vectors = _dense(part, count)
    else:
        values, vectors = _iterated(part, root, count, tolerance)
    values[0], vectors[:, 0] = 1.0, first
    return values, vectors


def _dense(part: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues (count,) and vectors (m, count) by a full decomposition."""
    from scipy.linalg import eigh

    n = part.shape[0]
    matrix = part if isinstance(part, np.ndarray) else part.toarray()
    values, vectors = eigh(matrix, subset_by_index=(n - count, n - 1))
    return values[::-1].copy(), vectors[:, ::-1].copy()


def _iterated(part: Any, root: np.ndarray, count: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues (count,) and vectors (m, count) by Lanczos iteration (ARPACK).

    The iteration is on the inverse if the eigenvalues lie too close together for the matrix itself.
    """
    from scipy.sparse import eye_array, issparse
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    # The known vector itself would end the iteration at its first step.
    start = root * (1.0 + np.random.default_rng(0).random(len(root)))
    try:
        values, vectors = eigsh(part, k=count, which="LA", v0=start, tol=tolerance, maxiter=RESTARTS)
    except ArpackNoConvergence:
        if not issparse(part):
            return _dense(part, count)
        laplacian = (eye_array(len(root)) - part).tocsc()
        values, vectors = eigsh(laplacian, k=count, sigma=-SHIFT, which="LM", v0=start, tol=tolerance)
        values = 1.0 - values
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]


def cluster_qr(vectors: np.ndarray) -> np.ndarray:
    """Labels (n,) from pivots of the eigenvectors (n, k), without random starts (Damle et al. 2019, algorithm 1)."""
    from scipy.linalg import qr, svd

    k = vectors.shape[1]
    pivots = qr(vectors.T, pivoting=True, mode="economic")[2]
    left, _, right = svd(vectors[pivots[:k]].T)
    return np.abs(vectors @ (left @ right.conj())).argmax(axis=1).astype(np.int64)
