"""Images as points in the plane, at the same positions in each panel, coloured by what the panel shows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Data, Heading, Picture, _measure, _style
from backbench.plots._names import legible
from backbench.wording import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

NOISE, OUTSIDE = -1, -2
# Inches of a panel, the least height as a share of its width, and the most groups of a legend.
PANEL, FLATTEST, LISTED = 4.2, 0.6, 20
# Up to so many points are drawn smooth; more are opaque and made of whole pixels, which keeps the file small.
SMOOTH = 3_000
# Turns in which the groups are drawn.
TURNS = 6
# Markers that look smaller than they are.
LARGER = {"X": 1.3, "P": 1.2, "*": 1.4}
# Share of white in the colours of the first eight groups, of the second eight...
TINTS = (0.0, 0.5, 0.25, 0.7)
# Letters of a class in a legend and among its points; inches of an entry without its letters, and of a letter.
LETTERS, SHORT = 22, 14
ENTRY, LETTER = 0.42, 0.066


@dataclass(frozen=True)
class Panel:
    """What one panel shows of the images.

    `codes` (n,) are the numbers of their groups: -1 is noise, -2 is what the panel says nothing of; `rest` names both.
    `names` are those of the groups by their number, `marks` shorter ones to write among the points where there are many
    groups. `column` names them in the data. Groups have the colours and markers of their numbers, unless `looks` gives
    them others.
    """

    title: str
    column: str
    codes: np.ndarray
    names: Mapping[int, str]
    rest: Mapping[int, str] = field(default_factory=dict)
    looks: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    marks: Mapping[int, str] = field(default_factory=dict)

    def look(self, code: int) -> tuple[str, str]:
        """Colour and marker of a group."""
        if code < 0:
            return (_style.NOISE if code == NOISE else _style.FAINT), "o"
        return self.looks.get(code, (_style.colour(code), _style.marker(code)))

    def groups(self) -> list[tuple[int, int]]:
        """Number and size of each group, in order; noise and what is outside come last."""
        codes, counts = np.unique(self.codes, return_counts=True)
        sized = list(zip(codes.tolist(), counts.tolist(), strict=True))
        return [group for group in sized if group[0] >= 0] + [group for group in reversed(sized) if group[0] < 0]


def draw(
    heading: Heading,
    images: np.ndarray,
    positions: np.ndarray,
    panels: Sequence[Panel],
    axes: tuple[str, str],
    caption: str = "",
) -> Picture:
    """Scatter `positions` (n, 2) of the images with the numbers `images` (n,), a panel for each way to colour them.

    `axes` are the labels of the two axes. Where there are more groups than colours, they are named at their medians, as
    many as there is room for, the largest first; with more than 20 groups, this replaces the legend.
    """
    with _style.style():
        height = PANEL * flatness(positions) + 0.7 + _legend_inches(panels)
        figure = _style.figure(heading, max(5.2, PANEL * len(panels) + 0.3), height)
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for place, (plane, panel) in enumerate(zip(grid, panels, strict=True)):
            frame(plane, positions, axes, first=place == 0)
            cloud(plane, positions, panel)
            plane.set_title(panel.title)
            if listed(panel):
                legend(plane, panel)
        _style.lay_out(figure)
        for plane, panel in zip(grid, panels, strict=True):
            if sum(code >= 0 for code, _ in panel.groups()) > len(_style.COLOURS):
                _name(plane, positions, panel)
    return Picture(figure, data(images, positions, panels), caption)


def window(positions: np.ndarray, margin: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Lower left and upper right corner (2,) of the view: all positions (n, 2) with a margin, never a narrow strip."""
    low, high = positions.min(axis=0).astype(float), positions.max(axis=0).astype(float)
    wide, tall = (high - low) * 1.05
    wide, tall = (max(wide, tall) or 2.0) + 2 * margin, tall + 2 * margin
    half = np.array([wide, max(tall, FLATTEST * wide)]) / 2
    return (low + high) / 2 - half, (low + high) / 2 + half


def flatness(positions: np.ndarray, margin: float = 0.0) -> float:
    """Height of a panel of positions (n, 2) as a share of its width."""
    low, high = window(positions, margin)
    return float((high - low)[1] / (high - low)[0])


def frame(axes: "Axes", positions: np.ndarray, words: tuple[str, str], first: bool = True, margin: float = 0.0) -> None:
    """Limits around all positions (n, 2), with one scale for both axes; `margin` is in their unit."""
    low, high = window(positions, margin)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_box_aspect(flatness(positions, margin))
    axes.tick_params(labelsize=7, length=2.5)
    axes.set_xlabel(words[0])
    if first:
        axes.set_ylabel(words[1])
    else:
        axes.tick_params(labelleft=False)


def cloud(axes: "Axes", positions: np.ndarray, panel: Panel, faint: bool = False) -> None:
    """The points (n, 2) of a panel: what is outside lies below, and groups take turns, so that none hides the others.

    One marker in one colour at a time, which matplotlib sets on whole pixels, so that the file stays small.
    """
    from backbench.plots._artists import Cloud

    n = len(positions)
    order = np.random.default_rng(0).permutation(n)
    groups = [code for code, _ in panel.groups()]
    turns = [
        (code, positions[turn[panel.codes[turn] == code]])
        for level, count in ((OUTSIDE, 1), (NOISE, 1), (0, TURNS))
        for turn in np.array_split(order, count)
        for code in groups
        if min(code, 0) == level
    ]
    axes.add_artist(Cloud(turns, {code: point(panel, code, n, faint) for code in groups}))


def point(panel: Panel, code: int, n: int, faint: bool = False) -> dict[str, Any]:
    """The look of one of n points of a group; if n is large, a few pixels, too small for the shape of a marker."""
    colour, mark = panel.look(code)
    if n > SMOOTH:
        pixels = 4 if n <= 8_000 else 3 if n <= 25_000 else 2
        look = {"marker": "s", "ms": pixels * 72 / _measure.DPI, "color": _tinted(colour, code)}
    else:
        mark = mark if listed(panel) else "o"
        look = {"marker": mark, "ms": min(5.5, 21 / n**0.25) * LARGER.get(mark, 1.0), "color": colour}
    return {**look, "alpha": 0.25 if faint else 1.0 if n > SMOOTH else min(0.9, 6 / n**0.26)}


def _tinted(colour: str, code: int) -> str:
    """A lighter colour for the second eight groups, and so on: points too small for markers need a tint."""
    from matplotlib.colors import to_hex, to_rgb

    share = TINTS[max(code, 0) // len(_style.COLOURS) % len(TINTS)]
    red, green, blue = (part + (1 - part) * share for part in to_rgb(colour))
    return to_hex((red, green, blue))


def listed(panel: Panel) -> bool:
    """Whether the groups of a panel are few enough for a legend."""
    return sum(code >= 0 for code, _ in panel.groups()) <= LISTED


def legend(axes: "Axes", panel: Panel, width: float = PANEL) -> None:
    """A legend of all groups with their sizes below a panel of `width` inches."""
    aspect = axes.get_box_aspect()
    assert aspect is not None  # `frame` has set it
    height = width * aspect
    axes.legend(
        handles=_handles(panel),
        ncols=shape(panel, width)[0],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.5 / height),
        borderaxespad=0,
        columnspacing=1.2,
        handletextpad=0.2,
        fontsize=7.5,
    )


def _handles(panel: Panel) -> list["Line2D"]:
    from matplotlib.lines import Line2D

    handles = []
    for (code, _), label in zip(panel.groups(), labels(panel), strict=True):
        look = {**point(panel, code, len(panel.codes)), "ms": 5, "alpha": 1.0}
        handles.append(Line2D([], [], linestyle="none", mew=0, label=label, **look))
    return handles


def labels(panel: Panel, limit: int = LETTERS) -> list[str]:
    """Each group as a legend names it, with its size."""
    codes = [code for code, _ in panel.groups()]
    names = legible([panel.rest.get(code, "") if code < 0 else panel.names[code] for code in codes], limit)
    return [f"{name} ({count:,})" for name, (_, count) in zip(names, panel.groups(), strict=True)]


def shape(panel: Panel, width: float = PANEL) -> tuple[int, float]:
    """Columns of a legend, and its height in inches."""
    texts = labels(panel)
    widest = max(map(len, texts))
    columns = max(1, min(len(texts), int(width / (ENTRY + LETTER * widest))))
    return columns, 0.165 * math.ceil(len(texts) / columns) + 0.1


def _legend_inches(panels: Sequence[Panel]) -> float:
    return max((shape(panel)[1] for panel in panels if listed(panel)), default=0.0)


def _name(axes: "Axes", positions: np.ndarray, panel: Panel) -> None:
    """Names of the groups at the medians of their positions (n, 2), the largest first, as many as do not overlap."""
    groups = sorted((group for group in panel.groups() if group[0] >= 0), key=lambda group: (-group[1], group[0]))
    names = legible([panel.marks.get(code, panel.names[code]) for code, _ in groups], SHORT)
    taken: list[np.ndarray] = []
    for (code, _), name in zip(groups, names, strict=True):
        text = _written(axes, np.median(positions[panel.codes == code], axis=0), name)
        box = _inside(axes, text)
        if any((box[:2] < other[2:]).all() and (other[:2] < box[2:]).all() for other in taken):
            text.remove()
        else:
            taken.append(box)
    if not listed(panel):
        some = "" if len(taken) == len(groups) else f", {len(taken)} of them named"
        axes.set_title(f"{panel.title}: {len(groups)}{some}")


def _written(axes: "Axes", spot: np.ndarray, name: str) -> "Text":
    """A name at a spot (2,) on a white halo."""
    from matplotlib import patheffects

    halo = [patheffects.withStroke(linewidth=2.2, foreground="white")]
    place: dict[str, Any] = {"ha": "center", "va": "center", "clip_on": True, "gid": "name"}
    x, y = spot.tolist()
    text = axes.text(x, y, shorten(name, SHORT), size=6.5, weight="bold", path_effects=halo, **place)
    text.set_in_layout(False)
    return text


def _inside(axes: "Axes", text: "Text") -> np.ndarray:
    """Move a text sideways until it is within its panel; returns its box (4,) in pixels."""
    box, room = text.get_window_extent(), axes.get_window_extent()
    move = max(room.x0 - box.x0, 0.0) - max(box.x1 - room.x1, 0.0)
    pixel = np.diff(axes.transData.inverted().transform([[0, 0], [1, 0]])[:, 0])[0]
    text.set_x(text.get_position()[0] + move * pixel)
    return np.array(text.get_window_extent().extents)


def data(images: np.ndarray, positions: np.ndarray, panels: Sequence[Panel]) -> Data:
    """Number (n,) and position (n, 2) of each image, and what each panel shows of it."""
    columns: Data = {"image": images.tolist(), "x": _rounded(positions[:, 0]), "y": _rounded(positions[:, 1])}
    for panel in panels:
        names = {**{int(code): str(name) for code, name in panel.names.items()}, **panel.rest}
        columns[panel.column] = [names[code] for code in panel.codes.tolist()]
    return columns


def _rounded(values: np.ndarray) -> list[float]:
    """Values (n,) with five significant digits."""
    return [float(f"{value:.5g}") for value in values.tolist()]
