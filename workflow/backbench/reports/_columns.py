"""Which columns of a table stand side by side on a page of 1,400 pixels; the others appear when they are asked for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backbench.evaluate import leaderboard_specs
from backbench.evaluate.leaderboards import Leaderboard
from backbench.metrics import catalogue
from backbench.reports._boards import COMMAND, View, label

# CSS pixels: of a table on the page, of a character, of one of the smaller lines, of what is around a cell, of a
# command and of the widest text before it goes on in the next line.
ROOM = 1340
CHARACTER, SMALL, AROUND, BUTTON, WIDEST = 7.4, 6.0, 15, 180, 340
BREAKS = re.compile(r"(?<=[_.-])|\s+")
NAME, PARAM, SCORE, MINOR, PLAIN = "name", "param", "score", "minor", ""


def roles(view: View, table: Leaderboard) -> list[str]:
    """What each column of a leaderboard is: ``param``, ``score``, ``minor`` (not shown at first) or nothing of these.

    On a phone the parameters stand in one column, and the score beside them.
    """
    varying = leaderboard_specs.varying(table.spec, [entry.row for entry in table.entries])
    params = {label(name) for name in (*table.spec.params, *varying)}
    score = catalogue.metric(table.spec.rank).words
    named = [SCORE if column.label == score else PARAM if column.label in params else PLAIN for column in view.columns]
    widths = [
        BUTTON if column.kind == COMMAND else width(column.label, *_widest(row[at] for row in view.rows))
        for at, column in enumerate(view.columns)
    ]
    first = [at for at, role in enumerate(named) if role or at == 0 or view.columns[at].kind == COMMAND]
    shown = fitting(widths, first)
    return [role if at in shown else MINOR for at, role in enumerate(named)]


def minor_runs(columns: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[Any]], metrics: Sequence[str]) -> set[int]:
    """The columns of the table of all runs that are not shown at first.

    Those that filter come first, then the `metrics` that results are ranked by, by their words.
    """
    widths = [
        width(column["label"], max((_characters(row[at], column) for row in rows), default=0))
        for at, column in enumerate(columns)
    ]
    asked = [at for at, column in enumerate(columns) if column["filtered"]]
    asked += [at for name in metrics for at, column in enumerate(columns) if column["label"] == name]
    shown = fitting([*widths, BUTTON], [len(columns), *asked])
    return {at for at in range(len(columns)) if at not in shown}


def fitting(widths: Sequence[float], first: Iterable[int], room: float = ROOM) -> set[int]:
    """The places of the columns that fit into `room`: those of `first`, then the others in their order."""
    shown: set[int] = set()
    for at in dict.fromkeys((*first, *range(len(widths)))):
        if widths[at] <= room:
            shown.add(at)
            room -= widths[at]
    return shown


def width(heading: str, characters: int, small: int = 0) -> float:
    """CSS pixels of a column whose longest texts have so many characters, in the line and in the smaller one below."""
    # A heading goes on in the next line, and has an arrow behind its last word.
    words = max((len(word) for word in BREAKS.split(heading) if word), default=0) + 2
    return AROUND + min(WIDEST, max(CHARACTER * max(words, characters), SMALL * small))


def _widest(cells: Iterable[Any]) -> tuple[int, int]:
    """Characters of the longest text and of the longest line below it."""
    listed = list(cells)
    return max((len(cell.text) for cell in listed), default=0), max((len(cell.below) for cell in listed), default=0)


def _characters(value: Any, column: Mapping[str, Any]) -> int:
    """How long a value of the table of all runs is."""
    return (
        len(f"{value:.{column['decimals']}f}") if column["decimals"] and isinstance(value, float) else len(str(value))
    )
