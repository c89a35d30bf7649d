"""Metrics against the number of clusters: a column of panels for each feature space, a row for each metric."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backbench.metrics import catalogue
from backbench.plots import Data, Heading, Picture, _legends, _style, _ticks
from backbench.plots._names import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Colour and marker of a line.
Look = tuple[str, str]

WIDTH, HEIGHT = 3.0, 1.85
# Clusterings with more clusters than this many times the largest k are drawn at the edge.
BEYOND = 1.25
# From here on, values are written with k, M or G for thousands, millions and so on.
LARGE = 10_000
# Characters along the height of a panel.
LINE = 32


@dataclass(frozen=True)
class Point:
    """A clustering: its feature space, its line, its number of clusters and its metrics.

    `swept` is false where the clusterer chose the number of clusters itself: such points form no line.
    """

    space: str
    line: str
    clusters: float
    swept: bool
    seed: int | None
    values: Mapping[str, float]


def draw(heading: Heading, points: Sequence[Point], metrics: Sequence[str], caption: str = "") -> Picture:
    """Small multiples of `metrics` over k; lines are means over seeds, bands go from the least to the greatest.

    Panels in a row share a scale where the metric is comparable across feature spaces.
    """
    spaces = list(dict.fromkeys(point.space for point in points))
    lines = sorted({point.line for point in points if point.swept})
    unswept = sorted({point.line for point in points if not point.swept})
    looks = {name: (_style.colour(at), _style.line_marker(at)) for at, name in enumerate([*lines, *unswept])}
    with _style.style():
        figure = _style.figure(heading, max(6.5, 0.6 + WIDTH * len(spaces)), HEIGHT * len(metrics) + 0.5)
        grid = figure.subplots(len(metrics), len(spaces), squeeze=False, sharex="col")
        for column, space in enumerate(spaces):
            in_space = [point for point in points if point.space == space]
            for row, metric in enumerate(metrics):
                _panel(grid[row][column], in_space, metric, looks)
            grid[0][column].set_title(legible([space], 40)[0])
            grid[-1][column].set_xlabel("number of clusters k")
            _limit(grid[:, column].tolist(), in_space)
        for row, metric in enumerate(metrics):
            grid[row][0].set_ylabel(_broken(catalogue.metric(metric).axis), size=8)
            if catalogue.metric(metric).across:
                _same_scale(grid[row])
        _legend(figure, lines, unswept, looks)
    return Picture(figure, _data(points, metrics), caption)


def _broken(words: str) -> str:
    """A metric with its range on a second line, and with its direction on a third where two are too long."""
    name, _, beside = words.partition(" (")
    if len(beside) > LINE:
        beside = beside.replace(", ", ",\n")
    return f"{name}\n({beside}" if beside else name


def _panel(axes: "Axes", points: Sequence[Point], metric: str, looks: Mapping[str, Look]) -> None:
    from matplotlib.ticker import EngFormatter

    axes.grid(axis="y")
    for name, (colour, mark) in looks.items():
        of_line = [point for point in points if point.line == name]
        curve = by_clusters([point for point in of_line if point.swept], metric)
        if curve:
            ks = list(curve)
            axes.plot(ks, [float(np.mean(curve[k])) for k in ks], marker=mark, ms=3.5, lw=1.2, color=colour, label=name)
            if any(len(values) > 1 for values in curve.values()):
                low, high = ([end(curve[k]) for k in ks] for end in (min, max))
                axes.fill_between(ks, low, high, color=colour, alpha=0.2, lw=0)
        alone = by_clusters([point for point in of_line if not point.swept], metric)
        flat = [(k, value) for k, values in alone.items() for value in values]
        if flat:
            x, y = zip(*flat, strict=True)
            axes.plot(x, y, linestyle="none", marker="_", ms=9, mew=2.2, color=colour, label=name, gid="found")
    values = np.concatenate([np.zeros(1), *(np.asarray(line.get_ydata(), dtype=float) for line in axes.lines)])
    if np.abs(values).max() >= LARGE:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    if not axes.lines:
        axes.text(0.5, 0.5, "undefined here", transform=axes.transAxes, ha="center", color="#777777")


def by_clusters(points: Sequence[Point], metric: str) -> dict[float, list[float]]:
    """Values of a metric at each number of clusters, smallest number first; undefined ones are left out."""
    values: dict[float, list[float]] = {}
    for point in sorted(points, key=lambda point: (point.clusters, -1 if point.seed is None else point.seed)):
        value = point.values.get(metric, math.nan)
        if not math.isnan(value) and not math.isnan(point.clusters):
            values.setdefault(point.clusters, []).append(value)
    return values


def _limit(column: Sequence["Axes"], points: Sequence[Point]) -> None:
    """Limits for the k of the lines; clusterings with far more clusters become arrows at the edge."""
    swept = [point.clusters for point in points if point.swept]
    if not swept:
        return
    unswept = [point.clusters for point in points if not point.swept and point.clusters >= 1]
    low = min([*swept, *unswept])
    edge = min(max([*swept, *unswept]), max(swept) * BEYOND)
    margin = 0.04 * (edge - low) or 0.5
    for axes in column:
        axes.set_xlim(low - margin, edge + margin)
        _ticks.of_k(axes, low)
        for line in [line for line in axes.lines if line.get_gid() == "found"]:
            _edge(axes, line, edge)


def _edge(axes: "Axes", line: "Line2D", edge: float) -> None:
    """Replace what is beyond the edge by arrows on it."""
    x, y = (np.asarray(values, dtype=float) for values in line.get_data())
    far = x > edge
    if far.any():
        line.set_data(x[~far], y[~far])
        color = line.get_color()
        axes.plot(np.full(far.sum(), edge), y[far], linestyle="none", marker=">", ms=5, color=color, gid="beyond")


def _same_scale(row: Sequence["Axes"]) -> None:
    low, high = (end(axes.get_ylim()[at] for axes in row) for at, end in ((0, min), (1, max)))
    for axes in row:
        axes.set_ylim(low, high)


def _legend(figure: "Figure", lines: Sequence[str], unswept: Sequence[str], looks: Mapping[str, Look]) -> None:
    from matplotlib.lines import Line2D

    shown = legible([*lines, *unswept], 44)
    handles = []
    for name, text in zip([*lines, *unswept], shown, strict=True):
        colour, mark = looks[name]
        if name in lines:
            handles.append(Line2D([], [], color=colour, marker=mark, ms=4, lw=1.2, label=text))
        else:
            label = f"{text} (finds k itself)"
            handles.append(Line2D([], [], color=colour, marker="_", ms=9, mew=2.2, lw=0, label=label))
    _legends.below(figure, handles)


def _data(points: Sequence[Point], metrics: Sequence[str]) -> Data:
    named = ("space", "line", "clusters", "swept", "seed")
    columns = {name: [getattr(point, name) for point in points] for name in named}
    return columns | {metric: [point.values.get(metric, math.nan) for point in points] for metric in metrics}
