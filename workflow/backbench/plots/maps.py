"""Images as points in the plane, the same positions in each panel, coloured by what each panel says of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Heading, Picture, _style
from backbench.plots._names import legible, shorten

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text

NOISE, OUTSIDE = -1, -2
# Inches of a panel, the least height of one in parts of its width, and groups that a legend has room for.
PANEL, FLATTEST, LISTED = 4.2, 0.6, 20
# Up to so many points each is drawn smooth; more are opaque and made of whole pixels, or the file would be large.
SMOOTH = 3_000
# Turns in which the groups are drawn.
TURNS = 6
# Markers that look smaller than they are.
LARGER = {"X": 1.3, "P": 1.2, "*": 1.4}
# Parts of white in the colours of the first eight groups, the second...
TINTS = (0.0, 0.5, 0.25, 0.7)
# Letters of a class in a legend and beside its points, and inches that an entry takes beside its letters.
LETTERS, SHORT = 22, 14
ENTRY, LETTER = 0.42, 0.066


@dataclass(frozen=True)
class Panel:
    """What one panel says of the images.

    `codes` (n,) are the numbers of their groups: -1 is noise, -2 is what the panel says nothing of; both are told in
    `rest`. `names` are those of the groups by their number, `marks` shorter ones that stand among the points where
    there are many. `column` names them in the data. Groups have the colours and the markers of their numbers, unless
    `looks` gives them others.
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
        """Number and size of each group that there is, in order; what is outside or noise comes last."""
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

    `axes` is what stands at the two axes. Where there are more groups than colours, they are named at their medians,
    as many as find room, the largest first; with more than 20 that stands for the legend.
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
        figure.draw_without_rendering()
        for plane, panel in zip(grid, panels, strict=True):
            if sum(code >= 0 for code, _ in panel.groups()) > len(_style.COLOURS):
                _name(plane, positions, panel)
    return Picture(figure, data(images, positions, panels), caption)


def window(positions: np.ndarray, margin: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Lower left and upper right corner of what is shown: all positions with a margin, never a narrow strip."""
    low, high = positions.min(axis=0).astype(float), positions.max(axis=0).astype(float)
    wide, tall = (high - low) * 1.05
    wide, tall = (max(wide, tall) or 2.0) + 2 * margin, tall + 2 * margin
    half = np.array([wide, max(tall, FLATTEST * wide)]) / 2
    return (low + high) / 2 - half, (low + high) / 2 + half


def flatness(positions: np.ndarray, margin: float = 0.0) -> float:
    """Height of a panel in parts of its width."""
    low, high = window(positions, margin)
    return float((high - low)[1] / (high - low)[0])


def frame(axes: "Axes", positions: np.ndarray, words: tuple[str, str], first: bool = True, margin: float = 0.0) -> None:
    """Limits around all positions, a step as long in either direction; `margin` is in their unit."""
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
    """The points of a panel: what is outside lies below all, and the groups come in turns, so that none covers others.

    One marker in one colour at a time: so matplotlib sets them on whole pixels, and the file stays small.
    """
    n = len(positions)
    order = np.random.default_rng(0).permutation(n)
    for level, turns in ((OUTSIDE, 1), (NOISE, 1), (0, TURNS)):
        codes = [code for code, _ in panel.groups() if min(code, 0) == level]
        for turn in np.array_split(order, turns):
            for code in codes:
                spots = positions[turn[panel.codes[turn] == code]]
                axes.plot(*spots.T, linestyle="none", mew=0, gid=f"group {code}", **point(panel, code, n, faint))


def point(panel: Panel, code: int, n: int, faint: bool = False) -> dict[str, Any]:
    """How one of n points of a group looks; of many they are a few pixels, too small for the shape of a marker."""
    colour, mark = panel.look(code)
    if n > SMOOTH:
        pixels = 4 if n <= 8_000 else 3 if n <= 25_000 else 2
        look = {"marker": "s", "ms": pixels * 72 / _style.DPI, "color": _tinted(colour, code)}
    else:
        mark = mark if listed(panel) else "o"
        look = {"marker": mark, "ms": min(5.5, 21 / n**0.25) * LARGER.get(mark, 1.0), "color": colour}
    return {**look, "alpha": 0.25 if faint else 1.0 if n > SMOOTH else min(0.9, 6 / n**0.26)}


def _tinted(colour: str, code: int) -> str:
    """A lighter colour for the second eight groups, and so on: what is too small for markers needs a tint."""
    from matplotlib.colors import to_hex, to_rgb

    share = TINTS[max(code, 0) // len(_style.COLOURS) % len(TINTS)]
    return to_hex([part + (1 - part) * share for part in to_rgb(colour)])


def listed(panel: Panel) -> bool:
    """Whether the groups of a panel are few enough for a legend."""
    return sum(code >= 0 for code, _ in panel.groups()) <= LISTED


def legend(axes: "Axes", panel: Panel, width: float = PANEL) -> None:
    """All groups of a panel with their sizes below it; `width` is that of the panel in inches."""
    height = width * axes.get_box_aspect()
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


def _handles(panel: Panel) -> list["Artist"]:
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
    """Names of the groups at their medians, the largest first, as many as do not cover one another."""
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
    from matplotlib import patheffects

    halo = [patheffects.withStroke(linewidth=2.2, foreground="white")]
    place = {"ha": "center", "va": "center", "clip_on": True, "gid": "name"}
    text = axes.text(*spot, shorten(name, SHORT), size=6.5, weight="bold", path_effects=halo, **place)
    text.set_in_layout(False)
    return text


def _inside(axes: "Axes", text: "Text") -> np.ndarray:
    """Move a text sideways until it is within its panel; its box in pixels."""
    box, room = text.get_window_extent(), axes.get_window_extent()
    move = max(room.x0 - box.x0, 0.0) - max(box.x1 - room.x1, 0.0)
    pixel = np.diff(axes.transData.inverted().transform([[0, 0], [1, 0]])[:, 0])[0]
    text.set_x(text.get_position()[0] + move * pixel)
    return text.get_window_extent().extents


def data(images: np.ndarray, positions: np.ndarray, panels: Sequence[Panel]) -> dict[str, list]:
    """Number and position of each image, and what each panel says of it."""
    columns = {"image": images.tolist(), "x": _rounded(positions[:, 0]), "y": _rounded(positions[:, 1])}
    for panel in panels:
        names = {**{int(code): str(name) for code, name in panel.names.items()}, **panel.rest}
        columns[panel.column] = [names[code] for code in panel.codes.tolist()]
    return columns


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]
