"""Files, classes and splits from a table (standard library only): ``dataset.csv=PATH``.

The table has a header with the columns ``path`` and ``label``, and perhaps ``split`` (train, validation or test, which
``split.source=given`` keeps), or other usual titles for them (``_table_titles``, ``_table_splits``), or those that
``dataset.columns`` names. A path is relative to the root or to the table, or as another machine wrote it
(``_table_paths``). The collection has the images that the table names; one that does not exist is recorded with the
unreadable ones. If no row has a label, the collection has none.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from backbench.datasets import (
    _groups,
    _listing,
    _split_names,
    _table_paths,
    _table_rows,
    _table_splits,
    _table_titles,
    _times,
)
from backbench.datasets._listing import Entry, Listing
from backbench.datasets._printable import printable
from backbench.datasets._table_paths import Ground, Located
from backbench.datasets._table_rows import Table
from backbench.datasets._table_splits import RowSplits
from backbench.datasets._table_titles import NUMERAL, Columns, Title, asked_for
from backbench.schema import ConfigError

UNNAMED, TABLES = "not in the table", (".csv", ".tsv", ".txt")
OTHER_SPLIT = "its split in the table is none of train, validation and test"
# What pandas, R and databases write for a missing value. "none" and "NA" are not here: classes have such names.
MISSING = frozenset({"nan", "NaN", "NAN", "NaT", "<NA>", "N/A", "n/a", "#N/A", "None", "null", "NULL"})
SHOWN = 3
MEASURED = 10  # from this many rows on, numbers that hardly repeat are not classes


class Labels(NamedTuple):
    """The label of each row, None without labels, and what the user should know about them."""

    labels: Sequence[str | None]
    notes: Sequence[str] = ()


def read(root: Path, table: Path, columns: Columns | None = None, groups: str | None = None) -> Listing:
    """List what a table names; `groups` is the title of the column of groups, if there is one.

    Raises
    ------
    ConfigError
        If there is no such table, it lacks a column or rows, names no file, names a file twice or one that is not below
        the root, has a label or split only in some rows, or is ambiguous.
    """
    columns = columns or Columns()
    rows = _table_rows.read(table)
    ground = Ground(root, table.parent, [str(path) for path in _listing.walk(root)[0]])
    place, files = _table_titles.path_column(rows, ground, columns.path)
    paths = _paths(rows, place, files, ground)
    label, notes = _table_titles.label_column(rows, place, columns.label)
    splits = _table_splits.of_rows(rows, columns.split, (place, label), paths)
    labels = _labels(rows, label, splits)
    used = _split_names.reported(part for part in splits.parts if part is not None) if splits.given else {}
    named, times = _named_groups(rows, groups), _times_of(rows, columns.time)
    entries = [
        Entry(path, text, used.get(part, part), group, time)
        for path, text, part, group, time in zip(paths, labels.labels, splits.parts, named, times, strict=True)
        if part is not None
    ]
    unnamed = _unnamed(ground, paths)
    other = {path: OTHER_SPLIT for path, part in zip(paths, splits.parts, strict=True) if part is None}
    listing = _listing.ordered(entries, splits.given, {**unnamed, **other}, apart=splits.apart)
    sentences = (
        _summary(rows, (label, place), files, splits, len(unnamed)),
        *_absent(rows, place, files),
        *rows.notes,
        *notes,
        *labels.notes,
        *splits.notes,
    )
    listing = replace(listing, understood=(*listing.understood, *sentences))
    return listing if groups is None else _groups.announced(listing, f"column `{groups}`")


def _named_groups(table: Table, title: str | None) -> Sequence[str | None]:
    """The group of each row, None without one."""
    if title is None:
        return [None] * len(table.rows)
    place = asked_for(table, "group", title, _groups.WHERE)
    assert place is not None, "only labels and splits can be none"
    cells = [cell.strip() for cell in table.column(place)]
    return [None if not cell or cell in MISSING else cell for cell in cells]


def _times_of(table: Table, title: Title) -> Sequence[float | None]:
    """The time of each row, None without one."""
    if title is None:
        return [None] * len(table.rows)
    place = asked_for(table, "time", title)
    assert place is not None, "only labels and splits can be none"
    return _times.of_column(table, place)


def _unnamed(ground: Ground, paths: Iterable[str]) -> Mapping[str, str]:
    """Files below the root that the table does not name."""
    named = set(paths)
    return {path: UNNAMED for path in ground.files if path not in named and not path.lower().endswith(TABLES)}


def _paths(table: Table, place: int, files: Located, ground: Ground) -> list[str]:
    """The path below the root in each row, including those of missing files.

    Raises
    ------
    ConfigError
        If a path is not below the root, or occurs twice.
    """
    lines: dict[str, int] = {}
    paths = []
    for row, text in enumerate(table.column(place)):
        _table_paths.check(text, files.paths[row], ground, table.where(row))
        path = files.paths[row] or "/".join(_table_paths.spelled(text))
        if path in lines:
            raise ConfigError(
                f"{table.where(row)}: {path!r} occurs twice; it is also in line {lines[path]}. Remove "
                "one of the two rows."
            )
        lines[path] = table.rows[row].line
        paths.append(path)
    return paths


def _labels(table: Table, place: int | None, splits: RowSplits) -> Labels:
    """The labels of the rows that are used.

    Raises
    ------
    ConfigError
        If only some rows have one.
    """
    if place is None:
        return Labels([None] * len(table.rows))
    texts = [cell.strip() for cell in table.column(place)]
    rows = [row for row, part in enumerate(splits.parts) if part is not None]
    broken = next((row for row in rows if len(texts[row].splitlines()) > 1), None)
    if broken is not None:
        raise ConfigError(
            f"{table.where(broken)}: received a label of several lines, {texts[broken]!r}; close each quote."
        )
    missing = [row for row in rows if not texts[row] or texts[row] in MISSING]
    if missing and len(missing) < len(rows):
        text, title = texts[missing[0]], table.titles[place]
        received = f"received {text!r}, which stands for a missing value" if text else f"no {title}"
        others = f" ({len(missing) - 1} more such rows)" if len(missing) > 1 else ""
        raise ConfigError(
            f"{table.where(missing[0])}: {received}, while other rows have one{others}. Give each row a label or "
            f"remove it{'; a class of that name needs another name, such as no_finding' if text else ''}."
        )
    if missing:
        return Labels([None] * len(texts), [f"column `{table.titles[place]}` is empty: the images have no labels"])
    counted = {texts[row] for row in rows}
    _refuse_measurements(table, place, counted, len(rows))
    notes = _alike(counted)
    if any("." in text for text in counted) and all(map(_is_whole, counted)):
        texts = [text.split(".")[0] for text in texts]
        notes.append("labels such as 1.0 are read as whole numbers, such as 1")
    return Labels(texts, notes)


def _refuse_measurements(table: Table, place: int, labels: Iterable[str], count: int) -> None:
    """Raise ConfigError for decimal numbers that differ in nearly every row: they are not classes."""
    values = list(labels)
    if (
        count >= MEASURED
        and 2 * len(values) > count
        and all(map(NUMERAL.fullmatch, values))
        and not all(map(_is_whole, values))
    ):
        title, some = table.titles[place], ", ".join(sorted(values)[:SHOWN])
        raise ConfigError(
            f"dataset.csv: {table.path}: column {title!r} holds measurements ({some}, ...; {len(values)} values in "
            f"{count} rows), but a label is the name of a class. Give dataset.columns.label=TITLE of another column, "
            "or dataset.columns.label=none for images without labels."
        )


def _is_whole(text: str) -> bool:
    return NUMERAL.fullmatch(text) is not None and not text.partition(".")[2].strip("0")


def _alike(labels: Iterable[str]) -> list[str]:
    """A sentence about classes that are spelled nearly alike."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        spellings["".join(unicodedata.normalize("NFKC", label).casefold().split())].append(label)
    alike = [", ".join(map(repr, several)) for several in spellings.values() if len(several) > 1]
    return [f"classes that differ only in case or blanks: {'; '.join(alike[:SHOWN])}"] if alike else []


def _summary(table: Table, places: tuple[int | None, int], files: Located, splits: RowSplits, unnamed: int) -> str:
    """How the table was understood."""
    label, path = (
        None if place is None else f"`{table.titles[place]}`" if table.titles[place] else "the column without a title"
        for place in places
    )
    columns = [
        f"labels from column {label}" if label else "no labels",
        f"splits from {splits.source}" if splits.given else "",
        f"paths from {path}" + (f" ({files.how})" if files.how else ""),
    ]
    rest = f"; files below the root that are not in it: {unnamed:,}" if unnamed else ""
    split = f"; {_split_names.sentence(splits.counts)}" if splits.given else ""
    return f"{', '.join(filter(None, columns))} of {table.path.name} ({_rows(len(table.rows))}{rest}){split}"


def _absent(table: Table, place: int, files: Located) -> list[str]:
    """A sentence about rows without a file."""
    rows = [row for row, path in enumerate(files.paths) if path is None]
    named = ", ".join(
        f"{printable(table.rows[row].cells[place])} (line {table.rows[row].line})" for row in rows[:SHOWN]
    )
    more = ", ..." if len(rows) > SHOWN else ""
    return [f"{_rows(len(rows))} of {len(files.paths):,} without a file: {named}{more}"] if rows else []


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
