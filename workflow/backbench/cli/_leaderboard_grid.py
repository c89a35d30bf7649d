"""The best of a leaderboard as a table on a terminal: its columns, and which of them there is room for."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.evaluate import leaderboard_specs
from backbench.evaluate.leaderboard_records import Record, columns_of, record
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.metrics import catalogue

if TYPE_CHECKING:
    from rich.table import Table as Grid

SHORT = {"eps_quantile": "eps q"}
# Metrics beside the counts of clusters that a table keeps on a narrow terminal before it gives up the interval.
KEPT = 2
# Columns beside the metrics, each where a row has so many.
BESIDE = {"draws": 1, "repeats": 2, "seeds": 2, "stability": -2}
# The least width of a column that may be cut.
CUT = 6


def grid(table: Leaderboard, limit: int, width: int) -> tuple["Grid", bool]:
    """The best of a table, and whether it shows all the intervals of the ranking metric that there are."""
    from rich.markup import escape
    from rich.table import Table as Grid

    entries = table.entries[:limit]
    params = columns_of(table)
    records = [{"": _rank(entry), **_shown(record(table, entry, params))} for entry in entries]
    names, interval = _fitting(table, params, records, width)
    for line, entry in zip(records, entries, strict=True):
        line[table.spec.rank] = _value(entry, table.spec.rank, interval)
    title = escape(f"{table.title}: {len(records)} of {len(table.entries)}")
    made = Grid(title=title, title_justify="left", box=None)
    for name in names:
        kept = _width(name, records) - 2 if name in _whole(table) else None
        made.add_column(heading(name), justify="left" if name in params else "right", no_wrap=True, min_width=kept)
    for line in records:
        made.add_row(*(escape(cell(line.get(name))) for name in names))
    return made, interval or not any(entry.values[table.spec.rank].over for entry in entries)


def _shown(line: Record) -> Record:
    """A row whose counts of clusters are short: a number without decimals, shares in percent."""
    counts = {name: line[name] for name in leaderboard_specs.COUNTS if name in line}
    texts = {name: _count(name, value) for name, value in counts.items() if isinstance(value, float)}
    return {**line, **texts}


def _count(name: str, value: float) -> str:
    if catalogue.metric(name).share:
        return f"{100 * value:.0f} %"
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def _rank(entry: Entry) -> str:
    """``1``; ``1=`` where the rank is shared."""
    return f"{entry.rank}=" if entry.tied > 1 else f"{entry.rank} "


def _value(entry: Entry, metric: str, interval: bool) -> str:
    """``0.8312``, with its interval ``0.8312 [0.812, 0.849]`` where there is one and room for it."""
    estimate = entry.values[metric]
    between = f" [{estimate.low:.3f}, {estimate.high:.3f}]" if interval and estimate.over else ""
    return f"{cell(estimate.mean)}{between}"


def _whole(table: Leaderboard) -> tuple[str, ...]:
    """Columns that are never cut."""
    return ("", "k", table.spec.rank, *leaderboard_specs.COUNTS)


def _fitting(
    table: Leaderboard, params: Sequence[str], records: Sequence[Record], width: int
) -> tuple[list[str], bool]:
    """The columns that a terminal has room for, and whether the ranking metric has its interval.

    The last metrics go first, then the interval, then all but that metric and the counts of clusters; these go last,
    where there would be no room even if all other columns were cut.
    """
    extra = [name for name, fewest in BESIDE.items() if _any(records, name, fewest)]
    metrics, interval = list(table.spec.metrics), True
    counts = [name for name in leaderboard_specs.COUNTS if name in metrics]
    longest = max((len(_value(entry, table.spec.rank, True)) for entry in table.entries[: len(records)]), default=0)

    def columns() -> list[str]:
        return ["", *params, *metrics, *extra, "run"]

    def taken() -> int:
        more = longest - _width(table.spec.rank, records) + 2 if interval else 0
        return sum(_width(name, records) for name in columns()) + max(more, 0)

    def least() -> int:
        whole = _whole(table)
        return sum(_width(name, records) if name in whole else CUT for name in columns())

    while taken() > width and (interval or len(metrics) > 1 + len(counts)):
        others = [name for name in metrics[1:] if name not in counts]
        if others and (len(others) + 1 > KEPT or not interval):
            metrics.remove(others[-1])
        else:
            interval = False
    while least() > width and counts:
        metrics.remove(counts.pop())
    return columns(), interval


def _any(records: Sequence[Record], name: str, least: float) -> bool:
    return any(isinstance(value, int | float) and value >= least for value in (line.get(name) for line in records))


def _width(name: str, records: Sequence[Record]) -> int:
    return 2 + max(len(heading(name)), *(len(cell(line.get(name))) for line in records))


def heading(name: str) -> str:
    """A column's short name: ``backbone``, ``chain``, ``DB``."""
    if catalogue.known(name):
        return catalogue.metric(name).short
    last = name.removesuffix(".name").split(".")[-1]
    return SHORT.get(last, last)


def cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
