"""Which columns of a table hold the paths and the labels (standard library only).

Case, blanks, hyphens and underscores in titles are ignored. ``path`` and ``label`` come before all others, then other
usual titles; a column with another title holds the paths if it is the only one whose cells name files. The option
``dataset.columns`` comes before everything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backbench.datasets._printable import printable
from backbench.datasets._table_paths import Ground, Located, check, locate, spelled
from backbench.datasets._table_rows import Table, comment_hint
from backbench.schema import ConfigError, refuse

NONE = "none"  # dataset.columns.label=none: there is no such column
PATHS = (
    *(
        "path",
        "filepath",
        "filename",
        "file",
        "files",
        "fname",
        "image",
        "images",
        "imagepath",
        "imagename",
        "imagefile",
    ),
    *(
        "imageid",
        "imagefilename",
        "img",
        "imgpath",
        "imgname",
        "imgfile",
        "imgid",
        "fullpath",
        "relativepath",
        "relpath",
    ),
)
LABELS = (
    *("label", "labels", "class", "classes", "classname", "classlabel", "labelname", "category", "categoryname"),
    *("target", "targets", "species", "y", "groundtruth", "classid", "labelid", "categoryid", "classindex"),
)
NUMERAL = re.compile(r"[+-]?\d+(?:\.\d*)?")
PROBED = 50
EXAMPLES = 3
LISTED = 12
Title = str | int | None


@dataclass(frozen=True)
class Columns:
    """Titles of the columns of a table; None searches for them, and ``none`` says that there is no such column."""

    path: Title = None
    label: Title = None
    split: Title = None
    time: Title = None

    def given(self) -> dict[str, str | int]:
        """The titles that the user gives."""
        titles = {"path": self.path, "label": self.label, "split": self.split, "time": self.time}
        return {name: title for name, title in titles.items() if title is not None}


def bare(title: str) -> str:
    """A title without case, blanks, hyphens and underscores."""
    return re.sub(r"[\W_]+", "", title.casefold())


def asked_for(table: Table, option: str, title: Title, where: str = "") -> int | None:
    """The position of a column that ``dataset.columns``, or the option `where`, names; None for ``none``.

    Raises
    ------
    ConfigError
        If there is no such column, or more than one.
    """
    where = where or f"dataset.columns.{option}"
    for same in (str, str.casefold, bare):
        places = [place for place, known in enumerate(table.titles) if same(known) == same(str(title))]
        if len(places) == 1:
            return places[0]
        if places:
            raise ConfigError(f"{where}: {table.path} has {len(places)} columns {str(title)!r}.")
    if title == NONE and option in ("label", "split"):
        return None
    raise refuse(where, str(title), [title for title in table.titles if title])


def path_column(table: Table, ground: Ground, title: Title) -> tuple[int, Located]:
    """The column of paths and the files that they name.

    Raises
    ------
    ConfigError
        If no column names a file, or several columns name different files.
    """
    if title is not None:
        place = asked_for(table, "path", title)
        assert place is not None, "only other columns can be none"
        return place, _some(table, place, ground, _files(table, place, ground))
    usual = _usual(table, PATHS, "path")
    hits = {place: files for place in usual if (files := _files(table, place, ground)).hits}
    if usual and usual[0] in hits and bare(table.titles[usual[0]]) == PATHS[0]:
        return usual[0], hits[usual[0]]
    whole = {place: files for place, files in hits.items() if files.hits == len(table.rows)}
    if not hits:
        whole = hits = _by_files(table, [place for place in range(len(table.titles)) if place not in usual], ground)
        _refuse_no_header(table, hits, ground)
    chosen = whole if len(whole) == 1 else hits
    if len({tuple(files.paths) for files in chosen.values()}) > 1:
        raise _several(table, "path", {place: _examples(table, place) for place in chosen})
    if chosen:
        return next(iter(chosen.items()))
    if usual:
        _some(table, usual[0], ground, Located([None] * len(table.rows)))
    raise _none(table, "path", None)


def label_column(table: Table, path: int, title: Title) -> tuple[int | None, list[str]]:
    """The column of labels, and notes for the user about others.

    Raises
    ------
    ConfigError
        If there is none, or several divide the rows differently.
    """
    if title is not None:
        return asked_for(table, "label", title), []
    usual = [place for place in _usual(table, LABELS, "label") if place != path]
    titles = {bare(known) for known in table.titles}
    if "x" in titles:  # a point in the picture
        usual = [place for place in usual if bare(table.titles[place]) != "y"]
    filled = [place for place in usual if any(map(str.strip, table.column(place)))]
    usual = filled or usual
    if not usual:
        raise _none(table, "label", path)
    others = [place for place in usual if not _same(table, usual[0], place)]
    if not others:
        names = (place for place in usual if not all(NUMERAL.fullmatch(cell.strip()) for cell in table.column(place)))
        first = usual[0] if bare(table.titles[usual[0]]) == LABELS[0] else next(names, usual[0])
        return first, []
    if bare(table.titles[usual[0]]) != LABELS[0]:
        raise _several(table, "label", {place: _examples(table, place) for place in usual})
    listed = " and ".join(f"`{table.titles[place]}`" for place in others)
    return usual[0], [
        f"other labels are in {listed}; to use them, give dataset.columns.label={table.titles[others[0]]}"
    ]


def _usual(table: Table, known: Sequence[str], option: str) -> list[int]:
    """The columns with usual titles, the most usual first.

    Raises
    ------
    ConfigError
        If two have the same title.
    """
    titles = [bare(title) for title in table.titles]
    repeated = next((title for title in known if titles.count(title) > 1), None)
    if repeated is not None:
        alike = [title for title in table.titles if bare(title) == repeated]
        raise ConfigError(
            f"dataset.csv: {table.path} has {len(alike)} columns for the {option}, {', '.join(map(repr, alike))}; "
            f"rename all but one, or give dataset.columns.{option}=TITLE if the titles differ."
        )
    return [titles.index(title) for title in known if title in titles]


def _files(table: Table, place: int, ground: Ground) -> Located:
    return locate(table.column(place), ground, table.encoding)


def _by_files(table: Table, places: Sequence[int], ground: Ground) -> dict[int, Located]:
    """The columns whose cells all name files, a different one in each row."""
    hits = {}
    for place in places:
        cells = table.column(place)
        probe = cells[:PROBED]
        if len(set(cells)) == len(cells) and locate(probe, ground, table.encoding).hits == len(probe):
            files = _files(table, place, ground)
            if files.hits == len(cells):
                hits[place] = files
    return hits


def _some(table: Table, place: int, ground: Ground, files: Located) -> Located:
    """The files, if there are any.

    Raises
    ------
    ConfigError
        If there are none; it says where the first one was sought.
    """
    if files.hits:
        return files
    cells = table.column(place)
    for row, cell in enumerate(cells):
        check(cell, None, ground, table.where(row))
    named = ", ".join(
        f"{printable(cell)!r} (line {row.line})" for cell, row in zip(cells[:EXAMPLES], table.rows, strict=False)
    )
    parts = spelled(cells[0])
    tried = " and ".join(dict.fromkeys(printable(f"{base}/{'/'.join(parts)}") for base in (ground.root, ground.beside)))
    namesakes = [path for path in ground.files if path.rsplit("/", 1)[-1] == parts[-1]]
    have = "1 file has" if len(namesakes) == 1 else f"{len(namesakes):,} files have"
    first = ", ".join(map(printable, namesakes[:EXAMPLES]))
    same_name = f" {have} its name: {first}." if namesakes else ""
    raise ConfigError(
        f"dataset.csv: {table.path}: none of its {len(cells)} rows names an existing file. Column "
        f"{printable(table.titles[place])!r} holds {named}; the first was sought as {tried}.{same_name} Allowed: files "
        f"below dataset.root ({ground.root}). Give dataset.root=PATH, the folder where the paths begin, or "
        f"dataset.columns.path=TITLE, if the paths are in another column: {_titles(table, but=place)}."
    )


def _refuse_no_header(table: Table, hits: Mapping[int, Located], ground: Ground) -> None:
    """Refuse a table whose first line names a file: it is a row, not a header."""
    for place in hits:
        title = table.titles[place]
        if title and locate([title], ground, table.encoding).hits:
            raise ConfigError(
                f"dataset.csv: {table.path} has no header: its first line names a file, {printable(title)!r}. Put a "
                "line with titles above it, such as path,label"
            )


def _same(table: Table, first: int, second: int) -> bool:
    """Whether two columns divide the rows in the same way."""
    pairs = {(row.cells[first].strip(), row.cells[second].strip()) for row in table.rows}
    return len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs})


def _examples(table: Table, place: int) -> str:
    distinct = list(dict.fromkeys(cell.strip() for cell in table.column(place)))
    some = ", ".join(map(printable, distinct[:EXAMPLES]))
    return f"{len(distinct)} values: {some}{', ...' if len(distinct) > EXAMPLES else ''}"


def _several(table: Table, option: str, readings: Mapping[int, str]) -> ConfigError:
    listed = " or ".join(f"{table.titles[place]!r} ({what})" for place, what in readings.items())
    choices = " or ".join(f"dataset.columns.{option}={table.titles[place]}" for place in readings)
    return ConfigError(f"dataset.csv: {table.path}: the {option} column may be {listed}. Give {choices}")


def _none(table: Table, option: str, path: int | None) -> ConfigError:
    header = printable(",".join(table.titles))
    listed = _titles(table, but=path)
    ways = [
        *([f"dataset.columns.{option}=TITLE, if it is one of {listed}"] if listed else []),
        "dataset.columns.label=none for images without labels"
        if option == "label"
        else "a table with a header path,label",
    ]
    return ConfigError(
        f"dataset.csv: {table.path} has no column {option}; received the header {header!r}."
        f"{comment_hint(table.titles)} Give {'; or '.join(ways)}"
    )


def _titles(table: Table, but: int | None = None) -> str:
    listed = [printable(title) for place, title in enumerate(table.titles) if title and place != but]
    return ", ".join(listed[:LISTED]) + (f" and {len(listed) - LISTED} more" if len(listed) > LISTED else "")
