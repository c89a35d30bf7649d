"""Votes of neighbours."""

import numpy as np

from backbench.classifiers import Prediction


def equal(lengths: np.ndarray) -> np.ndarray:
    """Weights (queries, k) of one for every neighbour."""
    return np.ones(lengths.shape)


def inverse(lengths: np.ndarray) -> np.ndarray:
    """Inverse distances (queries, k); if some of a query are zero, only these neighbours count."""
    zero = lengths == 0
    inverse = np.divide(1.0, lengths, out=np.zeros(lengths.shape), where=~zero)
    return np.where(zero.any(axis=1, keepdims=True), zero.astype(np.float64), inverse)


def exponential(lengths: np.ndarray, temperature: float) -> np.ndarray:
    """exp(cosine / temperature) by the cosine distances (queries, k), as shares of that of the nearest."""
    return np.exp((lengths[:, :1] - lengths) / temperature)


def prediction(votes: np.ndarray, weights: np.ndarray, trained: np.ndarray) -> Prediction:
    """The class with the most weight among the votes (queries, k), the first among equals, and each class's share.

    `trained` are all classes (classes,) that a vote can be for, ascending.
    """
    if not len(votes):
        return Prediction(votes[:, 0])
    names, codes = np.unique(votes, return_inverse=True)
    rows = np.arange(len(votes))[:, None] * max(len(names), 1)
    flat = (rows + codes.reshape(votes.shape)).ravel()
    ballots = np.bincount(flat, weights=weights.ravel(), minlength=len(votes) * len(names))
    ballots = ballots.reshape(len(votes), len(names))
    probabilities = np.zeros((len(votes), len(trained)))
    probabilities[:, np.searchsorted(trained, names)] = ballots / ballots.sum(axis=1, keepdims=True)
    return Prediction(names[ballots.argmax(axis=1)], probabilities=probabilities)
