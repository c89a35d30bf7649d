"""The silhouette plot: widths of all images, sorted within their clusters (Rousseeuw, "Silhouettes", 1987, fig. 2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Heading, Picture, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The most clusters that are shown, and the most steps of one.
LARGEST, STEPS = 50, 300
# The gap between two silhouettes as a share of all images, and that of all gaps together.
GAP, GAPS = 0.01, 0.15
# Inches of a line of the list beside the silhouettes.
LINE = 0.145
COLUMNS = ((0.32, "cluster"), (0.64, "images"), (0.98, "mean"))
# Inches that the number of a cluster takes, with a gap before it.
NUMBER = 0.3


def draw(heading: Heading, labels: np.ndarray, widths: np.ndarray) -> Picture:
    """The silhouette of each cluster, by number, from labels and widths (n,), and the mean over all images.

    Rows with a negative label (noise) or without a width are left out. Of more than `LARGEST` clusters, the largest are
    shown; a silhouette of many images is drawn in `STEPS` steps of its exact height.
    """
    kept = np.flatnonzero((labels >= 0) & ~np.isnan(widths))
    rows = kept[np.lexsort((kept, -widths[kept], labels[kept]))]
    clusters, starts, sizes = np.unique(labels[rows], return_index=True, return_counts=True)
    shown = np.sort(np.lexsort((clusters, -sizes))[:LARGEST])
    by_cluster = [widths[rows[starts[at] : starts[at] + sizes[at]]].astype(float) for at in shown]
    mean = float(widths[rows].mean(dtype=float))
    with _style.style():
        figure = _style.figure(heading, 8.0, max(3.6, LINE * len(shown) + 0.9))
        axes, beside = figure.subplots(1, 2, width_ratios=(5.9, 2.1))
        tops = _silhouettes(axes, clusters[shown], by_cluster)
        _axes(axes, mean, by_cluster, len(clusters))
        _heads(beside)
        _style.lay_out(figure)
        _list(axes, beside, clusters[shown], by_cluster, tops)
    data = {"image": rows.tolist(), "cluster": labels[rows].tolist(), "width": widths[rows].tolist()}
    return Picture(figure, data, _caption(mean, widths[rows], labels, len(clusters) - len(shown)))


def steps(widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted widths (n,) as m steps, at most `STEPS`: their values (m,) and their edges (m + 1,) from 0 to n."""
    count = min(len(widths), STEPS)
    edges = np.linspace(0, len(widths), count + 1)
    middles = np.floor((edges[:-1] + edges[1:]) / 2).astype(int)
    return widths[middles], edges


def spread(places: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Sorted places (m,) moved as little as possible (least squares) to be `gap` apart and within bounds."""
    from scipy.optimize import isotonic_regression

    pushed = gap * np.arange(len(places))
    level = isotonic_regression(places - pushed).x
    return np.clip(level, low, max(low, high - pushed[-1])) + pushed


def _silhouettes(axes: "Axes", clusters: np.ndarray, by_cluster: Sequence[np.ndarray]) -> np.ndarray:
    """Draw the silhouettes of `clusters` (m,), widths (size,) each, below one another; returns their tops (m,)."""
    from matplotlib.patches import StepPatch

    sizes = np.array([len(widths) for widths in by_cluster])
    gap = min(GAP, GAPS / len(sizes)) * sizes.sum()
    tops = np.cumsum(sizes) - sizes + gap * np.arange(len(sizes))
    for cluster, widths, top in zip(clusters, by_cluster, tops, strict=True):
        values, edges = steps(widths)
        look: dict[str, Any] = {
            "fill": True,
            "color": _style.colour(int(cluster)),
            "lw": 0,
            "gid": f"cluster {cluster}",
        }
        # Not by `stairs`, which looks for the limits of the axes step by step.
        axes.add_artist(StepPatch(values, top + edges, orientation="horizontal", **look))
    axes.set_ylim(tops[-1] + sizes[-1] + gap, -gap)
    return tops


def _axes(axes: "Axes", mean: float, by_cluster: Sequence[np.ndarray], number: int) -> None:
    """Limits and labels of the axes for the widths (size,) of each cluster."""
    from matplotlib.patheffects import withStroke

    drawn = np.concatenate([steps(widths)[0] for widths in by_cluster])
    low, high = float(drawn.min()), float(drawn.max())
    room = 0.03 * (max(high, 0) - min(low, 0) or 1)
    axes.set_xlim(min(low, 0) - room * (low < 0), max(high, 0) + room)
    if low < 0:
        axes.axvspan(axes.get_xlim()[0], 0, color="#F1F1F1", lw=0, zorder=0, gid="negative")
    axes.axvline(0, color="#666666", lw=0.8)
    halo = [withStroke(linewidth=2.6, foreground="white")]
    axes.axvline(mean, color=_style.INK, lw=1.2, ls="--", gid="mean", path_effects=halo)
    place: dict[str, Any] = {
        "xy": (mean, 1),
        "xycoords": axes.get_xaxis_transform(),
        "xytext": (0, 3),
        "textcoords": "offset points",
    }
    axes.annotate(f"mean {mean:.3f}", **place, ha="center", size=8, gid="mean")
    axes.set_xlabel("silhouette width (-1 to 1, higher is better)")
    hidden = number - len(by_cluster)
    what = f"the {len(by_cluster)} largest of {number} clusters" if hidden else "clusters"
    axes.set_ylabel(f"images by width, in {what}")
    axes.set_yticks([])
    axes.grid(axis="x")


def _heads(beside: "Axes") -> None:
    """The names of the columns of a list, above it."""
    beside.set_axis_off()
    beside.set_xlim(0, 1)
    for x, head in COLUMNS:
        above: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, 3), "textcoords": "offset points"}
        beside.annotate(head, (x, 1), **above, ha="right", size=7.5, color="#555555")


def _list(
    axes: "Axes", beside: "Axes", clusters: np.ndarray, by_cluster: Sequence[np.ndarray], tops: np.ndarray
) -> None:
    """Number, size and mean width of `clusters` (m,), with widths (size,) each, and lines from their `tops` (m,)."""
    beside.set_ylim(axes.get_ylim())
    bottom, top = axes.get_ylim()
    line = LINE * axes.figure.dpi / axes.get_window_extent().height * (bottom - top)
    middles = tops + np.array([len(widths) for widths in by_cluster]) / 2
    places = spread(middles, line, top + line / 2, bottom - line / 2)
    plane, listed = axes.get_window_extent(), beside.get_window_extent()
    first = listed.x0 + COLUMNS[0][0] * listed.width - NUMBER * axes.figure.dpi
    room = (first - plane.x1) / plane.width
    bend: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "color": "#999999", "lw": 0.6, "clip_on": False}
    for cluster, widths, middle, place in zip(clusters, by_cluster, middles, places, strict=True):
        (leader,) = axes.plot([1, 1 + 0.8 * room, 1 + room], [middle, place, place], gid="leader", **bend)
        leader.set_in_layout(False)
        texts = (f"{cluster}", f"{len(widths):,}", f"{widths.mean():+.2f}")
        for (x, _), text in zip(COLUMNS, texts, strict=True):
            beside.text(x, place, text, ha="right", va="center_baseline", size=7.5, gid="row")


def _caption(mean: float, widths: np.ndarray, labels: np.ndarray, hidden: int) -> str:
    """What the shown widths (m,) say, with labels (n,) of all images and the number of hidden clusters."""
    below = float((widths < 0).mean())
    parts = [
        "Silhouette widths of the images, sorted within their clusters; the dashed line is the mean over all images, "
        f"{mean:.3f}. {below:.1%} of the images have a negative width: they lie nearer to another cluster than to "
        "their own."
    ]
    noise = int((labels == -1).sum())
    if noise:
        parts.append(f"{noise:,} images are noise: they have no width and are left out.")
    if hidden:
        parts.append(f"The {hidden} smallest clusters are not shown; the mean and the table include them.")
    return " ".join(parts)
