"""Leaderboards as the page shows them: columns, cells with what they are sorted by, and one command for each row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import hashing
from backbench.evaluate import leaderboard_specs, leaderboards
from backbench.evaluate.estimates import Estimate
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.metrics import catalogue
from backbench.reports._part import Part
from backbench.sweep.results import tables
from backbench.wording import number

# Rows of one leaderboard: what a person scrolls, and a browser lays out at once.
ROWS = 300
# Parameters with so many values or fewer are filtered by a list of them.
FILTER_VALUES = 60
TEXT, NUMBER, COMMAND = "text", "number", "command"


@dataclass(frozen=True)
class Column:
    """A column: its heading, what is in it, and which end of it comes first when it is sorted."""

    label: str
    kind: str = TEXT
    down: bool = False
    filtered: bool = False
    about: str = ""


@dataclass(frozen=True)
class Cell:
    """`text` is shown, `sort` is what it is sorted by (None comes last), `below` stands small beneath it; `tied` is how
    many other rows share a rank."""

    text: str
    sort: Any = None
    below: str = ""
    tied: int = 0


@dataclass(frozen=True)
class View:
    """A table of the page; `hidden` is how many rows it leaves out, `tied` whether some of its rows share a rank."""

    key: str
    title: str
    about: str
    tied: bool
    columns: list[Column]
    rows: list[list[Cell]]
    hidden: int = 0


def view(part: Part, table: Leaderboard, place: int) -> View:
    """A leaderboard of a data set."""
    entries = table.entries[:ROWS]
    params = [*table.spec.params, *leaderboard_specs.varying(table.spec, [entry.row for entry in table.entries])]
    metrics = [name for name in table.spec.metrics if any(name in entry.values for entry in entries)]
    over = {value.over for entry in entries for value in entry.values.values() if value.over}
    seeds = max(len(entry.rows) for entry in entries) > 1
    stable = any(entry.stability is not None for entry in entries)
    columns = [Column("rank", NUMBER), *(_param(name, entries) for name in params), *map(_metric, metrics)]
    columns += [Column("interval over", filtered=True)] * (len(over) > 1)
    columns += [Column("seeds", NUMBER, down=True)] * seeds
    columns += [Column("stability", NUMBER, down=True, about="mean pairwise ARI of its labelings")] * stable
    columns += [Column("command to reproduce", COMMAND)]
    rows = [
        [
            _rank(entry),
            *(_value(entry.params.get(name)) for name in params),
            *(_estimate(entry.values.get(name)) for name in metrics),
            *[_over(entry)] * (len(over) > 1),
            *[Cell(str(len(entry.rows)), len(entry.rows))] * seeds,
            *[_estimate(entry.stability)] * stable,
            command(entry.config_hash),
        ]
        for entry in entries
    ]
    key, tied = f"board-{place}-{part.key}", any(map(_is_tied, table.entries))
    return View(key, table.title, leaderboards.words(table), tied, columns, rows, len(table.entries) - ROWS)


def command(config_hash: str) -> Cell:
    """The cell that says how a run is computed again."""
    short = hashing.short(config_hash)
    return Cell(f"backbench reproduce {short}", short)


def _is_tied(entry: Entry) -> bool:
    return entry.tied > 1 and entry.tested


def _rank(entry: Entry) -> Cell:
    tied = _is_tied(entry)
    return Cell(f"{entry.rank}{' =' if tied else ''}", entry.rank, tied=entry.tied - 1 if tied else 0)


def _value(value: Any) -> Cell:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell("–")
    return Cell(str(value), value if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value))


def _estimate(value: "Estimate | float | None") -> Cell:
    if value is None:
        return Cell("–")
    if isinstance(value, float):
        return Cell(number(value), None if math.isnan(value) else value)
    if math.isnan(value.mean):
        return Cell("–")
    return Cell(number(value.mean), value.mean, f"{value.low:.3f} to {value.high:.3f}" if value.over else "")


def _over(entry: Entry) -> Cell:
    return _value(", ".join(dict.fromkeys(value.over for value in entry.values.values() if value.over)) or None)


def _param(name: str, entries: Sequence[Entry]) -> Column:
    values = {str(entry.params.get(name)) for entry in entries if entry.params.get(name) is not None}
    numeric = all(isinstance(entry.params.get(name), (int, float, type(None))) for entry in entries)
    return Column(label(name), NUMBER if numeric else TEXT, filtered=1 < len(values) <= FILTER_VALUES)


def _metric(name: str) -> Column:
    metric = catalogue.metric(name)
    return Column(metric.words, NUMBER, down=metric.direction >= 0, about=metric.better)


def label(name: str) -> str:
    """A parameter's short name: ``backbone``, ``chain``, ``eps_quantile``."""
    return name.removesuffix(".name").split(".")[-1]


def filters(shown: View) -> list[Mapping[str, Any]]:
    """The lists of values that a table is filtered by: place of the column, its heading, its values in order."""
    lists: list[Mapping[str, Any]] = []
    for at, column in enumerate(shown.columns):
        if column.filtered:
            cells = {row[at].text: row[at].sort for row in shown.rows if row[at].sort is not None}
            values = sorted(cells, key=lambda text: (isinstance(cells[text], str), cells[text]))
            lists.append({"at": at, "label": column.label, "values": values})
    return lists


def records(part: Part) -> list[tables.Record]:
    """All entries of all leaderboards of a data set as flat records."""
    return [_record(part, table, entry) for table in part.tables for entry in table.entries]


def _record(part: Part, table: Leaderboard, entry: Entry) -> tables.Record:
    named = {"dataset": part.name, "leaderboard": table.title, "rank": entry.rank, "tied": entry.tied}
    varying = leaderboard_specs.varying(table.spec, [other.row for other in table.entries])
    params = {name: entry.params.get(name) for name in (*table.spec.params, *varying)}
    values: dict[str, Any] = {}
    for name, value in entry.values.items():
        values |= {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high, f"{name}_over": value.over}
    counts = {"results": len(entry.rows), "stability": entry.stability, "config_hash": entry.config_hash}
    return {**named, **params, **values, **counts}
