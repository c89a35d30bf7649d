"""The best of each leaderboard with intervals, and who cannot be told from whom."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbench.evaluate.configurations import is_seed
from backbench.evaluate.leaderboard_specs import VARYING
from backbench.pictures.source import Sweep
from backbench.plots import Picture
from backbench.sweep.plan.grid import HEADS

if TYPE_CHECKING:
    from backbench.evaluate.leaderboards import Entry, Leaderboard
    from backbench.plots.intervals import Listing

TITLE = "Leaderboards with 95 % intervals"
CATEGORY = "Sweep"
ORDER = 10
BEST = 12
# Boards that a picture has room for.
BOARDS = 6


def lacks(sweep: Sweep) -> str | None:
    """Why there is no leaderboard."""
    done = any(record["metrics"] for row in sweep.rows for record in row.heads.values())
    return None if done else f"no {', '.join(HEADS[:-1])} or {HEADS[-1]} with a metric is done"


def draw(sweep: Sweep) -> Picture:
    """A panel for each leaderboard."""
    from backbench.evaluate import leaderboards
    from backbench.plots import intervals

    found = [table for table in leaderboards.leaderboards(sweep.rows, sweep.store) if table.entries]
    shown = found[:BOARDS]
    parts = [
        f"The best {BEST} of each leaderboard. Those that cannot be told apart share a rank (=) and a shade. "
        "Overlapping lines do not decide: ranks come from paired differences on the same images.",
        *dict.fromkeys(table.note for table in shown if table.note),
        f"{BOARDS} of {len(found)} leaderboards are shown, the first." if len(found) > BOARDS else "",
    ]
    return intervals.draw(sweep.heading(TITLE), list(map(listing_of, shown)), " ".join(filter(None, parts)))


def listing_of(table: "Leaderboard") -> "Listing":
    """The best entries of a table under names that tell them apart from all others."""
    from backbench.plots.intervals import Listing

    names = names_of(table.entries, table.spec.params, VARYING[table.spec.head])
    best = list(zip(table.entries, names, strict=True))[:BEST]
    title = f"{table.title}: {len(best)} of {len(table.entries)}"
    return Listing(title, table.spec.rank, [_entry(entry, name, table.spec.rank) for entry, name in best])


def _entry(entry: "Entry", name: str, metric: str):
    from backbench.plots import intervals

    own = entry.values[metric]
    known = own.over is not None and own.low is not None and own.high is not None
    ends = (own.low, own.high) if known else (math.nan, math.nan)
    return intervals.Entry(name, own.mean, *ends, own.over or "", own.n, entry.rank, entry.tied)


def names_of(entries: Sequence["Entry"], columns: Sequence[str], prefixes: tuple[str, ...]) -> list[str]:
    """What a board's columns say of each entry, and the options that tell namesakes apart."""
    plugins = [column for column in columns if column != "k"]
    said = [" ".join(_words(entry.params, columns)) for entry in entries]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        groups.setdefault(" ".join(_words(entry.params, plugins)), []).append(entry.params)
    varying = {name: _varying(group, columns, prefixes) for name, group in groups.items()}
    names = []
    for entry, name in zip(entries, said, strict=True):
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
    """``pixels``, ``pca50``, ``kmeans``, ``k=10``: a plugin and a chain say themselves, other parameters by name."""
    found = []
    for column in columns:
        value = params.get(column)
        if value in (None, "none"):
            continue
        plain = column.endswith((".name", "chain", ".metric"))
        found.append(str(value) if plain else f"{column.split('.')[-1]}={value}")
    return found
