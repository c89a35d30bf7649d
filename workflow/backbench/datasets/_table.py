"""Files, classes and parts from a table (layer 1, standard library only): ``dataset.csv=PATH``.

The table has a header with the columns ``path`` and ``label``, and perhaps ``split`` (train, validation or test, which
``split.source=given`` keeps); other columns are passed over. Columns are parted by commas, semicolons or tabs. A path
is relative to the root or to the table; the images that count are those of the table, and one that is not there is
recorded with the unreadable ones. Where no row has a label, the collection has none.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from backbench import schema
from backbench.datasets import TRAIN, _listing
from backbench.datasets._listing import Entry, Listing
from backbench.schema import ConfigError

SEPARATORS = ",;\t"
NEEDED = ("path", "label")
UNNAMED, TABLES = "not in the table", (".csv", ".tsv", ".txt")
PART_NAMES = {"train": 0, "validation": 1, "valid": 1, "val": 1, "test": 2}
Row = tuple[int, Mapping[str, str]]  # line and cells


def read(root: Path, table: Path) -> Listing:
    """List what a table names.

    Raises
    ------
    ConfigError
        If there is no such table, it lacks a column or rows, names a path twice or one that is not below the root, or
        has rows with and without a label, or with and without a part.
    """
    rows = _rows(table)
    lines: dict[str, int] = {}
    for line, row in rows:
        path = _path(row["path"], root, table, _where(table, line))
        if path in lines:
            raise ConfigError(f"{_where(table, line)}: {path!r} is there twice; it stands in line {lines[path]} too.")
        lines[path] = line
    labelled, parted = _all_or_none(rows, "label", table), _all_or_none(rows, "split", table)
    entries = [
        Entry(path, row["label"] if labelled else None, _part(row["split"], _where(table, line)) if parted else TRAIN)
        for path, (line, row) in zip(lines, rows, strict=True)
    ]
    return _listing.ordered(entries, parted, _unnamed(root, lines), apart=parted)


def _unnamed(root: Path, named: Mapping[str, int]) -> Mapping[str, str]:
    """Files below the root that the table does not name."""
    paths, _ = _listing.walk(root)
    return {str(path): UNNAMED for path in paths if str(path) not in named and path.suffix.lower() not in TABLES}


def _where(table: Path, line: int) -> str:
    return f"dataset.csv: {table}, line {line}"


def _rows(table: Path) -> list[Row]:
    try:
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
            rows = _parsed(handle, table)
    except OSError as error:
        raise ConfigError(f"dataset.csv: {table}: {error.strerror}; give a table with a header path,label.") from error
    except csv.Error as error:
        raise ConfigError(f"dataset.csv: {table} is no table of comma-separated values ({error}).") from error
    if not rows:
        raise ConfigError(f"dataset.csv: {table} has no rows below its header.")
    return rows


def _parsed(handle: TextIO, table: Path) -> list[Row]:
    header = handle.readline()
    separator = max(SEPARATORS, key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
    for name in NEEDED:
        if name not in names:
            raise ConfigError(f"dataset.csv: {table} has no column {name}; received the header {header.strip()!r}.")
    reader = csv.reader(handle, delimiter=separator, strict=True)
    rows = ((reader.line_num + 1, cells) for cells in reader if any(cells))
    return [(line, _row(names, cells)) for line, cells in rows]


def _row(names: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    found = {"path": "", "label": "", "split": "", **dict(zip(names, cells, strict=False))}
    return {**found, "label": found["label"].strip(), "split": found["split"].strip()}


def _path(text: str, root: Path, table: Path, where: str) -> str:
    """The path below the root of what a row names."""
    candidates = [os.path.normpath(base / text) for base in (root, table.parent)]
    full = next((path for path in candidates if os.path.lexists(path)), candidates[0])
    if not text or not Path(full).is_relative_to(root) or full == str(root):
        raise ConfigError(f"{where}: received the path {text!r}; allowed: files below dataset.root ({root}).")
    return Path(full).relative_to(root).as_posix()


def _part(word: str, where: str) -> int:
    if word.lower() not in PART_NAMES:
        raise schema.refuse(f"{where}, split", word, PART_NAMES)
    return PART_NAMES[word.lower()]


def _all_or_none(rows: Sequence[Row], column: str, table: Path) -> bool:
    """Whether the rows have something in a column."""
    empty = [line for line, row in rows if not row[column]]
    if empty and len(empty) < len(rows):
        raise ConfigError(f"{_where(table, empty[0])}: no {column}, while other rows have one.")
    return not empty
