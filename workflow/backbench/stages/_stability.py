"""How steady a clustering is: the same clusterer on bootstrap samples of the rows, and how far the results agree.

Each sample is what a bootstrap of the rows draws, each row once (about 63 % of them): rows that are drawn twice would
be neighbours at no distance. The samples depend on their number alone, so that every clusterer and every k sees the
same ones. Two labelings are compared on the rows that both samples hold (Hennig, "Cluster-wise assessment of cluster
stability", 2007, compares by Jaccard; here by the adjusted Rand index of Hubert and Arabie, as over seeds).
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
    """Mean pairwise adjusted Rand index over refits on `samples` bootstrap samples, and why it is NaN where it is.

    `tasks` are members of one clusterer by hash; `x` is (n, d).
    """
    from backbench.statistics import stability

    found: dict[str, list[np.ndarray]] = {key: [] for key in tasks}
    faults: dict[str, str] = {}
    for number in range(samples):
        rows = sample(len(x), number)
        for key, result in _refit(plugin, x[rows], tasks).items():
            if isinstance(result, Exception):
                faults.setdefault(key, f"refit on sample {number}: {result}")
                continue
            whole = np.full(len(x), labels.OUTSIDE, dtype=np.int32)
            whole[rows] = result
            found[key].append(whole)
    return {
        key: (float("nan"), faults[key]) if key in faults else (stability.mean_pairwise_ari(labelings), None)
        for key, labelings in found.items()
    }


def sample(n: int, number: int) -> np.ndarray:
    """Sorted row numbers of one bootstrap sample of n rows, each once."""
    return np.unique(np.random.default_rng([SAMPLE_SEED, number]).integers(0, n, n))


def _refit(
    plugin: clusterers.Clusterer, x: np.ndarray, tasks: Mapping[str, clusterers.Task]
) -> dict[str, np.ndarray | Exception]:
    """Labels of each member on the rows of a sample, or what it raised."""
    source, (n, d) = near.Near(x), x.shape
    possible = {key: task for key, task in tasks.items() if not plugin.problems(task.params, n, d, task.k)}
    found: dict[str, Any] = {
        key: ValueError("; ".join(plugin.problems(task.params, n, d, task.k)))
        for key, task in tasks.items()
        if key not in possible
    }
    try:
        shared = plugin.prepare(x, list(possible.values()), source) if possible else None
    except Exception as error:  # what all need failed, so all do
        return found | dict.fromkeys(possible, error)
    keys: Sequence[str] = list(possible)
    results = threads.as_done(lambda key: (key, _fitted(plugin, shared, x, possible[key])), keys)
    return found | dict(results)


def _fitted(plugin: clusterers.Clusterer, shared: Any, x: np.ndarray, task: clusterers.Task) -> np.ndarray | Exception:
    try:
        return plugin.fit(shared, x, task)[0]
    except Exception as error:  # a member's fault leaves the others alone
        return error
