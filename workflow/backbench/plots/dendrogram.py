"""The upper part of a tree of merges, with the cut that makes the clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Data, Heading, Picture, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

# Branches that are shown, and how many may be where the cut needs them.
BRANCHES, MOST_BRANCHES = 30, 60
# Heights that span more than this factor are drawn on a square-root scale.
WIDE = 30.0
# scipy's places: the first branch is at 5, and each further one 10 to the right.
FIRST, STEP = 5.0, 10.0
# Inches below the axis: of the sizes of the branches, of the bars of the clusters, of a bar, and of all.
SIZES, BARS, BAR, FOOT = 0.05, 0.62, 0.09, 0.98
ABOVE = "#555555"
# From the ninth cluster on, colours repeat and the lines are dashed.
DASHES = ("-", (0, (4, 1)), (0, (1, 1)), (0, (6, 1, 1, 1)))


@dataclass(frozen=True)
class Upper:
    """The drawn part of a tree: places and heights (m, 4) of the links, the node that each makes, and the branches.

    Nodes have scipy's numbers: those below n are rows, and merge i makes n + i.
    """

    x: np.ndarray
    y: np.ndarray
    nodes: Sequence[int]
    branches: Sequence[int]


def draw(
    heading: Heading, merges: np.ndarray, clusters: np.ndarray, k: int, words: str = "height", caption: str = ""
) -> Picture:
    """Draw the last of the merges (n - 1, 4) of a tree in scipy's form, and its cut into `k` clusters.

    `clusters` (n,) is the cluster of each merged row by that cut; `words` says what the heights are. 30 branches are
    shown, or up to 60 where k needs more; with a larger k, the cut lies below what is shown.
    """
    n = len(merges) + 1
    drawn = upper(merges, min(n, BRANCHES if k <= BRANCHES else MOST_BRANCHES))
    seen = k <= len(drawn.branches)
    cluster_of = {
        node: cluster(node, merges, clusters, k) if seen else None for node in (*drawn.branches, *drawn.nodes)
    }
    with _style.style():
        figure = _style.figure(heading, max(7.0, 0.27 * len(drawn.branches) + 1.4), 4.0 + FOOT)
        axes = figure.subplots()
        _links(axes, drawn, cluster_of)
        wide = _scale(axes, drawn, words)
        _cut(axes, merges, k, drawn)
        _branches(axes, drawn, cluster_of, _sizes(merges, drawn))
    return Picture(figure, _data(merges, drawn, cluster_of), caption + _hidden(n, k, drawn, wide))


def upper(merges: np.ndarray, branches: int) -> Upper:
    """The last of the merges (n - 1, 4), as many as leave this number of branches below them."""
    from scipy.cluster.hierarchy import dendrogram

    if branches < 2:
        return Upper(np.empty((0, 4)), np.empty((0, 4)), [], [0])
    nodes: list[int] = []

    def seen(node: int) -> str:
        nodes.append(node)
        return ABOVE

    drawn = dendrogram(merges, p=branches, truncate_mode="lastp", no_plot=True, link_color_func=seen)
    return Upper(np.array(drawn["icoord"]), np.array(drawn["dcoord"]), nodes, drawn["leaves"])


def cluster(node: int, merges: np.ndarray, clusters: np.ndarray, k: int) -> int | None:
    """The cluster of a node, from merges (n - 1, 4) and clusters of rows (n,); None where it joins several."""
    n = len(merges) + 1
    if node - n >= n - k:
        return None
    while node >= n:
        node = int(merges[node - n, 0])
    return int(clusters[node])


def cut_height(merges: np.ndarray, k: int) -> float:
    """The height between the last of the merges (n - 1, 4) that is made and the next; above all where k is 1."""
    n = len(merges) + 1
    made = float(merges[n - k - 1, 2]) if k < n else 0.0
    return (made + float(merges[n - k, 2])) / 2 if k > 1 else made * 1.05


def _links(axes: "Axes", drawn: Upper, cluster_of: Mapping[int, int | None]) -> None:
    for x, y, node in zip(drawn.x, drawn.y, drawn.nodes, strict=True):
        number = cluster_of[node]
        colour = ABOVE if number is None else _style.colour(number)
        dashes = "-" if number is None else DASHES[number // len(_style.COLOURS) % len(DASHES)]
        axes.plot(x, y, color=colour, lw=1.3, ls=dashes, solid_joinstyle="miter", gid=f"link {node}")


def _scale(axes: "Axes", drawn: Upper, words: str) -> bool:
    """Limits and label of the heights; True where they are drawn on a square-root scale."""
    heights = drawn.y[:, 1] if len(drawn.y) else np.ones(1)
    top = float(heights.max()) or 1.0
    some = heights[heights > 0]
    wide = len(some) > 0 and top / float(some.min()) > WIDE
    if wide:
        axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    axes.set_ylim(0, top * 1.12)
    axes.set_ylabel(words + (", square-root scale" if wide else ""))
    return wide


def _cut(axes: "Axes", merges: np.ndarray, k: int, drawn: Upper) -> None:
    """A line where the tree of `merges` (n - 1, 4) is cut, if that is within what is drawn."""
    if not len(merges) or k > len(drawn.branches):
        return
    at = cut_height(merges, k)
    axes.axhline(at, color=_style.INK, lw=1.0, ls=(0, (5, 3)), gid="cut", label=f"cut at {at:.4g}, giving k = {k}")
    axes.legend(loc="upper right", handlelength=2.6, borderaxespad=0)


def _branches(axes: "Axes", drawn: Upper, cluster_of: Mapping[int, int | None], sizes: Sequence[int]) -> None:
    """Sizes below the branches, and below these the bars of the clusters."""
    places = FIRST + STEP * np.arange(len(drawn.branches))
    axes.set_xlim(0, STEP * len(drawn.branches))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    below = _inches(axes)
    for place, size in zip(places.tolist(), sizes, strict=True):
        upright: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "top", "size": 7}
        axes.text(place, -SIZES, f"({size:,})", transform=below, gid="size", **upright)
    for first, last, number in _runs([cluster_of[node] for node in drawn.branches]):
        if number is not None:
            _bar(axes, below, (places[first], places[last]), number)
    text: dict[str, Any] = {"ha": "center", "va": "top", "size": 8.5, "color": "#444444"}
    words = "branches with their number of images (in brackets), clusters below"
    axes.text(0.5 * STEP * len(places), -FOOT + 0.2, words, transform=below, gid="foot", **text)


def _inches(axes: "Axes") -> "Transform":
    """Coordinates of the data along the axis, and inches below it."""
    from matplotlib.transforms import blended_transform_factory

    corner = _style.shift(0, 0, axes.transAxes)
    return blended_transform_factory(axes.transData, axes.figure.dpi_scale_trans + corner)


def _bar(axes: "Axes", below: "Transform", ends: tuple[float, float], number: int) -> None:
    from matplotlib.patches import Rectangle

    left, right = ends[0] - 0.42 * STEP, ends[1] + 0.42 * STEP
    look: dict[str, Any] = {
        "facecolor": _style.colour(number),
        "edgecolor": "white",
        "lw": 0,
        "hatch": _style.hatch(number),
    }
    bar = Rectangle((left, -BARS), right - left, BAR, transform=below, clip_on=False, gid=f"bar {number}", **look)
    axes.add_patch(bar)
    text: dict[str, Any] = {"ha": "center", "va": "top", "size": 7.5}
    axes.text((left + right) / 2, -BARS - 0.02, f"{number}", transform=below, gid="cluster", **text)


def _runs(values: Sequence[int | None]) -> list[tuple[int, int, int | None]]:
    """First and last place of each run of equal values, and the value."""
    runs: list[tuple[int, int, int | None]] = []
    for place, value in enumerate(values):
        if runs and runs[-1][2] == value:
            runs[-1] = (runs[-1][0], place, value)
        else:
            runs.append((place, place, value))
    return runs


def _sizes(merges: np.ndarray, drawn: Upper) -> list[int]:
    """Rows below each branch of the tree of `merges` (n - 1, 4)."""
    n = len(merges) + 1
    return [1 if node < n else int(merges[node - n, 3]) for node in drawn.branches]


def _hidden(n: int, k: int, drawn: Upper, wide: bool) -> str:
    """What the drawing hides, in words."""
    shown = len(drawn.branches)
    parts = [f" The last {shown - 1:,} of {n - 1:,} merges are shown."] if shown < n else []
    if k > shown:
        parts.append(f" The cut into {k:,} clusters lies below them.")
    if wide:
        parts.append(" Heights are drawn on a square-root scale because they span orders of magnitude.")
    return "".join(parts)


def _data(merges: np.ndarray, drawn: Upper, cluster_of: Mapping[int, int | None]) -> Data:
    """Every drawn node of `merges` (n - 1, 4): the two that it joins, its height, size and cluster."""
    n = len(merges) + 1
    nodes = sorted({*drawn.nodes, *drawn.branches})
    rows: list[list[Any]] = [merges[node - n].tolist() if node >= n else ["", "", 0.0, 1] for node in nodes]
    return {
        "node": nodes,
        "joins": [row[0] if row[0] == "" else int(row[0]) for row in rows],
        "and": [row[1] if row[1] == "" else int(row[1]) for row in rows],
        "height": [row[2] for row in rows],
        "images": [int(row[3]) for row in rows],
        "branch": [int(node in set(drawn.branches)) for node in nodes],
        "cluster": ["" if cluster_of[node] is None else cluster_of[node] for node in nodes],
    }
