"""Heat maps: a metric over two axes, with numbers in the cells while they are legible; hatched without a result."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.metrics import catalogue
from backbench.plots import Data, Heading, Picture, _style, columns
from backbench.plots._names import legible, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

Masked = np.ma.MaskedArray[Any, Any]

# Beyond so many rows or columns, cells have no numbers; beyond MOST_TICKS, only some are named.
NUMBERED, MOST_TICKS = 15, 60
SIDE = {"cell": 0.56, "small": 0.2, "least": 0.09}
# Inches: the most that cells take, and the bar of colours with its label.
MOST_INCHES, BAR = 11.0, 1.3
# High enough for the label of the colours.
LEAST_HIGH = 1.3


@dataclass(frozen=True)
class Table:
    """Values (rows, columns) of a metric, NaN where there is none, and the words at the sides."""

    rows: Sequence[str]
    columns: Sequence[str]
    values: np.ndarray
    metric: str
    x: str = ""
    y: str = ""
    title: str = ""


def draw(
    heading: Heading,
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    metric: str,
    x: str = "",
    y: str = "",
    caption: str = "",
) -> Picture:
    """One heat map of `values` (rows, columns); `x` and `y` say what its columns and rows are."""
    return tables(heading, [Table(rows, columns, np.asarray(values, dtype=float), metric, x, y)], caption)


def tables(heading: Heading, maps: Sequence[Table], caption: str = "") -> Picture:
    """Heat maps below one another, each with its own scale; the best cell of each is framed."""
    sizes = [_size(table) for table in maps]
    side = max(0.066 * max(len(name) for name in legible(map(str, table.rows), 34)) + 0.5 for table in maps)
    width = max(6.2, side + max(wide for wide, _ in sizes) + BAR)
    room = width - side - BAR
    feet = [_foot(table, room) for table in maps]
    with _style.style():
        figure = _style.figure(heading, width, sum(high for _, high in sizes) + sum(feet) + 0.75 * len(maps))
        ratios = [high + foot for (_, high), foot in zip(sizes, feet, strict=True)]
        grid = figure.subplots(len(maps), 1, squeeze=False, height_ratios=ratios)
        for axes, table in zip(grid.flat, maps, strict=True):
            _draw(axes, table, _upright(table, room))
    return Picture(figure, _data(maps), caption)


def _size(table: Table) -> tuple[float, float]:
    """Inches that the cells of a table take."""
    high, wide = table.values.shape
    if max(high, wide) <= NUMBERED:
        return SIDE["cell"] * wide, max(0.32 * high, LEAST_HIGH)
    width, height = (min(MOST_INCHES, max(SIDE["least"], min(SIDE["small"], 8.0 / n)) * n) for n in (wide, high))
    return width, height


def _foot(table: Table, room: float) -> float:
    """Inches for the names of the columns, more where they are upright."""
    return 0.07 * max(map(len, legible(map(str, table.columns), 24))) if _upright(table, room) else 0.2


def _upright(table: Table, room: float) -> bool:
    """Whether the names of the columns are too long to stand side by side in `room` inches."""
    shown = legible(map(str, table.columns), 24)[:: math.ceil(len(table.columns) / MOST_TICKS)]
    return max(map(len, shown)) * 0.072 > room / len(shown)


def _draw(axes: "Axes", table: Table, upright: bool) -> None:
    shown = np.ma.masked_invalid(np.asarray(table.values, dtype=float))
    axes.patch.set(facecolor="white", hatch="/////", edgecolor="#BBBBBB", linewidth=0)
    same = shown.count() and shown.min() == shown.max()
    span = {"vmin": shown.min() - 0.5, "vmax": shown.max() + 0.5} if same else {}
    mesh = axes.imshow(shown, aspect="auto", interpolation="nearest", **span)
    _ticks(axes, table, upright)
    if max(table.values.shape) <= NUMBERED:
        _numbers(axes, shown, mesh)
    _frame_best(axes, shown, catalogue.metric(table.metric).direction)
    if shown.count():
        bar = _style.colour_bar(axes, mesh)
        bar.set_label(catalogue.metric(table.metric).axis.replace(" (", "\n(", 1), size=7.5)
    if shown.mask.any():
        axes.set_xlabel(f"{table.x}  (hatched: no result)".strip())
    if table.title:
        axes.set_title(plain(table.title), loc="left")


def _ticks(axes: "Axes", table: Table, upright: bool) -> None:
    for axis, names, limit in ((axes.xaxis, table.columns, 24), (axes.yaxis, table.rows, 34)):
        step = math.ceil(len(names) / MOST_TICKS)
        shown = legible(map(str, names), limit)
        axis.set_ticks(range(0, len(names), step), shown[::step])
    axes.tick_params(length=0, labelsize=8 if max(table.values.shape) <= 30 else 6)
    if upright:
        axes.tick_params(axis="x", rotation=90)
    axes.set_xlabel(table.x)
    axes.set_ylabel(table.y)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _numbers(axes: "Axes", shown: "Masked", mesh: "AxesImage") -> None:
    largest = float(np.ma.max(np.ma.abs(shown))) if shown.count() else 0.0
    for (row, column), value in np.ndenumerate(shown.filled(np.nan)):
        if not math.isnan(value):
            ink = _style.ink_over(mesh, value)
            text = f"{value:.3f}" if largest < 10 else f"{value:.3g}"
            axes.text(column, row, text, ha="center", va="center", size=7.5, color=ink, in_layout=False)


def _frame_best(axes: "Axes", shown: "Masked", better: int) -> None:
    from matplotlib.patches import Rectangle

    if not better or shown.count() < 2:
        return
    best = float(shown.max() if better > 0 else shown.min())
    for row, column in zip(*np.nonzero(shown.filled(np.nan) == best), strict=True):
        corner = (column - 0.5, row - 0.5)
        frame = Rectangle(corner, 1, 1, fill=False, edgecolor="#D55E00", linewidth=2, gid="best", clip_on=False)
        axes.add_patch(frame)


def _data(maps: Sequence[Table]) -> Data:
    flat = [
        (table.title, str(row), str(column), table.metric, float(table.values[y][x]))
        for table in maps
        for y, row in enumerate(table.rows)
        for x, column in enumerate(table.columns)
    ]
    return columns(("table", "row", "column", "metric", "value"), flat)
