"""Published figures against ours: a line for each figure, with our value as a dot with its interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench.plots import Data, Heading, Picture, _legends, _style, columns
from backbench.plots._names import legible, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

LINE, AROUND = 0.34, 0.62
NAMES = 46
# Margin at both ends of an axis as a share of the range, and the least range as a share of the largest value.
MARGIN, LEAST = 0.08, 0.2
OURS, THEIRS, BETWEEN = _style.COLOURS[0], _style.COLOURS[3], "#B9B9B9"


@dataclass(frozen=True)
class Entry:
    """A figure, published and ours, and the ends of our interval; NaN where there is none. `note` is on its right."""

    name: str
    published: float
    ours: float
    low: float
    high: float
    note: str = ""

    @property
    def values(self) -> list[float]:
        """What the line shows."""
        return [value for value in (self.published, self.ours, self.low, self.high) if not math.isnan(value)]


@dataclass(frozen=True)
class Panel:
    """Figures on one axis; `axis` is its label."""

    axis: str
    entries: Sequence[Entry]


def draw(heading: Heading, panels: Sequence[Panel], caption: str = "") -> Picture:
    """A panel for each axis; a published value is a vertical mark, ours is a dot, and its interval a thick line."""
    counts = [len(panel.entries) for panel in panels]
    with _style.style():
        figure, grid = _style.stacked(heading, counts, LINE, AROUND)
        for axes, panel in zip(grid, panels, strict=True):
            _panel(axes, panel)
        _legends.below(figure, _handles([entry for panel in panels for entry in panel.entries]))
    return Picture(figure, _data(panels), caption)


def _panel(axes: "Axes", panel: Panel) -> None:
    for place, entry in enumerate(panel.entries):
        _entry(axes, place, entry)
    shown = legible([entry.name for entry in panel.entries], NAMES)
    axes.set_yticks(range(len(shown)), shown, size=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(*_limits(panel.entries))
    axes.grid(axis="x")
    axes.set_xlabel(plain(panel.axis))


def _entry(axes: "Axes", place: int, entry: Entry) -> None:
    known = not math.isnan(entry.low)
    if not math.isnan(entry.published) and not math.isnan(entry.ours):
        axes.plot([entry.published, entry.ours], [place, place], lw=0.9, color=BETWEEN, zorder=1, gid="between")
    if known:
        axes.plot([entry.low, entry.high], [place, place], lw=3.2, color=OURS, alpha=0.55, zorder=2, gid="interval")
    if not math.isnan(entry.ours):
        axes.plot([entry.ours], [place], "o", ms=5.5, mfc=OURS if known else "white", mec=OURS, zorder=4, gid="ours")
    if not math.isnan(entry.published):
        axes.plot([entry.published], [place], "|", ms=15, mew=2.2, color=THEIRS, zorder=3, gid="published")
    axes.annotate(
        plain(entry.note), (1.01, place), xycoords=("axes fraction", "data"), size=7.5, color="#555555", va="center"
    )


def _limits(entries: Sequence[Entry]) -> tuple[float, float]:
    """Ends of an axis: the values with a margin."""
    values = [value for entry in entries for value in entry.values] or [0.0, 1.0]
    low, high = min(values), max(values)
    least = LEAST * max(map(abs, values)) or 1.0
    room = max(MARGIN * (high - low), (least - (high - low)) / 2)
    return low - room, high + room


def _handles(entries: Sequence[Entry]) -> list["Line2D"]:
    from matplotlib.lines import Line2D

    ours = [entry for entry in entries if not math.isnan(entry.ours)]
    handles = [Line2D([], [], lw=0, marker="|", ms=13, mew=2.2, color=THEIRS, label="published")]
    if any(not math.isnan(entry.low) for entry in ours):
        handles.append(Line2D([], [], lw=3.2, color=OURS, alpha=0.55, marker="o", ms=5.5, label="ours, range of 95 %"))
    if any(math.isnan(entry.low) for entry in ours):
        handles.append(Line2D([], [], lw=0, marker="o", ms=5.5, mfc="white", mec=OURS, label="ours, no range"))
    return handles


def _data(panels: Sequence[Panel]) -> Data:
    flat = [
        (panel.axis, entry.name, entry.published, entry.ours, entry.low, entry.high)
        for panel in panels
        for entry in panel.entries
    ]
    names = ("axis", "figure", "published", "ours", "low", "high")
    return columns(names, flat)
