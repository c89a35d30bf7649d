"""Elbows: the within-cluster sum of squares against k, and the knee, after which more clusters help little."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.metrics import catalogue
from backbench.plots import Data, Heading, Picture, _style, _ticks, columns
from backbench.plots._names import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRIC = catalogue.ELBOW


@dataclass(frozen=True)
class Curve:
    """A family of clusterings: its values at each k, one per seed; its knee, or None and the reason in `note`."""

    name: str
    values: Mapping[int, Sequence[float]]
    knee: int | None
    note: str


def draw(
    heading: Heading, panels: Mapping[str, Sequence[Curve]], run_k: int | None = None, caption: str = ""
) -> Picture:
    """A panel for each feature space; knees are ringed, and `run_k` marks the k of one run with a diamond."""
    across = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    rows = math.ceil(len(panels) / across)
    wide, high = (6.4, 3.7) if len(panels) == 1 else (3.6, 2.4)
    with _style.style():
        lines = max(map(len, panels.values()))
        figure = _style.figure(heading, wide * across, (high + 0.17 * lines + 0.2) * rows)
        grid = figure.subplots(rows, across, squeeze=False)
        titles = dict(zip(panels, legible(panels, 44), strict=True))
        for axes, (title, curves) in zip(grid.flat, panels.items(), strict=False):
            _panel(axes, curves, run_k)
            axes.set_title(titles[title])
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        metric = catalogue.metric(METRIC)
        for axes in grid[:, 0]:
            axes.set_ylabel(f"{metric.words}\n({metric.unit})")
    return Picture(figure, _data(panels), caption)


def _panel(axes: "Axes", curves: Sequence[Curve], run_k: int | None) -> None:
    from matplotlib.ticker import EngFormatter

    shown = legible([curve.name for curve in curves], 30)
    for at, (curve, name) in enumerate(zip(curves, shown, strict=True)):
        colour = _style.colour(at)
        ks = sorted(curve.values)
        mean = {k: float(np.mean(curve.values[k])) for k in ks}
        label = f"{name}: knee at k={curve.knee}" if curve.knee is not None else f"{name}: {curve.note}"
        axes.plot(ks, [mean[k] for k in ks], marker=_style.line_marker(at), ms=4, lw=1.3, color=colour, label=label)
        if any(len(values) > 1 for values in curve.values.values()):
            low, high = ([end(curve.values[k]) for k in ks] for end in (min, max))
            axes.fill_between(ks, low, high, color=colour, alpha=0.2, lw=0)
        if curve.knee is not None:
            _knee(axes, curve.knee, mean[curve.knee], colour)
        if run_k is not None and run_k in mean:
            look: dict[str, Any] = {"ms": 9, "mfc": "none", "mec": _style.INK, "mew": 1.4}
            axes.plot([run_k], [mean[run_k]], "D", linestyle="none", label=f"this run, k={run_k}", gid="own", **look)
    axes.set_xlabel("number of clusters k")
    _ticks.of_k(axes, min(k for curve in curves for k in curve.values))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.margins(x=0.06, y=0.09)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2 if len(curves) > 1 else -0.14), fontsize=7.5)


def _knee(axes: "Axes", k: int, value: float, colour: str) -> None:
    """A ring, and a dotted line down to the axis."""
    from matplotlib.transforms import blended_transform_factory

    axes.annotate(
        "",
        (k, 0),
        xycoords=blended_transform_factory(axes.transData, axes.transAxes),
        xytext=(k, value),
        textcoords="data",
        arrowprops={"arrowstyle": "-", "ls": ":", "lw": 1.1, "color": colour, "shrinkA": 6, "shrinkB": 0},
    )
    axes.plot([k], [value], "o", ms=12, mfc="none", mec=colour, mew=1.6, gid="knee")


def _data(panels: Mapping[str, Sequence[Curve]]) -> Data:
    flat = [
        (space, curve.name, k, float(np.mean(values)), min(values), max(values), len(values), curve.knee, curve.note)
        for space, curves in panels.items()
        for curve in curves
        for k, values in sorted(curve.values.items())
    ]
    names = ("space", "family", "k", METRIC, "least", "greatest", "seeds", "knee", "note")
    return columns(names, flat)
