"""How well several labelings of the same images agree: over seeds, or over refits on samples."""

import itertools
from collections.abc import Sequence

import numpy as np

NOISE, OUTSIDE = -1, -2


def mean_pairwise_ari(labelings: Sequence[np.ndarray]) -> float:
    """Mean adjusted Rand index over all pairs of labelings (n,) (Hubert and Arabie 1985).

    Each noise point (-1) is a cluster of its own, as in `backbench.metrics.external`: if noise were left out, a
    clusterer that drops whatever is hard would look stable. Two labelings without any cluster therefore agree fully;
    read the value beside `noise_fraction`. A row that is out of scope (-2) in either labeling is left out of that pair.
    NaN for fewer than two labelings, or if no two of them share a row.
    """
    indices = [_ari(first, second) for first, second in itertools.combinations(labelings, 2)]
    defined = [index for index in indices if not np.isnan(index)]
    return float(np.mean(defined)) if defined else float("nan")


def _ari(first: np.ndarray, second: np.ndarray) -> float:
    """Adjusted Rand index of two labelings (n,) over the rows in scope of both; NaN if there are none.

    Equals `sklearn.metrics.adjusted_rand_score`, whose checks of its arguments take most of the time of many small
    labelings.
    """
    both = (first != OUTSIDE) & (second != OUTSIDE)
    n = int(both.sum())
    if not n:
        return float("nan")
    a, b = first[both].astype(np.int64), second[both].astype(np.int64)
    kept = (a != NOISE) & (b != NOISE)
    cells = np.bincount(a[kept] * (int(b.max()) + 1) + b[kept])
    # Each noise point is a cluster of its own and forms no pair.
    together = int((cells**2).sum()) + n - int(kept.sum())
    in_first, in_second = (_squares(side) for side in (a, b))
    right, only_second, only_first = together - n, in_second - together, in_first - together
    apart = n**2 - only_second - only_first - together
    if only_first == only_second == 0:
        return 1.0
    room = (right + only_first) * (only_first + apart) + (right + only_second) * (only_second + apart)
    return 2.0 * (right * apart - only_first * only_second) / room


def _squares(clusters: np.ndarray) -> int:
    """Sum of the squared sizes of clusters (n,)."""
    noise = clusters == NOISE
    return int((np.bincount(clusters[~noise]) ** 2).sum()) + int(noise.sum())
