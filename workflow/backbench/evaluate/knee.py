"""The elbow of a curve that falls: Kneedle (Satopaa et al. 2011), or else the point farthest below the chord."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SENSITIVITY = 1.0
LEAST_POINTS = 3
# A chord's farthest point this little below it, in the unit square, is no elbow: the curve is all but straight.
LEAST_DEPTH = 0.1


@dataclass(frozen=True)
class Knee:
    """Where a curve bends; `depth` is how far it lies below the chord there, both axes scaled to 0..1."""

    x: int
    method: Literal["kneedle", "chord"]
    depth: float


def find(x: Sequence[int], y: Sequence[float]) -> Knee | None:
    """The elbow of the points (x, y), x increasing and y the worse the higher; None where the curve has none.

    Equals `kneed.KneeLocator(curve="convex", direction="decreasing", S=1)` on a curve that never rises; one that does
    counts by its running minimum, since more clusters can do as well as fewer. Kneedle needs the curve to flatten out
    by a whole step before it believes in a knee, which three points never do: where it finds none, the point farthest
    below the chord stands in, if it lies `LEAST_DEPTH` below.
    """
    if len(x) < LEAST_POINTS:
        return None
    lowest = [min(y[: i + 1]) for i in range(len(y))]
    below = _below_chord(x, lowest)
    if max(below) <= 0:
        return None
    at = _kneedle(x, lowest)
    if at is not None and below[at] > 0:
        return Knee(x[at], "kneedle", below[at])
    at = below.index(max(below))
    return Knee(x[at], "chord", below[at]) if below[at] >= LEAST_DEPTH else None


def _below_chord(x: Sequence[int], y: Sequence[float]) -> list[float]:
    """How far each point lies below the line from the first to the last one, in the unit square."""
    wide, high = x[-1] - x[0], y[0] - y[-1]
    if high <= 0:
        return [0.0] * len(x)
    return [(y[0] - value) / high - (place - x[0]) / wide for place, value in zip(x, y, strict=True)]


def _kneedle(x: Sequence[int], y: Sequence[float]) -> int | None:
    """Position of the knee that Kneedle finds, ends left out."""
    from kneed import KneeLocator

    bend = KneeLocator(list(x), list(y), S=SENSITIVITY, curve="convex", direction="decreasing").knee
    at = None if bend is None else list(x).index(int(bend))
    return at if at not in (0, len(x) - 1) else None
