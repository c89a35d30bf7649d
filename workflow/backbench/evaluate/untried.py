"""What a sweep did not try that might matter for its answer: facts of the grid, held against what there is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from backbench.engine.plan import resolution
from backbench.engine.plan.judges import BASELINES
from backbench.engine.results.joined_run import Row
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, RETRIEVAL
from backbench.titles import JOINED

# Networks whose weights come with the package, the first that was not tried is named.
NETWORKS = ("efficientnet_lite2", "efficientnet_lite0")
# A network has weights of its own; what learns from the images, or comes from a file, does not.
WEIGHTS, RANDOM = "backbone.weights", "random"
SIZE = "backbone.image.size"
NETWORK, OTHER_NETWORK, OWN_SIZE, EDGE, LENGTH, SEEDS = "network", "other_network", "size", "edge", "l2", "seeds"
MOST = 2


@dataclass(frozen=True)
class Untried:
    """One thing that was not tried: what, and the values that its sentence needs."""

    what: str
    values: dict[str, Any] = field(default_factory=dict)


def untried(task: str, rows: Sequence[Row], chosen: Sequence[Row]) -> tuple[Untried, ...]:
    """At most two things that were not tried, those that matter most first.

    Parameters
    ----------
    rows : all rows of the task
    chosen : the rows of the configuration that is recommended, one for each seed
    """
    return tuple(each for look in _LOOKS[task] for each in look(task, rows, chosen))[:MOST]


def networks(rows: Sequence[Row]) -> list[str]:
    """The backbones that are no baselines, alone or beside others, each once."""
    names = dict.fromkeys(name for row in rows for name in str(row.params["backbone.name"]).split(JOINED))
    return [name for name in names if name not in BASELINES]


def _network(task: str, rows: Sequence[Row], chosen: Sequence[Row]) -> Iterator[Untried]:
    """Baselines alone, or one network alone."""
    tried = networks(rows)
    others = [name for name in NETWORKS if name not in tried]
    if len(tried) <= 1 and others and _images(rows[0]):
        yield Untried(OTHER_NETWORK if tried else NETWORK, {"name": others[0] if tried else NETWORKS[-1]})


def _size(task: str, rows: Sequence[Row], chosen: Sequence[Row]) -> Iterator[Untried]:
    """Images smaller than what the weights of the chosen network were made for."""
    params = chosen[0].params
    name, size = str(params["backbone.name"]), params.get(SIZE)
    native = None if size is None else resolution.own_size(name)
    pretrained = params.get(WEIGHTS, RANDOM) != RANDOM
    sizes = [int(row.params.get(SIZE, 0)) for row in rows if row.params["backbone.name"] == name]
    lossless = resolution.SIDES.get(str(params["dataset.name"]), math.inf)
    if pretrained and native and isinstance(size, int) and max(sizes) < min(native, lossless):
        yield Untried(OWN_SIZE, {"size": max(sizes), "own": native})


def _edge(task: str, rows: Sequence[Row], chosen: Sequence[Row]) -> Iterator[Untried]:
    """The number of clusters is the largest or the smallest that was tried."""
    k = chosen[0].params.get("k")
    ks = sorted({row.params["k"] for row in rows if "k" in row.params})
    if k is None or len(ks) < 2:
        return
    if k == ks[-1]:
        yield Untried(EDGE, {"k": k, "more": True})
    elif k == ks[0] and k > 2:
        yield Untried(EDGE, {"k": k, "more": False})


def _length(task: str, rows: Sequence[Row], chosen: Sequence[Row]) -> Iterator[Untried]:
    """No network's features were scaled to unit length before they were clustered."""
    chains = {row.chain(CLUSTERING) for row in rows if row.params["backbone.name"] not in BASELINES}
    if chains and not any("l2" in chain.split("+") for chain in chains):
        yield Untried(LENGTH)


def _seeds(task: str, rows: Sequence[Row], chosen: Sequence[Row]) -> Iterator[Untried]:
    """A fit that depends on chance, made once."""
    if len(chosen) == 1 and "seed" in chosen[0].plan.stages[chosen[0].run.stages[task]].config:
        yield Untried(SEEDS)


def _images(row: Row) -> bool:
    """Whether the collection has images, not embeddings alone."""
    return "images" in row.stages


_LOOKS = {
    CLASSIFICATION: (_size, _network, _seeds),
    CLUSTERING: (_edge, _size, _network, _length, _seeds),
    RETRIEVAL: (_size, _network),
}
