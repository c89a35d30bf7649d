"""Metrics of ranked neighbours. The search sees to it that a query is never its own neighbour.

A neighbour is relevant if it has the class of the query. Recall and average precision are of queries that have a
relevant image at all; the others are left out of their means.
"""

from collections.abc import Sequence

import numpy as np

DEPTHS = (1, 5, 10, 20, 50, 100)


def relevant(query_labels: np.ndarray, neighbour_labels: np.ndarray) -> np.ndarray:
    """Whether each neighbour (q, k) has the label of its query (q,)."""
    return neighbour_labels == query_labels[:, None]


def depths(at: int) -> list[int]:
    """The numbers of neighbours at which metrics are reported: the usual ones up to `at`, and `at`."""
    return sorted({at, *(depth for depth in DEPTHS if depth < at)})


def curves(hits: np.ndarray, totals: np.ndarray, at: Sequence[int]) -> dict[str, float]:
    """Metrics at each of the numbers `at` of neighbours, which may be more than there are.

    Precision and hit rate ("Recall@K" in metric learning: Jégou et al. 2011; Musgrave et al. 2020) are of all queries.
    Recall is the share of all relevant images that are found (Manning et al. 2008, section 8.4); the average precision
    at k is the sum of the precisions at the ranks of relevant neighbours over the smaller of k and the number of
    relevant images (Philbin et al. 2007; the TREC measure, cut at k).

    Parameters
    ----------
    hits : bool array of shape (q, K): whether each neighbour, nearest first, is relevant
    totals : number of images (q,) that are relevant to each query, among the neighbours or not
    """
    sums = hits.cumsum(axis=1)
    gains = (sums / np.arange(1, hits.shape[1] + 1) * hits).cumsum(axis=1)
    some = totals > 0
    sums_some, gains_some, most = sums[some], gains[some], totals[some]
    values = {}
    for k in at:
        last = min(k, hits.shape[1]) - 1
        values[f"precision_at_{k}"] = _mean(hits[:, : last + 1].mean(axis=1))
        values[f"recall_at_{k}"] = _mean(sums_some[:, last] / most)
        values[f"hit_rate_at_{k}"] = _mean(sums[:, last] > 0)
        values[f"map_at_{k}"] = _mean(gains_some[:, last] / np.minimum(k, most))
    return values


def names(at: Sequence[int]) -> list[str]:
    """The metrics that `curves` gives."""
    return [f"{name}_at_{k}" for k in at for name in ("precision", "recall", "hit_rate", "map")]


def _mean(values: np.ndarray) -> float:
    """Mean of values (n,); NaN of none."""
    return float(values.mean()) if len(values) else float("nan")
