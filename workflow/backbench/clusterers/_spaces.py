"""Representations that lie side by side in the columns of a matrix, each as a learner wants it, in float32."""

from collections.abc import Sequence

import numpy as np

from backbench.clusterers._rows import Rows

# A component with a smaller share of the largest standard deviation is rounding, and is not scaled up.
NEGLIGIBLE = 1e-5


def spaces(x: np.ndarray, widths: Sequence[int], components: int | None, scale: str) -> list[np.ndarray]:
    """The rows (n, d) in each space, columns (n, w) float32, on their principal components where a number is given."""
    ends = np.cumsum(widths)
    blocks = [x[:, end - width : end] for end, width in zip(ends, widths, strict=True)]
    return [_seen(np.ascontiguousarray(block), components, scale == "standardise") for block in blocks]


def _seen(block: np.ndarray, components: int | None, scaled: bool) -> np.ndarray:
    """The rows (n, w) centred, on principal components (n, c) if any, and with columns of unit variance if asked."""
    if components is None and not scaled:
        return block
    rows = Rows(block, block.mean(axis=0, dtype=np.float64))
    if components is None:
        axes = np.eye(block.shape[1])
        variances = rows.sums(lambda part: (rows.xp.einsum("ij,ij->j", part, part),))[0] / rows.n
    else:
        variances, axes = np.linalg.eigh(rows.sums(lambda part: (part.T @ part,))[0] / rows.n)
        largest = np.argsort(-variances, kind="stable")[:components]
        variances, axes = variances[largest], _signed(axes[:, largest])
    deviations = np.sqrt(np.maximum(variances, 0))
    some = deviations > NEGLIGIBLE * deviations.max(initial=0)
    turn = rows.put(axes / np.where(some & scaled, deviations, 1))
    return rows.joined(lambda part: part @ turn).astype(np.float32)


def _signed(axes: np.ndarray) -> np.ndarray:
    """Axes (w, c) with their largest entries positive."""
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return axes * np.where(largest < 0, -1, 1)
