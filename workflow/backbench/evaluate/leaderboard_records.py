"""The rows of a leaderboard as flat records, for programs and for tables on a screen."""

from collections.abc import Iterable, Sequence
from typing import Any

from backbench import hashing
from backbench.evaluate import configurations, leaderboard_specs, leaderboards
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.evaluate.unranked import Unranked

Record = dict[str, Any]


def records(title: str, table: Leaderboard, limit: int | None = None) -> list[Record]:
    """The best of a table as programs read it, and then those that are not ranked, with the reason."""
    params = columns_of(table)
    board: Record = {"dataset": title, "board": table.spec.head, "title": table.title}
    return [
        *({**board, **_machine(table, entry, params)} for entry in table.entries[:limit]),
        *({**board, **_left_out(table, other, params)} for other in table.unranked[:limit]),
    ]


def _machine(table: Leaderboard, entry: Entry, params: Sequence[str]) -> Record:
    """An entry as programs read it: the interval of the ranking metric, then those of the others by name."""
    ranked, spec = entry.values[table.spec.rank], table.spec
    place = {"rank": entry.rank, "tied": entry.tied, "ranked_by": spec.rank, "not_ranked": None}
    shown = record(table, entry, params)
    hash_ = {"run": shown.pop("run")}
    between = {"low": ranked.low, "high": ranked.high, "over": ranked.over}
    others = {
        f"{name}_{end}": getattr(value, end)
        for name, value in entry.values.items()
        if name != spec.rank and value.over
        for end in ("low", "high")
    }
    return {**place, **shown, **between, **others, **hash_}


def _left_out(table: Leaderboard, other: Unranked, params: Sequence[str]) -> Record:
    place = {"rank": None, "tied": None, "ranked_by": table.spec.rank, "not_ranked": other.reason}
    return {**place, **record(table, other, params)}


def columns_of(table: Leaderboard) -> list[str]:
    """The parameters that distinguish the rows of a table, those that are not ranked with them."""
    rows = [*(entry.row for entry in table.entries), *(other.row for other in table.unranked)]
    return [*table.spec.params, *leaderboard_specs.varying(table.spec, rows)]


def record(table: Leaderboard, entry: "Entry | Unranked", params: Iterable[str]) -> Record:
    """Parameters and means of metrics of a row, its run, and how many seeds, splits and draws it has if several."""
    shown: Record = {name: entry.params.get(name) for name in params}
    if isinstance(entry, Entry):
        shown |= {name: entry.values[name].mean for name in table.spec.metrics if name in entry.values}
        steady: Record = {"stability": entry.stability}
    else:
        shown |= {name: entry.values[name] for name in table.spec.metrics if name in entry.values}
        steady = {}
    seeds, repeats = configurations.counted(entry.rows, table.spec.head)
    counts: Record = {"seeds": seeds, **({"repeats": repeats} if repeats > 1 else {})}
    counts |= {"draws": configurations.draws(entry.rows, table.spec.head)} if leaderboards.drawn(table) else {}
    return {**shown, **counts, **steady, "run": hashing.short(entry.config_hash)}
