"""How a clustering varies: results of the same clusterer on samples of half of the rows.

Rows are drawn without replacement, as those drawn twice would be neighbours at distance zero. On half of the rows a
metric varies as much as it would among samples of all their number, from the same population (Politis and Romano 1994).
The samples depend only on their number, so that every clusterer and every k gets the same ones. Stability: two
labelings are compared on the rows that both samples hold (Hennig, "Cluster-wise assessment of cluster stability", 2007,
uses the Jaccard index; here it is the adjusted Rand index of Hubert and Arabie, as over seeds). Results that were made
before samples had a share of the rows in their configuration are of the distinct rows of bootstrap samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbench import clusterers, threads
from backbench.metrics import labels, near

METRIC = "stability"
SAMPLE_SEED = 20070515


@dataclass(frozen=True)
class Steady:
    """The mean pairwise adjusted Rand index over refits, why it is NaN, and their labels (refits, n); those of rows
    that are not drawn are `labels.OUTSIDE`."""

    value: float
    reason: str | None = None
    refits: np.ndarray | None = None


def scores(
    plugin: clusterers.Clusterer,
    x: np.ndarray,
    tasks: Mapping[str, clusterers.Task],
    samples: int,
    share: float | None,
    groups: np.ndarray | None = None,
) -> dict[str, Steady]:
    """Refits on so many samples of a share of the rows `x` (n, d); of a bootstrap's distinct rows if that is None.

    `tasks` are members of one clusterer by hash. Of rows in `groups` (n,), whole groups are drawn.
    """
    from backbench.statistics import stability

    labelings: dict[str, list[np.ndarray]] = {key: [] for key in tasks}
    faults: dict[str, str] = {}
    for number in range(samples):
        rows = sample(len(x), number, share) if groups is None else of_groups(groups, number, share)
        for key, result in _refit(plugin, x[rows], tasks).items():
            if isinstance(result, Exception):
                faults.setdefault(key, f"refit on sample {number}: {result}")
                continue
            whole = np.full(len(x), labels.OUTSIDE, dtype=np.int32)
            whole[rows] = result
            labelings[key].append(whole)
    return {
        key: Steady(float("nan"), faults[key])
        if key in faults
        else Steady(stability.mean_pairwise_ari(refits), refits=_narrow(np.stack(refits)))
        for key, refits in labelings.items()
    }


def sample(n: int, number: int, share: float | None) -> np.ndarray:
    """Sorted, distinct row numbers (m,) of a share of n rows, or of a bootstrap sample of them."""
    generator = np.random.default_rng([SAMPLE_SEED, number])
    if share is None:
        return np.unique(generator.integers(0, n, n))
    return np.sort(generator.permutation(n)[: max(1, round(share * n))])


def of_groups(groups: np.ndarray, number: int, share: float | None) -> np.ndarray:
    """Sorted row numbers (m,) of a sample of whole `groups` (n,), drawn as the rows of `sample` are."""
    codes = np.unique(groups, return_inverse=True)[1]
    return np.flatnonzero(np.isin(codes, sample(int(codes.max()) + 1, number, share)))


def _narrow(labelings: np.ndarray) -> np.ndarray:
    """Labels (refits, n) as the smallest type of integers that holds them."""
    kinds = (np.int8, np.int16, np.int32)
    return labelings.astype(next(kind for kind in kinds if labelings.max() <= np.iinfo(kind).max))


def _refit(
    plugin: clusterers.Clusterer, x: np.ndarray, tasks: Mapping[str, clusterers.Task]
) -> dict[str, np.ndarray | Exception]:
    """Labels (m,) of each member on the rows `x` (m, d) of a sample, or the error that it raised."""
    source, (n, d) = near.Near(x), x.shape
    possible = {key: task for key, task in tasks.items() if not plugin.problems(task.params, n, d, task.k)}
    refused: dict[str, np.ndarray | Exception] = {
        key: ValueError("; ".join(plugin.problems(task.params, n, d, task.k)))
        for key, task in tasks.items()
        if key not in possible
    }
    try:
        shared = plugin.prepare(x, list(possible.values()), source) if possible else None
    except Exception as error:  # what all members need failed, so all fail
        return refused | dict.fromkeys(possible, error)
    keys: Sequence[str] = list(possible)
    results = threads.as_done(lambda key: (key, _fitted(plugin, shared, x, possible[key])), keys)
    return refused | dict(results)


def _fitted(plugin: clusterers.Clusterer, shared: Any, x: np.ndarray, task: clusterers.Task) -> np.ndarray | Exception:
    """Labels (m,) of the rows `x` (m, d), or the error that the fit raised."""
    try:
        return plugin.fit(shared, x, task)[0]
    except Exception as error:  # an error of a member does not affect the others
        return error
