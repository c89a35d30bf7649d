"""The page of all papers, ``docs/papers.md``, from stored tables alone."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backbench import hashing
from backbench.papers.page import paper, words
from backbench.papers.table import Table

# A path of some machine within a text; its last part is what may be shown.
PATH = re.compile(r"(?<![\w.~/:])~?/(?:[\w.@+~-]+/)*([\w.@+~-]+)/?")
PLACE = "PATH/TO/"


def render(tables: Iterable[Table]) -> str:
    """The page of these tables: a summary, then each paper; the same text whatever their order."""
    groups: dict[str, list[Table]] = {}
    order = sorted(
        map(public, tables), key=lambda table: (table.name, bool(table.stand_ins), table.command, table.sweep)
    )
    for table in order:
        groups.setdefault(table.name, []).append(table)
    entries = [[_entry(table) for table in group] for group in groups.values()]
    return paper.tidy(words.text().all(_summary(order), entries))


def public(table: Table) -> Table:
    """The table without places of the machine that made it: of each path the last part is left."""
    return Table.from_record(without_places(json.loads(json.dumps(table.record()))))


def without_places(value: Any) -> Any:
    """Plain JSON in which every path of a machine is ``PATH/TO/`` and its last part."""
    if isinstance(value, str):
        return PATH.sub(lambda match: PLACE + match[1], value)
    if isinstance(value, Mapping):
        return {key: without_places(item) for key, item in value.items()}
    return [without_places(item) for item in value] if isinstance(value, list) else value


def _summary(tables: Sequence[Table]) -> list[list[str]]:
    """One line for each table."""
    rows = [["paper", "made with", "published and ours", "time"], ["---"] * 4]
    for table in tables:
        instead = "; ".join(stand_in.words for stand_in in table.stand_ins)
        made = f"stand-ins: {instead}" if instead else words.setting(table)
        link = f"[{table.title}](#{_slug(table.title)}) (`{table.name}`)"
        rows.append([cell.replace("|", "/") for cell in (link, made, words.short(table), words.brief_time(table))])
    return rows


def _entry(table: Table) -> dict[str, Any]:
    known = {"table": table, "said": words.short(table), "marks": words.marks(table), "rows": words.rows(table)}
    origin = {"machine": words.machine(table), "sweep": hashing.short(table.sweep), "versions": words.versions(table)}
    return {**known, **origin, "time": words.time(table)}


def _slug(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
