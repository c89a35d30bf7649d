"""k-means by Lloyd's or Elkan's iterations from k-means++ seeds (`sklearn.cluster.KMeans`, whose results it equals).

On the CPU the iterations are scikit-learn's. Rows are centred once for all members, and read once per step for all of
their starts; scikit-learn does both for each start. On a device Lloyd's iterations run there, from the same starts.
Rows that are too alike for k clusters make fewer, which scikit-learn warns of: they are the result.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, device, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers._lloyd import Fit
    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 16


@dataclass(frozen=True)
class Params:
    """Options of `sklearn.cluster.KMeans`."""

    init: Literal["k-means++", "random"]
    n_init: Annotated[int, Range(low=1)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(low=0)]
    algorithm: Literal["lloyd", "elkan"]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    return clusterers.too_many(k, n)


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """A centred copy of the rows, and for each member the distances to the candidates for all its starts.

    Elkan's iterations keep the distance to each centre.
    """
    per_row = (64 if params.algorithm == "lloyd" else 256) * (1 + params.n_init)
    return BLOCKS_MB + (4 * n * d + count * per_row * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to `n_init`."""
    return params.n_init / 4 * Cost(0.14, n=1.1, d=0.72, k=0.7).at(n, d, k, count)


@dataclass(frozen=True)
class Shared:
    """The rows (n, d) less their mean; on the CPU the mean variance of their columns, of which `tol` is a share."""

    x: "np.ndarray"
    variance: "np.floating | None"


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> Shared:
    """What all members need of rows (n, d). A start from another member's centres would change a result."""
    import numpy as np

    x = np.ascontiguousarray(x)
    variance = None if device.accelerated() else np.mean(np.var(x, axis=0))
    return Shared(x - x.mean(axis=0), variance)


def fit(shared: Shared, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the inertia and the number of iterations."""
    ends = _on_device(shared, task) if device.accelerated() else _on_cpu(shared, task)
    best = next(ends)
    for end in ends:
        if end.inertia < best.inertia and not _parts_of(end.labels, best.labels):
            best = end
    return best.labels, {"inertia": best.inertia, "n_iter": best.n_iter}


def _on_cpu(shared: Shared, task: clusterers.Task) -> Iterator["Fit"]:
    """Where scikit-learn's iterations lead from each start; with threads to spare, they run beside each other."""
    import numpy as np
    from sklearn.cluster import _kmeans

    from backbench.clusterers._lloyd import Fit

    options, weights = task.params, np.ones(len(shared.x), shared.x.dtype)
    elkan = options.algorithm == "elkan" and task.clusters > 1
    climb = _kmeans._kmeans_single_elkan if elkan else _kmeans._kmeans_single_lloyd

    def climbed(places: "np.ndarray") -> Fit:
        """Where the rows at `places` (k,) lead."""
        tol = shared.variance * options.tol
        labels, inertia, _, n_iter = climb(shared.x, weights, shared.x[places], options.max_iter, tol=tol)
        return Fit(labels.astype(np.int64), float(inertia), n_iter)

    return threads.in_order(climbed, _places(shared.x, task))


def _parts_of(part: "np.ndarray", best: "np.ndarray") -> bool:
    """Whether each cluster of labels (n,) lies in one of the best so far; scikit-learn does not count it as better."""
    from backbench.metrics import labels

    return bool(((labels.crosstab(part, best) > 0).sum(axis=1) <= 1).all())


def _places(centred: "np.ndarray", task: clusterers.Task) -> Iterable["np.ndarray"]:
    """Numbers (k,) of the centred rows (n, d) that each start begins with, drawn as scikit-learn does."""
    import numpy as np

    from backbench.clusterers import _lloyd, _rows

    options, n, kind = task.params, len(centred), centred.dtype.type
    random = np.random.RandomState(task.seed)
    if options.init == "k-means++":
        return _lloyd.starts(_rows.Rows(centred), task.clusters, random, options.n_init, kind)
    share = np.full(n, 1, dtype=kind) / kind(n)
    return [random.choice(n, size=task.clusters, replace=False, p=share) for _ in range(options.n_init)]


def _on_device(shared: Shared, task: clusterers.Task) -> Iterator["Fit"]:
    """Where Lloyd's iterations in PyTorch lead from each start."""
    from backbench.clusterers import _lloyd, _rows

    options, rows = task.params, _rows.Rows(shared.x)
    tol = _lloyd.tolerance(rows, options.tol)
    for places in _places(shared.x, task):
        yield _lloyd.climb(rows, rows.take(places), options.max_iter, tol)
