"""How good each representation is against how quickly it is extracted."""

import math
from collections.abc import Mapping
from typing import Any

from backbench.evaluate import leaderboard_specs
from backbench.metrics import catalogue
from backbench.pictures import _spaces
from backbench.pictures.source import Sweep
from backbench.plots import Picture
from backbench.sweep.results import tables
from backbench.sweep.results.ledger import Row

TITLE = "Quality against extraction speed"
CATEGORY = "Sweep"
ORDER = 25
# Representations without a speed that the caption names.
UNTIMED = 6
# Head -> the metric that is shown.
SCORES = {head: catalogue.main(head) for head in ("classification", "clustering")}


def lacks(sweep: Sweep) -> str | None:
    """Why there are no points."""
    head, best = _best(sweep)
    if head is None:
        return "no classifier is done, and no clustering was compared with classes"
    timed = [row for row in best.values() if _speed(row)]
    if len(timed) < 2:
        said = f"{len(best)} representations, {len(timed)} of which with a recorded extraction speed"
        return f"{said}; a comparison takes two"
    return None


def draw(sweep: Sweep) -> Picture:
    """A point for each backbone and chain."""
    from backbench.plots import pareto

    head, best = _best(sweep)
    metric, chooser = SCORES[head], _chooser(sweep, head)
    names = _spaces.titles(best.values(), head)
    timed = {own: row for own, row in best.items() if _speed(row)}
    points = [
        pareto.Point(names[own], _speed(row), row.metrics[metric], _device(row), _detail(row, head))
        for own, row in timed.items()
    ]
    untimed = [names[own] for own in best if own not in timed]
    devices = sorted({point.device for point in points})
    about = f"extracted on {devices[0]}" if len(devices) == 1 else f"extracted on {len(devices)} devices"
    return pareto.draw(sweep.heading(TITLE, about), points, metric, _caption(head, chooser, devices, untimed))


def _caption(head: str, chooser: str, devices: list[str], untimed: list[str]) -> str:
    by = catalogue.metric(chooser)
    what = "classifier" if head == "classification" else "clustering"
    flatters = "; there is no validation part, and that flatters it" if by.images == catalogue.TEST else ""
    text = (
        f"Each point is a backbone with a chain and its best {what} (chosen by {by.words}{flatters}). "
        "No other point is both quicker and better than one on the line; speed is that of the backbone alone, the "
        f"chain and the {what} are not in it."
    )
    if len(devices) > 1:
        text += " Speeds on different devices are not comparable: each has a line of its own, and none joins them."
    if untimed:
        more = f" and {len(untimed) - UNTIMED} more" if len(untimed) > UNTIMED else ""
        text += f" Without a recorded speed, and not shown: {', '.join(untimed[:UNTIMED])}{more}."
    return text


def _best(sweep: Sweep) -> tuple[str | None, Mapping[str, Row]]:
    """The head that is shown, and the best row of each matrix that it worked on."""
    for head, metric in SCORES.items():
        found: dict[str, Row] = {}
        chooser = _chooser(sweep, head)
        for row in tables.distinct(sweep.rows, head):
            if math.isnan(row.metrics.get(metric, math.nan)):
                continue
            own = _spaces.matrix(row, head)
            if own not in found or _merit(row, chooser) > _merit(found[own], chooser):
                found[own] = row
        if found:
            ordered = sorted(found.items(), key=lambda item: (item[1].params["backbone.name"], item[1].chain(head)))
            return head, dict(ordered)
    return None, {}


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
