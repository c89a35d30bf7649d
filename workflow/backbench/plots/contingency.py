"""Clusters against classes: the table from which purity and the one-to-one accuracy can be read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from backbench.plots import Data, Heading, Picture, _style, confusion
from backbench.plots._names import legible
from backbench.plots.composition import NOISE, Composition
from backbench.wording import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

# Up to so many rows and columns, cells have a number; of more clusters than the second, the smallest are left out.
NUMBERED, MOST = 30, 60
# Inches of a cell with a number, of one without, and beside the cells.
CELL, SMALL, BAR = 0.46, 0.17, 0.95


def draw(heading: Heading, names: Sequence[str], composition: Composition) -> Picture:
    """The images of each class in each cluster; clusters stand in the order of the classes that they are matched with.

    The match is one to one (Kuhn 1955); unmatched clusters come after, the largest first, and noise last. Colours are
    shares of a class. A frame marks the class with the most images of each cluster.
    """
    shown = arranged(composition)
    numbered = max(shown.counts.shape) <= NUMBERED
    cell = CELL if numbered else SMALL
    labels = legible(names, 22 if numbered else 16)
    side = 0.35 + 0.075 * max(map(len, labels))
    with _style.style():
        size = max(5.2, side + cell * len(shown.clusters) + BAR), cell * len(names) + 0.8
        figure = _style.figure(heading, *size)
        axes = figure.subplots()
        mesh = _cells(axes, shown, labels)
        _frames(axes, shown)
        if numbered:
            _numbers(axes, shown, mesh)
        _style.share_bar(axes, mesh, (0, 0.25, 0.5, 0.75, 1), "share of the class")
    return Picture(figure, _data(names, composition), _caption(names, composition, shown))


def arranged(composition: Composition) -> Composition:
    """At most `MOST` clusters, those that are matched with a class in the order of the classes, noise last."""
    from scipy.optimize import linear_sum_assignment

    whole = composition.largest(MOST)
    places = np.flatnonzero(whole.clusters != NOISE)
    rows, classes = linear_sum_assignment(whole.counts[places], maximize=True)
    matched = places[rows[np.argsort(classes)]]
    rest = [at for at in range(len(whole.clusters)) if at not in set(matched.tolist())]
    order = np.concatenate([matched, np.array(rest, dtype=np.int64)])
    return Composition(whole.clusters[order], whole.counts[order])


def _cells(axes: "Axes", shown: Composition, names: Sequence[str]) -> "AxesImage":
    from matplotlib.colors import Normalize

    shares = _style.ratio(shown.counts, shown.counts.sum(axis=0))
    mesh = axes.imshow(shares.T, cmap=confusion.colours(), norm=Normalize(0, 1), aspect="auto", interpolation="nearest")
    clusters = ["noise" if cluster == NOISE else str(cluster) for cluster in shown.clusters]
    axes.set_xticks(range(len(clusters)), clusters, rotation=90 if len(clusters) > 20 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("cluster, in the order of the classes that they are matched with")
    axes.set_ylabel("true class")
    axes.tick_params(length=0, labelsize=8 if max(shown.counts.shape) <= NUMBERED else 5.5)
    axes.spines[:].set_visible(False)
    return mesh


def _frames(axes: "Axes", shown: Composition) -> None:
    """A frame around the majority class of each cluster."""
    from matplotlib.patches import Rectangle

    for column, (cluster, row) in enumerate(zip(shown.clusters, shown.majority, strict=True)):
        if cluster != NOISE:
            frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec="#D55E00", lw=1.4, gid="majority")
            axes.add_patch(frame).set_clip_on(False)


def _numbers(axes: "Axes", shown: Composition, mesh: "AxesImage") -> None:
    whole = shown.counts.sum(axis=0)
    for (column, row), count in np.ndenumerate(shown.counts):
        if count:
            ink = _style.ink_over(mesh, count / whole[row])
            text = confusion.short(count)
            axes.text(column, row, text, ha="center", va="center", size=7.5, color=ink, in_layout=False)


def _caption(names: Sequence[str], composition: Composition, shown: Composition) -> str:
    from scipy.optimize import linear_sum_assignment

    total, counts = int(composition.sizes.sum()), composition.counts[composition.clusters != NOISE]
    pure = int(counts.max(axis=1).sum()) if len(counts) else 0
    matched = int(counts[linear_sum_assignment(counts, maximize=True)].sum()) if len(counts) else 0
    parts = [
        "Images of each class in each cluster; the colour is the share of the class.",
        f"The framed cells, the majority class of each cluster, add up to {pure:,} of {total:,} images: purity "
        f"{pure / total:.4f}. Matched one to one, clusters and classes agree on {matched:,}: accuracy "
        f"{matched / total:.4f}.",
    ]
    lost = [brief(name) for at, name in enumerate(names) if at not in set(shown.majority[shown.clusters != NOISE])]
    if lost and len(counts):
        named = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        parts.append(f"Classes that are the majority in no cluster: {named}.")
    hidden = len(composition.clusters) - len(shown.clusters)
    return " ".join([*parts, f"{hidden} smaller clusters are not shown; the table lists them."] if hidden else parts)


def _data(names: Sequence[str], composition: Composition) -> Data:
    """Every cell that is not zero, in the order of clusters and classes."""
    rows, columns = np.nonzero(composition.counts)
    counts = composition.counts[rows, columns]
    return {
        "cluster": ["noise" if cluster == NOISE else int(cluster) for cluster in composition.clusters[rows]],
        "class": [names[column] for column in columns.tolist()],
        "images": counts.tolist(),
        "share_of_class": (counts / composition.counts.sum(axis=0)[columns]).tolist(),
    }
