"""How every picture looks: colours, sizes, and a figure with its heading and its stamp.

Readable on paper and for the colour-blind: the qualitative colours are those of Okabe and Ito ("Color Universal
Design", 2008), beyond them the marker or the hatch changes too; the sequential ones are cividis (Nuñez et al., 2018).
Text is set in the font that comes with matplotlib, so that a picture is the same file on every machine.
"""

import contextlib
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backbench.plots import Heading
from backbench.plots._names import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++", "ooo")
SEQUENTIAL = "cividis"
RIGHT, WRONG, NOISE, FAINT, INK = "#009E73", "#D55E00", "#9A9A9A", "#D9D9D9", "#222222"
DPI = 144
# Points of the title and of the lines below it, and the letters that a line of a heading always has.
TITLE, ABOUT, FEWEST = 11.5, 8.5, 20
FOOT = 0.24

_RC = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
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


@contextlib.contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings for drawing and for saving; whatever the user's own say."""
    import matplotlib
    from cycler import cycler

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_RC, "axes.prop_cycle": cycler(color=COLOURS)})
        yield


def figure(heading: Heading, width: float, height: float) -> "Figure":
    """An empty figure of so many inches under its heading, its axes laid out by themselves.

    `height` is that of the drawing: what the heading takes comes on top.
    """
    from matplotlib.figure import Figure

    title = wrap(plain(heading.title), width - 0.2, TITLE, "bold")
    about = wrap(plain(heading.about), width - 0.2, ABOUT)
    top = 0.14 + 0.22 * len(title) + 0.17 * len(about)
    whole = height + top + FOOT
    sheet = Figure(figsize=(width, whole), dpi=DPI, layout="constrained")
    sheet.get_layout_engine().set(rect=(0.0, FOOT / whole, 1.0, 1.0 - (top + FOOT) / whole), w_pad=0.06, h_pad=0.06)
    sheet.text(0.1 / width, 1 - 0.08 / whole, "\n".join(title), size=TITLE, weight="bold", va="top", gid="title")
    below = 1 - (0.1 + 0.22 * len(title)) / whole
    sheet.text(0.1 / width, below, "\n".join(about), size=ABOUT, color="#555555", va="top", gid="about")
    sheet.text(0.1 / width, 0.07 / whole, plain(heading.stamp), size=7.0, color="#777777", va="bottom", gid="stamp")
    return sheet


def wrap(text: str, room: float, size: float, weight: str = "normal") -> list[str]:
    """`text` in lines of at most `room` inches at `size` points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=_RC["font.family"], weight=weight)))
    font.set_size(size, DPI)

    def inches(line: str) -> float:
        font.set_text(line)
        return font.get_width_height()[0] / 64 / DPI

    letters = max(FEWEST, len(text))
    while (lines := textwrap.wrap(text, letters)) and letters > FEWEST and max(map(inches, lines)) > room:
        letters = max(FEWEST, min(letters - 1, int(letters * room / max(map(inches, lines)))))
    return lines


def colour(index: int) -> str:
    """Colour of the class or cluster with this number; those beyond the eighth begin anew (see :func:`marker`)."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """Marker that tells classes of one colour apart."""
    return MARKERS[index // len(COLOURS) % len(MARKERS)]


def hatch(index: int) -> str:
    """Hatch that tells areas of one colour apart."""
    return HATCHES[index // len(COLOURS) % len(HATCHES)]


def ink_on(colour: tuple[float, ...]) -> str:
    """Black or white, whichever has the higher contrast on an RGB colour (WCAG 2.1, relative luminance)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"
