"""Output of ``backbench paper``: the list of papers, and the table of one."""

import json
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backbench import papers
from backbench.engine.results import tables
from backbench.papers.page import paper as pages
from backbench.papers.page import words
from backbench.papers.published import Published
from backbench.papers.table import Line, Table
from backbench.sweeping.launch import shown
from backbench.wording import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

# Columns of the output where it does not go to a terminal.
WIDTH = 110
# Columns of a table with their largest widths; the first gets what the others leave, but at least LEAST.
COLUMNS = {"figure": 60, "published": 13, "ours": 33, "difference": 13, "verdict": 11, "why": 9}
NUMBERS, LEAST, GAP = ("published", "ours", "difference"), 16, 2
COLOURS = {"fine": "green", "look": "yellow", "fault": "red", "absent": "dim"}


def listing(kind: str) -> None:
    """Print all papers, what each needs, and where its results are."""
    entries = [_entry(papers.load(name)) for name in papers.names()]
    if kind == "json":
        print(json.dumps(entries, indent=1))
    elif kind == "csv":
        records = [{**entry, **{key: "; ".join(entry[key]) for key in ("inputs", "made")}} for entry in entries]
        print(tables.to_csv(records), end="")
    else:
        print("\n\n".join(map(_listed, entries)))


def _entry(paper: Published) -> dict[str, Any]:
    given = sum(figure.published is not None for figure in paper.figures)
    return {
        "paper": paper.name,
        "title": paper.title,
        "figures": len(paper.figures),
        "published": given,
        "inputs": [needed.option for needed in paper.inputs],
        "made": [_made(folder.name, paper.name, shown(folder)) for folder in pages.made(paper.name)],
    }


def _made(sweep: str, name: str, place: str) -> str:
    table = pages.read(name, sweep)
    return f"{place} ({words.setting(table)}; {table.state})" if table else place


def _listed(entry: dict[str, Any]) -> str:
    needs = f"you provide {' and '.join(entry['inputs'])}" if entry["inputs"] else "needs no files of yours"
    about = f"{counted(entry['published'], 'published figure')} in {counted(entry['figures'], 'line')}; {needs}"
    lines = [f"{entry['paper']}", f"  {entry['title']}", f"  {about}"]
    return "\n".join([*lines, *(f"  results: {made}" for made in entry["made"] or ["none yet"])])


def show(table: Table, kind: str) -> None:
    """Print a table to stdout."""
    if kind == "json":
        print(json.dumps(table.record(), indent=1, sort_keys=True))
    elif kind == "csv":
        print(pages.csv(table), end="")
    elif kind == "markdown":
        print(pages.markdown(table), end="")
    else:
        _table(table)


def _table(table: Table) -> None:
    console = _console()
    marks = words.marks(table)
    _say(console, f"\n{table.title}", "bold")
    _say(console, f"{words.sentence(table.images)} {words.sentence(table.state)} {words.short(table)}")
    _say(console, f"What the published figures measure: {' '.join(table.measures.split())}", "dim")
    if marks.stand_ins:
        _say(console, "\nDifferent from the publication:", "yellow")
    for mark, text in marks.stand_ins.items():
        _say(console, f"{mark:>3}  {text}", indent=5)
    console.print()
    console.print(_grid(table, marks.lines, console.width))
    if marks.reasons:
        console.print()
    for mark, text in marks.reasons.items():
        _say(console, f"{mark:>3}  {text}", indent=5)
    for answer in table.answers:
        _say(console, f"\n{answer}")


def _grid(table: Table, marks: Sequence[Sequence[str]], width: int) -> "Grid":
    """The table of the figures, fitted to `width` columns: the names of the figures are folded first."""
    from rich.table import Table as Grid
    from rich.text import Text

    rows = [[*_cells(line), Text(_together(letters))] for line, letters in zip(table.lines, marks, strict=True)]
    grid = Grid(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    widths = [
        min(most, max(len(name), *(len(row[at]) for row in rows))) for at, (name, most) in enumerate(COLUMNS.items())
    ]
    widths[0] = min(widths[0], max(LEAST, width - sum(widths[1:]) - GAP * (len(widths) - 1)))
    for name, column_width in zip(COLUMNS, widths, strict=True):
        grid.add_column(name, justify="right" if name in NUMBERS else "left", width=column_width)
    for row in rows:
        grid.add_row(*row)
    return grid


def _cells(line: Line) -> list["Text"]:
    from rich.text import Text

    verdict = words.verdict(line)
    texts = [words.name(line), line.published_text, line.ours_text, line.difference_text or "-"]
    return [*map(Text, texts), Text("-" if line.published is None else verdict, COLOURS[words.STATES[verdict]])]


def _together(marks: Sequence[str]) -> str:
    """``1 3 acd``: numbers separated by spaces, then the letters together."""
    letters = "".join(mark for mark in marks if len(mark) == 1 and mark.isalpha())
    return " ".join([mark for mark in marks if mark not in letters] + [letters] * bool(letters)) or "-"


def _say(console: "Console", text: str, style: str | None = None, indent: int = 0) -> None:
    """Print a text in lines of the console's width, further lines indented."""
    for paragraph in text.split("\n"):
        for line in textwrap.wrap(paragraph, console.width, subsequent_indent=" " * indent, drop_whitespace=True) or [
            ""
        ]:
            console.print(line, style=style, markup=False, soft_wrap=True)


def _console() -> "Console":
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH, highlight=False)
