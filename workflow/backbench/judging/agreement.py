"""How much labelings of the same rows agree: adjusted mutual information of all pairs."""

import numpy as np

from backbench.judging.judge import codes, stacked
from backbench.metrics import _chance

# Pairs whose expected values are summed at a time.
PAIRS = 2048
# Below this, what chance leaves to know (per row, in nats) is rounding.
NOTHING = 1e-12


def ami_matrix(labels: np.ndarray) -> np.ndarray:
    """AMI of all pairs of labelings (candidates, rows), symmetric (candidates, candidates), 1 on the diagonal.

    Equals `sklearn.metrics.adjusted_mutual_info_score`, where all noise (-1) is one cluster.
    """
    from scipy.special import xlogy

    parts = codes(labels)
    count, n = parts.shape
    if count == 0:
        return np.zeros((0, 0))
    tables, starts = _tables(parts)
    logs = xlogy(tables, tables)
    cells = np.add.reduceat(np.add.reduceat(logs, starts, axis=0), starts, axis=1)
    sizes = [np.bincount(part).astype(np.float64) for part in parts]
    alone = np.array([xlogy(part, part).sum() for part in sizes])
    matrix = np.eye(count)
    first, second = np.triu_indices(count, 1)
    margins = stacked(sizes)
    for start in range(0, len(first), PAIRS):
        i, j = first[start : start + PAIRS], second[start : start + PAIRS]
        expected = _chance.expected_logs(margins[:, i], margins[:, j], np.full(len(i), float(n)))
        room = (alone[i] + alone[j]) / 2 - expected
        same = np.maximum(alone[i], alone[j]) <= cells[i, j]
        values = np.divide(cells[i, j] - expected, room, out=same.astype(np.float64), where=room > n * NOTHING)
        matrix[i, j] = matrix[j, i] = values
    return matrix


def _tables(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of all clusters of all labelings (candidates, rows) against each other, (clusters, clusters).

    The second array says where the clusters of each labeling start, (candidates,).
    """
    from scipy.sparse import csr_matrix

    count, n = parts.shape
    lengths = parts.max(axis=1) + 1
    starts = np.cumsum(lengths) - lengths
    places = (parts + starts[:, None]).ravel()
    one_hot = csr_matrix((np.ones(count * n), (np.tile(np.arange(n), count), places)), shape=(n, int(lengths.sum())))
    return (one_hot.T @ one_hot).toarray(), starts
