"""Affinity propagation (Frey and Dueck 2007). Equals `sklearn.cluster.AffinityPropagation`.

Messages between all pairs of rows are in memory, so it is for small collections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from backbench import clusterers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES: frozenset[str] = frozenset()
# Above so many rows a fit takes many minutes, and others give as good clusters in seconds.
MOST_ROWS = 10_000
# Noise that keeps equal similarities from oscillating; of rounding size, so that the seed counts for nothing
SEED = 0


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.AffinityPropagation`; `preference_quantile` of the similarities is its preference."""

    preference_quantile: Annotated[float, Range(low=0, high=1)]
    damping: Annotated[float, Range(low=0.5, high=0.999)]
    max_iter: Annotated[int, Range(low=1)]
    convergence_iter: Annotated[int, Range(low=1)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    if n <= MOST_ROWS:
        return []
    return [
        f"{n:,} rows are too many: its time and memory grow with their square, so it takes at most "
        f"{MOST_ROWS:,}; finch, leiden and plscan find the number of clusters of many"
    ]


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """Similarities, shared; for each member a copy of them, two kinds of messages, and one at work."""
    return 32 + (8.0 * n * n * (1 + 4 * count) + 8 * n * d) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(150.0, n=2.5, d=0.0).at(n, d, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The similarities of the rows (n, d)."""
    shared = threads.Once()
    if len(x) <= MOST_ROWS:
        shared.attempt("similarities", partial(_similarities, x))
    return shared


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the preference and the number of rounds; a failure where it did not converge."""
    import numpy as np
    from sklearn.cluster import AffinityPropagation

    if len(x) == 1:
        return np.zeros(1, dtype=np.int64), {"preference": None, "rounds": 0}
    params, similarities = task.params, shared.get("similarities", partial(_similarities, x))
    preference = _preference(similarities, params.preference_quantile)
    model = AffinityPropagation(
        damping=params.damping,
        max_iter=params.max_iter,
        convergence_iter=params.convergence_iter,
        preference=preference,
        affinity="precomputed",
        random_state=SEED,
    ).fit(similarities)
    return model.labels_.astype(np.int64), {"preference": preference, "rounds": int(model.n_iter_)}


def _similarities(x: "np.ndarray") -> "np.ndarray":
    """Minus the squared distances (n, n) of all pairs of rows (n, d), as scikit-learn has them."""
    import numpy as np
    from sklearn.metrics import euclidean_distances

    similarities: np.ndarray = -euclidean_distances(x.astype(np.float64), squared=True)
    return similarities


def _preference(similarities: "np.ndarray", quantile: float) -> float:
    """The quantile of all similarities (n, n), those of rows to themselves included; 0.5 is the median bit for bit."""
    import numpy as np

    return float(np.median(similarities) if quantile == 0.5 else np.quantile(similarities, quantile))
