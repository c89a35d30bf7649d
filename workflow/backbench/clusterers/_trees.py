"""Trees of merges: built from distances or directly from rows, and cut into an exact number of clusters."""

import numpy as np

from backbench import threads
from backbench.metrics import distances


def tree(x: np.ndarray, linkage: str, metric: str, matrix_fits: bool) -> np.ndarray:
    """Merges (n - 1, 4) of rows (n, d), as scipy has them, by increasing height."""
    if len(x) == 1:
        return np.empty((0, 4))
    if matrix_fits:
        from scipy.cluster import hierarchy

        return hierarchy.linkage(condensed(x, metric), method=linkage)
    import fastcluster

    if linkage in ("ward", "single") and metric == "euclidean":
        return fastcluster.linkage_vector(x.astype(np.float64), method=linkage)
    return fastcluster.linkage(condensed(x, metric), method=linkage, preserve_input=False)


def cut(merges: np.ndarray, k: int) -> np.ndarray:
    """Labels (n,) of exactly `k` clusters: the last k - 1 merges (n - 1, 2 or 4) are undone, whatever their heights."""
    n = len(merges) + 1
    if not 1 <= k <= n:
        raise ValueError(f"{k} clusters of {n} rows")
    parent = np.arange(2 * n - k)
    for column in (0, 1):
        parent[merges[: n - k, column].astype(np.int64)] = np.arange(n, 2 * n - k)
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return np.unique(parent[:n], return_inverse=True)[1].astype(np.int64)


def condensed(x: np.ndarray, metric: str) -> np.ndarray:
    """The distances (n * (n - 1) / 2,) of rows (n, d) above the diagonal, row by row."""
    if metric == "manhattan":
        from scipy.spatial.distance import pdist

        return pdist(x.astype(np.float64), "cityblock")
    if metric == "cosine":
        _refuse_zero_rows(x)
    points = distances.Points(distances.unit_rows(x) if metric == "cosine" else x)
    n = len(x)
    lengths = np.empty(n * (n - 1) // 2)

    def fill(span: tuple[int, int]) -> None:
        start, stop = span
        block = points.squared(start, stop, first=start)
        block = block / 2 if metric == "cosine" else np.sqrt(block)
        for i in range(start, stop):
            begin = i * (2 * n - i - 1) // 2
            lengths[begin : begin + n - 1 - i] = block[i - start, i - start + 1 :]

    for _ in threads.in_order(fill, distances.spans(n, n)):
        pass
    return lengths


def _refuse_zero_rows(x: np.ndarray) -> None:
    """Refuse rows (n, d) of which any is zero."""
    zero = int((~x.any(axis=1)).sum())
    if zero:
        raise ValueError(f"the cosine distance to a row of zeros is undefined; {zero} of {len(x)} rows are zero")
