"""Methods against blocks: the table that tests over several data sets, feature spaces or seeds are made on.

Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, section 3.2.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backbench import hashing
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, leaderboard_specs
from backbench.metrics import catalogue

MOST_METHODS = 20
LEAST_BLOCKS, LEAST_METHODS = 5, 3

SEEDS, REPEATS, DATASETS = "seeds", "repeats", "datasets"
# The parameters that a task depends on besides its chain, by their first word, and those that name its block.
PARAMS_OF = {
    "classification": ("backbone", "classification", "classifier"),
    "clustering": ("backbone", "clustering", "clusterer", "k"),
    "retrieval": ("backbone", "retrieval"),
}
NAMED = ("backbone.name", "classifier.name", "clusterer.name", "k", "retrieval.metric")

# What a task's configuration holds beside the options of its plugin that tell methods apart; splits are averaged over.
NO_OPTIONS = ("k", "seed", "silhouette_rows", configurations.SPLIT, configurations.SHOTS, configurations.DRAW)

Place = tuple[str, ...]


@dataclass(frozen=True)
class Blocks:
    """Values (blocks, methods) of a metric that is the better the higher; `note` says what was left out."""

    subject: str
    metric: str
    methods: tuple[str, ...]
    blocks: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    note: str

    @property
    def lacks(self) -> str | None:
        """Why no test can be made, None where one can."""
        if len(self.methods) >= LEAST_METHODS and len(self.blocks) >= LEAST_BLOCKS:
            return None
        size = f"{len(self.methods)} {self.subject} over {len(self.blocks)} blocks"
        return f"{size}; a test takes {LEAST_METHODS} over {LEAST_BLOCKS}{self.note and f' ({self.note})'}"


@dataclass(frozen=True)
class _Result:
    """One stage result: of which method, in which data set and space, with which seed, and what it scored.

    `chooses` is the value by which methods are picked where there are too many.
    """

    plugin: str
    options: Mapping[str, Any]
    place: Place
    seed: int | None
    value: float
    chooses: float

    @property
    def method(self) -> str:
        return f"{self.plugin} {hashing.digest(dict(self.options))}"


def classifiers(rows: Sequence[Row]) -> Blocks:
    """The main metric of the classifiers of a sweep, options apart."""
    results, metric = [], catalogue.main("classification")
    for row in tables.distinct(rows, "classification"):
        config = row.plan.stages[row.run.stages["classification"]].config
        value = row.metrics.get(metric, math.nan)
        chooses = leaderboard_specs.choosing(row.metrics)
        results.append(_result(row, "classification", config, "classifier", value, chooses))
    return _blocks(results, "classifiers", metric)


def clusterers(rows: Sequence[Row]) -> Blocks:
    """The main metric of the clusterers of a sweep, options apart, at the k nearest to the number of classes."""
    results, metric = [], catalogue.main("clustering")
    done = tables.distinct(rows, "clustering")
    nearest = {row.stages["dataset"]: _nearest_k(row, done) for row in done}
    for row in done:
        config = row.plan.stages[row.run.stages["clustering"]].config
        if config.get("k") in (None, nearest[row.stages["dataset"]]):
            value = row.metrics.get(metric, math.nan)
            results.append(_result(row, "clustering", config, "clusterer", value, value))
    table = _blocks(results, "clusterers", metric)
    ks = sorted({k for k in nearest.values() if k is not None})
    note = f"k={', '.join(map(str, ks))}, nearest to the number of classes" if ks else ""
    return replace(table, note="; ".join(filter(None, (note, table.note))))


def column(rows: Sequence[Row], name: str, metric: str, over: str) -> Blocks:
    """A metric that has a better end for each value of a column; one that is better the lower counts as its negative.

    `over` says what a block is: ``datasets``, ``seeds`` (of each data set), or else all that is equal but the column.
    """
    results, head = [], catalogue.metric(metric).task
    sign = catalogue.metric(metric).direction
    for row in tables.distinct(rows, head):
        if name in row.params:
            value, seeds = sign * row.metrics.get(metric, math.nan), configurations.seeds(row, head)
            seed = None if over == DATASETS or not seeds else seeds[-1]
            place = _place(row, head, name) if over not in (DATASETS, SEEDS) else (row.stages["dataset"], "")
            place = (*place[:2], *(place[2:] or [row.collection]))
            results.append(_Result(str(row.params[name]), {}, place, seed, value, value))
    return _blocks(results, f"values of {name}", metric)


def _place(row: Row, head: str, name: str) -> Place:
    """The data set and every parameter that a task depends on, without those of the plugin that is compared."""
    group = name.split(".")[0] if name.endswith(".name") else None
    rest = {
        key: str(value)
        for key, value in row.params.items()
        if key != name and key.split(".")[0] in (*PARAMS_OF[head], group) and key.split(".")[0] != group
    }
    rest = {key: value for key, value in rest.items() if not configurations.is_seed(key)}
    chain = "" if name == f"{head}.chain" or name == "chain" else row.chain(head)
    words = [row.collection, *(rest.get(key) for key in NAMED if key in rest), chain]
    title = ", ".join(str(word) for word in words if word not in ("", "none", None))
    return (row.stages["dataset"], hashing.digest([rest, chain]), title)


def _nearest_k(row: Row, done: Iterable[Row]) -> int | None:
    """The k that was tried on a row's data set and is nearest to its number of classes."""
    dataset = row.stages["dataset"]
    classes = row.records.get(dataset, {}).get("info", {}).get("classes") or ()
    same = (other for other in done if other.stages["dataset"] == dataset)
    tried = (other.plan.stages[other.run.stages["clustering"]].config.get("k") for other in same)
    ks: set[int] = {k for k in tried if k is not None}
    return min(ks, key=lambda k: (abs(k - len(classes)), k), default=None)


def _result(row: Row, head: str, config: Mapping[str, Any], role: str, value: float, chooses: float) -> _Result:
    rest = {key: option for key, option in config.items() if key not in (role, *NO_OPTIONS)}
    options = {**{key: option for key, option in config[role].items() if key != "name"}, **rest}
    matrix = configurations.space(row, head)
    space = " ".join(str(part) for part in (row.params["backbone.name"], row.chain(head)) if part != "none")
    # Of few labels, each number of them is a block: methods are compared on equal terms.
    few = f", {config[configurations.SHOTS]} images a class" if configurations.SHOTS in config else ""
    place = (row.stages["dataset"], f"{matrix}{few}", f"{row.params['dataset.name']}, {space}{few}")
    return _Result(config[role]["name"], options, place, config.get("seed"), value, chooses)


def _blocks(results: Sequence[_Result], subject: str, metric: str) -> Blocks:
    """The complete table: a method or a block with a hole in it is left out, whichever costs less."""
    known = [result for result in results if not math.isnan(result.value)]
    seeds, why = _seeds(known)
    table = _table(known, seeds)
    shown, more = _fewer(table)
    methods, blocks, holes = _complete({name: table[name] for name in shown})
    firsts = [next(iter(table[name].values()))[0] for name in methods]
    names = _names(firsts) if blocks else [first.plugin for first in firsts]
    values = tuple(tuple(_mean(table[name][place]) for name in methods) for place in blocks)
    titles = tuple(", ".join(place[2:]) for place in blocks)
    return Blocks(subject, metric, tuple(names), titles, values, "; ".join(filter(None, (why, more, holes))))


def _table(results: Iterable[_Result], seeds: Mapping[Place, list[int]]) -> dict[str, dict[Place, list[_Result]]]:
    """The results of each method in each block; a method without a seed has its result in the block of every seed."""
    table: dict[str, dict[Place, list[_Result]]] = {}
    for result in results:
        place, apart = result.place, seeds[result.place]
        if not apart:
            places = [place]
        else:
            places = [(*place, f"seed {seed}") for seed in (apart if result.seed is None else [result.seed])]
        for block in places:
            table.setdefault(result.method, {}).setdefault(block, []).append(result)
    return table


def _seeds(results: Sequence[_Result]) -> tuple[dict[Place, list[int]], str]:
    """The seeds that are blocks of their own at each place, and why there are none where there are several.

    Two methods without a seed would repeat their comparison in each of them.
    """
    places: dict[Place, list[_Result]] = {}
    for result in results:
        places.setdefault(result.place, []).append(result)
    apart: dict[Place, list[int]] = {}
    without: set[str] = set()
    for place, group in places.items():
        seeds = sorted({result.seed for result in group if result.seed is not None})
        seeded = {result.method for result in group if result.seed is not None}
        others = {result.method: result.plugin for result in group if result.method not in seeded}
        apart[place] = seeds if len(seeds) > 1 and len(others) < 2 else []
        without |= set(others.values()) if len(seeds) > 1 and len(others) > 1 else set()
    names = ", ".join(sorted(without))
    return apart, f"means over seeds, which are not blocks since {names} do not depend on them" if names else ""


def _fewer(table: Mapping[str, Mapping[Place, Sequence[_Result]]]) -> tuple[list[str], str]:
    """The methods that a table has room for."""
    order = sorted(table, key=lambda name: (-_chosen(table[name]), name))
    more = f"{MOST_METHODS} of {len(table)} methods, the best on average" if len(table) > MOST_METHODS else ""
    return order[:MOST_METHODS], more


def _chosen(places: Mapping[Place, Sequence[_Result]]) -> float:
    values = [result.chooses for group in places.values() for result in group if not math.isnan(result.chooses)]
    return statistics.fmean(values) if values else -math.inf


def _complete(table: Mapping[str, Mapping[Place, Any]]) -> tuple[list[str], list[Place], str]:
    """Methods and blocks without a hole: those with the most holes go first."""
    methods, blocks = list(table), sorted({place for places in table.values() for place in places})
    tried = len(methods), len(blocks)
    while methods and blocks:
        rows = {place: sum(place not in table[name] for name in methods) / len(methods) for place in blocks}
        columns = {name: sum(place not in table[name] for place in blocks) / len(blocks) for name in methods}
        worst, sparse = max(blocks, key=rows.__getitem__), max(methods, key=columns.__getitem__)
        if not rows[worst]:
            break
        if columns[sparse] > rows[worst]:
            methods.remove(sparse)
        else:
            blocks.remove(worst)
    dropped = tried[0] - len(methods), tried[1] - len(blocks)
    holes = f"left out for missing results: {dropped[0]} methods, {dropped[1]} blocks" if any(dropped) else ""
    return methods, blocks, holes


def _names(results: Sequence[_Result]) -> list[str]:
    """Plugins with the options that distinguish namesakes."""
    names = []
    for result in results:
        same = [other.options for other in results if other.plugin == result.plugin]
        keys = [key for key in result.options if len({str(options.get(key)) for options in same}) > 1]
        shown = [f"{key}={result.options[key]}" for key in keys if result.options[key] is not None]
        names.append(" ".join([result.plugin, *shown]))
    return names


def _mean(group: Sequence[_Result]) -> float:
    return statistics.fmean(result.value for result in group)
