"""Principal components of rows, in float64."""

import numpy as np

from backbench import device

# Of rounding in a sum of shares.
SLACK = 1e-12


def project(fit_rows: np.ndarray, rows: np.ndarray, wanted: int | float, solver: str, whiten: bool) -> np.ndarray:
    """`rows` on the first principal axes of `fit_rows`, as float32 (n, count).

    `wanted` is the number of axes, or as a float the share of the variance that the fewest axes are to hold.
    """
    mean = fit_rows.mean(axis=0, dtype=np.float64)
    decompose = {"full": _full, "covariance_eigh": _covariance_eigh}[solver]
    count = wanted if isinstance(wanted, int) else min(fit_rows.shape)
    axes, lengths = decompose(fit_rows - mean, count)
    if isinstance(wanted, float):
        count = holding(wanted, lengths)
        axes, lengths = axes[:count], lengths[:count]
    found = _product(rows - mean, _signed(axes).T)
    if whiten:
        found = _whitened(found, lengths, fit_rows.shape)
    return found.astype(np.float32)


def holding(share: float, lengths: np.ndarray) -> int:
    """The fewest of all components, given by their singular values, that hold this share of the variance."""
    held = np.cumsum(lengths * lengths)
    if held[-1] == 0.0:
        return 1
    return int(np.searchsorted(held, (share - SLACK) * held[-1])) + 1


def zca(fit_rows: np.ndarray, rows: np.ndarray, epsilon: float) -> np.ndarray:
    """`rows` with the covariance of `fit_rows` made the identity by a symmetric matrix, as float32 (n, d).

    Directions without variance over the fitted rows become 0: nothing says how large a step along them is.
    """
    mean = fit_rows.mean(axis=0, dtype=np.float64)
    axes, lengths = _full(fit_rows - mean, min(fit_rows.shape))
    some = lengths > _negligible(lengths, fit_rows.shape)
    axes, variances = axes[some], lengths[some] ** 2 / max(len(fit_rows) - 1, 1)
    return (((rows - mean) @ axes.T / np.sqrt(variances + epsilon)) @ axes).astype(np.float32)


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix product in float64, on the device of the shard."""
    if not device.accelerated():
        return left @ right
    return (device.tensor(left) @ device.tensor(right)).cpu().numpy()


def _full(centred: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy import linalg

    _, lengths, axes = linalg.svd(centred, full_matrices=False, overwrite_a=True)
    return axes[:count], lengths[:count]


def _covariance_eigh(centred: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes (count, d) and singular values of the centred rows, largest first."""
    from scipy import linalg

    n, d = centred.shape
    wide = d > n
    products = _product(centred, centred.T) if wide else _product(centred.T, centred)
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
