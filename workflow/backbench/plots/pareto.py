"""Quality against speed: every representation as a point, and the front of those that no other beats in both."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backbench.metrics import catalogue
from backbench.plots import Data, Heading, Picture, _labels, _style
from backbench.plots._names import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# With more points than this, those behind the front are named only where there is room close by.
MANY, AT_HAND = 25, 2
# Axes of fewer decades than this have ticks at 2 and 5 too.
NARROW = 2.5
SPEED = "images extracted per second (log scale, higher is better)"


@dataclass(frozen=True)
class Point:
    """A representation: images per second, its score, and the device that it was extracted on."""

    name: str
    speed: float
    score: float
    device: str
    detail: str = ""


def front(speeds: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Places of the points that no other equals in both and beats in one, slowest first."""
    pairs = list(zip(speeds, scores, strict=True))
    kept = [at for at, pair in enumerate(pairs) if not any(_beats(other, pair) for other in pairs)]
    return sorted(kept, key=lambda at: (*pairs[at], at))


def _beats(pair: tuple[float, float], other: tuple[float, float]) -> bool:
    return pair[0] >= other[0] and pair[1] >= other[1] and pair != other


def draw(heading: Heading, points: Sequence[Point], metric: str, caption: str = "") -> Picture:
    """`points` by speed and score, with a marker and a front for each device: their speeds are not comparable."""
    devices = sorted({point.device for point in points})
    fronts = {device: _front_of(points, device) for device in devices}
    on_front = {at for places in fronts.values() for at in places}
    with _style.style():
        figure = _style.figure(heading, 7.4, 4.6)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.grid(color="#EEEEEE")
        for number, device in enumerate(devices):
            _device(axes, points, device, fronts[device], number)
        _frame(axes, points, metric)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=1)
        _style.lay_out(figure)
        unnamed = _name(axes, points, fronts)
    more = f" There was no room to name {unnamed} of the points; the table lists them all." if unnamed else ""
    return Picture(figure, _data(points, metric, on_front), (caption + more).strip())


def _front_of(points: Sequence[Point], device: str) -> list[int]:
    places = [at for at, point in enumerate(points) if point.device == device]
    best = front([points[at].speed for at in places], [points[at].score for at in places])
    return [places[place] for place in best]


def _device(axes: "Axes", points: Sequence[Point], device: str, best: Sequence[int], number: int) -> None:
    colour, mark = _style.colour(number), _style.MARKERS[number % len(_style.MARKERS)]
    places = [at for at, point in enumerate(points) if point.device == device]
    rest = [at for at in places if at not in best]
    look: dict[str, Any] = {"linestyle": "none", "marker": mark, "ms": 6, "mec": colour}
    axes.plot(*_places(points, rest), mfc="white", mew=1.2, gid="others", **look)
    axes.plot(*_places(points, best), lw=1.2, drawstyle="steps-pre", color=colour, gid="front")
    name = legible([device], 90)[0]
    axes.plot(*_places(points, best), mfc=colour, label=f"{name}: filled on the front, hollow behind it", **look)


def _places(points: Sequence[Point], chosen: Sequence[int]) -> tuple[list[float], list[float]]:
    return [points[at].speed for at in chosen], [points[at].score for at in chosen]


def _frame(axes: "Axes", points: Sequence[Point], metric: str) -> None:
    """Room on all sides for the names."""
    from matplotlib.ticker import LogLocator, NullFormatter

    speeds, scores = _places(points, range(len(points)))
    low, high = np.log10([min(speeds), max(speeds)])
    margin = max(0.22 * (high - low), 0.3)
    axes.set_xlim(10 ** (low - margin), 10 ** (high + margin))
    spread = max(scores) - min(scores) or 0.1
    axes.set_ylim(min(scores) - 0.15 * spread, max(scores) + 0.15 * spread)
    if high - low + 2 * margin < NARROW:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:.2g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(SPEED)
    axes.set_ylabel(catalogue.metric(metric).axis)


def _name(axes: "Axes", points: Sequence[Point], fronts: Mapping[str, Sequence[int]]) -> int:
    """Names beside the points, those on a front first; returns how many had no room."""
    best = {at for places in fronts.values() for at in places}
    order = sorted(range(len(points)), key=lambda at: (at not in best, -points[at].score, at))
    shown = legible([point.name for point in points], 34)
    spots = np.array([[points[at].speed, points[at].score] for at in order])
    first = [shown[at] if at in best else "" for at in order]
    named = _labels.place(axes, spots, first, taken=_lines(axes, points, fronts))
    rest = ["" if at in best else shown[at] for at in order]
    more = _labels.place(
        axes, spots, rest, taken=named.boxes, reach=AT_HAND if len(points) > MANY else len(_labels.DISTANCES)
    )
    return len(named.left) + len(more.left)


def _lines(axes: "Axes", points: Sequence[Point], fronts: Mapping[str, Sequence[int]]) -> list[np.ndarray]:
    """Boxes (4,) in pixels of the steps of the fronts."""
    boxes = []
    for chosen in fronts.values():
        spots = axes.transData.transform([[points[at].speed, points[at].score] for at in chosen])
        for (x, y), (to_x, to_y) in itertools.pairwise(spots):
            boxes += [np.array([x - 1, to_y - 1, x + 1, y + 1]), np.array([x - 1, to_y - 1, to_x + 1, to_y + 1])]
    return boxes


def _data(points: Sequence[Point], metric: str, on_front: set[int]) -> Data:
    return {
        "representation": [point.name for point in points],
        "images_per_second": [point.speed for point in points],
        metric: [point.score for point in points],
        "device": [point.device for point in points],
        "of": [point.detail for point in points],
        "on_front": [at in on_front for at in range(len(points))],
    }
