"""Critical-difference diagrams.

Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, figure 1.

Mean ranks on an axis, the best on the left; bars join methods that the Nemenyi test does not distinguish.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench.plots import Data, Heading, Picture, _style, columns
from backbench.plots._names import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = 60
# Inches of the axis, of what is above it, of a line of text, and of a letter of a name.
SCALE, ABOVE, LINE, LETTER = 4.6, 1.0, 0.235, 0.064


@dataclass(frozen=True)
class Diagram:
    """Mean ranks of methods over blocks, 1 being the best, and the difference that makes two distinguishable.

    `differ` is false where the test over all methods found no difference: then all are joined, whatever their ranks.
    """

    title: str
    methods: Sequence[str]
    mean_ranks: Sequence[float]
    critical_difference: float
    note: str = ""
    differ: bool = True


def joined(mean_ranks: Sequence[float], critical_difference: float, differ: bool = True) -> list[tuple[int, int]]:
    """Bars of a diagram: first and last place, by rank, of each largest group of methods not distinguishable.

    Methods are distinguishable if they differ by the critical difference or more.
    """
    order = sorted(mean_ranks)
    if not differ:
        return [(0, len(order) - 1)] if len(order) > 1 else []
    bars: list[tuple[int, int]] = []
    for first, rank in enumerate(order):
        last = max(at for at, other in enumerate(order) if other - rank < critical_difference or at == first)
        if last > first and (not bars or last > bars[-1][1]):
            bars.append((first, last))
    return bars


def draw(heading: Heading, diagrams: Sequence[Diagram], caption: str = "") -> Picture:
    """One or several diagrams below one another; the critical difference is to the scale of their axes."""
    longest = max(len(name) for diagram in diagrams for name in legible(diagram.methods, NAMES))
    side = max(LETTER * (longest + 7) + 0.25, 2.2)
    heights = [_height(diagram) for diagram in diagrams]
    with _style.style():
        figure = _style.figure(heading, SCALE + 2 * side, sum(heights))
        grid = figure.subplots(len(diagrams), 1, squeeze=False, height_ratios=heights)
        for axes, diagram, height in zip(grid.flat, diagrams, heights, strict=True):
            _diagram(axes, diagram, side, height)
    return Picture(figure, _data(diagrams), caption)


def _height(diagram: Diagram) -> float:
    """Inches of what is above the axis, of the bars, and of a line for each method on the fuller side."""
    bars = len(joined(diagram.mean_ranks, diagram.critical_difference, diagram.differ))
    return ABOVE + 0.4 + 0.1 * bars + LINE * math.ceil(len(diagram.methods) / 2)


def _diagram(axes: "Axes", diagram: Diagram, side: float, height: float) -> None:
    """Drawn in inches, x from the left end of the axis and y from the axis down."""
    count = len(diagram.methods)
    axes.set(xlim=(-side, SCALE + side), ylim=(ABOVE - height, ABOVE))
    axes.set_axis_off()
    axes.text(-side, ABOVE, diagram.title, size=9.5, va="top", gid="diagram")
    lines = textwrap.wrap(diagram.note, int((SCALE + 2 * side) / LETTER), max_lines=2, placeholder=" ...")
    axes.text(-side, ABOVE - 0.2, "\n".join(lines), size=8, color="#555555", va="top", gid="note")
    _axis(axes, count)
    _scale(axes, diagram, count)
    bars = joined(diagram.mean_ranks, diagram.critical_difference, diagram.differ)
    ranks = sorted(diagram.mean_ranks)
    for level, (first, last) in enumerate(bars):
        y = -0.1 - 0.1 * level
        ends = [_x(ranks[first], count) - 0.04, _x(ranks[last], count) + 0.04]
        axes.plot(ends, [y, y], lw=3.4, solid_capstyle="butt", color=_style.COLOURS[3], gid="bar")
    _names(axes, diagram, -0.1 - 0.1 * len(bars) - 0.2)


def _x(rank: float, count: int) -> float:
    return (rank - 1) / max(count - 1, 1) * SCALE


def _axis(axes: "Axes", count: int) -> None:
    axes.plot([0, SCALE], [0, 0], lw=1.1, color=_style.INK)
    for rank in range(1, count + 1):
        axes.plot([_x(rank, count)] * 2, [0, 0.07], lw=1.0, color=_style.INK)
        axes.text(_x(rank, count), 0.1, str(rank), ha="center", va="bottom", size=8)
    axes.text(-0.12, 0.02, "mean rank,\n1 is best", ha="right", va="center", size=7.5, color="#555555")


def _scale(axes: "Axes", diagram: Diagram, count: int) -> None:
    """The critical difference, to scale, above the axis."""
    length = _x(1 + diagram.critical_difference, count)
    shown = min(length, SCALE)
    axes.plot([0, shown], [0.38, 0.38], lw=1.6, color=_style.COLOURS[3], gid="critical")
    for x in (0, shown) if length <= SCALE else (0,):
        axes.plot([x, x], [0.34, 0.42], lw=1.6, color=_style.COLOURS[3])
    more = "" if length <= SCALE else " (longer than the axis)"
    axes.text(shown + 0.08, 0.38, f"critical difference {diagram.critical_difference:.2f}{more}", va="center", size=8)


def _names(axes: "Axes", diagram: Diagram, top: float) -> None:
    """The better half on the left, the best on top; the other half on the right, the worst on top."""
    count = len(diagram.methods)
    order = sorted(range(count), key=lambda at: (diagram.mean_ranks[at], at))
    half = math.ceil(count / 2)
    shown = legible(diagram.methods, NAMES)
    for place, at in enumerate(order):
        left = place < half
        y = top - LINE * (place if left else count - 1 - place)
        x, end = _x(diagram.mean_ranks[at], count), -0.1 if left else SCALE + 0.1
        axes.plot([x, x, end], [0, y, y], lw=0.8, color="#555555", gid="leader", zorder=1)
        number = f"{diagram.mean_ranks[at]:.2f}"
        text = f"{shown[at]}  {number}" if left else f"{number}  {shown[at]}"
        axes.text(end + (-0.06 if left else 0.06), y, text, ha="right" if left else "left", va="center", size=8)


def _data(diagrams: Sequence[Diagram]) -> Data:
    flat = []
    for diagram in diagrams:
        bars = joined(diagram.mean_ranks, diagram.critical_difference, diagram.differ)
        order = sorted(range(len(diagram.methods)), key=lambda at: (diagram.mean_ranks[at], at))
        for place, at in enumerate(order):
            within = " ".join(str(number) for number, (first, last) in enumerate(bars, 1) if first <= place <= last)
            named = (diagram.title, diagram.methods[at], diagram.mean_ranks[at])
            flat.append((*named, diagram.critical_difference, within))
    names = ("diagram", "method", "mean_rank", "critical_difference", "bars")
    return columns(names, flat)
