"""Grids of small images: strips with titles, their tiles in groups, right and wrong ones marked."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Heading, Picture, _measure, _style
from backbench.plots._names import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches: the side of a tile, the least gap, the added gap between groups, a line of text, the margin.
TILE, GAP, DIVIDE, LINE, EDGE = 0.75, 0.08, 0.24, 0.115, 0.1
# The gap between two tiles as a share of their side.
APART = 0.1
TITLE_ROOM, NOTE_ROOM, LEAST_WIDTH = 1.5, 0.85, 5.6
SECTION, GROUPS, AFTER = 0.24, 0.24, 0.16
# Typographic points of a caption, of a strip's title and of the lines below it.
CAPTION, TITLE, BELOW = 6.5, 8.0, 7.0
# The most strips of a section.
MOST = 20
SIGNS = {True: "✓", False: "✗"}
COLOURS = {True: _style.RIGHT, False: _style.WRONG, None: "#BBBBBB"}
WIDTHS = {True: 1.6, False: 2.4, None: 0.6}
# Pixels drawn on at least so many dots stay sharp; images of more pixels are smoothed.
SHARP = 2


@dataclass(frozen=True)
class Tile:
    """An image (h, w), (h, w, 1) or (h, w, 3) uint8, the lines below it, and whether it is right, if asked."""

    image: np.ndarray
    caption: tuple[str, ...] = ()
    right: bool | None = None


@dataclass(frozen=True)
class Strip:
    """A row of tiles, one sequence for each group of its section.

    `title` and the lines `below` it are on the left, `note` is on the right.
    """

    groups: Sequence[Sequence[Tile]]
    title: str = ""
    below: tuple[str, ...] = ()
    note: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Strips below a title, with the name and the number of columns of each of their groups.

    `more` is how many strips the caller left out, and `noun` says what is left out, in the plural.
    """

    strips: Sequence[Strip]
    groups: Sequence[tuple[str, int]]
    title: str = ""
    more: int = 0
    noun: str = "more rows"


def draw(
    heading: Heading, sections: Sequence[Section], data: Mapping[str, Sequence[Any]], caption: str, tile: float = TILE
) -> Picture:
    """The sections below one another: the first `MOST` strips of each, and how many are hidden.

    `tile` is the side of a tile in inches. Images keep their aspect.
    """
    frame = _Frame(sections, tile)
    height = sum(frame.height(section) for section in sections) - AFTER + EDGE
    with _style.style():
        figure = _style.figure(heading, frame.width, height)
        figure.set_layout_engine("none")
        whole = figure.get_figheight()
        axes = figure.add_axes((0, _style.FOOT / whole, 1, height / whole))
        axes.set_axis_off()
        # Inches from the upper left corner.
        axes.set(xlim=(0, frame.width), ylim=(height, 0), autoscale_on=False)
        top = 0.0
        for section in sections:
            _section(axes, frame, section, top)
            top += frame.height(section)
    return Picture(figure, data, caption)


@dataclass(frozen=True)
class _Frame:
    """Where things stand, in inches."""

    sections: Sequence[Section]
    tile: float
    gap: float = field(init=False)
    left: float = field(init=False)
    right: float = field(init=False)
    width: float = field(init=False)

    def __post_init__(self) -> None:
        strips = [strip for section in self.sections for strip in section.strips]
        object.__setattr__(self, "gap", max(GAP, APART * self.tile))
        left = EDGE + TITLE_ROOM * any(strip.title or strip.below for strip in strips)
        right = max(left + self.columns(section)[-1][-1] + self.tile for section in self.sections)
        width = right + EDGE + NOTE_ROOM * any(strip.note for strip in strips)
        for name, value in (("left", left), ("right", right), ("width", max(width, LEAST_WIDTH))):
            object.__setattr__(self, name, value)

    def columns(self, section: Section) -> list[list[float]]:
        """Left edges of the tiles of each group, from the first tile on."""
        numbers = iter(range(sum(count for _, count in section.groups)))
        return [
            [number * (self.tile + self.gap) + group * DIVIDE for number in itertools.islice(numbers, count)]
            for group, (_, count) in enumerate(section.groups)
        ]

    def strip(self, strip: Strip) -> float:
        """Height of a strip and of what is below it."""
        deepest = max((len(tile.caption) for group in strip.groups for tile in group), default=0)
        return max(self.tile + LINE * deepest, 0.17 + LINE * (2 + len(strip.below))) + 0.1

    def height(self, section: Section) -> float:
        """Height of a section and of what is below it."""
        shown = sum(self.strip(strip) for strip in section.strips[:MOST])
        head = SECTION * bool(section.title) + GROUPS * any(name for name, _ in section.groups)
        return head + shown + 0.2 * bool(_hidden(section)) + AFTER


def _hidden(section: Section) -> int:
    return section.more + max(0, len(section.strips) - MOST)


def _section(axes: "Axes", frame: _Frame, section: Section, top: float) -> None:
    columns = [[frame.left + x for x in group] for group in frame.columns(section)]
    if section.title:
        room = frame.width - 2 * EDGE
        title = _measure.fitted(plain(section.title), room, 9.0, "bold")
        axes.text(EDGE, top + 0.05, title, size=9.0, weight="bold", va="top", gid="section")
        top += SECTION
    if any(name for name, _ in section.groups):
        _group_names(axes, frame, section, columns, top)
        top += GROUPS
    begin = top
    for strip in section.strips[:MOST]:
        _strip(axes, frame, strip, columns, top)
        top += frame.strip(strip)
    for before, after in itertools.pairwise(columns):
        middle = (before[-1] + frame.tile + after[0]) / 2
        axes.plot([middle] * 2, [begin, top - 0.1], color="#888888", lw=0.9, ls=(0, (4, 3)), gid="divide")
    if _hidden(section):
        text = _measure.fitted(f"{_hidden(section):,} {section.noun} not shown", frame.width - 2 * EDGE, BELOW)
        axes.text(EDGE, top + 0.02, text, size=BELOW, color="#555555", va="top", gid="hidden")


def _group_names(axes: "Axes", frame: _Frame, section: Section, columns: list[list[float]], top: float) -> None:
    """The name of each group above a line over its columns."""
    for (name, _), edges in zip(section.groups, columns, strict=True):
        end = edges[-1] + frame.tile
        room = max(end, edges[0] + 0.9 * DIVIDE + frame.tile) - edges[0]
        axes.text(edges[0], top + 0.03, _measure.fitted(plain(name), room, 7.5), size=7.5, va="top", gid="group")
        axes.plot([edges[0], end], [top + 0.18] * 2, color="#888888", lw=0.8, gid="group")


def _strip(axes: "Axes", frame: _Frame, strip: Strip, columns: list[list[float]], top: float) -> None:
    for group, edges in zip(strip.groups, columns, strict=True):
        for tile, x in zip(group, edges, strict=False):
            _tile(axes, tile, x, top, frame)
    _words(axes, strip.title, strip.below, EDGE, top, TITLE_ROOM - 0.12, "title")
    if strip.note:
        _words(axes, strip.note[0], strip.note[1:], frame.right + 0.14, top + 0.2, NOTE_ROOM - 0.04, "note")


def _words(axes: "Axes", title: str, below: Sequence[str], x: float, top: float, room: float, gid: str) -> None:
    """A title in at most two lines, and the smaller lines below it."""
    y = top + 0.02
    for line in _measure.lines(plain(title), room, TITLE, 2, "bold"):
        axes.text(x, y, line, size=TITLE, weight="bold", va="top", gid=gid)
        y += 0.135
    for line in below:
        axes.text(x, y, _measure.fitted(plain(line), room, BELOW), size=BELOW, color="#555555", va="top", gid="below")
        y += 0.12


def _tile(axes: "Axes", tile: Tile, x: float, top: float, frame: _Frame) -> None:
    """An image in the middle of its square, its frame, its sign and the lines below."""
    from matplotlib.patches import Rectangle

    from backbench.plots._artists import Photograph

    side = frame.tile
    shape = tile.image.shape[:2]
    high, wide = (side * length / max(shape) for length in shape)
    left, above = x + (side - wide) / 2, top + (side - high) / 2
    # Not by `imshow` and `add_patch`, which look for the limits of the axes anew each time.
    kernel = smoothing(tile.image, side)
    axes.add_image(Photograph(axes, tile.image, kernel, extent=(left, left + wide, above + high, above)))
    edge: dict[str, Any] = {
        "edgecolor": COLOURS[tile.right],
        "linewidth": WIDTHS[tile.right],
        "facecolor": "none",
        "clip_on": False,
    }
    axes.add_artist(Rectangle((left, above), wide, high, **edge, gid="frame", zorder=3))
    if tile.right is not None:
        _sign(axes, tile.right, left + wide, above)
    for number, line in enumerate(tile.caption):
        text = _measure.fitted(plain(line), side + 0.2 * frame.gap, CAPTION)
        y = top + side + 0.03 + LINE * number
        axes.text(x + side / 2, y, text, size=CAPTION, ha="center", va="top", gid="caption")


def smoothing(image: np.ndarray, side: float) -> str:
    """How an image (h, w, ...) is drawn: with sharp pixels where its longer side, `side` inches, has few of them."""
    return "nearest" if max(image.shape[:2]) * SHARP <= side * _measure.DPI else "hanning"


def _sign(axes: "Axes", right: bool, x: float, y: float) -> None:
    """A check or a cross on the corner of a tile, which says without colour what the frame says."""
    from matplotlib.patches import Circle

    axes.add_artist(Circle((x - 0.015, y + 0.015), 0.078, color=COLOURS[right], lw=0, zorder=4, clip_on=False))
    look: dict[str, Any] = {
        "ha": "center",
        "va": "center_baseline",
        "size": 7.0,
        "color": "white",
        "weight": "bold",
        "zorder": 5,
    }
    axes.text(x - 0.015, y + 0.018, SIGNS[right], gid="sign", **look)
