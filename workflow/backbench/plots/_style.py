"""How every picture looks: colours, sizes, and a figure with its heading and its stamp.

Readable on paper and for the colour-blind: the qualitative colours are those of Okabe and Ito ("Color Universal
Design", 2008), after which the marker or the hatch changes too; the sequential ones are cividis (Nuñez et al., 2018).
Text is set in the font that comes with matplotlib, so that a picture is the same file on every machine.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from backbench.plots import Heading
from backbench.plots._measure import DPI, FONT, wrap
from backbench.plots._names import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2DBase, Transform
    from matplotlib.typing import RcKeyType

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++", "ooo")
SEQUENTIAL = "cividis"
RIGHT, WRONG, NOISE, FAINT, INK = "#009E73", "#D55E00", "#9A9A9A", "#D9D9D9", "#222222"
# Points of the title and of the lines below it.
TITLE, ABOUT = 11.5, 8.5
FOOT = 0.24
# Inches of a bar of colours and of the gap before it.
BAR, BEFORE_BAR = 0.14, 0.12

_RC: "dict[RcKeyType, object]" = {
    "font.family": FONT,
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    # No ticks are above axes, so that titles need not be moved out of their way.
    "axes.titley": 1.0,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.prop_cycle": None,
    "grid.color": "#E3E3E3",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.cmap": SEQUENTIAL,
    "svg.hashsalt": "backbench",
}


_in_use = False


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Our settings of matplotlib for drawing and for saving, whatever the user's are; set once where calls are nested.

    They take milliseconds to set, so a process that draws many pictures encloses them all.
    """
    global _in_use
    import matplotlib
    from cycler import cycler

    if _in_use:
        yield
        return
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_RC, "axes.prop_cycle": cycler(color=COLOURS)})
        _in_use = True
        try:
            yield
        finally:
            _in_use = False


def figure(heading: Heading, width: float, height: float) -> "Figure":
    """An empty figure with its heading, whose axes are laid out automatically.

    `width` and `height` are inches; `height` is that of the drawing, to which the heading is added.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from backbench.plots._margins import Margins

    title = wrap(plain(heading.title), width - 0.2, TITLE, "bold")
    about = wrap(plain(heading.about), width - 0.2, ABOUT)
    top = 0.14 + 0.22 * len(title) + 0.17 * len(about)
    whole = height + top + FOOT
    sheet = Figure(figsize=(width, whole), dpi=DPI, layout=Margins(below=FOOT, above=top))
    # The canvas that it is drawn on remembers the sizes of texts; without it, each question for one makes a new canvas.
    FigureCanvasAgg(sheet)
    sheet.text(0.1 / width, 1 - 0.08 / whole, "\n".join(title), size=TITLE, weight="bold", va="top", gid="title")
    below = 1 - (0.1 + 0.22 * len(title)) / whole
    sheet.text(0.1 / width, below, "\n".join(about), size=ABOUT, color="#555555", va="top", gid="about")
    sheet.text(0.1 / width, 0.07 / whole, plain(heading.stamp), size=7.0, color="#777777", va="bottom", gid="stamp")
    return sheet


def lay_out(sheet: "Figure") -> None:
    """Lay out the axes for good, so that places in pixels can be asked for; nothing if that was done before.

    What is drawn later takes no room.
    """
    engine = sheet.get_layout_engine()
    if engine is not None:
        engine.execute(sheet)
        sheet.set_layout_engine("none")


def colour(index: int) -> str:
    """Colour of the class or cluster with this number; colours repeat from the ninth on (see :func:`marker`)."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """Marker that distinguishes classes of the same colour."""
    return MARKERS[index // len(COLOURS) % len(MARKERS)]


def hatch(index: int) -> str:
    """Hatch that distinguishes areas of the same colour."""
    return HATCHES[index // len(COLOURS) % len(HATCHES)]


def line_marker(index: int) -> str:
    """Marker of the line with this number: another one for each line, in addition to its colour."""
    return MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


def stacked(heading: Heading, rows: Sequence[int], row: float, around: float) -> "tuple[Figure, Sequence[Axes]]":
    """A figure with a panel for each of `rows`, the number of its rows; inches of a row and around a panel."""
    sheet = figure(heading, 9.2, sum(row * count + around for count in rows) + 0.3)
    grid = sheet.subplots(len(rows), 1, squeeze=False, height_ratios=[count + 1.0 for count in rows])
    return sheet, grid[:, 0].tolist()


def share_bar(axes: "Axes", mesh: "ScalarMappable", ticks: Sequence[float], label: str) -> None:
    """A bar of colours for shares in percent beside `axes`."""
    bar = colour_bar(axes, mesh, ticks)
    bar.ax.set_yticklabels([f"{tick:.0%}" for tick in ticks])
    bar.ax.minorticks_off()
    bar.set_label(label, size=8)
    bar.ax.tick_params(labelsize=7.5)


def colour_bar(axes: "Axes", mesh: "ScalarMappable", ticks: Sequence[float] | None = None) -> "Colorbar":
    """A bar of the colours of `mesh` at the right of `axes`, as high as they are."""
    from matplotlib.figure import Figure
    from matplotlib.transforms import blended_transform_factory

    sheet = axes.figure
    assert isinstance(sheet, Figure)  # figures have no parts here
    inches = sheet.dpi_scale_trans + shift(1, 0, axes.transAxes)
    place = blended_transform_factory(inches, axes.transAxes)
    bar = sheet.colorbar(mesh, cax=axes.inset_axes((BEFORE_BAR, 0, BAR, 1), transform=place), ticks=ticks)
    bar.outline.set_visible(False)
    return bar


def shift(x: float, y: float, transform: "Transform") -> "Transform":
    """The translation to the place (x, y) in the coordinates of `transform`."""
    from matplotlib.transforms import ScaledTranslation

    # matplotlib takes any transform here, whatever its types say.
    return ScaledTranslation(x, y, cast("Affine2DBase", transform))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotients (..., n) of `above` (..., n) and `below`, of the same shape or (n,) or (..., 1); NaN over 0."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.full(shape, np.nan), where=below > 0)


def ink_over(mesh: "ScalarMappable", value: float) -> str:
    """Black or white, whichever is legible on the colour that `mesh` gives to `value`."""
    return ink_on(tuple(np.asarray(mesh.cmap(mesh.norm(np.asarray(value)))).tolist()))


def ink_on(colour: tuple[float, ...]) -> str:
    """Black or white, whichever has the higher contrast on an RGB colour (WCAG 2.1, relative luminance)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"
