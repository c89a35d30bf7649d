"""Two metrics of the same clusterings against each other, and what each of them would pick."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backbench.metrics import catalogue
from backbench.plots import Data, Heading, Picture, _labels, _legends, _style, columns
from backbench.plots._names import legible, plain
from backbench.wording import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# With more points than this in a panel, they have no numbers; a ring's radius, in typographic points.
NUMBERED = 70
OUTER, INNER = 7.0, 5.0


@dataclass(frozen=True)
class Point:
    """A clustering: its name, the group that gives its colour, the number beside it, and its two metrics."""

    name: str
    group: str
    number: str
    x: float
    y: float


@dataclass(frozen=True)
class Panel:
    """The clusterings of one feature space; `note` is the line below its title."""

    title: str
    note: str
    points: Sequence[Point]


def draw(heading: Heading, panels: Sequence[Panel], metrics: tuple[str, str], caption: str = "") -> Picture:
    """Scatter two `metrics` of which higher is better, a panel for each feature space.

    In each panel the best point by either metric is ringed and named; one ring with both names means that they agree.
    """
    groups = sorted({point.group for panel in panels for point in panel.points})
    looks = {name: (_style.colour(at), _style.MARKERS[at % len(_style.MARKERS)]) for at, name in enumerate(groups)}
    across = min(len(panels), 2)
    rows = math.ceil(len(panels) / across)
    with _style.style():
        figure = _style.figure(heading, max(6.5, 5.0 * across), 4.0 * rows + 0.4)
        grid = figure.subplots(rows, across, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            _panel(axes, panel, looks)
            axes.set_xlabel(catalogue.metric(metrics[0]).axis)
            axes.set_ylabel(catalogue.metric(metrics[1]).axis)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        _legend(figure, looks, panels)
        _style.lay_out(figure)
        for axes, panel in zip(grid.flat, panels, strict=False):
            _name(axes, panel.points, metrics)
    return Picture(figure, _data(panels, metrics), caption)


def _panel(axes: "Axes", panel: Panel, looks: Mapping[str, tuple[str, str]]) -> None:
    axes.grid(color="#EEEEEE")
    axes.set_title(f"{legible([panel.title], 44)[0]}\n{shorten(panel.note, 66)}")
    for group, (colour, mark) in looks.items():
        of_group = [point for point in panel.points if point.group == group]
        if of_group:
            x, y = [point.x for point in of_group], [point.y for point in of_group]
            axes.plot(x, y, linestyle="none", marker=mark, color=colour, ms=5, mec="white", mew=0.4, label=group)
    axes.margins(0.14, 0.16)
    axes.autoscale_view()
    for best, look in ((picked(panel.points, "x"), "--"), (picked(panel.points, "y"), "-")):
        _ring(axes, panel.points[best], look, OUTER if look == "--" else INNER)


def picked(points: Sequence[Point], axis: str) -> int:
    """Place of the point with the greatest value on an axis; the first of equals."""
    return int(np.argmax([getattr(point, axis) for point in points]))


def _ring(axes: "Axes", point: Point, look: str, radius: float) -> None:
    from matplotlib.patches import Ellipse

    ring = Ellipse((0, 0), radius / 36, radius / 36, fill=False, ls=look, lw=1.4, edgecolor=_style.INK, gid="ring")
    to_point = _style.shift(point.x, point.y, axes.transData)
    ring.set(transform=axes.figure.dpi_scale_trans + to_point, clip_on=False)
    axes.add_artist(ring)


def _name(axes: "Axes", points: Sequence[Point], metrics: tuple[str, str]) -> None:
    """Names of the two picks, then the numbers for which there is room beside their points."""
    first, second = picked(points, "x"), picked(points, "y")
    short = [catalogue.metric(metric).title for metric in metrics]
    names = {first: f"best {short[0]}: {shorten(plain(points[first].name), 40)}"}
    best = f"best {short[1]}: {shorten(plain(points[second].name), 40)}"
    names[second] = f"{names[first]},\nand best {short[1]}" if second == first else best
    spots = np.array([[point.x, point.y] for point in points])
    radius = [OUTER + 1 if at in names else 3.0 for at in range(len(points))]
    named = _labels.place(axes, spots, [names.get(at, "") for at in range(len(points))], radius)
    if len(points) <= NUMBERED:
        numbers = [point.number for point in points]
        _labels.place(axes, spots, numbers, radius, size=6, reach=1, taken=named.boxes)


def _legend(figure: "Figure", looks: Mapping[str, tuple[str, str]], panels: Sequence[Panel]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker=mark, color=colour, ms=5, label=label)
        for (colour, mark), label in zip(looks.values(), legible(looks, 30), strict=True)
    ]
    numbered = any(len(panel.points) <= NUMBERED for panel in panels)
    title = "numbers beside points are numbers of clusters" if numbered else None
    _legends.below(figure, handles, title)


def _data(panels: Sequence[Panel], metrics: tuple[str, str]) -> Data:
    flat = [
        (panel.title, point.name, point.group, point.number, point.x, point.y)
        for panel in panels
        for point in panel.points
    ]
    names = ("space", "clustering", "clusterer", "clusters", *metrics)
    return columns(names, flat)
