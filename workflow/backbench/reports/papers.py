"""The page of all papers, ``docs/papers.md``, from stored tables alone (layer 2)."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backbench import hashing
from backbench.papers.table import Table
from backbench.reports import _paper_words as words
from backbench.reports import paper

HEAD = """\
# Papers

<!-- Written by scripts/write_papers.py from docs/papers/*.json; a test keeps it fresh. Do not edit. -->

Published systems, made again: what each did, what its published figures really measure, and these beside ours under
the same definition, with the difference and why there is one. A paper is an ordinary experiment (`conf/experiment/`)
and what was published, as data, which nothing computes with. What a table was made with in place of the paper's own
images or weights stands above it as a stand-in; it was found by comparing the sweep with the preset. With the inputs
of the paper the same command runs unchanged.

```bash
backbench paper
```

lists them, and what each needs. Under *verdict*, *inside* and *outside* say whether the published figure lies in the
95 % interval of ours; *same digits* and *differs* compare figures that have no interval.
"""
# A path of some machine within a text; its last part is what may be shown.
PATH = re.compile(r"(?<![\w.~/:])~?/(?:[\w.@+~-]+/)*([\w.@+~-]+)/?")
PLACE = "PATH/TO/"


def render(found: Iterable[Table]) -> str:
    """The page of these tables: a summary, then each paper; the same text whatever their order."""
    groups: dict[str, list[Table]] = {}
    for table in sorted(map(public, found), key=lambda one: (one.name, bool(one.stand_ins), one.command, one.sweep)):
        groups.setdefault(table.name, []).append(table)
    sections = [section for group in groups.values() for section in _paper(group)]
    return "\n\n".join([HEAD.rstrip(), _summary(groups), *sections]) + "\n"


def public(table: Table) -> Table:
    """The table without places of the machine that made it: of each path the last part is left."""
    return Table.from_record(_public(json.loads(json.dumps(table.record()))))


def _public(value: Any) -> Any:
    if isinstance(value, str):
        return PATH.sub(lambda match: PLACE + match[1], value)
    if isinstance(value, Mapping):
        return {key: _public(item) for key, item in value.items()}
    return [_public(item) for item in value] if isinstance(value, list) else value


def _summary(groups: Mapping[str, Sequence[Table]]) -> str:
    """One line for each table."""
    head = ["paper", "made with", "published and ours", "time"]
    lines = [head, ["---"] * len(head)]
    for name, tables in groups.items():
        for table in tables:
            made = f"stand-ins: {'; '.join(one.words for one in table.stand_ins)}" if table.stand_ins else words.FULL
            link = f"[{table.title}](#{_slug(table.title)}) (`{name}`)"
            lines.append([link, made, words.short(table), words.brief_time(table)])
    return "\n".join(f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in line)} |" for line in lines)


def _paper(tables: Sequence[Table]) -> list[str]:
    """A paper: what it did and measured, then its tables."""
    first = tables[0]
    parts = [f"## {first.title}", " ".join(first.system.split())]
    parts.append(f"**What its published figures measure.** {' '.join(first.measures.split())}")
    for number, table in enumerate(tables, 1):
        parts += [f"### {_title(table, number if len(tables) > 1 else 0)}", *paper.body(table)]
        parts += [f"```bash\n{table.command}\n```", _made(table)]
    return parts


def _title(table: Table, number: int) -> str:
    """A heading that no other table of the page has."""
    more = f", table {number}" if number else ""
    return f"{table.name}{more}: {words.setting(table)}"


def _made(table: Table) -> str:
    versions = table.circumstances.get("versions") or {}
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    said = f"{words.time(table)} Machine: {words.machine(table)}. Sweep `{hashing.short(table.sweep)}`."
    return f"{said} Versions: {told}.".strip() if told else said.strip()


def _slug(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
