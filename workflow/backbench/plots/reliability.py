"""Reliability diagrams: do as many images as a classifier's probabilities say have the predicted class?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backbench.plots import Data, Heading, Picture, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (6.2, 5.4)
BAR, GAP = "#C9DDEC", "#D55E00"
# Where the images lie whose probability is exactly 1, and how wide their bar is.
CERTAIN, NARROW = 1.024, 0.024
# Claimed and actual shares that differ by less are called equal.
ALIKE = 0.02


@dataclass(frozen=True)
class Bins:
    """The bins of the highest probabilities, each array (bins,): where they begin and end, how many images they hold,
    the mean probability of these, the share that is right, and its interval; NaN for a bin without images."""

    low: np.ndarray
    high: np.ndarray
    images: np.ndarray
    claimed: np.ndarray
    right: np.ndarray
    right_low: np.ndarray
    right_high: np.ndarray


def draw(heading: Heading, bins: Bins, error: float, by_chance: float) -> Picture:
    """The share of right images by probability, above the number of images in each bin.

    `error` is the expected calibration error, `by_chance` what it is on average of calibrated probabilities.
    """
    with _style.style():
        figure = _style.figure(heading, *SIZE)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        _shares(above, bins)
        _counts(below, bins)
    names = ("low", "high", "images", "claimed", "right", "right_low", "right_high")
    data: Data = {name: getattr(bins, name).tolist() for name in names}
    return Picture(figure, data, _caption(bins, error, by_chance))


def _shares(axes: "Axes", bins: Bins) -> None:
    """The share of right images of each bin, its interval, and how far it is from the diagonal."""
    from matplotlib.ticker import PercentFormatter

    some = bins.images > 0
    places, widths = _bars(bins)
    axes.bar(places[some], bins.right[some], widths[some], color=BAR, edgecolor="white", lw=0.6, gid="bars")
    axes.plot([0, 1], [0, 1], color="#777777", lw=1.1, ls="--", gid="diagonal", label="perfectly calibrated")
    x = np.where(bins.low >= 1, CERTAIN, bins.claimed)[some]
    axes.vlines(x, bins.claimed[some], bins.right[some], color=GAP, lw=5, alpha=0.55, gid="gaps", label="off by")
    ends = np.stack([bins.right - bins.right_low, bins.right_high - bins.right])[:, some]
    axes.errorbar(
        x, bins.right[some], np.maximum(ends, 0), fmt="o", ms=4.6, mfc=_style.COLOURS[0], mec="white", mew=0.5,
        color=_style.COLOURS[0], lw=1.2, capsize=2.4, label="right images, 95 % interval",
    )  # fmt: skip
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("share of right images")
    axes.grid(axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0.1, columnspacing=1.4)


def _counts(axes: "Axes", bins: Bins) -> None:
    """How many images each bin has."""
    places, widths = _bars(bins)
    some = bins.images > 0
    axes.bar(places[some], bins.images[some], widths[some], color=_style.COLOURS[0], edgecolor="white", lw=0.6)
    top = max(bins.images.max(initial=1), 1)
    for place, count in zip(places[some].tolist(), bins.images[some].tolist(), strict=True):
        axes.text(place, count + 0.04 * top, f"{count:,}", ha="center", va="bottom", size=6.5, gid="count")
    axes.set_ylim(0, 1.24 * top)
    axes.set_ylabel("images")
    first = float(bins.low[some].min(initial=1.0))
    axes.set_xlim(max(0.0, first - 0.02), CERTAIN + NARROW)
    axes.set_xlabel("probability of the predicted class")


def _bars(bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Middle and width (bins,) of the bars; that of certain images is narrow and beyond the others."""
    certain = bins.low >= 1
    middles = np.where(certain, CERTAIN, (bins.low + bins.high) / 2)
    return middles, np.where(certain, NARROW, bins.high - bins.low)


def _caption(bins: Bins, error: float, by_chance: float) -> str:
    """What the distances from the diagonal say."""
    total = max(int(bins.images.sum()), 1)
    claimed, right = (float(np.nansum(values * bins.images) / total) for values in (bins.claimed, bins.right))
    sure = "it claims as much as it holds"
    if abs(claimed - right) >= ALIKE:
        sure = "it is too sure of itself" if claimed > right else "it is right more often than it claims"
    certain = bool(bins.images[bins.low >= 1].any())
    beyond = " The bar beyond 1 holds the images with a probability of exactly 1." if certain else ""
    return (
        "Each bar is the share of right images among those whose highest probability is in a bin, each mark stands at "
        "their mean probability; the vertical line is how far both are apart. "
        f"On average the classifier claims {100 * claimed:.0f} % and is right in {100 * right:.0f} %: {sure}. "
        f"The expected calibration error is {error:.3f}; on so few images, calibrated probabilities would come to "
        f"{by_chance:.3f} by chance.{beyond}"
    )
