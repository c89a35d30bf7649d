"""Names beside points, placed so that they cover neither each other nor the points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Directions tried in turn, and how far from the edge of the point, in typographic points.
WAYS = (
    *((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)),
    *((0.85, 1), (-0.85, 1), (0.85, -1), (-0.85, -1)),
)
DISTANCES = (2, 9, 19, 33, 50)
# Nearer than this, a name needs no line to its point.
NEAR = 5


@dataclass(frozen=True)
class Placed:
    """The names without room by their number, and the boxes (4,) in pixels of those that have some."""

    left: list[int]
    boxes: list[np.ndarray]


def place(
    axes: "Axes",
    points: np.ndarray,
    names: Sequence[str],
    radius: float | Sequence[float] = 4.0,
    size: float = 7.5,
    reach: int = len(DISTANCES),
    taken: Sequence[np.ndarray] = (),
) -> Placed:
    """Write `names` beside `points` (n, 2), in their order; an empty name only keeps its point clear.

    `radius` is that of the points, in typographic points; `reach` says how many of `DISTANCES` are tried, and `taken`
    are boxes (4,) to keep clear. The figure must have been laid out before and must keep its limits.
    """
    scale = axes.figure.dpi / 72
    spots = axes.transData.transform(points)
    radii = np.broadcast_to(np.asarray(radius, dtype=float), len(spots)) * scale
    frame = axes.get_window_extent()
    room = np.array([frame.x0, frame.y0, frame.x1, frame.y1])
    dots = np.hstack([spots - radii[:, None], spots + radii[:, None]])
    boxes, left = list(taken), []
    for number, name in enumerate(names):
        if not name:
            continue
        extent = _extent(axes, name, size)
        others = np.vstack([np.delete(dots, number, axis=0), *boxes])
        placement = _free(spots[number], extent, radii[number], others, room, scale, reach)
        if placement is None:
            left.append(number)
            continue
        offset, box, distance = placement
        boxes.append(box)
        _write(axes, points[number], name, offset / scale, size, distance > NEAR)
    return Placed(left, boxes)


def _extent(axes: "Axes", name: str, size: float) -> tuple[float, float]:
    """Width and height of a text in pixels."""
    text = axes.text(0, 0, name, size=size)
    box = text.get_window_extent()
    text.remove()
    return box.width + 2, box.height + 2


def _free(
    spot: np.ndarray,
    extent: tuple[float, float],
    radius: float,
    others: np.ndarray,
    room: np.ndarray,
    scale: float,
    reach: int,
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Offset (2,) of the middle of a text from `spot` (2,), its box (4,) and its distance, at the first free place.

    `others` (m, 4) are boxes to keep clear, `room` (4,) is the frame; all are in pixels.
    """
    half = np.array(extent) / 2
    for distance in DISTANCES[:reach]:
        for way in WAYS:
            slant = 0.75 if all(way) else 1.0
            offset = np.array(way) * ((distance * scale + radius) * slant + half)
            middle = spot + offset
            box = np.concatenate([middle - half, middle + half])
            inside = (box[:2] >= room[:2]).all() and (box[2:] <= room[2:]).all()
            if inside and not _meets(box, others):
                return offset, box, distance
    return None


def _meets(box: np.ndarray, taken: np.ndarray) -> bool:
    """Whether a box (4,) meets one of `taken` (m, 4)."""
    apart = (taken[:, :2] >= box[2:]) | (taken[:, 2:] <= box[:2])
    return bool((~apart.any(axis=1)).any())


def _write(axes: "Axes", point: np.ndarray, name: str, offset: np.ndarray, size: float, far: bool) -> None:
    """Write a name at an offset (2,) in typographic points from its point (2,), with a line to it where it is `far`."""
    (x, y), (right, up) = point.tolist(), offset.tolist()
    axes.annotate(
        name,
        (x, y),
        xytext=(right, up),
        textcoords="offset points",
        ha="center",
        va="center",
        size=size,
        gid="name",
        arrowprops={"arrowstyle": "-", "color": "#999999", "lw": 0.5, "shrinkA": 0, "shrinkB": 3} if far else None,
    ).set_in_layout(False)
