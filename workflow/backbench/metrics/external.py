"""External metrics: a labeling against the true classes. Noise is never left out.

In cluster accuracy and purity a noise point counts as wrong; in NMI and ARI each noise point is a cluster of its own.
`mean_majority_share` is a mean over clusters, so it says nothing of noise: read it beside `noise_fraction`.
"""

import numpy as np

from backbench.metrics import labels

NAMES = ("cluster_accuracy", "purity", "mean_majority_share", "nmi", "ari")


def scores(truth: np.ndarray, found: np.ndarray) -> tuple[dict[str, float], dict[str, str]]:
    """All external metrics of one labeling, and the reasons of those that are NaN."""
    values = {
        "cluster_accuracy": cluster_accuracy(truth, found),
        "purity": purity(truth, found),
        "mean_majority_share": mean_majority_share(truth, found),
        "nmi": nmi(truth, found),
        "ari": ari(truth, found),
    }
    reason = "there are no samples" if len(found) == 0 else "all points are noise"
    return values, {name: reason for name, value in values.items() if np.isnan(value)}


def cluster_accuracy(truth: np.ndarray, found: np.ndarray) -> float:
    """Share of samples that are right under the best one-to-one match of clusters and classes.

    The match is Kuhn's (1955) Hungarian assignment; samples of unmatched clusters and noise are wrong.
    """
    from scipy.optimize import linear_sum_assignment

    if len(found) == 0:
        return float("nan")
    table = _table(truth, found)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(found))


def purity(truth: np.ndarray, found: np.ndarray) -> float:
    """Share of samples that belong to the majority class of their cluster (Manning et al. 2008, 16.1)."""
    return float(_table(truth, found).max(axis=1).sum() / len(found)) if len(found) else float("nan")


def mean_majority_share(truth: np.ndarray, found: np.ndarray) -> float:
    """Unweighted mean over clusters of the share of the cluster's majority class; NaN if all points are noise."""
    table = _table(truth, found)
    return float((table.max(axis=1) / table.sum(axis=1)).mean()) if len(table) else float("nan")


def nmi(truth: np.ndarray, found: np.ndarray) -> float:
    """Normalised mutual information, arithmetic mean; equals `sklearn.metrics.normalized_mutual_info_score`."""
    if len(found) == 0:
        return float("nan")
    table = _with_singletons(truth, found)
    share = table / table.sum()
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    if len(rows) == len(columns) == 1:
        return 1.0
    some = share > 0
    mutual = float((share[some] * np.log(share[some] / np.outer(rows, columns)[some])).sum())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return max(0.0, mutual / mean) if mutual > np.finfo(np.float64).eps else 0.0


def ari(truth: np.ndarray, found: np.ndarray) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985, eq. 5); equals `sklearn.metrics.adjusted_rand_score`."""
    if len(found) == 0:
        return float("nan")
    table = _with_singletons(truth, found)
    together = _pairs(table)
    rows, columns = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    everything = _pairs(np.array([table.sum()]))
    expected = rows * columns / everything if everything else 0.0
    largest = (rows + columns) / 2
    return 1.0 if largest == expected else float((together - expected) / (largest - expected))


def _table(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(clusters, classes) counts, noise left out of the rows."""
    classes = np.unique(truth, return_inverse=True)[1]
    part = labels.canonical(found)
    kept = part >= 0
    table = np.zeros((labels.clusters(part), int(classes.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(table, (part[kept], classes[kept]), 1)
    return table


def _with_singletons(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(clusters, classes) counts with a row for each noise point."""
    classes = np.unique(truth, return_inverse=True)[1]
    noise = classes[labels.canonical(found) < 0]
    table = _table(truth, found)
    single = np.zeros((len(noise), table.shape[1]), dtype=np.int64)
    single[np.arange(len(noise)), noise] = 1
    return np.concatenate([table, single])


def _entropy(share: np.ndarray) -> float:
    some = share[share > 0]
    return float(-(some * np.log(some)).sum())


def _pairs(counts: np.ndarray) -> float:
    exact = counts.astype(np.float64)
    return float((exact * (exact - 1) / 2).sum())
