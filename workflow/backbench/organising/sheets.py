"""Tables as CSV: written for spreadsheets, and read as people fill them in, with any usual separator and encoding."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbench.datasets import _table, _table_rows
from backbench.datasets._table_rows import Table
from backbench.schema import ConfigError, nearest
from backbench.wording import hidden, listed

TITLES = ("cluster", "images", "name", "examples")
NUMBER = re.compile(r"(?:cluster\s*)?(\d{1,9})(?:\.0*)?", re.IGNORECASE)
OPTION = "dataset.csv: "
LONGEST = 100
SHOWN = 8


@dataclass(frozen=True)
class Line:
    """A cluster with its name (empty without one), and what else its line says; `line` is where it is in the file."""

    line: int
    number: int
    name: str
    images: str
    examples: str


def encoded(titles: Sequence[str], lines: Iterable[Sequence[Any]]) -> bytes:
    """Lines as CSV in UTF-8; bytes of file names that are no text are kept."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows(lines)
    return text.getvalue().encode("utf-8", "surrogateescape")


def begins(path: Path, titles: Sequence[str]) -> bool:
    """Whether a file begins with these titles."""
    head = encoded(titles, ())
    with path.open("rb") as handle:
        return handle.read(len(head)) == head


def read(path: Path, known: Collection[int] | None = None) -> list[Line]:
    """The lines of a table with the columns ``cluster`` and ``name``; other columns may be there.

    Parameters
    ----------
    known
        The clusters that there are; None if that is not known.

    Raises
    ------
    ConfigError
        If a column is missing, a cluster is unknown, or it is in two lines; says in which.
    """
    table = opened(path, "cluster,name")
    cluster, name = column(table, "cluster"), column(table, "name")
    lines: dict[int, Line] = {}
    for row in table.rows:
        where = f"{path}, line {row.line}"
        value = number(row.cells[cluster], where, known)
        if value in lines:
            raise ConfigError(
                f"{where}: cluster {value} is in line {lines[value].line} already; remove one of the two lines."
            )
        images, examples = (_cell(table, row.cells, title) for title in ("images", "examples"))
        lines[value] = Line(row.line, value, checked(row.cells[name], where), images, examples)
    return list(lines.values())


def opened(path: Path, titles: str) -> Table:
    """A table of text.

    Raises
    ------
    ConfigError
        If there is none, it is empty, or it cannot be read as a table; says in which line.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not a file; give a table with the columns {titles}.")
    if not path.stat().st_size:
        raise ConfigError(f"{path} is empty; give a table with the columns {titles}.")
    try:
        return _table_rows.read(path)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(OPTION).replace("path,label", titles)) from error


def column(table: Table, title: str) -> int:
    """The place of a column.

    Raises
    ------
    ConfigError
        If there is none of this title, or several.
    """
    titles = [each.strip().lower() for each in table.titles]
    if titles.count(title) != 1:
        count = "no column" if title not in titles else f"{titles.count(title)} columns"
        near = nearest(title, titles)
        hint = f" Rename {near!r}?" if near and title not in titles else ""
        raise ConfigError(f"{table.path}, line 1: {count} {title!r} among {listed(table.titles, SHOWN)}.{hint}")
    return titles.index(title)


def checked(name: str, where: str) -> str:
    """A name without blanks around it; empty if there is none.

    Raises
    ------
    ConfigError
        If it cannot be the name of a class.
    """
    text = " ".join(name.split(" ")).strip()
    if any(hidden(sign) or "\ud800" <= sign <= "\udfff" for sign in text):
        raise ConfigError(f"{where}: received the name {text!r}; a name is one line of characters that can be seen.")
    if len(text) > LONGEST:
        raise ConfigError(f"{where}: the name has {len(text)} characters; allowed are {LONGEST}.")
    if text in _table.MISSING:
        raise ConfigError(f"{where}: {text!r} stands for a missing value in tables; give another name, or none.")
    return text


def number(text: str, where: str, known: Collection[int] | None) -> int:
    """The number of a cluster, written as ``3``, ``3.0`` or ``cluster 03``.

    Raises
    ------
    ConfigError
        If it is none, or none of the `known` ones.
    """
    match = NUMBER.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{where}: received the cluster {text!r}; allowed: a number such as 3.")
    value = int(match[1])
    if known is not None and value not in known:
        shown = listed([str(each) for each in sorted(known)], SHOWN)
        raise ConfigError(f"{where}: there is no cluster {value}; the run has {shown}.")
    return value


def _cell(table: Table, cells: Sequence[str], title: str) -> str:
    titles = [each.strip().lower() for each in table.titles]
    return cells[titles.index(title)] if title in titles else ""
