"""Votes of neighbours."""

import numpy as np


def equal(lengths: np.ndarray) -> np.ndarray:
    """Each neighbour counts the same."""
    return np.ones(lengths.shape)


def inverse(lengths: np.ndarray) -> np.ndarray:
    """Inverse distances; where some are zero, these neighbours alone count."""
    zero = lengths == 0
    inverse = np.divide(1.0, lengths, out=np.zeros(lengths.shape), where=~zero)
    return np.where(zero.any(axis=1, keepdims=True), zero.astype(np.float64), inverse)


def count(votes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The class with the most weight among the votes (queries, k), the first class among equals."""
    names, codes = np.unique(votes, return_inverse=True)
    rows = np.arange(len(votes))[:, None] * max(len(names), 1)
    flat = (rows + codes.reshape(votes.shape)).ravel()
    ballots = np.bincount(flat, weights=weights.ravel(), minlength=len(votes) * len(names))
    return names[ballots.reshape(len(votes), len(names)).argmax(axis=1)] if len(votes) else votes[:, 0]
