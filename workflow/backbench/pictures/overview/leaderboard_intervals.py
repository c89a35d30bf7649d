"""The best of each leaderboard with intervals, and which of them are not distinguishable."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench.engine.grid import HEADS
from backbench.evaluate.configurations import is_seed
from backbench.evaluate.leaderboard_specs import VARYING
from backbench.pictures.source import Sweep
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.evaluate.leaderboards import Entry, Leaderboard
    from backbench.plots import intervals
    from backbench.plots.intervals import Listing

TITLE = "Leaderboards with 95 % intervals"
CATEGORY = "Sweep"
ORDER = 10
BEST = 12
# The most leaderboards in a picture.
BOARDS = 6


def lacks(sweep: Sweep) -> str | None:
    """Why there is no leaderboard."""
    done = any(record["metrics"] for row in sweep.rows for record in row.heads.values())
    return None if done else f"no {', '.join(HEADS[:-1])} or {HEADS[-1]} with a metric is done"


def draw(sweep: Sweep) -> Picture:
    """A panel for each leaderboard."""
    from backbench.evaluate import leaderboards
    from backbench.plots import intervals

    tables = [table for table in leaderboards.leaderboards(sweep.rows, sweep.store) if table.entries]
    shown = tables[:BOARDS]
    parts = [
        f"The best {BEST} of each leaderboard. Entries that are not distinguishable share a rank (=) and a shade. "
        "Overlapping lines do not decide that: ranks come from paired differences on the same images.",
        *dict.fromkeys(table.note for table in shown if table.note),
        f"Shown are the first {BOARDS} of {len(tables)} leaderboards." if len(tables) > BOARDS else "",
    ]
    return intervals.draw(sweep.heading(TITLE), list(map(listing_of, shown)), " ".join(filter(None, parts)))


def listing_of(table: "Leaderboard") -> "Listing":
    """The best entries of a table under names that distinguish them from all others."""
    from backbench.plots.intervals import Listing

    names = names_of(table.entries, table.spec.params, VARYING[table.spec.head])
    best = list(zip(table.entries, names, strict=True))[:BEST]
    title = f"{table.title}: {len(best)} of {len(table.entries)}"
    return Listing(title, table.spec.rank, [_entry(entry, name, table.spec.rank) for entry, name in best])


def _entry(entry: "Entry", name: str, metric: str) -> "intervals.Entry":
    from backbench.plots import intervals

    value = entry.values[metric]
    low, high = value.low, value.high
    if value.over is None or low is None or high is None:
        low, high = math.nan, math.nan
    return intervals.Entry(name, value.mean, low, high, value.over or "", value.n, entry.rank, entry.tied)


def names_of(entries: Sequence["Entry"], columns: Sequence[str], prefixes: tuple[str, ...]) -> list[str]:
    """What the columns of a leaderboard say of each entry, and the options that distinguish namesakes."""
    plugins = [column for column in columns if column != "k"]
    labels = [" ".join(_words(entry.params, columns)) for entry in entries]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        groups.setdefault(" ".join(_words(entry.params, plugins)), []).append(entry.params)
    varying = {name: _varying(group, columns, prefixes) for name, group in groups.items()}
    names = []
    for entry, name in zip(entries, labels, strict=True):
        keys = varying[" ".join(_words(entry.params, plugins))]
        names.append(
            " ".join([name, *(f"{key.split('.', 1)[1]}={entry.params[key]}" for key in keys if key in entry.params)])
        )
    return names


def _varying(group: Sequence[Mapping[str, Any]], columns: Sequence[str], prefixes: tuple[str, ...]) -> list[str]:
    """The options in which entries of the same plugins differ."""
    keys = dict.fromkeys(key for params in group for key in params if key.startswith(prefixes) and key not in columns)
    return [key for key in keys if not is_seed(key) and len({str(params.get(key)) for params in group}) > 1]


def _words(params: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """``pixels``, ``pca50``, ``kmeans``, ``k=10``: plugins and chains as they are, other parameters by name."""
    words = []
    for column in columns:
        value = params.get(column)
        if value in (None, "none"):
            continue
        plain = column.endswith((".name", "chain", ".metric"))
        words.append(str(value) if plain else f"{column.split('.')[-1]}={value}")
    return words
