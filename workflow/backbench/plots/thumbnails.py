"""Images themselves in the plane: in each cell of a grid the one nearest to its middle, above the points of all."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from backbench.plots import Heading, Picture, _style, maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The most images, the most cells along a side, the share of a cell that an image fills, and the least distance.
MOST, FINEST, FILLED, APART = 400, 30, 0.86, 0.66
PANEL = 8.6
# Groups beyond the eighth share colours, so their number is written in the corner.
COLOURS = len(_style.COLOURS)


def thinned(positions: np.ndarray) -> tuple[np.ndarray, float]:
    """Which (m,) of the positions (n, 2) are shown, and the side of a cell of the grid.

    The grid is square and covers all positions; it is the finest, with at most 30 cells along a side, of which at most
    400 hold an image. In each cell the image nearest to its middle is shown, unless it would cover much of another one
    that is nearer to the middle of its own cell.
    """
    low, high = positions.min(axis=0).astype(float), positions.max(axis=0).astype(float)
    whole = float((high - low).max()) * 1.04 or 2.0
    corner = (low + high) / 2 - whole / 2
    finest = int(min(FINEST, max(4, 3 * np.sqrt(len(positions)))))
    for cells in range(finest, 0, -1):
        side = whole / cells
        cell = np.clip((positions - corner) // side, 0, cells - 1).astype(np.int64)
        number = cell[:, 0] * cells + cell[:, 1]
        if len(np.unique(number)) <= MOST:
            break
    away = ((positions - corner - (cell + 0.5) * side) ** 2).sum(axis=1)
    order = np.lexsort((away, number))
    nearest = order[np.unique(number[order], return_index=True)[1]]
    return _apart(positions, nearest[np.argsort(away[nearest], kind="stable")], side * APART), side


def _apart(positions: np.ndarray, places: np.ndarray, least: float) -> np.ndarray:
    """Those of `places` (m,) whose positions (n, 2) are `least` away along one axis from all kept before, ascending."""
    kept: list[int] = []
    for place in places.tolist():
        if not kept or (np.abs(positions[kept] - positions[place]).max(axis=1) >= least).all():
            kept.append(place)
    return np.sort(np.array(kept))


def draw(
    heading: Heading,
    numbers: np.ndarray,
    positions: np.ndarray,
    panel: maps.Panel,
    shown: np.ndarray,
    side: float,
    images: Sequence[np.ndarray],
    axes: tuple[str, str],
    caption: str = "",
) -> Picture:
    """Draw m `images` (h, w), (h, w, 1) or (h, w, 3) uint8 at the positions `shown` (m,), framed in `panel`'s colours.

    `numbers` (n,) and `positions` (n, 2) are those of all images; `shown` and `side` come from :func:`thinned`.
    """
    inches = maps.shape(panel, PANEL)[1] if maps.listed(panel) else 0.0
    with _style.style():
        figure = _style.figure(heading, PANEL + 0.5, PANEL * maps.flatness(positions, side / 2) + 0.5 + inches)
        plane = figure.subplots()
        maps.frame(plane, positions, axes, margin=side / 2)
        maps.cloud(plane, positions, panel, faint=True)
        many = sum(code >= 0 for code, _ in panel.groups()) > COLOURS
        for place, image in zip(shown.tolist(), images, strict=True):
            _put(plane, positions[place], image, side * FILLED, panel, int(panel.codes[place]), many)
        if maps.listed(panel):
            maps.legend(plane, panel, PANEL)
    data = maps.data(numbers, positions, [panel])
    data["shown"] = np.isin(np.arange(len(positions)), shown).astype(int).tolist()
    return Picture(figure, data, caption)


def _put(
    axes: "Axes", spot: np.ndarray, image: np.ndarray, side: float, panel: maps.Panel, code: int, numbered: bool
) -> None:
    """One image (h, w), (h, w, 1) or (h, w, 3) in its frame at `spot` (2,), its longer side `side` long."""
    from matplotlib.patches import Rectangle

    from backbench.plots._artists import Photograph

    height, width = image.shape[:2]
    half = np.array([width, height]) / max(width, height) * side / 2
    left, low = spot - half
    right, high = spot + half
    # Not by `imshow` and `add_patch`, which look for the limits of the axes anew each time.
    axes.add_artist(Photograph(axes, image, extent=(left, right, low, high), zorder=3))
    colour = panel.look(code)[0]
    edge = Rectangle((left, low), *(2 * half), fill=False, edgecolor=colour, lw=1.6, zorder=4, gid=f"frame {code}")
    axes.add_artist(edge)
    if numbered and code >= 0:
        _tab(axes, (left, high), str(code), colour)


def _tab(axes: "Axes", corner: tuple[float, float], text: str, colour: str) -> None:
    from matplotlib.colors import to_rgb

    box = {"facecolor": colour, "edgecolor": "none", "pad": 0.6}
    ink = _style.ink_on(to_rgb(colour))
    axes.text(*corner, text, size=5.5, color=ink, bbox=box, ha="left", va="top", zorder=5, gid="number")
