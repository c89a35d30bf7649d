"""Accuracy against coverage: how many answers are right if a classifier answers only where it is sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backbench.plots import Data, Heading, Picture, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (6.6, 4.2)
# Thresholds that are marked where the curve has room, and how far apart marks are on the axes (shares of them).
MARKED, APART = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99), 0.07
# Shares of fewer answers than this vary too much to be drawn.
FEWEST = 10


@dataclass(frozen=True)
class Curve:
    """Every threshold (t,), highest first, with the share of images that are answered, that of right answers, and the
    interval of the latter, (t,) each."""

    thresholds: np.ndarray
    covered: np.ndarray
    right: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, threshold: float) -> int | None:
        """The place of the lowest threshold of the curve that is at least so high; None where nothing is answered."""
        kept = int((self.thresholds.astype(np.float32) >= np.float32(threshold)).sum())
        return kept - 1 if kept else None


def draw(heading: Heading, curve: Curve, images: int, threshold: float, why: str) -> Picture:
    """The share of right answers by that of answered `images`.

    Parameters
    ----------
    threshold : the threshold that is marked, and `why` this one
    """
    shown = np.flatnonzero(curve.covered * images >= min(FEWEST, images) - 0.5)
    with _style.style():
        figure = _style.figure(heading, *SIZE)
        axes = figure.subplots()
        x, y = curve.covered[shown], curve.right[shown]
        axes.fill_between(x, curve.low[shown], curve.high[shown], color="#DCE9F3", lw=0, label="95 % interval")
        axes.plot(x, y, color=_style.COLOURS[0], lw=1.8, gid="curve", label="right answers")
        everything = float(curve.right[-1])
        axes.axhline(
            everything, color="#888888", lw=1.0, ls="--", gid="all", label=f"all answered: {100 * everything:.0f} %"
        )
        _scale(axes, float(min(curve.low[shown].min(initial=1.0), everything)))
        _thresholds(axes, curve, shown, threshold)
        text = _chosen(axes, curve, threshold)
        axes.legend(loc="lower left")
    names = ("thresholds", "covered", "right", "low", "high")
    data: Data = {name.removesuffix("s"): getattr(curve, name).tolist() for name in names}
    return Picture(figure, data, _caption(text, why))


def _scale(axes: "Axes", lowest: float) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_xlim(0, 1.01)
    least = max(0.0, np.floor(20 * (lowest - 0.02)) / 20)
    axes.set_ylim(least, 1 + 0.03 * (1 - least))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of images that are answered")
    axes.set_ylabel("share of right answers")
    axes.grid()


def _thresholds(axes: "Axes", curve: Curve, shown: np.ndarray, chosen: float) -> None:
    """Usual thresholds along the curve at the places `shown` (m,), not too near to each other or to the chosen one."""
    bottom, top = axes.get_ylim()
    taken = [place for place in (curve.at(chosen),) if place is not None]
    for threshold in MARKED:
        place = curve.at(threshold)
        if place is None or place not in shown or not _free(curve, place, taken, top - bottom):
            continue
        taken.append(place)
        spot = (float(curve.covered[place]), float(curve.right[place]))
        axes.plot(*spot, "o", ms=4.2, mfc="white", mec=_style.COLOURS[0], mew=1.2, gid="threshold")
        axes.annotate(
            f"{threshold:g}",
            spot,
            (-3, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            size=7.5,
            gid="threshold",
        )


def _free(curve: Curve, place: int, taken: Sequence[int], height: float) -> bool:
    """Whether a place of the curve is far enough from those that are taken, on axes of that height."""
    gaps = (
        np.hypot(curve.covered[place] - curve.covered[other], (curve.right[place] - curve.right[other]) / height)
        for other in taken
    )
    return all(gap >= APART for gap in gaps)


def _chosen(axes: "Axes", curve: Curve, threshold: float) -> str:
    """Mark the threshold, and say what it does."""
    place = curve.at(threshold)
    if place is None:
        return f"no image has a probability of {threshold:g} or more"
    covered, right = float(curve.covered[place]), float(curve.right[place])
    shares = f"{100 * covered:.0f} % of the images answered, {100 * right:.0f} % of these right"
    text = f"at a threshold of {threshold:g}: {shares}"
    axes.plot([covered], [right], "o", ms=9, mfc="none", mec=_style.WRONG, mew=1.8, gid="chosen")
    axes.axvline(covered, color=_style.WRONG, lw=0.9, ls=":", gid="chosen")
    axes.set_title(text, size=8.5, color=_style.WRONG, loc="left", gid="words")
    return text


def _caption(text: str, why: str) -> str:
    return (
        "From right to left the classifier answers fewer images: those whose highest probability is at least a "
        f"threshold (numbers along the curve). {text[0].upper()}{text[1:]}; {why}. The curve is of the test images."
    )
