"""The coding length of a labeling: bits per row of a code that has one Gaussian for each cluster.

Ma, Derksen, Hong and Wright 2007 (equations 8 and 20), on rows of unit length and with the distortion of CPP (Chu et
al. 2024), which chooses the number of clusters by its minimum. A cluster pays for its rows, for the directions in which
they spread, and for the name of the cluster on each row. In as many dimensions as networks have, the directions
outweigh all else and one cluster is always the shortest code: the rows are seen in their first principal components.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from backbench import threads
from backbench.metrics import _scatter, labels

NAME = "coding_length"
COMPONENTS = 50
# Mean squared error that the code allows for a row of unit length.
DISTORTION = 0.1


def scores(x: np.ndarray, labelings: Sequence[np.ndarray]) -> tuple[list[float], str]:
    """Bits per row for each labeling of rows (n, d), and why all are NaN if they are.

    Parameters
    ----------
    labelings : arrays of shape (n,) with a cluster or more; negative is noise, which is left out
    """
    if _scatter.too_large(x):
        return [float("nan")] * len(labelings), _scatter.TOO_LARGE
    rows = directions(x) if labelings else x
    parts = [labels.canonical(labeling) for labeling in labelings]
    return list(threads.in_order(partial(bits, rows), parts)), ""


def directions(x: np.ndarray) -> np.ndarray:
    """Rows (n, d) around their mean on their first principal components, of unit length, (n, c) float64."""
    from scipy import linalg

    rows = _scatter.coordinates(x)
    mean, scatter = _scatter.of(rows)
    first = max(0, len(mean) - COMPONENTS)
    _, axes = linalg.eigh(scatter, subset_by_index=(first, len(mean) - 1))
    placed = np.empty((len(rows), axes.shape[1]))

    def step(span: slice) -> None:
        """Place the rows (b,) of a block."""
        along = (rows[span] - mean) @ axes
        lengths = np.linalg.norm(along, axis=1, keepdims=True)
        np.divide(along, np.where(lengths > 0, lengths, 1), out=placed[span])

    for _ in threads.in_order(step, _scatter.spans(len(rows))):
        pass
    return placed


def bits(rows: np.ndarray, part: np.ndarray) -> float:
    """Bits per row of a canonical labeling (n,) of rows (n, c), noise left out."""
    order = np.argsort(part, kind="stable")[(part < 0).sum() :]
    sizes = np.bincount(part[part >= 0])
    clusters = np.split(rows[order], np.cumsum(sizes)[:-1])
    names = -sizes @ np.log2(sizes / len(order))
    return float(sum(map(_length, clusters), names)) / len(order)


def _length(cluster: np.ndarray) -> float:
    """Bits of the rows (m, c) of a cluster and of their directions, by the smaller of the two Gram matrices."""
    m, c = cluster.shape
    gram = cluster @ cluster.T if m < c else cluster.T @ cluster
    factor = np.linalg.cholesky(np.eye(len(gram)) + c / (DISTORTION * m) * gram)
    return float((m + c) * np.log2(np.diag(factor)).sum())
