"""Stage results that save work and change none: one neighbour graph for all who search the same matrix."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backbench import plugins
from backbench.engine.grid import Grid, Stage, stage_hash

# Operations of an exact search (n^2 (d + SORTING)) that are worth a job and a place in the store.
WORTH = 4e11
SORTING = 100
SMALLEST_DEPTH = 16
MODULE = "backbench.stages.neighbours"

Digest = Callable[[tuple[str, ...], list[Stage]], tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class _Demand:
    """Neighbours that a stage will ask for among all rows of its matrix."""

    metric: str
    count: int


def attach(grid: Grid, digest: Digest) -> None:
    """Add the neighbour graphs that are worth it to `grid`, and let the stages that search read them.

    Parameters
    ----------
    digest
        Code digest of a stage from its modules and its parents.
    """
    demands = {key: demand for key, stage in grid.stages.items() if (demand := _demand(stage)) and _worth(grid, stage)}
    deepest: dict[tuple[tuple[str, str], str], int] = {}
    for key, demand in demands.items():
        place = (grid.stages[key].parents["matrix"], demand.metric)
        deepest[place] = max(deepest.get(place, SMALLEST_DEPTH), demand.count)
    graphs = {place: _graph(grid, *place, count, digest) for place, count in deepest.items()}
    for key, demand in demands.items():
        graph = graphs[grid.stages[key].parents["matrix"], demand.metric]
        grid.stages[key] = replace(grid.stages[key], aids={f"neighbours.{demand.metric}": ("neighbours", graph.hash)})
    grid.stages.update((graph.hash, graph) for graph in graphs.values())


def _demand(stage: Stage) -> _Demand | None:
    return next(_DEMANDS[stage.kind](stage), None) if stage.kind in _DEMANDS else None


def _clusterer(stage: Stage) -> Iterator[_Demand]:
    """Only where all rows are clustered together."""
    if stage.config["scope"] == "all":
        yield from _asked("clusterer", stage.config["clusterer"], stage.about["n"])


def _classifier(stage: Stage) -> Iterator[_Demand]:
    """Training rows near a query are found among its neighbours of all splits, if these are enough; of a few shots,
    which are quicker to search than to find there, none are."""
    if "shots" in stage.config:
        return
    for demand in _asked("classifier", stage.config["classifier"], stage.about["n"]):
        yield replace(demand, count=_within_a_split(demand.count))


def _retrieval(stage: Stage) -> Iterator[_Demand]:
    if stage.config.get("search") != "approximate":
        at = stage.config["at"]
        everyone = stage.config["protocol"] == "leave_one_out"
        yield _Demand(stage.config["metric"], at if everyone else _within_a_split(at))


_DEMANDS: Mapping[str, Callable[[Stage], Iterator[_Demand]]] = {
    "clustering": _clusterer,
    "classification": _classifier,
    "retrieval": _retrieval,
}


def _within_a_split(count: int) -> int:
    """How many neighbours among all rows hold `count` of one split, as a rule."""
    return 2 * count + 10


def _asked(kind: str, options: Mapping[str, Any], n: int) -> Iterator[_Demand]:
    """What a plugin says that it will search."""
    module = plugins.load(kind, options["name"])
    searches = plugins.offers(module, plugins.Searching)
    wanted = module.neighbours(plugins.params(kind, options), n) if searches else None
    if wanted:
        yield _Demand(*wanted)


def _worth(grid: Grid, stage: Stage) -> bool:
    n = _rows(grid, stage)
    return n * n * (stage.about["d"] + SORTING) >= WORTH


def _rows(grid: Grid, stage: Stage) -> int:
    return grid.stages[stage.parents["dataset"][1]].about["n"]


def _graph(grid: Grid, matrix: tuple[str, str], metric: str, count: int, digest: Digest) -> Stage:
    """The graph of a matrix; its depth is rounded up, so that sweeps that ask for a little more find it there."""
    user = next(stage for stage in grid.stages.values() if stage.parents.get("matrix") == matrix)
    n = _rows(grid, user)
    config = {"metric": metric, "count": min(1 << (count - 1).bit_length(), n - 1)}
    parents = {"matrix": matrix}
    code, same = digest((MODULE,), [grid.stages[matrix[1]]])
    about, full = {"n": n, "d": user.about["d"]}, stage_hash("neighbours", config, parents)
    return Stage(full, "neighbours", metric, config, {}, about, parents, code, same_code=same)
