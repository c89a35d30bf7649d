"""The runs of a sweep that are drawn: the best per backbone and clusterer, or each distinct result once."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backbench import hashing
from backbench.engine.grid import HEADS
from backbench.engine.results.joined_run import PENDING, Row
from backbench.evaluate import configurations, leaderboard_specs
from backbench.metrics import catalogue
from backbench.pictures.catalogue import Kind
from backbench.pictures.orders import Order

BEST, ALL, NONE = "best", "all", "none"
# What decides which clustering is best: agreement with the classes, else the silhouette within a feature space.
AGREEMENT, SILHOUETTES = catalogue.main("clustering"), catalogue.with_estimate(catalogue.UNLABELLED)
RETRIEVAL = catalogue.checked("map_at_10", "precision_at_10")
SUBJECTS = ("features", *HEADS)
# Less than any classifier has.
NOTHING = (-math.inf, -math.inf)


@dataclass(frozen=True)
class Pick:
    """A run to draw, and the results of it that are to be shown.

    `every` is whether it has every picture, those that a sweep ends with for its best classifier alone among them.
    """

    row: Row
    subjects: tuple[str, ...] = SUBJECTS
    every: bool = True


def picks(rows: Iterable[Row], plots: str) -> list[Pick]:
    """The runs of a sweep that are drawn, in the order in which people look at them.

    `plots` is ``best``, ``all`` or ``none``.
    """
    known = sorted((row for row in rows if row.status != PENDING or row.heads), key=lambda row: row.config_hash)
    if plots == NONE:
        return []
    best = _answer_first(_best(known))
    if plots == BEST:
        return [replace(pick, every=False) for pick in best]
    first = {pick.row.config_hash for pick in best}
    return best + [Pick(row) for row in _ordered(known) if row.config_hash not in first]


def pictures(chosen: Iterable[Pick], kinds: Sequence[Kind], order: Callable[[Row, Kind], Order]) -> Iterator[Order]:
    """An order for each picture of these runs; those that cannot be drawn say why.

    A picture shows some results of a run (`Kind.subjects`); it is drawn once, for the first run that has these.
    """
    chosen = list(chosen)
    for group in _grouped([pick.row for pick in chosen if not pick.every], _dataset).values():
        for kind in (kind for kind in kinds if kind.leading):
            yield _leading(group, kind, order)
    yield from _distinct(chosen, kinds, order)


def _leading(rows: Sequence[Row], kind: Kind, order: Callable[[Row, Kind], Order]) -> Order:
    """The order for the best classifier that has such a picture; for the best one of all if none has."""
    orders = [order(row, kind) for row in sorted(rows, key=_classifier, reverse=True)]
    return next((made for made in orders if made.drawable), orders[0])


def _distinct(chosen: Iterable[Pick], kinds: Sequence[Kind], order: Callable[[Row, Kind], Order]) -> Iterator[Order]:
    """Pictures of results that no run before has; those of the best classifier alone where a pick has every one."""
    shown: set[tuple[str, str]] = set()
    for pick in chosen:
        stages = pick.row.stages
        for kind in kinds:
            if not set(kind.subjects) <= set(pick.subjects) or (kind.leading and not pick.every):
                continue
            results = {(kind.name, stages[subject]) for subject in kind.subjects if subject in stages}
            if results and results <= shown:
                continue
            made = order(pick.row, kind)
            if made.drawable:
                shown |= results
            yield made


def _best(rows: Sequence[Row]) -> list[Pick]:
    """The best run of each data set, backbone and clusterer, and the best classifier where none of these has it."""
    chosen: list[Pick] = []
    for group in _grouped(rows, _backbone).values():
        labelled = any(not math.isnan(_value(row, AGREEMENT)) for row in group)
        groups = _grouped(group, _clusterer if labelled else _clusterer_in_space)
        best = _ordered(max(rivals, key=_rank) for rivals in groups.values())
        chosen += map(Pick, best)
        top = max(map(_classifier, group))
        if top > NOTHING and all(_classifier(row) < top for row in best):
            row = max((row for row in group if _classifier(row) == top), key=_rank)
            chosen.append(Pick(row, tuple(name for name in SUBJECTS if name != "clustering")))
    return chosen


def _answer_first(chosen: list[Pick]) -> list[Pick]:
    """The picks, those of the best classifier and of the best clustering of each data set before all others."""
    named = [
        max(group, key=key).config_hash
        for group in _grouped([pick.row for pick in chosen], _dataset).values()
        for key in (_classifier, _rank)
    ]
    return sorted(chosen, key=lambda pick: pick.row.config_hash not in named)


def _ordered(rows: Iterable[Row]) -> list[Row]:
    """The best classifier first, so that what several runs share is shown together with it."""
    return sorted(rows, key=lambda row: (_classifier(row), _rank(row)), reverse=True)


def _rank(row: Row) -> tuple[Any, ...]:
    """How good a run is, compared with others of its backbone and clusterer."""
    clustered = _known(row, AGREEMENT, *SILHOUETTES)
    return row.reason is None, clustered, _classifier(row), _known(row, *RETRIEVAL)


def _classifier(row: Row) -> tuple[float, float]:
    """How many images of each class its classifier learns from, and the score by which it is chosen; all rows of a
    data set have it on validation, or all on test."""
    value, shots = leaderboard_specs.choosing(row.metrics), configurations.shots(row)
    return NOTHING if math.isnan(value) else (math.inf if shots is None else shots, value)


def _known(row: Row, *names: str) -> float:
    """The first of these metrics that is defined."""
    return next((value for name in names if not math.isnan(value := _value(row, name))), -math.inf)


def _value(row: Row, name: str) -> float:
    return row.metrics.get(name, math.nan)


def _backbone(row: Row) -> str:
    """Data set and backbone; those that differ only in their seed count as one."""
    config = row.plan.stages[row.run.stages["features"]].config
    return hashing.digest([row.stages["dataset"], _seedless(config), row.params["backbone.name"]])


def _clusterer(row: Row) -> str:
    return str(row.params.get("clusterer.name"))


def _clusterer_in_space(row: Row) -> str:
    """Clusterer and feature matrix: without classes, silhouettes in different ones are not comparable."""
    member = row.run.stages.get("clustering")
    return f"{_clusterer(row)} {row.plan.stages[member].parents['matrix'][1] if member else ''}"


def _dataset(row: Row) -> str:
    return row.stages["dataset"]


def _seedless(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "seed"}


def _grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups
