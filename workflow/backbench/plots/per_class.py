"""Precision, recall and F1 of each class with its support."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.plots import Data, Heading, Picture, _legends, _style
from backbench.plots._names import legible
from backbench.wording import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Beyond so many classes, only so many of the worst and of the best are shown.
MOST, ENDS = 40, 20
ROW, LEAST = 0.2, 1.3
# Marker, colour, size, and distance from the middle of the row, so that equal values can be seen.
LOOKS = {"precision": ("o", 0, 4.6, -0.16), "recall": ("s", 1, 4.4, 0.16), "f1": ("D", 7, 3.8, 0.0)}
WORDS = {"precision": "precision", "recall": "recall", "f1": "F1"}


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1 of each class, NaN where undefined, and its number of true images, each (classes,).

    Precision is undefined for a class that is never predicted, recall for one without images, F1 where both are.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def scores(counts: np.ndarray) -> Scores:
    """From a confusion matrix (classes, classes), true by predicted; equal to scikit-learn's with zero_division=nan."""
    right, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    f1 = _style.ratio(2 * right, support + predicted)
    return Scores(_style.ratio(right, predicted), _style.ratio(right, support), f1, support)


def draw(heading: Heading, names: Sequence[str], counts: np.ndarray) -> Picture:
    """A row for each class of a confusion matrix (classes, classes), lowest F1 on top, with marks and support.

    Beyond `MOST` classes the middle is left out.
    """
    measures = scores(np.asarray(counts, dtype=np.int64))
    order = np.lexsort((np.arange(len(names)), np.nan_to_num(measures.f1, nan=2.0)))
    left_out = len(order) - 2 * ENDS if len(order) > MOST else 0
    shown = np.concatenate([order[:ENDS], order[-ENDS:]]) if left_out else order
    places = np.arange(len(shown)) + (np.arange(len(shown)) >= ENDS) * 1.5 * bool(left_out)
    with _style.style():
        figure = _style.figure(heading, 7.2, max(LEAST, ROW * (places[-1] + 1)) + 0.85)
        axes = figure.subplots()
        _marks(axes, measures, shown, places)
        short_names = legible(names, 34)
        _sides(axes, [short_names[place] for place in shown.tolist()], measures.support[shown], places)
        if left_out:
            _gap(axes, left_out)
        _legend(figure)
    return Picture(figure, _data(names, measures, order), _caption(names, measures, order, left_out))


def _marks(axes: "Axes", measures: Scores, shown: np.ndarray, places: np.ndarray) -> None:
    """Three marks for each of the classes `shown` (m,) at the heights `places` (m,), and a line that joins them."""
    values = {name: getattr(measures, name)[shown] for name in LOOKS}
    every = np.stack(list(values.values()))
    known = ~np.isnan(every).all(axis=0)
    low, high = (np.nan_to_num(every, nan=fill) for fill in (2.0, -1.0))
    axes.hlines(places[known], low.min(axis=0)[known], high.max(axis=0)[known], color="#BBBBBB", lw=1.4, zorder=1)
    for name, (mark, colour, size, aside) in LOOKS.items():
        look: dict[str, Any] = {"marker": mark, "ms": size, "mfc": _style.COLOURS[colour], "mec": "white", "mew": 0.4}
        axes.plot(values[name], places + aside, linestyle="none", gid=name, clip_on=False, zorder=3, **look)


def _sides(axes: "Axes", names: Sequence[str], support: np.ndarray, places: np.ndarray) -> None:
    """Names on the left, numbers of images (m,) on the right, at the heights `places` (m,)."""
    axes.set_yticks(places, names, size=8)
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set_xlim(0, 1)
    axes.set_xlabel("score (0 to 1, higher is better)")
    axes.set_ylabel("class, the lowest F1 on top" if len(names) > 8 else "class")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, [f"{count:,}" for count in support], size=7.5)
    right.tick_params(length=0, pad=10)
    right.spines[:].set_visible(False)
    right.set_ylabel("test images" if len(names) <= 8 else "support (test images)")


def _gap(axes: "Axes", left_out: int) -> None:
    text = f"{left_out} classes in between are not shown; the table beside this picture lists them all"
    middle = ENDS - 1 + 1.25
    axes.axhspan(middle - 0.6, middle + 0.6, color="#EFEFEF", lw=0, zorder=0)
    axes.text(0.5, middle, text, ha="center", va="center", size=7.5, color="#555555", gid="gap")


def _legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker=mark, ms=size, color=_style.COLOURS[colour], label=WORDS[name])
        for name, (mark, colour, size, _) in LOOKS.items()
    ]
    _legends.below(figure, handles)


def _caption(names: Sequence[str], measures: Scores, order: np.ndarray, left_out: int) -> str:
    """What the marks show of the classes in `order` (classes,)."""
    parts = ["Precision, recall and F1 of each class on the test images, the lowest F1 first."]
    known = [place for place in order if not np.isnan(measures.f1[place])]
    if len(known) > 1:
        worst, best = (f"{measures.f1[place]:.3f} ({brief(names[place])})" for place in (known[0], known[-1]))
        parts.append(f"F1 ranges from {worst} to {best}.")
    if left_out:
        parts.append(
            f"The {ENDS} worst and the {ENDS} best of {len(order)} classes are shown; the table lists all of them."
        )
    for count, reason in (
        (int((measures.support == 0).sum()), "without test images, and so without recall"),
        (int(np.isnan(measures.precision).sum()), "never predicted, and so without precision"),
    ):
        if count:
            parts.append(f"{count} of {len(order)} classes: {reason}.")
    return " ".join(parts)


def _data(names: Sequence[str], measures: Scores, order: np.ndarray) -> Data:
    """All classes in `order` (classes,) with their scores."""
    values = {name: getattr(measures, name)[order].tolist() for name in ("precision", "recall", "f1", "support")}
    return {"class": [names[place] for place in order], **values}
