"""Ward's method on a million rows: mini-batch k-means makes micro-clusters, and their Ward tree is cut for every k.

The hybrid of Wong (1982), each micro-cluster weighted by its number of rows. If there are no more rows than
micro-clusters, it is Ward's method itself.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.clusterers import _micro
    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 64


@dataclass(frozen=True)
class Params:
    """The number of micro-clusters, and the options of `sklearn.cluster.MiniBatchKMeans`, which makes them."""

    micro_clusters: Annotated[int, Range(low=2)]
    init: Literal["k-means++", "random"]
    n_init: Annotated[int, Range(low=1)]
    init_size: Annotated[int, Range(low=1)] | None
    batch_size: Annotated[int, Range(low=1)]
    max_iter: Annotated[int, Range(low=1)]
    tol: Annotated[float, Range(low=0)]
    max_no_improvement: Annotated[int, Range(low=0)] | None
    reassignment_ratio: Annotated[float, Range(low=0)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = clusterers.too_many(k, n)
    if k is not None and k > params.micro_clusters:
        reasons.append(f"k = {k} clusters of {params.micro_clusters} micro-clusters: raise micro_clusters")
    if params.init_size is not None and params.init_size < params.micro_clusters:
        reasons.append(
            f"init_size = {params.init_size} rows cannot start {params.micro_clusters} micro-clusters: take at least "
            "as many, or null"
        )
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """Batches, the rows that start the micro-clusters, their centres, and the labels of each member."""
    rows = min(3 * n, 8 * params.batch_size + 8 * params.micro_clusters + (params.init_size or 0))
    return BLOCKS_MB + count * (64 * n + 8 * d * rows) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members."""
    return Cost(0.01, n=0.5, d=0.3, shared=Cost(2.0, n=0.3, d=0.8)).at(n, d, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """Micro-clusters of the rows (n, d), by parameters and seed; made on demand, so that seeds run in parallel."""
    return threads.Once()


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the number of micro-clusters, and the height of the next merge."""
    from backbench.clusterers import _trees

    micro, k = shared.get((task.params, task.seed), partial(_condense, x, task.params, task.seed)), task.clusters
    height = float(micro.merges[micro.count - k, 2]) if k > 1 else None
    info = {"micro_clusters": micro.count, "next_merge_height": height}
    return _trees.cut(micro.merges, k)[micro.codes], info


def _condense(x: "np.ndarray", params: Params, seed: int | None) -> "_micro.Micro":
    """Micro-clusters of the rows (n, d) with their tree."""
    import numpy as np

    from backbench.clusterers import _draws, _micro

    if len(x) <= params.micro_clusters:
        return _micro.Micro(x, np.arange(len(x)))
    from sklearn.cluster import MiniBatchKMeans

    options = asdict(params)
    count = options.pop("micro_clusters")
    return _micro.Micro(x, MiniBatchKMeans(n_clusters=count, random_state=_draws.Draws(seed), **options).fit(x).labels_)
