"""Principal components of rows, in float64."""

import numpy as np

from backbench import device

# Allowance for rounding in a sum of shares.
SLACK = 1e-12


def project(fit_rows: np.ndarray, rows: np.ndarray, wanted: int | float, solver: str, whiten: bool) -> np.ndarray:
    """Rows (n, d) on the first principal axes of `fit_rows` (m, d), as float32 (n, count).

    `wanted` is the number of axes, or as a float the share of the variance that the axes, as few as possible, explain.
    """
    mean = fit_rows.mean(axis=0, dtype=np.float64)
    decompose = {"full": _full, "covariance_eigh": _covariance_eigh}[solver]
    count = wanted if isinstance(wanted, int) else min(fit_rows.shape)
    axes, lengths = decompose(fit_rows - mean, count)
    if isinstance(wanted, float):
        count = holding(wanted, lengths)
        axes, lengths = axes[:count], lengths[:count]
    projected = _product(rows - mean, _signed(axes).T)
    if whiten:
        projected = _whitened(projected, lengths, fit_rows.shape)
    return projected.astype(np.float32)


def holding(share: float, lengths: np.ndarray) -> int:
    """The smallest number of components, of all with singular values (count,), that explain this share of variance."""
    held = np.cumsum(lengths * lengths)
    if held[-1] == 0.0:
        return 1
    return int(np.searchsorted(held, (share - SLACK) * held[-1])) + 1


def zca(fit_rows: np.ndarray, rows: np.ndarray, epsilon: float) -> np.ndarray:
    """Rows (n, d) times the symmetric matrix that makes the covariance of `fit_rows` (m, d) the identity, as float32.

    Directions without variance over the fitted rows become 0: they have no scale.
    """
    mean = fit_rows.mean(axis=0, dtype=np.float64)
    axes, lengths = _full(fit_rows - mean, min(fit_rows.shape))
    some = lengths > _negligible(lengths, fit_rows.shape)
    axes, variances = axes[some], lengths[some] ** 2 / max(len(fit_rows) - 1, 1)
    return (((rows - mean) @ axes.T / np.sqrt(variances + epsilon)) @ axes).astype(np.float32)


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix product (n, m) in float64 of arrays (n, k) and (k, m), on the device of the job."""
    if not device.accelerated():
        return left @ right
    return (device.tensor(left) @ device.tensor(right)).cpu().numpy()


def _full(centred: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes (count, d) and singular values (count,) of the centred rows (n, d), largest first."""
    from scipy import linalg

    _, lengths, axes = linalg.svd(centred, full_matrices=False, overwrite_a=True)
    return axes[:count], lengths[:count]


def _covariance_eigh(centred: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes (count, d) and singular values (count,) of the centred rows (n, d), largest first."""
    from scipy import linalg

    n, d = centred.shape
    wide = d > n
    products = _product(centred, centred.T) if wide else _product(centred.T, centred)
    size = len(products)
    values, vectors = linalg.eigh(products, subset_by_index=(size - count, size - 1), overwrite_a=True)
    lengths, vectors = np.sqrt(np.maximum(values[::-1], 0.0)), vectors[:, ::-1]
    return (_from_rows(centred, vectors, lengths) if wide else vectors.T), lengths


def _from_rows(centred: np.ndarray, vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Axes (count, d) of the centred rows (n, d) from eigenvectors (n, count) of their products."""
    axes = vectors.T @ centred
    norms = np.sqrt((axes * axes).sum(axis=1, keepdims=True))
    some = (lengths > _negligible(lengths, centred.shape))[:, None]
    return np.divide(axes, norms, out=np.zeros_like(axes), where=some)


def _signed(axes: np.ndarray) -> np.ndarray:
    """The axes (count, d), each with a sign that makes its largest loading positive."""
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return axes * np.where(signs == 0, 1.0, signs)[:, None]


def _whitened(projected: np.ndarray, lengths: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Components (n, count) scaled to unit variance over the fitted rows.

    Those without variance become 0 instead of amplified noise.
    """
    spread = lengths / np.sqrt(max(shape[0] - 1, 1))
    some = lengths > _negligible(lengths, shape)
    return np.divide(projected, spread, out=np.zeros_like(projected), where=some[None, :])


def _negligible(lengths: np.ndarray, shape: tuple[int, ...]) -> float:
    """The length up to which singular values (count,) of a matrix of this shape are rounding."""
    return float(np.sqrt(max(shape) * np.finfo(np.float64).eps) * lengths.max(initial=0.0))
