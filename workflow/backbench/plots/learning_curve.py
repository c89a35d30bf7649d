"""Learning curves: a metric against the number of training images of each class, a line for each classifier."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbench.metrics import catalogue
from backbench.plots import Data, Heading, Picture, _legends, _style, columns
from backbench.plots._names import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

WIDTH, HEIGHT, NAMES = 7.4, 4.4, 70
# How far bands and bars of different lines stand apart, as a share of the distance between neighbouring powers of two.
APART = 0.035
# Ticks nearer than this many powers of two to the last one are left out.
CLOSE = 0.45


@dataclass(frozen=True)
class Point:
    """A mean over `draws` of a classifier that learns from `images` of each class on average, None of `shots` for all.

    `low` and `high` are the ends of its interval, None where there is none.
    """

    shots: int | None
    images: float
    draws: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Line:
    """The points of a classifier, from the fewest images to the most; `baseline` is whether it is to be beaten."""

    name: str
    points: Sequence[Point]
    baseline: bool = False


def draw(heading: Heading, lines: Sequence[Line], metric: str, caption: str = "") -> Picture:
    """`lines` over a logarithmic axis of images; bands and the bars at the end are intervals."""
    with _style.style():
        figure = _style.figure(heading, WIDTH, HEIGHT)
        axes = figure.subplots()
        axes.grid(axis="y")
        for number, line in enumerate(lines):
            _line(axes, line, number, len(lines))
        _ticks(axes, lines)
        axes.set_ylabel(catalogue.metric(metric).axis)
        axes.set_xlabel("training images of each class (log scale)")
        _legends.below(figure, _handles(lines))
    return Picture(figure, _data(lines, metric), caption)


def _look(line: Line, number: int) -> dict[str, Any]:
    return {
        "color": _style.colour(number),
        "marker": _style.line_marker(number),
        "ms": 5,
        "lw": 1.6,
        "ls": (0, (4, 2)) if line.baseline else "-",
    }


def _line(axes: "Axes", line: Line, number: int, count: int) -> None:
    """A line with its band; what is learnt from all images stands apart, with a bar, at the end of a thin line."""
    few = [point for point in line.points if point.shots is not None]
    whole = [point for point in line.points if point.shots is None]
    colour = _style.colour(number)
    axes.plot([p.images for p in few], [p.mean for p in few], gid="few", **_look(line, number))
    known = [(p.images, p.low, p.high) for p in few if p.low is not None and p.high is not None]
    if known:
        places, lows, highs = (list(values) for values in zip(*known, strict=True))
        axes.fill_between(places, lows, highs, color=colour, alpha=0.07, lw=0, gid="band")
        for ends in (lows, highs):
            axes.plot(places, ends, color=colour, alpha=0.35, lw=0.6, gid="edge")
    for point in whole:
        aside = point.images * 2 ** (2 * APART * (number - (count - 1) / 2))
        axes.plot([aside], [point.mean], gid="all", **_look(line, number))
        if few:
            axes.plot([few[-1].images, aside], [few[-1].mean, point.mean], color=colour, lw=0.8, ls=":", gid="between")
        if point.low is not None and point.high is not None:
            axes.plot([aside, aside], [point.low, point.high], color=colour, lw=1.6, gid="interval")


def _ticks(axes: "Axes", lines: Sequence[Line]) -> None:
    """A tick at each number of images that was tried; ``all`` with what that is on average."""
    points = [point for line in lines for point in line.points]
    places = {point.images: f"{point.shots}" for point in points if point.shots is not None}
    whole = {point.images: f"all\n({point.images:,.0f})" for point in points if point.shots is None}
    kept = {at: text for at, text in places.items() if all(abs(math.log2(end / at)) >= CLOSE for end in whole)}
    axes.set_xscale("log", base=2)
    every = sorted({**kept, **whole}.items())
    axes.set_xticks([at for at, _ in every], [text for _, text in every])
    axes.minorticks_off()
    low, high = min(p.images for p in points), max(p.images for p in points)
    margin = max(0.04 * math.log2(high / low), 0.2)
    axes.set_xlim(low / 2**margin, high * 2**margin)


def _handles(lines: Sequence[Line]) -> "list[Line2D]":
    from matplotlib.lines import Line2D

    shown = legible([line.name for line in lines], NAMES)
    return [
        Line2D([], [], label=f"{name} (baseline)" if line.baseline else name, **_look(line, number))
        for number, (line, name) in enumerate(zip(lines, shown, strict=True))
    ]


def _data(lines: Sequence[Line], metric: str) -> Data:
    flat = [
        (line.name, "all" if p.shots is None else p.shots, p.images, p.draws, p.mean, p.low, p.high)
        for line in lines
        for p in line.points
    ]
    return columns(("classifier", "shots", "images_of_a_class", "draws", metric, "low", "high"), flat)
