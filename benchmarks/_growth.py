"""Points of the scaling benchmark, and what is made of them: exponents, rates, a table, a plot."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _families

UPPER = 3
REFERENCE = {"n": 10_000, "d": 50, "k": 10}
LEAST_CPU = 1e-4
# What members share counts where it is so large a part of one that is computed by itself.
SHARED = 0.3
# What is too small to measure is drawn at these.
LEAST = {"seconds": 1e-3, "peak_mb": 0.5}
PANELS = {"clustering": "clustering", "classification": "classification", "neighbours": "neighbours and metrics"}


@dataclass
class Point:
    """A family on n rows of d columns; `ends` says why there are no larger ones, `note` what else is to be said.

    `single` are the processor seconds of one member by itself; 0 where nobody measured them.
    """

    kind: str
    family: str
    n: int
    d: int
    members: int
    model_mb: float | None
    seconds: float = 0.0
    cpu: float = 0.0
    single: float = 0.0
    peak_mb: float = 0.0
    ends: str | None = None
    note: str | None = None

    @property
    def fitted(self) -> int:
        """The rows that a member is fitted on, which the planner counts by."""
        return _families.rows_fitted(self.kind, self.n)

    @property
    def each(self) -> float:
        """Processor seconds of a member without what all share, where that is known."""
        if not self.single:
            return self.cpu / self.members
        return max(self.cpu - self.single, LEAST_CPU) / (self.members - 1)

    @property
    def shared(self) -> float:
        """Processor seconds of what members share."""
        return max(self.single - self.each, 0.0)


def families(points: Sequence[Point]) -> dict[tuple[str, str], list[Point]]:
    """The points that were measured, of the fewer columns, by kind and family."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        if point.seconds and point.d == REFERENCE["d"]:
            found.setdefault((point.kind, point.family), []).append(point)
    return found


def slope(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """(exponent, value at size 1, as its logarithm) of least squares through the last three points, in logarithms."""
    xs, ys = ([math.log(max(value, 1e-9)) for value in part[-UPPER:]] for part in (sizes, values))
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((each - x) ** 2 for each in xs)
    exponent = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread if spread else math.nan
    return exponent, y - exponent * x


def time_exponent(own: Sequence[Point]) -> float:
    return slope([point.n for point in own], [point.cpu / point.members for point in own])[0]


def memory_exponent(own: Sequence[Point]) -> float:
    return slope([point.n for point in own], [point.peak_mb for point in own])[0]


def width_exponent(own: Sequence[Point], points: Sequence[Point], part: str = "cpu") -> float | None:
    """Exponent of the number of columns, from a point with more of them at a size that is there."""
    for wide in points:
        if (wide.kind, wide.family) == (own[0].kind, own[0].family) and wide.d != own[0].d and wide.seconds:
            narrow = next((point for point in own if point.n == wide.n), None)
            if narrow is not None and min(getattr(point, part) for point in (wide, narrow)) > 0:
                return math.log(getattr(wide, part) / getattr(narrow, part)) / math.log(wide.d / narrow.d)
    return None


# ------------------------------------------------------------------------------------------------ rates


def rates(points: Sequence[Point], old: Path) -> dict[str, Any]:
    """Seconds of one core for a member at the reference size, with exponents; families not measured keep theirs.

    Where members share much, that is a rate of its own. The exponent of k is measured by hand.
    """
    known = json.loads(old.read_text(encoding="utf-8")) if old.exists() else {}
    found = {"reference": REFERENCE, **{key: value for key, value in known.items() if key != "reference"}}
    for (kind, family), own in families(points).items():
        found.setdefault(kind, {})[family] = _rates(own, points)
    if "cosine" in found.get("neighbours", {}):
        found["retrieval"] = {"neighbours": found["neighbours"]["cosine"]}
    return {key: value if key == "reference" else dict(sorted(value.items())) for key, value in found.items()}


def stated(rate: Mapping[str, Any]) -> str:
    """A rate as a plugin states it."""
    powers = [f"{name}={rate[name]}" for name in ("n", "d", "k") if name in rate]
    shared = [f"shared={stated(rate['shared'])}"] if "shared" in rate else []
    return f"Cost({', '.join([str(rate['seconds']), *powers, *shared])})"


def _rates(own: Sequence[Point], points: Sequence[Point]) -> dict[str, Any]:
    each = _rate(own, points, "each")
    last = own[-1]
    return {**each, "shared": _rate(own, points, "shared")} if last.shared > SHARED * last.single else each


def _rate(own: Sequence[Point], points: Sequence[Point], part: str) -> dict[str, float]:
    sizes, values = [point.fitted for point in own], [getattr(point, part) for point in own]
    exponent, level = slope(sizes, values)
    if math.isnan(exponent):
        exponent, level = 1.0, math.log(values[0] / sizes[0])
    seconds = math.exp(level + exponent * math.log(REFERENCE["n"]))
    width = width_exponent(own, points, part)
    return {
        "seconds": float(f"{seconds:.3g}"),
        "n": round(max(exponent, 0.0), 2),
        "d": round(min(max(0.5 if width is None else width, 0.0), 2.0), 2),
    }


# ------------------------------------------------------------------------------------------------ table and plot


def table(points: Sequence[Point]) -> Iterator[str]:
    """Seconds and peak MB of each family by size, model beside measurement at the largest, and the exponents."""
    sizes = sorted({point.n for point in points if point.d == REFERENCE["d"]})
    columns = " | ".join(f"{n:,}" for n in sizes)
    yield f"| family | members | {columns} | time ~ n | time ~ d | MB ~ n | MB by model / measured |"
    yield f"| --- | ---: | {' | '.join('---:' for _ in sizes)} | ---: | ---: | ---: | ---: |"
    for (_, family), own in families(points).items():
        by_size = {point.n: point for point in own}
        cells = [_cell(by_size.get(n)) for n in sizes]
        width = width_exponent(own, points)
        exponents = [_number(time_exponent(own)), _number(width), _number(memory_exponent(own))]
        yield f"| {family} | {own[0].members} | {' | '.join([*cells, *exponents, _model(own[-1])])} |"


def _cell(point: Point | None) -> str:
    return "" if point is None else f"{point.seconds:,.2f} s, {point.peak_mb:,.0f} MB"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.2f}"


def _model(point: Point) -> str:
    if point.model_mb is None:
        return ""
    return f"{point.model_mb:,.0f} / {point.peak_mb:,.0f}"


def ends(points: Sequence[Point]) -> Iterator[str]:
    """Where families end before the largest size, and members that failed."""
    for point in points:
        said = point.ends or point.note
        if said:
            yield f"- {point.family}, {point.n:,} x {point.d}: {said}"


def plot(points: Sequence[Point], target: Path) -> None:
    """Seconds and peak MB, a row for each kind; beside the names the exponents of the grid's seconds.

    Lines differ in marker and dash, for print in grey; the same points give the same bytes.
    """
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "backbench", "svg.fonttype": "none", "font.size": 8})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(PANELS), 2, figsize=(10, 11), sharex=True, layout="constrained")
    for row, (kind, title) in enumerate(PANELS.items()):
        kinds = (kind,) if row < len(PANELS) - 1 else (kind, "metrics")
        own = {family: found for (each, family), found in families(points).items() if each in kinds}
        _panel(axes[row, 0], own, "seconds", f"{title}: seconds of the grid")
        _panel(axes[row, 1], own, "peak_mb", f"{title}: peak MB")
        names = [f"{family} ({_number(_slope(found, 'seconds'))})" for family, found in own.items()]
        axes[row, 1].legend(
            names, loc="upper left", bbox_to_anchor=(1.02, 1.0), title="slope of seconds", frameon=False
        )
    for axis in axes[-1]:
        axis.set_xlabel("rows")
    figure.savefig(target, metadata={"Date": None})


def _slope(found: Sequence[Point], value: str) -> float:
    return slope([point.n for point in found], [max(getattr(point, value), LEAST[value]) for point in found])[0]


def _panel(axis: Any, own: dict[str, list[Point]], value: str, title: str) -> None:
    markers, dashes, greys = "osv^Dx+*<>ph", ("-", "--", ":", "-."), ("0.0", "0.35", "0.55")
    for number, found in enumerate(own.values()):
        style = {"marker": markers[number % len(markers)], "color": greys[number % len(greys)], "markersize": 4}
        sizes, values = [point.n for point in found], [max(getattr(point, value), LEAST[value]) for point in found]
        axis.loglog(
            sizes,
            values,
            linestyle=dashes[number % len(dashes)],
            linewidth=1,
            **style,
        )
    axis.set_title(title)
    axis.grid(True, which="major", linewidth=0.3)
