"""Confusion matrices: which classes are mistaken for which."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Data, Heading, Picture, _style
from backbench.plots._names import legible
from backbench.wording import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage

# Up to so many classes, cells have a number and its share, or a number; beyond, only colour and a list of pairs.
SHARED, NUMBERED = 12, 30
PAIRS = 10
# Inches of a cell with both, with a number, and at most without; of all cells at most; of a name at the side.
BOTH, NUMBER, PLAIN, MOST, NAME = 0.5, 0.33, 0.2, 10.2, 0.092
BAR, LIST = 0.95, 2.75
# Below this share of the scale, colours fade to white.
TINT = 0.25
# An optimal order of the leaves takes time that grows with the cube of their number.
OPTIMAL = 300


def draw(heading: Heading, names: Sequence[str], counts: np.ndarray) -> Picture:
    """The matrix of `counts` (classes, classes): images of the class of a row classified as that of a column.

    Colours are shares of a row, so that the diagonal shows the recall. Beyond `NUMBERED` classes, those that are
    confused with each other stand together (:func:`by_similarity`), and the most confused pairs are listed.
    """
    counts = np.asarray(counts, dtype=np.int64)
    many = len(counts) > NUMBERED
    order = by_similarity(counts) if many else np.arange(len(counts))
    short_names = legible(names, 18 if many else 22)
    shown = [short_names[place] for place in order.tolist()]
    cells = _cell(len(counts)) * len(counts)
    side = 0.35 + (0.6 if many else 0.75) * max(map(len, shown)) * 0.1
    high = max(cells, 1.6 if not many else 4.6)
    with _style.style():
        figure = _style.figure(heading, max(5.2, side + cells + BAR + LIST * many), high + side)
        ratios = [side + cells + BAR, LIST]
        axes, *beside = figure.subplots(1, 2, width_ratios=ratios) if many else [figure.subplots()]
        mesh = _matrix(axes, _shares(counts)[np.ix_(order, order)], shown)
        ticks = (0, 0.01, 0.1, 0.25, 0.5, 0.75, 1) if many else (0, 0.25, 0.5, 0.75, 1)
        scale = " (root scale)" if many else ""
        _style.share_bar(axes, mesh, ticks, f"share of the true class{scale}")
        if many:
            _list(beside[0], legible(names, 26), counts)
        else:
            _numbers(axes, counts, mesh)
    return Picture(figure, _data(names, counts), _caption(names, counts))


def pairs(counts: np.ndarray) -> list[tuple[int, int, int]]:
    """Confused pairs of `counts` (classes, classes) as (true class, predicted class, images), the most images first."""
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    rows, columns = np.nonzero(wrong)
    confused = zip(rows.tolist(), columns.tolist(), wrong[rows, columns].tolist(), strict=True)
    return sorted(confused, key=lambda pair: (-pair[2], pair[0], pair[1]))


def by_similarity(counts: np.ndarray) -> np.ndarray:
    """The classes of `counts` (classes, classes) in an order (classes,) that puts confused ones together.

    The leaves of an average linkage; two classes are the nearer, the larger the shares of their images that are
    mistaken for the other's.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = np.nan_to_num(_shares(counts))
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=len(counts) <= OPTIMAL)
    return leaves_list(tree)


def _shares(counts: np.ndarray) -> np.ndarray:
    """Shares of the rows of `counts` (classes, classes), NaN in a row without images."""
    return _style.ratio(counts, counts.sum(axis=1, keepdims=True))


def _cell(classes: int) -> float:
    if classes <= SHARED:
        return BOTH
    return NUMBER if classes <= NUMBERED else min(PLAIN, MOST / classes)


def _matrix(axes: "Axes", shares: np.ndarray, names: Sequence[str]) -> "AxesImage":
    """Draw the shares (classes, classes) with the names at two sides."""
    from matplotlib.colors import Normalize, PowerNorm

    many = len(shares) > NUMBERED
    norm = PowerNorm(0.5, 0, 1) if many else Normalize(0, 1)
    mesh = axes.imshow(shares, cmap=colours(), norm=norm, aspect="auto", interpolation="nearest")
    step = math.ceil(NAME / _cell(len(shares)))
    places = range(0, len(shares), step)
    for axis, what in ((axes.xaxis, "predicted class"), (axes.yaxis, "true class")):
        axis.set_ticks(places, names[::step])
        label = f"{what}, ordered by similarity" if many else what
        axis.set_label_text(label if step == 1 else f"{label} (one of {step} is named)")
    axes.tick_params(length=0 if step == 1 else 2, labelsize=5.5 if many else 8)
    axes.tick_params(axis="x", rotation=90)
    axes.spines[:].set_visible(many)
    if not many:
        axes.set_xticks(np.arange(-0.5, len(shares)), minor=True)
        axes.set_yticks(np.arange(-0.5, len(shares)), minor=True)
        axes.grid(which="minor", color=_style.FAINT, lw=0.5)
        axes.tick_params(which="minor", length=0)
    return mesh


def colours() -> "Colormap":
    """White for nothing, over the light end of cividis to its dark one; grey where there is no share."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    place = np.linspace(0, 1, 256)[:, None]
    cividis = matplotlib.colormaps[_style.SEQUENTIAL](1 - place[:, 0])
    tinted = 1 + (cividis - 1) * np.minimum(place / TINT, 1)
    return ListedColormap(tinted, "shares").with_extremes(bad=_style.FAINT)


def _numbers(axes: "Axes", counts: np.ndarray, mesh: "AxesImage") -> None:
    """Write the counts (classes, classes) into their cells."""
    whole = counts.sum(axis=1)
    both = len(counts) <= SHARED
    for (row, column), count in np.ndenumerate(counts):
        if count:
            share = count / whole[row]
            text = f"{short(count)}\n{share:.0%}" if both else short(count)
            ink = _style.ink_over(mesh, share)
            look: dict[str, Any] = {"size": 7.5 if both else 6.5, "color": ink, "linespacing": 1.1}
            axes.text(column, row, text, ha="center", va="center", in_layout=False, **look)


def short(count: int) -> str:
    """A count in at most four signs."""
    for unit, least in (("M", 1e6), ("k", 1e4)):
        if count >= least:
            scale = 1e6 if unit == "M" else 1e3
            return f"{count / scale:.0f}{unit}"
    return str(int(count))


def _list(axes: "Axes", names: Sequence[str], counts: np.ndarray) -> None:
    """The most confused pairs of `counts` (classes, classes) as text beside the matrix."""
    axes.set_axis_off()
    confused = pairs(counts)
    title = "Most confused, by images" if confused else "All images are\nclassified correctly"
    axes.text(0, 1, title, weight="bold", size=8.5, va="top", transform=axes.transAxes)
    for place, (a, b, n) in enumerate(confused[:PAIRS]):
        text = f"{names[a]}\n   mistaken for {names[b]}: {n:,} of {counts[a].sum():,}"
        where: dict[str, Any] = {
            "xycoords": "axes fraction",
            "xytext": (0, -20 - 25 * place),
            "textcoords": "offset points",
        }
        axes.annotate(text, (0, 1), **where, va="top", size=7.5, gid="pair")


def _caption(names: Sequence[str], counts: np.ndarray) -> str:
    """What the matrix `counts` (classes, classes) shows."""
    many = len(counts) > NUMBERED
    confused = pairs(counts)
    cells = "the number of test images" + (" and its share of the row" if len(counts) <= SHARED else "")
    parts = [
        "Rows are true classes, columns predicted ones; the colour is the share of the row, so that the diagonal "
        "shows the recall.",
        "" if many else f"Each cell gives {cells}.",
        "Classes that are confused with each other stand together (average linkage)." if many else "",
    ]
    if confused:
        examples = [
            f"{brief(names[a])} mistaken for {brief(names[b])}: {n:,} of {counts[a].sum():,}"
            for a, b, n in confused[:3]
        ]
        parts.append(f"Most confused: {'; '.join(examples)}.")
    empty = int((counts.sum(axis=1) == 0).sum())
    if empty:
        parts.append(f"{empty} of {len(counts)} classes have no test images (grey rows).")
    return " ".join(part for part in parts if part)


def _data(names: Sequence[str], counts: np.ndarray) -> Data:
    """Every cell of `counts` (classes, classes) that is not zero, and the diagonal."""
    rows, columns = np.nonzero((counts > 0) | np.eye(len(counts), dtype=bool))
    shares = _shares(counts)
    return {
        "true_class": [names[row] for row in rows.tolist()],
        "predicted_class": [names[column] for column in columns.tolist()],
        "images": counts[rows, columns].tolist(),
        "share_of_true_class": shares[rows, columns].tolist(),
    }
