"""How far several labelings of the same images agree with one another: over seeds, or over refits on samples."""

import itertools
from collections.abc import Sequence

import numpy as np

NOISE, OUTSIDE = -1, -2


def mean_pairwise_ari(labelings: Sequence[np.ndarray]) -> float:
    """Mean adjusted Rand index over all pairs of labelings (n,) (`sklearn.metrics.adjusted_rand_score`).

    Each point of noise (-1) is a cluster of its own, as in `backbench.metrics.external`: leaving noise out would call
    a clusterer steady that drops whatever is hard. Two labelings without any cluster so agree fully; read it beside
    `noise_fraction`. A row out of scope (-2) in one of two labelings is left out of that pair. NaN of fewer than two
    labelings, or where no two of them share a row.
    """
    found = [_ari(one, other) for one, other in itertools.combinations(labelings, 2)]
    found = [value for value in found if not np.isnan(value)]
    return float(np.mean(found)) if found else float("nan")


def _ari(one: np.ndarray, other: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    both = (one != OUTSIDE) & (other != OUTSIDE)
    if not both.any():
        return float("nan")
    return float(adjusted_rand_score(_alone(one[both]), _alone(other[both])))


def _alone(labels: np.ndarray) -> np.ndarray:
    """Labels with a number of its own for each point of noise."""
    found = labels.astype(np.int64)
    noise = found == NOISE
    found[noise] = found.max(initial=-1) + 1 + np.arange(int(noise.sum()))
    return found
