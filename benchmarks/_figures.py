"""The figures of a benchmark that the README shows: a table of their own at the end of the benchmark's page.

``scripts/write_figures.py`` puts the tables of all pages together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import dropwhile, takewhile
from pathlib import Path

HEADING = "## In the README"
TOP = ("| what | goal | measured |", "| --- | --- | --- |")


@dataclass(frozen=True)
class Figure:
    """What was measured, the goal (empty where there is none) and the result, as words."""

    what: str
    goal: str
    measured: str

    def __str__(self) -> str:
        return f"| {' | '.join(astuple(self))} |"


def lines(figures: Sequence[Figure]) -> list[str]:
    """The end of a benchmark's page."""
    return ["", HEADING, "", *TOP, *map(str, figures)]


def read(page: Path) -> Iterator[str]:
    """The rows that a page has for the README; none where it has no such table."""
    _, _, end = page.read_text(encoding="utf-8").partition(f"{HEADING}\n")
    table = takewhile(bool, dropwhile(lambda line: not line, end.splitlines()))
    return (row for row in table if row not in TOP)
