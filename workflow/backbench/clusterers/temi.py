"""TEMI: an ensemble of heads that give neighbouring rows the same cluster, trained on features that stay as they are.

Adaloglou, Michels, Kalisch and Kollmann, "Exploring the Limits of Deep Image Clustering using Pretrained Models", BMVC
2023. A student is trained to agree with its own moving average, the teacher, about pairs of a row and one of its
nearest neighbours: each head maximises the pointwise mutual information of the two, with `beta` against clusters that
vanish (equation 6), and pairs count by how far all teachers think that they belong together (equation 8). The teacher's
head with the lowest loss labels the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 64
# Weights of student and teacher, gradients, two moments and temporaries of an update
COPIES = 8
CLUSTERS = 64


@dataclass(frozen=True)
class Params:
    """Options of the heads and of their training."""

    heads: Annotated[int, Range(low=1)]
    hidden: Annotated[int, Range(low=1)]
    bottleneck: Annotated[int, Range(low=1)]
    components: Annotated[int, Range(low=1)] | None
    scale: Literal["none", "standardise"]
    neighbours: Annotated[int, Range(low=1)]
    iterations: Annotated[int, Range(low=1)]
    batch_size: Annotated[int, Range(low=2)]
    learning_rate: Annotated[float, Range(above=0)]
    warmup: Annotated[int, Range(low=0)]
    weight_decay: Annotated[float, Range(low=0)]
    beta: Annotated[float, Range(above=0, high=1)]
    temperature: Annotated[float, Range(above=0)]
    teacher_momentum: Annotated[float, Range(low=0, high=1)]


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    return clusterers.too_many(k, n)


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The projected rows, the neighbours, and for each member its weights and a batch in every layer of each head."""
    width = d if params.components is None else min(params.components, d)
    weights = COPIES * params.heads * (width * params.hidden + params.hidden * params.bottleneck)
    batch = min(params.batch_size, n) * params.heads * (4 * params.hidden + 4 * params.bottleneck + 8 * CLUSTERS)
    shared = 4 * n * width + 8 * d * d + 24 * n * min(params.neighbours, n)
    return BLOCKS_MB + (shared + 4 * count * (weights + 2 * batch)) / clusterers.MB


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to heads, updates and pairs."""
    width = d if params.components is None else min(params.components, d)
    pairs = params.heads * params.iterations * min(params.batch_size, n) / (8 * 600 * 256)
    return pairs * params.hidden / 64 * Cost(7.0, n=0.0, d=0.4, k=0.1).at(n, width, k, count)


def neighbours(params: Params, n: int) -> tuple[str, int] | None:
    """What it asks of the neighbour graph: metric and number of neighbours."""
    count = min(params.neighbours, n - 1)
    return ("cosine", count) if count > 0 else None


@dataclass(frozen=True)
class Shared:
    """The neighbours of the rows, and the rows as the heads see them once a member asks."""

    near: "Near"
    once: threads.Once


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> Shared:
    """The rows (n, d) as the heads see them, shared by members of the same options."""
    return Shared(near, threads.Once())


def fit(shared: Shared, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d) by the head with the lowest loss, and that loss."""
    import numpy as np

    from backbench.clusterers import _spaces, _temi

    options = task.params
    if task.clusters == 1 or len(x) == 1:
        return np.zeros(len(x), dtype=np.int64), {"loss": None}
    key = (options.components, options.scale)
    whole = (x.shape[1],)
    rows = shared.once.get(key, partial(_spaces.spaces, x, whole, options.components, options.scale))[0]
    asked = neighbours(options, len(x))
    assert asked is not None  # there are two rows or more
    return _temi.train(rows, shared.near.nearest("cosine", asked[1])[0], task.clusters, task.seed, options)
