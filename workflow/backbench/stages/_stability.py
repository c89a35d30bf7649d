"""The stability of a clustering: the agreement between results of the same clusterer on bootstrap samples of the rows.

A sample holds each row that a bootstrap draws once (about 63 % of all rows): rows drawn twice would be neighbours at
distance zero. The samples depend only on their number, so that every clusterer and every k gets the same ones. Two
labelings are compared on the rows that both samples hold (Hennig, "Cluster-wise assessment of cluster stability", 2007,
uses the Jaccard index; here it is the adjusted Rand index of Hubert and Arabie, as over seeds).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backbench import clusterers, threads
from backbench.metrics import labels, near

METRIC = "stability"
SAMPLE_SEED = 20070515

Steady = tuple[float, str | None]


def scores(
    plugin: clusterers.Clusterer, x: np.ndarray, tasks: Mapping[str, clusterers.Task], samples: int
) -> dict[str, Steady]:
    """Mean pairwise adjusted Rand index over refits on `samples` bootstrap samples, and the reason if it is NaN.

    `tasks` are members of one clusterer by hash; `x` is (n, d).
    """
    from backbench.statistics import stability

    labelings: dict[str, list[np.ndarray]] = {key: [] for key in tasks}
    faults: dict[str, str] = {}
    for number in range(samples):
        rows = sample(len(x), number)
        for key, result in _refit(plugin, x[rows], tasks).items():
            if isinstance(result, Exception):
                faults.setdefault(key, f"refit on sample {number}: {result}")
                continue
            whole = np.full(len(x), labels.OUTSIDE, dtype=np.int32)
            whole[rows] = result
            labelings[key].append(whole)
    return {
        key: (float("nan"), faults[key]) if key in faults else (stability.mean_pairwise_ari(refits), None)
        for key, refits in labelings.items()
    }


def sample(n: int, number: int) -> np.ndarray:
    """Sorted, distinct row numbers (m,) of a bootstrap sample of n rows."""
    return np.unique(np.random.default_rng([SAMPLE_SEED, number]).integers(0, n, n))


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
