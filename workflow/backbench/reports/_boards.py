"""Leaderboards as the page shows them: columns, cells with what they are sorted by, and one command for each row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backbench import hashing
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations, leaderboard_specs, leaderboards, unranked
from backbench.evaluate.estimates import Estimate
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.evaluate.unranked import Unranked
from backbench.metrics import catalogue
from backbench.reports._part import Part
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
    """A leaderboard of a data set: its entries, and after them what is not ranked."""
    entries, left_out = table.entries[:ROWS], table.unranked[:ROWS]
    both: list[Entry | Unranked] = [*entries, *left_out]
    params = [*table.spec.params, *leaderboard_specs.varying(table.spec, _rows(table))]
    metrics = [name for name in table.spec.metrics if any(name in other.values for other in both)]
    over = {value.over for entry in entries for value in entry.values.values() if value.over}
    counts = {id(other): configurations.counted(other.rows, table.spec.head) for other in both}
    seeds, repeats = (max(counted[place] for counted in counts.values()) > 1 for place in (0, 1))
    draws = leaderboards.drawn(table)
    stable = any(entry.stability is not None for entry in entries)
    columns = [Column("rank", NUMBER), *(_param(name, both) for name in params), *map(_metric, metrics)]
    columns += [Column("interval over", filtered=True)] * (len(over) > 1)
    columns += [Column("draws", NUMBER, down=True, about="draws of training images")] * draws
    columns += [Column("repeats", NUMBER, down=True, about="splits of the same images")] * repeats
    columns += [Column("seeds", NUMBER, down=True)] * seeds
    columns += [Column("stability", NUMBER, down=True, about="mean pairwise ARI of its labelings")] * stable
    columns += [Column("command to reproduce", COMMAND)]
    rows = [
        [
            _rank(other),
            *(_value(other.params.get(name)) for name in params),
            *(_measured(other, name) for name in metrics),
            *[_over(other)] * (len(over) > 1),
            *[_count(configurations.draws(other.rows, table.spec.head))] * draws,
            *[_count(counts[id(other)][1])] * repeats,
            *[_count(counts[id(other)][0])] * seeds,
            *[_stability(other)] * stable,
            command(other.config_hash),
        ]
        for other in both
    ]
    key, tied = f"board-{place}-{part.key}", any(map(_is_tied, table.entries))
    hidden = len(table.entries) + len(table.unranked) - len(both)
    about = " ".join(filter(None, (leaderboards.words(table), unranked.words(table.unranked))))
    return View(key, table.title, about, tied, columns, rows, hidden)


def _count(number: int) -> Cell:
    return Cell(str(number), number)


def _rows(table: Leaderboard) -> list[Row]:
    return [*(entry.row for entry in table.entries), *(other.row for other in table.unranked)]


def command(config_hash: str) -> Cell:
    """The cell that says how a run is computed again."""
    short = hashing.short(config_hash)
    return Cell(f"backbench reproduce {short}", short)


def _is_tied(entry: Entry) -> bool:
    return entry.tied > 1 and entry.tested


def _rank(entry: "Entry | Unranked") -> Cell:
    """The rank; for what has none the reason, and nothing to sort it by, so that it comes last."""
    if isinstance(entry, Unranked):
        return Cell("not ranked", below=entry.reason)
    tied = _is_tied(entry)
    return Cell(f"{entry.rank}{' =' if tied else ''}", entry.rank, tied=entry.tied - 1 if tied else 0)


def _measured(entry: "Entry | Unranked", name: str) -> Cell:
    """A metric; for what is not ranked without anything to sort it by, so that it comes last by every metric."""
    value = entry.values.get(name)
    cell = _counted(name, value) if name in leaderboard_specs.COUNTS else _estimate(value)
    return replace(cell, sort=None) if isinstance(entry, Unranked) else cell


def _counted(name: str, value: "Estimate | float | None") -> Cell:
    """A number of clusters without decimals, or a share in percent."""
    mean = value.mean if isinstance(value, Estimate) else value
    if mean is None or math.isnan(mean):
        return Cell("–")
    if catalogue.metric(name).share:
        return Cell(f"{100 * mean:.0f} %", mean)
    return Cell(f"{mean:.0f}" if mean == round(mean) else f"{mean:.1f}", mean)


def _stability(entry: "Entry | Unranked") -> Cell:
    return _estimate(entry.stability) if isinstance(entry, Entry) else Cell("–")


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


def _over(entry: "Entry | Unranked") -> Cell:
    if isinstance(entry, Unranked):
        return Cell("–")
    return _value(", ".join(dict.fromkeys(value.over for value in entry.values.values() if value.over)) or None)


def _param(name: str, entries: "Sequence[Entry | Unranked]") -> Column:
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
    """All entries of all leaderboards of a data set as flat records, and what is not ranked with the reason."""
    ranked = [(table, entry) for table in part.boards for entry in table.entries]
    left_out = [(table, other) for table in part.boards for other in table.unranked]
    pairs: list[tuple[Leaderboard, Entry | Unranked]] = [*ranked, *left_out]
    return [_record(part, table, other) for table, other in pairs]


def _record(part: Part, table: Leaderboard, entry: "Entry | Unranked") -> tables.Record:
    varying = leaderboard_specs.varying(table.spec, _rows(table))
    params = {name: entry.params.get(name) for name in (*table.spec.params, *varying)}
    board = {"dataset": part.name, "leaderboard": table.title}
    known = {"results": len(entry.rows), "config_hash": entry.config_hash}
    if isinstance(entry, Unranked):
        return {**board, "rank": None, "tied": None, **params, **entry.values, **known, "not_ranked": entry.reason}
    values: dict[str, Any] = {}
    for name, value in entry.values.items():
        values |= {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high, f"{name}_over": value.over}
    counts = {"results": known["results"], "stability": entry.stability, "config_hash": known["config_hash"]}
    return {**board, "rank": entry.rank, "tied": entry.tied, **params, **values, **counts, "not_ranked": None}
