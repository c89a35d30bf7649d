"""How well several labelings of the same images agree: over seeds, or over refits on samples."""

import itertools
from collections.abc import Sequence

import numpy as np

NOISE, OUTSIDE = -1, -2


def mean_pairwise_ari(labelings: Sequence[np.ndarray]) -> float:
    """Mean adjusted Rand index over all pairs of labelings (n,) (`sklearn.metrics.adjusted_rand_score`).

    Each noise point (-1) is a cluster of its own, as in `backbench.metrics.external`: if noise were left out, a
    clusterer that drops whatever is hard would look stable. Two labelings without any cluster therefore agree fully;
    read the value beside `noise_fraction`. A row that is out of scope (-2) in either labeling is left out of that pair.
    NaN for fewer than two labelings, or if no two of them share a row.
    """
    indices = [_ari(first, second) for first, second in itertools.combinations(labelings, 2)]
    defined = [index for index in indices if not np.isnan(index)]
    return float(np.mean(defined)) if defined else float("nan")


def _ari(first: np.ndarray, second: np.ndarray) -> float:
    """Adjusted Rand index of two labelings (n,) over the rows in scope of both; NaN if there are none."""
    from sklearn.metrics import adjusted_rand_score

    both = (first != OUTSIDE) & (second != OUTSIDE)
    if not both.any():
        return float("nan")
    return float(adjusted_rand_score(_alone(first[both]), _alone(second[both])))


def _alone(labels: np.ndarray) -> np.ndarray:
    """Labels (n,) in which each noise point has a number of its own."""
    numbered = labels.astype(np.int64)
    noise = numbered == NOISE
    numbered[noise] = numbered.max(initial=-1) + 1 + np.arange(int(noise.sum()))
    return numbered
