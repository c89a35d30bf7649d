"""k-means by Lloyd's or Elkan's iterations from k-means++ seeds (`sklearn.cluster.KMeans`, whose results it equals).

On the CPU the iterations are scikit-learn's, from starts that read the rows once per step for all of them
(scikit-learn reads and converts them once per step and start). On a device Lloyd's iterations run there, from the same
starts. Rows that are too alike for k clusters make fewer, which scikit-learn warns of: they are the result.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, device, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 16
# Of copies of the rows for starts beside each other.
STARTS_MB = 256
# How scikit-learn's warning of fewer clusters than k begins.
FEWER = "Number of distinct clusters"


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
    """A centred copy of the rows for each member, and the distances to the candidates for all its starts.

    Where threads are to spare, there are copies of starts beside each other, too.
    """
    starts = min(STARTS_MB, 8 * n * d * params.n_init / clusterers.MB)
    return BLOCKS_MB + starts + count * (4 * n * d + 64 * (1 + params.n_init) * n) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to `n_init`."""
    return params.n_init / 4 * Cost(0.14, n=1.1, d=0.72, k=0.7).at(n, d, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> None:
    """Nothing is shared for rows (n, d): a start from another member's centres would change a result.

    From here on fewer clusters than k are no error: filters of warnings are shared by all threads, so that a fit, which
    has others beside it, cannot set one.
    """
    from sklearn.exceptions import ConvergenceWarning

    warnings.filterwarnings("ignore", FEWER, ConvergenceWarning)


def fit(shared: None, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the inertia and the number of iterations."""
    return _on_device(x, task) if device.accelerated() else _on_cpu(x, task)


def _on_cpu(x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d) by scikit-learn; with threads to spare, its starts run beside each other."""
    options = task.params
    beside = lanes(options, x)
    if beside == 1:
        init = _Starts(options.n_init) if options.init == "k-means++" else options.init
        ends = [_model(task, init, options.n_init).fit(x)]
    else:
        centres = (x[places] for places in _places(x - x.mean(axis=0), task))
        with threads.beside(beside):
            ends = [*threads.in_order(lambda start: _model(task, start, 1).fit(x), centres)]
    best = ends[0]
    for end in ends[1:]:
        if end.inertia_ < best.inertia_ and not _parts_of(end.labels_, best.labels_):
            best = end
    return best.labels_.astype("int64"), {"inertia": float(best.inertia_), "n_iter": int(best.n_iter_)}


def lanes(params: Params, x: "np.ndarray") -> int:
    """Starts that have threads and memory beside each other, given rows (n, d).

    scikit-learn centres a copy of the rows for each, and needs another one to begin.
    """
    room = int(STARTS_MB * clusterers.MB // max(1, 2 * x.nbytes))
    return max(1, min(threads.available(), params.n_init, room))


def _model(task: clusterers.Task, init: Any, n_init: int) -> Any:
    """scikit-learn's k-means of a member, with this choice of `n_init` starts."""
    from sklearn.cluster import KMeans

    options = task.params
    return KMeans(
        n_clusters=task.k,
        init=init,
        n_init=n_init,
        max_iter=options.max_iter,
        tol=options.tol,
        algorithm=options.algorithm,
        random_state=task.seed,
    )


def _parts_of(part: "np.ndarray", best: "np.ndarray") -> bool:
    """Whether each cluster of labels (n,) lies in one of the best so far; scikit-learn does not count it as better."""
    from backbench.metrics import labels

    return bool(((labels.crosstab(part, best) > 0).sum(axis=1) <= 1).all())


class _Starts:
    """The function that scikit-learn calls for the centres of each start; the first call computes them all."""

    def __init__(self, count: int):
        self._count = count
        self._remaining: Iterator[np.ndarray] | None = None

    def __call__(self, x: "np.ndarray", k: int, random_state: "np.random.RandomState") -> "np.ndarray":
        """Centres (k, d) among the rows (n, d)."""
        from backbench.clusterers import _lloyd, _rows

        if self._remaining is None:
            self._remaining = iter(_lloyd.starts(_rows.Rows(x), k, random_state, self._count, x.dtype.type))
        return x[next(self._remaining)]


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


def _on_device(x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d) by Lloyd's iterations in PyTorch."""
    from backbench.clusterers import _lloyd, _rows

    options = task.params
    centred = x - x.mean(axis=0)
    rows = _rows.Rows(centred)
    tol = _lloyd.tolerance(rows, options.tol)
    ends = [_lloyd.climb(rows, rows.take(places), options.max_iter, tol) for places in _places(centred, task)]
    best = min(ends, key=lambda end: end.inertia)
    return best.labels, {"inertia": best.inertia, "n_iter": best.n_iter}
