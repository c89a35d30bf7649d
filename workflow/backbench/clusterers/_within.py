"""DBSCAN at one radius from all pairs within it, where these are few: less work than neighbours in order.

Products of float32 settle all pairs but those whose distance is nearly the radius, which are measured in float64.
"""

import numpy as np

from backbench import threads
from backbench.metrics import _rough, distances, neighbours

# Most pairs for each row: of all rows, and of those of a block
PAIRS, CROWDED = 32, 256
# Numbers of rows, both (pairs,): the lower one first
Pairs = tuple[np.ndarray, np.ndarray]


def pairs(x: np.ndarray, radius: float) -> Pairs | None:
    """All pairs of the rows (n, d) that are no further apart than the radius; None where these are very many."""
    n, low, high = len(x), [], []
    space = _rough.Space(x, x, cosine=False)
    side = space.rows(0, n, np.float32)

    def block(span: tuple[int, int]) -> Pairs | None:
        return _of_block(x, space, side[span[0] :], np.arange(*span), radius)

    room = PAIRS * n
    for close in threads.in_order(block, distances.spans(n, 1 + n // 2)):
        if close is None or len(close[0]) > room:
            return None
        room -= len(close[0])
        low.append(close[0])
        high.append(close[1])
    return np.concatenate(low), np.concatenate(high)


def _of_block(x: np.ndarray, space: _rough.Space, side: np.ndarray, rows: np.ndarray, radius: float) -> Pairs | None:
    """The pairs of the `rows` (b,) with later ones, from the right side (m, w) of all rows from the first of them on.

    None where there are very many.
    """
    scores = space.queries(rows, np.float32) @ side.T
    limit, slack = space.score(rows, np.full(len(rows), radius)), 2 * space.slack(rows, np.float32)
    near = scores <= (limit + slack).astype(np.float32)[:, None]
    if np.count_nonzero(near) > CROWDED * len(rows):
        return None
    close = np.flatnonzero(near)
    a, b = np.divmod(close, len(side))
    later = b > a
    close, a, b = close[later], a[later], b[later]
    open_ = np.flatnonzero(scores.ravel()[close] > (limit - slack)[a])
    inside = np.ones(len(a), dtype=bool)
    a, b = rows[a], rows[0] + b
    inside[open_] = np.sqrt(neighbours.measured(x, x, a[open_], b[open_], None)) <= radius
    return a[inside], b[inside]


def labels(close: Pairs, n: int, min_samples: int) -> tuple[np.ndarray, int]:
    """Labels (n,) in scikit-learn's order, -1 for noise, and the number of core points."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = close
    core = 1 + np.bincount(a, minlength=n) + np.bincount(b, minlength=n) >= min_samples
    inner = core[a] & core[b]
    joined = coo_array((np.ones(int(inner.sum()), dtype=np.int8), (a[inner], b[inner])), shape=(n, n))
    clusters = numbered(connected_components(joined, directed=False)[1], core)
    count = int(clusters.max(initial=-1)) + 1
    reached = np.full(n, count)
    for border, other in ((a, b), (b, a)):
        reaching = core[other] & ~core[border]
        np.minimum.at(reached, border[reaching], clusters[other[reaching]])
    clusters[reached < count] = reached[reached < count]
    return clusters, int(core.sum())


def numbered(part: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Parts (n,) of the core points, which the mask (n,) marks, in the order of their first ones; -1 for the others."""
    clusters = np.full(len(part), -1, dtype=np.int64)
    parts, first, codes = np.unique(part[core], return_index=True, return_inverse=True)
    rank = np.empty(len(parts), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(parts))
    clusters[core] = rank[codes]
    return clusters
