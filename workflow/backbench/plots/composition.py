"""What clusters consist of: the shares of the true classes in each, as stacked bars and as pies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Data, Heading, Picture, _legends, _style
from backbench.plots._names import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOISE = -1
# The most clusters shown as bars and how many are shown where there are more; the most pies; the most classes.
BARS, LARGEST, PIES, CLASSES = 40, 30, 25, 12
ROW, LEAST = 0.24, 4
# Inches of a pie with its title, of the title, and of its radius.
PIE, ABOVE, RADIUS = (1.75, 1.95), 0.36, 0.7


@dataclass(frozen=True)
class Composition:
    """Clusters (clusters,) by number, noise as `NOISE`, and their images of each class (clusters, classes)."""

    clusters: np.ndarray
    counts: np.ndarray

    def largest(self, most: int, noise: bool = True) -> "Composition":
        """At most so many clusters, the largest first; noise, which is not a cluster, comes last or is left out."""
        order = np.lexsort((self.clusters, -self.counts.sum(axis=1)))
        kept = order[self.clusters[order] != NOISE][:most]
        last = np.flatnonzero((self.clusters == NOISE) & noise)
        chosen = np.concatenate([kept, last])
        return Composition(self.clusters[chosen], self.counts[chosen])

    @property
    def number(self) -> int:
        """How many clusters there are."""
        return int((self.clusters != NOISE).sum())

    @property
    def sizes(self) -> np.ndarray:
        """Images of each cluster (clusters,)."""
        return self.counts.sum(axis=1)

    @property
    def majority(self) -> np.ndarray:
        """The class with the most images of each cluster (clusters,); the first of equals."""
        return self.counts.argmax(axis=1)


def compose(labels: np.ndarray, truth: np.ndarray, classes: int) -> Composition:
    """The composition of labels (n,), -1 for noise, over true classes (n,)."""
    clusters, rows = np.unique(labels, return_inverse=True)
    flat = np.bincount(rows * classes + truth, minlength=len(clusters) * classes)
    return Composition(clusters, flat.reshape(len(clusters), classes))


def draw(heading: Heading, names: Sequence[str], composition: Composition) -> Picture:
    """A bar for each cluster, largest first and noise last; with its size and its majority class on the right."""
    shown = composition.largest(BARS if composition.number <= BARS else LARGEST)
    kept = kept_classes(shown.counts)
    with _style.style():
        figure = _style.figure(heading, 8.2, ROW * max(LEAST, len(shown.clusters)) + 0.8)
        axes = figure.subplots()
        _bars(axes, shown, kept, len(names))
        _sides(axes, shown, legible(names, 24), composition.number)
        _legend(figure, legible(names, 24), shown, kept)
    return Picture(figure, _data(names, composition), _caption(composition, shown, kept, "the last bar"))


def pies(heading: Heading, names: Sequence[str], composition: Composition) -> Picture:
    """A pie for each of the largest clusters with its size and its majority class above it."""
    shown = composition.largest(PIES, noise=False)
    kept = kept_classes(shown.counts)
    short = legible(names, 20)
    columns = max(3, min(5, math.ceil(math.sqrt(len(shown.clusters)))))
    rows = math.ceil(len(shown.clusters) / columns)
    with _style.style():
        figure = _style.figure(heading, PIE[0] * columns, PIE[1] * rows + 0.1)
        axes = figure.subplots()
        axes.set_axis_off()
        # Inches from the upper left corner.
        axes.set(xlim=(0, PIE[0] * columns), ylim=(PIE[1] * rows, 0), aspect="equal", autoscale_on=False)
        for at in range(len(shown.clusters)):
            row, column = divmod(at, columns)
            _pie(axes, ((column + 0.5) * PIE[0], row * PIE[1]), shown, at, kept, short)
        _legend(figure, legible(names, 24), shown, kept)
    return Picture(figure, _data(names, composition), _caption(composition, shown, kept, "not shown"))


def kept_classes(counts: np.ndarray) -> list[int]:
    """The classes of `counts` (clusters, classes) that get a colour of their own, ascending.

    All that occur, or else `CLASSES` of them: first the majority classes of the clusters, then the most frequent ones.
    """
    whole = counts.sum(axis=0)
    present = np.flatnonzero(whole)
    if len(present) <= CLASSES:
        return present.tolist()
    leading = np.isin(present, counts.argmax(axis=1))
    return sorted(present[np.lexsort((present, -whole[present], ~leading))][:CLASSES].tolist())


def _segments(counts: np.ndarray, kept: Sequence[int]) -> np.ndarray:
    """Shares (clusters, kept + 2) from counts (clusters, classes): kept classes, another majority class, the rest."""
    leading = np.where(np.isin(counts.argmax(axis=1), kept), 0, counts.max(axis=1))
    rest = counts.sum(axis=1) - counts[:, kept].sum(axis=1) - leading
    return np.column_stack([counts[:, kept], leading, rest]) / counts.sum(axis=1, keepdims=True)


def _orders(shares: np.ndarray) -> np.ndarray:
    """The order (clusters, segments) of the segments of each cluster: the majority class first, the rest last."""
    first = np.where(shares[:, -2] > 0, shares.shape[1] - 2, shares[:, :-1].argmax(axis=1))
    return np.array([[at, *(place for place in range(shares.shape[1]) if place != at)] for at in first])


def _looks(kept: Sequence[int], classes: int) -> list[dict[str, Any]]:
    """Looks of the segments; where there is room for all classes, each has the look of its number."""
    places = kept if classes <= CLASSES else range(len(kept))
    looks = [{"facecolor": _style.colour(place), "hatch": _style.hatch(place)} for place in places]
    gids = [f"class {place}" for place in kept]
    looks += [{"facecolor": "#7F7F7F", "hatch": ""}, {"facecolor": _style.FAINT, "hatch": ""}]
    return [{**look, "gid": gid} for look, gid in zip(looks, [*gids, "majority", "rest"], strict=True)]


def _bars(axes: "Axes", shown: Composition, kept: Sequence[int], classes: int) -> None:
    shares, looks = _segments(shown.counts, kept), _looks(kept, classes)
    for place, row, order in zip(_places(shown), shares, _orders(shares), strict=True):
        starts = np.cumsum(row[order]) - row[order]
        some = row[order] > 0
        bars = axes.barh(place, row[order][some], 0.78, starts[some], edgecolor="white", lw=0.4)
        for bar, at in zip(bars, order[some], strict=True):
            bar.set(**looks[at])


def _places(shown: Composition) -> np.ndarray:
    """Heights (clusters,) of the bars; noise stands apart."""
    return np.arange(len(shown.clusters)) + 0.4 * ((shown.clusters == NOISE) & (len(shown.clusters) > 1))


def _sides(axes: "Axes", shown: Composition, names: Sequence[str], number: int) -> None:
    places = _places(shown)
    axes.set_yticks(places, ["noise" if cluster == NOISE else str(cluster) for cluster in shown.clusters], size=8)
    axes.set_ylim(max(places[-1] + 0.6, LEAST - 0.4), -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the images of the cluster (0 to 1)")
    hidden = number - int((shown.clusters != NOISE).sum())
    axes.set_ylabel(f"cluster, the {number - hidden} largest of {number}" if hidden else "cluster")
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    beside: dict[str, Any] = {
        "xycoords": axes.get_yaxis_transform(),
        "textcoords": "offset points",
        "va": "center",
        "size": 7.5,
    }
    for at, place in enumerate(places):
        axes.annotate(f"{shown.sizes[at]:,}", (1, place), (38, 0), ha="right", gid="size", **beside)
        axes.annotate(_majority(shown, at, names), (1, place), (48, 0), gid="majority", **beside)
    head: dict[str, Any] = {**beside, "xycoords": "axes fraction", "va": "bottom", "color": "#555555"}
    axes.annotate("images", (1, 1), (38, 2), ha="right", **head)
    axes.annotate("majority class", (1, 1), (48, 2), **head)


def _majority(shown: Composition, at: int, names: Sequence[str]) -> str:
    share = shown.counts[at].max() / shown.sizes[at]
    return f"{names[shown.majority[at]]} {share:.0%}"


def _pie(
    axes: "Axes",
    top: tuple[float, float],
    shown: Composition,
    at: int,
    kept: Sequence[int],
    names: Sequence[str],
) -> None:
    """A pie, clockwise from its top, and its title above it, in the middle below the place `top`."""
    from matplotlib.patches import Wedge

    shares = _segments(shown.counts[at : at + 1], kept)
    order = _orders(shares)[0]
    some = order[shares[0, order] > 0]
    ends = 360 * np.cumsum(shares[0, some]) - 90
    middle, looks = (top[0], top[1] + ABOVE + 0.08 + RADIUS), _looks(kept, len(names))
    for place, begin, end in zip(some, [-90, *ends], ends, strict=False):
        edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.5 * (len(some) > 1)}
        axes.add_artist(Wedge(middle, RADIUS, float(begin), float(end), **looks[place], **edge))
    title = f"cluster {shown.clusters[at]}: {shown.sizes[at]:,} images\n{_majority(shown, at, names)}"
    axes.text(top[0], top[1] + ABOVE, title, size=7.5, ha="center", va="bottom", gid="pie")


def _legend(figure: "Figure", names: Sequence[str], shown: Composition, kept: Sequence[int]) -> None:
    from matplotlib.patches import Patch

    rest = len(np.flatnonzero(shown.counts.sum(axis=0))) - len(kept)
    greys = ["other majority class (see its name)", f"other ({rest} classes)"]
    shares = _segments(shown.counts, kept)[:, -2:].sum(axis=0)
    texts = [
        *(names[place] for place in kept),
        *(grey if share else None for grey, share in zip(greys, shares, strict=True)),
    ]
    looks = [(look, name) for look, name in zip(_looks(kept, len(names)), texts, strict=True) if name]
    _legends.below(figure, [Patch(**look, edgecolor="white", label=name) for look, name in looks])


def _caption(composition: Composition, shown: Composition, kept: Sequence[int], noise: str) -> str:
    clustered = shown.clusters != NOISE
    hidden = composition.number - int(clustered.sum())
    shares = shown.counts[clustered].max(axis=1) / shown.sizes[clustered]
    parts = ["Share of each true class in each cluster; the largest cluster and the majority class come first."]
    if clustered.any():
        of = "a cluster shown" if hidden else "a cluster"
        parts.append(f"On average, the majority class makes up {shares.mean():.0%} of {of}.")
    if hidden:
        parts.append(f"The {hidden} smallest of {composition.number} clusters are not shown; the table lists them.")
    present = len(np.flatnonzero(shown.counts.sum(axis=0)))
    if present > len(kept):
        parts.append(
            f"{len(kept)} of {present} classes have a colour of their own, the majority classes first; all others are "
            "grey, dark grey where one of them is the majority."
        )
    count = int(composition.sizes[composition.clusters == NOISE].sum())
    if count:
        parts.append(f"{count:,} of {composition.sizes.sum():,} images are noise ({noise}).")
    return " ".join(parts)


def _data(names: Sequence[str], composition: Composition) -> Data:
    """Every class that occurs in a cluster, for all clusters, the largest first."""
    whole = composition.largest(len(composition.clusters))
    rows, columns = np.nonzero(whole.counts)
    counts = whole.counts[rows, columns]
    return {
        "cluster": ["noise" if cluster == NOISE else int(cluster) for cluster in whole.clusters[rows]],
        "size": whole.sizes[rows].tolist(),
        "class": [names[column] for column in columns.tolist()],
        "images": counts.tolist(),
        "share": (counts / whole.sizes[rows]).tolist(),
    }
