"""The quality of each representation against the speed of its extraction."""

import math
from collections.abc import Mapping
from typing import Any

from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, leaderboard_specs
from backbench.metrics import catalogue
from backbench.pictures import _spaces
from backbench.pictures.source import Sweep
from backbench.plots import Picture

TITLE = "Quality against extraction speed"
CATEGORY = "Sweep"
ORDER = 25
# Representations without a speed that the caption names.
UNTIMED = 6
# Task -> the metric that is shown.
SCORES = {head: catalogue.main(head) for head in ("classification", "clustering")}


def lacks(sweep: Sweep) -> str | None:
    """Why there are no points."""
    chosen = _best(sweep)
    if chosen is None:
        return "no classifier is done, and no clustering was compared with classes"
    timed = [row for row in chosen[1].values() if _speed(row)]
    if len(timed) < 2:
        return f"{len(timed)} of {len(chosen[1])} representations have a recorded extraction speed; two are needed"
    return None


def draw(sweep: Sweep) -> Picture:
    """A point for each backbone and chain."""
    from backbench.plots import pareto

    chosen = _best(sweep)
    assert chosen is not None  # else `lacks` has a reason
    head, best = chosen
    metric, chooser = SCORES[head], _chooser(sweep, head)
    names = _spaces.titles(best.values(), head)
    points = [
        pareto.Point(names[space], speed, row.metrics[metric], _device(row), _detail(row, head))
        for space, row in best.items()
        if (speed := _speed(row))
    ]
    untimed = [names[space] for space, row in best.items() if not _speed(row)]
    devices = sorted({point.device for point in points})
    about = f"extracted on {devices[0]}" if len(devices) == 1 else f"extracted on {len(devices)} devices"
    return pareto.draw(sweep.heading(TITLE, about), points, metric, _caption(head, chooser, devices, untimed))


def _caption(head: str, chooser: str, devices: list[str], untimed: list[str]) -> str:
    by = catalogue.metric(chooser)
    what = "classifier" if head == "classification" else "clustering"
    flatters = ", since there is no validation split, which flatters it" if by.images == catalogue.TEST else ""
    text = (
        f"Each point is a backbone with a chain and its best {what} (chosen by {by.words}{flatters}). "
        "No other point is both faster and better than one on the line. Speed is that of the backbone alone, without "
        f"the chain and the {what}."
    )
    if len(devices) > 1:
        text += " Speeds on different devices are not comparable, so each device has its own line."
    if untimed:
        more = f" and {len(untimed) - UNTIMED} more" if len(untimed) > UNTIMED else ""
        text += f" Not shown for lack of a recorded speed: {', '.join(untimed[:UNTIMED])}{more}."
    return text


def _best(sweep: Sweep) -> tuple[str, Mapping[str, Row]] | None:
    """The task that is shown, and the best row of each matrix that it worked on."""
    for head, metric in SCORES.items():
        best: dict[str, Row] = {}
        chooser = _chooser(sweep, head)
        distinct = tables.distinct(sweep.rows, head)
        for row in configurations.most_labels(distinct) if head == "classification" else distinct:
            if math.isnan(row.metrics.get(metric, math.nan)):
                continue
            space = _spaces.matrix(row, head)
            if space not in best or _merit(row, chooser) > _merit(best[space], chooser):
                best[space] = row
        if best:
            ordered = sorted(best.items(), key=lambda item: (item[1].params["backbone.name"], item[1].chain(head)))
            return head, dict(ordered)
    return None


def _chooser(sweep: Sweep, head: str) -> str:
    """The metric that chooses the best of a representation."""
    return leaderboard_specs.chooser(sweep.rows) if head == "classification" else SCORES[head]


def _merit(row: Row, chooser: str) -> float:
    value = row.metrics.get(chooser, math.nan)
    return -math.inf if math.isnan(value) else value


def _speed(row: Row) -> float | None:
    speed = _features(row).get("info", {}).get("images_per_second")
    return float(speed) if speed else None


def _device(row: Row) -> str:
    """What the features were extracted on; a CPU by its model and the threads that it was given."""
    made = _features(row).get("provenance", {})
    device = str(made.get("device", "unknown device"))
    if device != "cpu":
        return device
    threads = made.get("threads") or made.get("cores")
    return f"{made.get('cpu', 'CPU')}" + (f", {threads} threads" if threads else "")


def _features(row: Row) -> Mapping[str, Any]:
    return row.records.get(row.stages["features"], {})


def _detail(row: Row, head: str) -> str:
    params = row.params
    if head == "classification":
        return str(params["classifier.name"])
    return str(params["clusterer.name"]) + (f" k={params['k']}" if "k" in params else "")
