"""Leaderboards as dots with intervals: which entries share a rank."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbench.metrics import catalogue
from backbench.plots import Data, Heading, Picture, _legends, _style, columns
from backbench.plots._names import legible, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

ROW, AROUND = 0.245, 0.85
NAMES = 58
SHADES = ("#E4EEF6", "#FFFFFF")
# What an interval is over -> its colour and its dot.
LOOKS = {
    "images": (_style.COLOURS[0], "o"),
    "seeds": (_style.COLOURS[3], "s"),
    "images and seeds": (_style.COLOURS[2], "D"),
    "draws": (_style.COLOURS[5], "s"),
    "images and draws": (_style.COLOURS[4], "D"),
    "refits": (_style.COLOURS[1], "^"),
    "groups": (_style.COLOURS[7], "o"),
    "groups and seeds": (_style.COLOURS[7], "D"),
    "groups and draws": (_style.COLOURS[7], "s"),
    "repeats": (_style.COLOURS[3], "v"),
}
NONE = ("#555555", "o")


@dataclass(frozen=True)
class Entry:
    """An entry: its value, the ends of its interval (NaN where there is none) and what was resampled for it.

    `tied` is how many entries of the whole leaderboard have its rank, including itself.
    """

    name: str
    mean: float
    low: float
    high: float
    over: str
    n: int
    rank: int
    tied: int = 1

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


@dataclass(frozen=True)
class Listing:
    """The best entries of one leaderboard, best first."""

    title: str
    metric: str
    entries: Sequence[Entry]


def draw(heading: Heading, listings: Sequence[Listing], caption: str = "") -> Picture:
    """A panel for each listing; entries that are not distinguishable share a rank and a shade."""
    listings = [listing for listing in listings if listing.entries]
    counts = [len(listing.entries) for listing in listings]
    with _style.style():
        figure, grid = _style.stacked(heading, counts, ROW, AROUND)
        for axes, listing in zip(grid, listings, strict=True):
            _panel(axes, listing)
        _legends.below(figure, _handles([entry for listing in listings for entry in listing.entries]))
    return Picture(figure, _data(listings), caption)


def _panel(axes: "Axes", listing: Listing) -> None:
    entries = listing.entries
    shade = 0
    for place, entry in enumerate(entries):
        shade += place > 0 and entry.rank != entries[place - 1].rank
        axes.axhspan(place - 0.5, place + 0.5, color=SHADES[shade % 2], lw=0, zorder=0, gid=f"rank {entry.rank}")
        colour, mark = _look(entry)
        if entry.known:
            axes.plot([entry.low, entry.high], [place, place], lw=1.8, color=colour, gid="interval")
        fill = colour if entry.known else "white"
        axes.plot([entry.mean], [place], mark, ms=5, mfc=fill, mec=colour, gid="mean")
    shown = legible([entry.name for entry in entries], NAMES)
    axes.set_yticks(range(len(entries)), [_side(*pair) for pair in zip(entries, shown, strict=True)], size=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.set_xlabel(catalogue.metric(listing.metric).axis)
    axes.set_title(plain(listing.title), loc="left")


def _look(entry: Entry) -> tuple[str, str]:
    return LOOKS.get(entry.over, NONE) if entry.known else NONE


def _side(entry: Entry, name: str) -> str:
    """Name and rank as written at the side: ``=3`` where the rank is shared."""
    return f"{name}   {'=' if entry.tied > 1 else ''}{entry.rank}"


def _handles(entries: Sequence[Entry]) -> list["Line2D"]:
    from matplotlib.lines import Line2D

    over = sorted(
        {entry.over for entry in entries if entry.known},
        key=lambda resampled: (resampled not in LOOKS, len(resampled), resampled),
    )
    handles = []
    for resampled in over:
        colour, mark = LOOKS.get(resampled, NONE)
        handles.append(Line2D([], [], lw=1.8, color=colour, marker=mark, ms=5, label=f"95 % interval over {resampled}"))
    if not all(entry.known for entry in entries):
        colour, mark = NONE
        handles.append(Line2D([], [], lw=0, marker=mark, ms=5, mfc="white", mec=colour, label="no interval"))
    return handles


def _data(listings: Sequence[Listing]) -> Data:
    flat = [
        (listing.title, listing.metric, entry.rank, entry.name, entry.mean, entry.low, entry.high, entry.over, entry.n)
        for listing in listings
        for entry in listing.entries
    ]
    names = ("board", "metric", "rank", "entry", "mean", "low", "high", "over", "n")
    return columns(names, flat)
