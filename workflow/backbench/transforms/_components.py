"""Principal components of rows, in float64."""

import numpy as np


def project(fit_rows: np.ndarray, rows: np.ndarray, count: int, solver: str, whiten: bool) -> np.ndarray:
    """`rows` on the first `count` principal axes of `fit_rows`, as float32 (n, count)."""
    mean = fit_rows.mean(axis=0, dtype=np.float64)
    decompose = {"full": _full, "covariance_eigh": _covariance_eigh}[solver]
    axes, lengths = decompose(fit_rows - mean, count)
    found = (rows - mean) @ _signed(axes).T
    if whiten:
        found = _whitened(found, lengths, fit_rows.shape)
    return found.astype(np.float32)


def _full(centred: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy import linalg

    _, lengths, axes = linalg.svd(centred, full_matrices=False, overwrite_a=True)
    return axes[:count], lengths[:count]


def _covariance_eigh(centred: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes (count, d) and singular values of the centred rows, largest first."""
    from scipy import linalg

    n, d = centred.shape
    wide = d > n
    products = centred @ centred.T if wide else centred.T @ centred
    size = len(products)
    values, vectors = linalg.eigh(products, subset_by_index=(size - count, size - 1), overwrite_a=True)
    lengths, vectors = np.sqrt(np.maximum(values[::-1], 0.0)), vectors[:, ::-1]
    return (_from_rows(centred, vectors, lengths) if wide else vectors.T), lengths


def _from_rows(centred: np.ndarray, vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    axes = vectors.T @ centred
    norms = np.sqrt((axes * axes).sum(axis=1, keepdims=True))
    some = (lengths > _negligible(lengths, centred.shape))[:, None]
    return np.divide(axes, norms, out=np.zeros_like(axes), where=some)


def _signed(axes: np.ndarray) -> np.ndarray:
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return axes * np.where(signs == 0, 1.0, signs)[:, None]


def _whitened(found: np.ndarray, lengths: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Unit variance over the fitted rows; components without variance become 0 instead of amplified noise."""
    spread = lengths / np.sqrt(max(shape[0] - 1, 1))
    some = lengths > _negligible(lengths, shape)
    return np.divide(found, spread, out=np.zeros_like(found), where=some[None, :])


def _negligible(lengths: np.ndarray, shape: tuple[int, int]) -> float:
    return float(np.sqrt(max(shape) * np.finfo(np.float64).eps) * lengths.max(initial=0.0))
