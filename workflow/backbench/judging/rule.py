"""The rule that chooses one of many clusterings by what independent judges say of them.

Means over judges of NET, codelength and silhouette are ranked over the candidates and the three ranks are summed. Of
the best twentieth the medoid is the answer: what most of the plausible clusterings agree on. `docs/choosing.md` shows
how much this loses against the best candidate where the classes are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backbench.judging.agreement import ami_matrix
from backbench.judging.judge import VALUES, codes

# The best share of the candidates, and at least so many, are plausible.
PLAUSIBLE, LEAST_PLAUSIBLE = 0.05, 3
# Higher is better, but for the codelength.
SIGNS = np.array([1.0, -1.0, 1.0])
# Differences beyond these decimal places are rounding.
DECIMALS = 9
# Labelings that agree so much are the same.
SAME = 1 - 1e-9


@dataclass(frozen=True)
class Choice:
    """What the judges choose.

    Attributes
    ----------
    chosen : index of the answer among the candidates
    plausible : indices of the best max(3, 5 %), best score first, (m,) int64; `chosen` is one of them
    low, high : least and largest number of clusters among the plausible; noise is not counted
    scores : sum of the three ranks of each candidate, each in 0..1, higher is better, (candidates,)
    order : all candidates, best score first, (candidates,) int64
    clusters : number of clusters of each candidate, noise not counted, (candidates,) int64
    agreement : mean AMI of each plausible candidate with all of them, (m,); that of `chosen` is the largest
    """

    chosen: int
    plausible: np.ndarray
    low: int
    high: int
    scores: np.ndarray
    order: np.ndarray
    clusters: np.ndarray
    agreement: np.ndarray


def choose(labels: np.ndarray, values: np.ndarray) -> Choice:
    """The answer of judges who gave `values` to candidates.

    Parameters
    ----------
    labels : clusterings of the same rows, (candidates, rows) whole numbers; noise (-1) is a cluster of its own
    values : what each judge says of each, `Judge.table` stacked, (judges, candidates, 3): NET and silhouette, of which
        more is better, and the codelength between them, of which less is

    Returns
    -------
    The choice. Equal scores and equal agreement go to fewer clusters, then to the candidate that comes first; of two
    candidates, which have no medoid, the better score is chosen. Neither the order of judges nor the names of clusters
    change it.

    Raises
    ------
    ValueError
        If there is no candidate or no judge, the shapes do not fit, or a value is NaN.
    """
    parts = codes(labels)
    means = _means(values, len(parts))
    scores = _ranks(SIGNS * means).sum(axis=1)
    groups = parts.max(axis=1) + 1
    order = np.lexsort((groups, -np.round(scores, DECIMALS)))
    plausible = order[: max(LEAST_PLAUSIBLE, int(PLAUSIBLE * len(parts)))]
    agreement = ami_matrix(parts[plausible]).mean(axis=1)
    by_agreement = np.lexsort((groups[plausible], -np.round(agreement, DECIMALS)))
    # Of two labelings both agree as much with the other
    medoid = by_agreement[0] if len(parts) >= LEAST_PLAUSIBLE else 0
    clusters = _clusters(np.asarray(labels))
    return Choice(
        chosen=int(plausible[medoid]),
        plausible=plausible,
        low=int(clusters[plausible].min()),
        high=int(clusters[plausible].max()),
        scores=scores,
        order=order,
        clusters=clusters,
        agreement=agreement,
    )


def of_k(labels: np.ndarray, values: np.ndarray, k: int) -> int:
    """Index of the candidate of `k` clusters with the largest mean NET, the first of equals.

    Takes labelings (candidates, rows) and values (judges, candidates, 3) as `choose` does; noise is not counted in k.

    Raises
    ------
    ValueError
        As `choose`, and if no candidate has k clusters.
    """
    clusters = _clusters(np.asarray(labels))
    means = _means(values, len(codes(labels)))
    candidates = np.flatnonzero(clusters == k)
    if not len(candidates):
        counts = ", ".join(map(str, np.unique(clusters)))
        raise ValueError(f"no candidate has {k} clusters; theirs are {counts}: ask for one of these, or try k = {k}")
    net = np.round(means[candidates, VALUES.index("net")], DECIMALS)
    return int(candidates[net.argmax()])


def diverse(labels: np.ndarray, among: Sequence[int] | np.ndarray, start: int, count: int = 3) -> list[int]:
    """Up to `count` of the candidates `among` that differ most from `start` and from one another, most distant first.

    Of labelings (candidates, rows), each next one is that whose largest AMI with `start` and those taken before is the
    least, the first in `among` of equals; copies of what was taken are never taken. Noise (-1) is a cluster of its own.
    """
    places = [int(index) for index in dict.fromkeys(map(int, among)) if index != start]
    agreement = ami_matrix(np.asarray(labels)[[int(start), *places]])[:, 1:]
    nearest, chosen = agreement[0], list[int]()
    while len(chosen) < count and len(nearest) and nearest.min() < SAME:
        place = int(np.round(nearest, DECIMALS).argmin())
        chosen.append(places[place])
        nearest = np.maximum(nearest, agreement[place + 1])
    return chosen


def _means(values: np.ndarray, candidates: int) -> np.ndarray:
    """Means (candidates, 3) over the judges of values (judges, candidates, 3), whatever their order."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 3 or 0 in values.shape or values.shape[1:] != (candidates, len(VALUES)):
        due = f"(judges, {candidates}, {len(VALUES)})"
        raise ValueError(f"values of shape {values.shape} for {candidates} candidates: {due}, none empty, is due")
    if not np.isfinite(values).all():
        judge, candidate, which = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{VALUES[which]} of candidate {candidate} by judge {judge} is {values[judge, candidate, which]}: "
            "leave this candidate or this judge out"
        )
    # Sorted, so that the sum does not depend on the order of judges
    return np.sort(values, axis=0).mean(axis=0)


def _ranks(means: np.ndarray) -> np.ndarray:
    """Ranks in 0..1 of each column of means (candidates, 3), the largest 1; equals share theirs."""
    from scipy.stats import rankdata

    return rankdata(np.round(means, DECIMALS), axis=0) / len(means)


def _clusters(labels: np.ndarray) -> np.ndarray:
    """Number of clusters (candidates,) of labelings (candidates, rows), noise not counted."""
    return np.array([len(np.unique(part[part >= 0])) for part in labels], dtype=np.int64)
