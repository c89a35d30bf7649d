"""Curves over the epochs of a training: the loss on the training and on the validation images."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench.plots import Heading, Picture, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = ("-", "--", ":", "-.")
# Curves whose largest value is more than so many times the smallest have a logarithmic axis.
SPANS = 10.0
# With more epochs than these, the curves have no markers.
MARKED = 40


def draw(
    heading: Heading,
    curves: Mapping[str, Sequence[float]],
    unit: str,
    caption: str,
    best: tuple[str, int] | None = None,
    stopped: str = "",
) -> Picture:
    """Values after each epoch, counted from 1.

    Parameters
    ----------
    best
        The curve that decides and its best epoch, which is marked.
    stopped
        Why the training ended, in words; written into the picture.
    """
    epochs = max((len(values) for values in curves.values()), default=0)
    with _style.style():
        figure = _style.figure(heading, 6.6, 3.7)
        axes = figure.subplots()
        _curves(axes, curves, epochs)
        _scale(axes, curves, unit)
        if best:
            _best(axes, *best, curves[best[0]][best[1] - 1])
        if stopped:
            axes.set_title(stopped, size=8, color="#555555", loc="right", gid="stopped")
        axes.legend(loc="best")
    return Picture(figure, _data(curves, epochs), caption)


def logarithmic(curves: Mapping[str, Sequence[float]]) -> bool:
    """Whether the values span more than an order of magnitude and all have a logarithm."""
    values = [value for curve in curves.values() for value in curve if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > SPANS * min(values)


def _curves(axes: "Axes", curves: Mapping[str, Sequence[float]], epochs: int) -> None:
    for number, (name, values) in enumerate(curves.items()):
        marker = _style.MARKERS[number % len(_style.MARKERS)] if epochs <= MARKED else ""
        look: dict[str, Any] = {
            "color": _style.colour(number),
            "ls": LINES[number % len(LINES)],
            "marker": marker,
            "ms": 3.6,
        }
        axes.plot(range(1, len(values) + 1), values, label=name, lw=1.6, gid="curve", **look)


def _scale(axes: "Axes", curves: Mapping[str, Sequence[float]], unit: str) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

    if logarithmic(curves):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter("")
        unit = f"{unit}, logarithmic"
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch (passes over the training images)")
    axes.set_ylabel(unit)
    axes.grid(axis="y")


def _best(axes: "Axes", name: str, epoch: int, value: float) -> None:
    """A ring around the best value and a line down to its epoch."""
    axes.axvline(epoch, color="#999999", lw=0.9, ls=":", gid="best")
    ring: dict[str, Any] = {
        "marker": "o",
        "ms": 9,
        "mfc": "none",
        "mec": _style.INK,
        "mew": 1.3,
        "ls": "none",
        "gid": "best",
    }
    axes.plot([epoch], [value], label=f"best epoch {epoch}: {value:.4g} ({name})", **ring)


def _data(curves: Mapping[str, Sequence[float]], epochs: int) -> dict[str, list[float]]:
    padded = {name: [*map(float, values), *[math.nan] * (epochs - len(values))] for name, values in curves.items()}
    return {"epoch": list(range(1, epochs + 1)), **padded}
