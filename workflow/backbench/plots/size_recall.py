"""Recall of each class against its number of training images: are small classes recognised less well?"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backbench.plots import Heading, Picture, _labels, _style
from backbench.plots._names import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Up to so many classes are all named; of more, so many that lie farthest from the line.
ALL_NAMED, OUTLIERS = 12, 10
# Sizes that differ by less than the first factor count as equal: no line. The axis spans at least the second.
EQUAL, ALIKE = 1.1, 1.5


def draw(
    heading: Heading, names: Sequence[str], sizes: np.ndarray, recalls: np.ndarray, support: np.ndarray
) -> Picture:
    """A mark for each class: `sizes` training images, `recalls` on `support` test images (each (classes,)).

    Classes without test images have no recall and are left out. The line is the least-squares one of recall on the
    logarithm of the size; the outliers are the classes farthest from it.
    """
    sizes, recalls = np.asarray(sizes), np.asarray(recalls, dtype=float)
    kept = np.flatnonzero(~np.isnan(recalls))
    x, y = sizes[kept].astype(float), recalls[kept]
    correlation = spearman(x, y)
    missed, line = residuals(x, y)
    text = "Spearman correlation " + ("undefined" if math.isnan(correlation) else f"{correlation:+.2f}")
    with _style.style():
        figure = _style.figure(replace(heading, about=f"{heading.about}, {text}"), 6.6, 4.6)
        axes = figure.subplots()
        _axes(axes, x)
        if line is not None:
            axes.plot(*line, color="#888888", lw=1, ls="--", zorder=1, gid="trend", label="least-squares line")
            axes.legend(loc="lower right")
        axes.plot(x, y, "o", ms=5 if len(kept) <= 50 else 3.6, mec="white", mew=0.4, gid="classes", clip_on=False)
        _style.lay_out(figure)
        named = np.argsort(-np.abs(missed), kind="stable")[: len(kept) if len(kept) <= ALL_NAMED else OUTLIERS]
        short_names = legible(names, 24)
        _name(axes, np.column_stack([x, y]), [short_names[place] for place in kept.tolist()], named)
    data = {"class": list(names), "training_images": sizes.tolist(), "recall": recalls.tolist()}
    data["test_images"] = np.asarray(support).tolist()
    return Picture(figure, data, _caption(correlation, x, len(names)))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation of (m,) and (m,) (`scipy.stats.spearmanr`); NaN with fewer than three pairs or a constant."""
    from scipy.stats import spearmanr

    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(spearmanr(x, y).statistic)


def residuals(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Distance (m,) of each class at sizes and recalls (m,) from the line, and the line as x and y (50,).

    Where there is no line, distances are from the median.
    """
    place = np.log10(np.maximum(x, 0.5))
    if len(x) < 3 or alike(x):
        return y - (np.median(y) if len(y) else 0.0), None
    slope, start = np.polyfit(place, y, 1)
    ends = np.geomspace(max(x.min(), 0.5), x.max(), 50)
    return y - (start + slope * place), (ends, start + slope * np.log10(ends))


def alike(x: np.ndarray) -> bool:
    """Whether sizes (m,) are practically equal."""
    return len(x) > 0 and bool(np.ptp(x) == 0 or x.max() < EQUAL * x.min())


def _axes(axes: "Axes", x: np.ndarray) -> None:
    """Labels and limits of the axes for sizes (m,)."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("recall on the test images (0 to 1)")
    axes.set_xlabel("training images of the class (logarithmic)")
    axes.grid()
    if len(x) and x.min() == 0:
        axes.set_xscale("symlog", linthresh=1)
    else:
        axes.set_xscale("log")
    low, high = (x.min(), x.max()) if len(x) else (1, 10)
    least, most = max(low, 1), max(high, 1)
    room = max((most / least) ** 0.08, (ALIKE * least / most) ** 0.5, 1.05)
    axes.set_xlim(-0.3 if low == 0 else least / room, most * room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if most > 8 * least:
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        _few_ticks(axes, least / room, most * room, zero=low == 0)


def _few_ticks(axes: "Axes", start: float, end: float, zero: bool) -> None:
    """Ticks between the ends of an axis that spans hardly a power of ten."""
    from matplotlib.ticker import NullLocator

    inner = np.geomspace(start, end, 6)[1:-1]
    step = 10 ** math.floor(math.log10(max(np.diff(inner).min(), 1)))
    places = sorted({step * round(value / step) for value in inner} | ({0} if zero else set()))
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.xaxis.set_minor_locator(NullLocator())


def _name(axes: "Axes", points: np.ndarray, names: Sequence[str], named: np.ndarray) -> None:
    """Names of the outliers `named` (l,) of the points (m, 2), the farthest first; all other points are kept clear."""
    others = np.setdiff1d(np.arange(len(points)), named)
    order = np.concatenate([named, others]).astype(int)
    texts = [names[place] for place in named] + [""] * len(others)
    _labels.place(axes, points[order], texts, radius=3.0)


def _caption(correlation: float, x: np.ndarray, classes: int) -> str:
    """What the marks of classes with sizes (m,) show."""
    parts = [
        f"Each mark is a class: its number of training images against its recall on the test images ({len(x)} classes)."
    ]
    if not math.isnan(correlation):
        parts.append(
            f"Their Spearman correlation is {correlation:+.2f}: above 0, larger classes are recognised better."
        )
    else:
        parts.append("Their Spearman correlation is undefined.")
    if len(x) and alike(x):
        span = f"{x.min():,.0f}" if np.ptp(x) == 0 else f"{x.min():,.0f} to {x.max():,.0f}"
        parts.append(f"All classes have about as many training images ({span}), so size explains nothing here.")
    if len(x) > ALL_NAMED:
        parts.append(f"Up to {OUTLIERS} classes farthest from the line are named.")
    if len(x) < classes:
        parts.append(f"{classes - len(x)} of {classes} classes have no test images and are left out.")
    return " ".join(parts)
