"""TURTLE: the labelling that linear classifiers generalise best, in one or several representations at once.

Gadetsky, Jiang and Brbic, "Let Go of Your Labels with Unsupervised Transfer", ICML 2024. A linear map with normalised
weights and a softmax labels the rows in each space, and the mean of these is the labelling (equation 9). Linear
classifiers of each space learn it by a few steps of Adam, and the labelling then moves to where they are wrong less
often, while the entropy of its shares keeps the clusters from vanishing (equation 12).

Beyond the paper there may be several starts, of which the one with the lowest objective is kept, and a space may be
seen in its principal components, of unit variance, which takes a fraction of the time of all columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench import clusterers, threads
from backbench.cost import Cost
from backbench.schema import Range

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.near import Near

AXES = frozenset({"k", "seed"})
BLOCKS_MB = 16
# A step needs the logits, what is made of them, and temporaries of these
ARRAYS = 8
CLUSTERS = 64


@dataclass(frozen=True)
class Params:
    """Options of the search; `spaces` are the widths of the representations, side by side in the columns."""

    spaces: tuple[Annotated[int, Range(low=1)], ...] | Literal["auto"] | None
    components: Annotated[int, Range(low=1)] | None
    scale: Literal["standardise", "none"]
    gamma: Annotated[float, Range(low=0)]
    iterations: Annotated[int, Range(low=1)]
    inner_steps: Annotated[int, Range(low=1)]
    outer_rate: Annotated[float, Range(above=0)]
    inner_rate: Annotated[float, Range(above=0)]
    batch_size: Annotated[int, Range(low=1)] | None
    warm_start: bool
    n_init: Annotated[int, Range(low=1)]


def parted(params: Params, widths: tuple[int, ...]) -> Params:
    """The options with `spaces` = auto replaced: the parts of the matrix if there are several, else one space."""
    return replace(params, spaces=widths if len(widths) > 1 else None) if params.spaces == "auto" else params


def widths(params: Params, d: int) -> tuple[int, ...]:
    """Columns of each representation among d; ``auto`` is one, which planning replaces where it knows better."""
    return (d,) if params.spaces is None or params.spaces == "auto" else params.spaces


def problems(params: Params, n: int, d: int, k: int | None) -> list[str]:
    reasons = clusterers.too_many(k, n)
    if sum(widths(params, d)) != d:
        reasons.append(
            f"spaces = {list(widths(params, d))} are {sum(widths(params, d))} columns together; there are {d}"
        )
    return reasons


def memory_mb(params: Params, n: int, d: int, count: int) -> float:
    """The projected rows, which members share; of each member their columns, the batch, logits and labels."""
    kept = sum(_kept(params, width) for width in widths(params, d))
    batch = min(params.batch_size or n, n)
    drawn = n * kept + (2 * batch * kept if batch < n else 0)
    each = drawn + ARRAYS * len(widths(params, d)) * max(batch, n) * CLUSTERS
    return BLOCKS_MB + (4 * n * kept + 8 * d * d + 4 * count * each) / clusterers.MB


def _kept(params: Params, width: int) -> int:
    return width if params.components is None else min(params.components, width)


def seconds(params: Params, n: int, d: int, k: int | None, count: int) -> float:
    """Seconds of one core for one of `count` members, in proportion to starts, iterations and inner steps."""
    kept = sum(_kept(params, width) for width in widths(params, d))
    batch = min(params.batch_size or n, n)
    steps = params.n_init * params.iterations * (params.inner_steps + 3) / 13_000
    return steps * Cost(17.0, n=1.0, d=0.5, k=0.7).at(batch, kept, k, count)


def prepare(x: "np.ndarray", members: Sequence[clusterers.Task], near: "Near") -> threads.Once:
    """The spaces that the rows (n, d) are seen in, shared by members of the same options."""
    return threads.Once()


def fit(shared: threads.Once, x: "np.ndarray", task: clusterers.Task) -> tuple["np.ndarray", dict[str, Any]]:
    """Labels (n,) of the rows (n, d), the prediction error of the classifiers and the entropy of the labelling."""
    from backbench.clusterers import _spaces, _turtle

    options = task.params
    key = (options.spaces, options.components, options.scale)
    spaces = shared.get(key, partial(_spaces.spaces, x, widths(options, x.shape[1]), options.components, options.scale))
    best = _turtle.search(spaces, task.clusters, task.seed, options)
    return best.labels, {"error": best.error, "entropy": best.entropy}
