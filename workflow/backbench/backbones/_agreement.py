"""How far features agree."""

import numpy as np


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine (n,) between the rows of `a` (n, d) and `b` (n, d); 1 for two rows of zeros, NaN or 0 if not finite."""
    a, b = a.astype(np.float64), b.astype(np.float64)  # large features would overflow in float32
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(lengths > 0, (a * b).sum(axis=1) / np.maximum(lengths, 1e-30), np.abs(a - b).max(axis=1) == 0)
