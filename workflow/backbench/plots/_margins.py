"""The places of axes in a figure, mostly from one measurement of what hangs around each of them.

matplotlib's constrained layout measures all axes twice, since their ticks may change with their size. Here ticks are
chosen at a size near the last one and then kept; axes that have other ticks by then are measured again.

The module imports matplotlib, and is itself imported inside functions only.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.layout_engine import LayoutEngine
from matplotlib.ticker import FixedLocator

from backbench.plots import _measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpecBase, SubplotSpec

    Placed = tuple[Axes, SubplotSpec]

# Inches around all axes with what hangs around them.
PAD = 0.06
# Inches that are first supposed to hang on the left, at the right, below and above.
SUPPOSED = (0.6, 0.1, 0.4, 0.25)
# The least inches of axes, and those that a name of an axis may be longer than it.
LEAST, BEYOND = 0.1, 0.2


class Margins(LayoutEngine):
    """Gives each row and column of axes the margins that it needs, and divides the rest by their ratios.

    `below` and `above` are the inches that no axes have.
    """

    _adjust_compatible, _colorbar_gridspec = False, False

    def __init__(self, below: float, above: float):
        super().__init__()
        self.below, self.above = below, above

    def execute(self, fig: "Figure") -> None:
        """Place all axes of the figure that are in a grid."""
        place(fig, self.below, self.above)


def place(figure: "Figure", below: float, above: float) -> None:
    """Place the axes of a figure that are in a grid, all but so many inches `below` and `above`."""
    grids: dict[GridSpecBase, list[Placed]] = {}
    for axes in figure.axes:
        if (spec := axes.get_subplotspec()) is not None:
            grids.setdefault(spec.get_gridspec(), []).append((axes, spec))
    width, height = figure.get_size_inches().tolist()
    for grid, members in grids.items():
        room = (width, height - below - above)
        hanging = np.tile(np.array(SUPPOSED), (len(members), 1))
        _divide(figure, grid, members, hanging, room, below)
        measured = []
        for at, (axes, _) in enumerate(members):
            hanging[at] = _hanging(axes)
            measured.append(_texts(axes))
        _divide(figure, grid, members, hanging, room, below)
        for at, (axes, _) in enumerate(members):
            _break_names(axes)
            _keep_ticks(axes)
            if _depends_on_size(axes) or _texts(axes) != measured[at]:
                hanging[at] = _hanging(axes)
        _divide(figure, grid, members, hanging, room, below)


def _divide(
    figure: "Figure",
    grid: "GridSpecBase",
    members: "Sequence[Placed]",
    hanging: np.ndarray,
    room: tuple[float, float],
    below: float,
) -> None:
    """Place the axes of a grid in a room of so many inches, with what hangs around each, (axes, 4) inches."""
    columns, rows = [spec.colspan.start for _, spec in members], [spec.rowspan.start for _, spec in members]
    ratios = [np.asarray(ratios, np.float64) for ratios in (grid.get_width_ratios(), grid.get_height_ratios())]
    left, wide = _along(columns, hanging[:, 0], hanging[:, 1], ratios[0], room[0])
    top, tall = _along(rows, hanging[:, 3], hanging[:, 2], ratios[1], room[1])
    width, height = figure.get_size_inches().tolist()
    for (axes, _), column, row in zip(members, columns, rows, strict=True):
        bottom = below + room[1] - top[row] - tall[row]
        axes.set_position((left[column] / width, bottom / height, wide[column] / width, tall[row] / height))
        axes.apply_aspect()


def _along(
    places: Sequence[int], before: np.ndarray, after: np.ndarray, ratios: np.ndarray, room: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where rows or columns of axes begin, and how long they are, both (count,) in inches, for their ratios (count,).

    `places` are those of the axes, `before` and `after` (axes,) what hangs around each.
    """
    count = len(ratios)
    first, last = np.zeros(count), np.zeros(count)
    np.maximum.at(first, places, before)
    np.maximum.at(last, places, after)
    free = max(room - (first + last).sum() - 2 * PAD * count, LEAST * count)
    lengths = free * ratios / ratios.sum()
    ends = np.cumsum(first + lengths + last + 2 * PAD)
    return ends - PAD - last - lengths, lengths


def _hanging(axes: "Axes") -> list[float]:
    """Inches that hang around axes on the left, at the right, below and above."""
    whole = axes.get_tightbbox(for_layout_only=True, bbox_extra_artists=_outside(axes))
    assert whole is not None  # axes that are placed are visible
    inner, dpi = axes.bbox, axes.figure.dpi
    sides = (inner.x0 - whole.x0, whole.x1 - inner.x1, inner.y0 - whole.y0, whole.y1 - inner.y1)
    return [max(0.0, float(side)) / dpi for side in sides]


def _break_names(axes: "Axes") -> None:
    """Break names of axes into lines about as long as these, so that none lies over a heading."""
    for axis, length in ((axes.xaxis, axes.bbox.width), (axes.yaxis, axes.bbox.height)):
        name, room = axis.label.get_text(), length / axes.figure.dpi + BEYOND
        lines = [_measure.wrap(line, room, float(axis.label.get_fontsize())) or [line] for line in name.split("\n")]
        axis.label.set_text("\n".join(part for line in lines for part in line))


def _outside(axes: "Axes") -> list[Any]:
    """What may reach beyond axes: legends, axes in them, and texts, but for those that are said to take no room."""
    legend = [] if axes.legend_ is None else [axes.legend_]
    artists = [*axes.texts, *legend, *axes.child_axes]
    return [artist for artist in artists if artist.get_visible() and artist.get_in_layout()]


def _depends_on_size(axes: "Axes") -> bool:
    """Whether what hangs around axes changes with their size: a list of texts, or the minor ticks of a logarithm."""
    return not axes.axison or any(axis.get_scale() != "linear" for axis in (axes.xaxis, axes.yaxis))


def _texts(axes: "Axes") -> list[Any]:
    """The names of both axes, and the ticks of those that are linear."""
    both = (axes.xaxis, axes.yaxis)
    ticks = [list(axis.get_majorticklocs()) for axis in both if axis.get_scale() == "linear"]
    return [*(axis.label.get_text() for axis in both), *ticks]


def _keep_ticks(axes: "Axes") -> None:
    """Keep the ticks as they are, whatever size the axes get."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "linear":
            axis.set_major_locator(FixedLocator(np.asarray(axis.get_majorticklocs()).tolist()))
