"""Labels, names and splits that come with a table of embeddings (layer 1, no libraries)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import arrays
from backbench.arrays import lists, titles
from backbench.arrays.bounds import Bounds
from backbench.datasets import PARTS, TRAIN, _split_names, _table_splits
from backbench.schema import ConfigError, refuse

WHERE = "dataset(embeddings)"
NONE = "none"
UNTITLED = re.compile(r"arr_\d+")  # numpy.savez without names
NAMES = titles.NAMES[:8]
CODES = {str(part): part for part in range(len(PARTS))}


@dataclass(frozen=True)
class Entries:
    """The entries of one column, array or list, and what it is called."""

    title: str
    values: tuple[str, ...]

    def at(self, rows: Sequence[int] | None) -> tuple[str, ...]:
        """The entries of some rows, None for all."""
        return self.values if rows is None else tuple(self.values[row] for row in rows)


@dataclass(frozen=True)
class Marks:
    """A column that tells the split of each row, and the split that each of its entries means.

    Rows with another entry are left out.
    """

    column: Entries
    part_of: Mapping[str, int]

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The rows that are kept, None for all."""
        if set(self.column.values) <= set(self.part_of):
            return None
        return tuple(row for row, value in enumerate(self.column.values) if value in self.part_of)

    @property
    def parts(self) -> tuple[int, ...]:
        """The split of each row that is kept."""
        return tuple(self.part_of[value] for value in self.column.values if value in self.part_of)

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows are left out, by entry."""
        counts = Counter(value for value in self.column.values if value not in self.part_of)
        return {value or "(empty)": count for value, count in counts.items()}


@dataclass(frozen=True)
class Beside:
    """What a file holds beside the numbers, for the `rows` that are kept (None: all of `n`).

    `parts` are the splits as the file gives them; `left_out` counts the rows of no split, by what the file calls them.
    """

    n: int
    titles: Mapping[str, str | None]
    classes: tuple[str, ...] | None
    labels: tuple[int, ...] | None
    names: tuple[str, ...] | None
    parts: tuple[int, ...] | None
    rows: tuple[int, ...] | None
    left_out: Mapping[str, int]

    @property
    def kept(self) -> int:
        return self.n if self.rows is None else len(self.rows)

    @property
    def given(self) -> bool:
        """Whether there are a training split and another one."""
        return self.parts is not None and TRAIN in self.parts and len(set(self.parts)) > 1

    @property
    def used_parts(self) -> tuple[int, ...] | None:
        """The splits as they are used: validation is reported if there is no test split."""
        if self.parts is None:
            return None
        used = _split_names.reported(self.parts)
        return tuple(used[part] for part in self.parts)


def read(path: Path, asked: Mapping[str, str | None], n: int, bounds: Bounds) -> Beside:
    """Labels, names and splits of the `n` rows of a file.

    Parameters
    ----------
    asked
        The options `labels`, `names` and `parts`: a name in the file, a separate list, ``none``, or None for what has a
        usual title.

    Raises
    ------
    ConfigError
        If two columns of labels differ, a label is missing, a name occurs twice, or an entry names no split.
    """
    sides = arrays.beside(path)
    marks = _marks(path, asked["parts"], sides, n, bounds)
    rows = None if marks is None else marks.rows
    names = _named(path, asked["names"], sides, n, bounds)
    labels = _labels_of(path, asked["labels"], sides, rows, n, bounds)
    if names is not None:
        _refuse_repeated(path, names, rows)
    classes, numbers = (None, None) if labels is None else _classes(labels, rows)
    return Beside(
        n=n,
        titles={
            "labels": None if labels is None else labels.title,
            "names": None if names is None else names.title,
            "parts": None if marks is None else marks.column.title,
        },
        classes=classes,
        labels=numbers,
        names=None if names is None else names.at(rows),
        parts=None if marks is None else marks.parts,
        rows=rows,
        left_out={} if marks is None else marks.left_out,
    )


def _refuse_repeated(path: Path, names: Entries, rows: Sequence[int] | None) -> None:
    repeated = [name for name, count in Counter(names.at(rows)).items() if count > 1]
    if repeated:
        raise ConfigError(
            f"{path}: some names are in several rows of {names.title!r}: {arrays.some(repeated)}; give "
            "dataset.names=COLUMN for the column that names the rows, or dataset.names=none."
        )


def _column(path: Path, title: str, option: str, n: int, bounds: Bounds, missing: bool = False) -> Entries:
    """An array or column of the file, or a separate list, with an entry for each row."""
    try:
        inside = arrays.column(path, title, bounds, missing)
        values = None if inside is None else lists.texts(inside, path)
    except ConfigError as error:
        raise ConfigError(
            f"{WHERE}.{option}: {title!r}: {error} Give another column, or dataset.{option}=none."
        ) from error
    if values is None:
        values = lists.beside(path, title, _usual(option), f"{WHERE}.{option}")
    if len(values) != n:
        raise ConfigError(
            f"{WHERE}.{option}: {len(values)} entries for the {n} rows of {path} in {title!r}; give a column or list "
            f"with an entry for each row, or dataset.{option}=none."
        )
    return Entries(title, tuple(value.strip() for value in values))


def _usual(option: str) -> Sequence[str]:
    return {"labels": titles.LABELS, "names": NAMES, "parts": titles.PARTS}[option]


def _is_off(named: str | None, sides: Mapping[str, arrays.Side]) -> bool:
    return named == NONE and NONE not in sides


def _named(path: Path, named: str | None, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Entries | None:
    title = named or next((name for name in NAMES if name in sides), None)
    return None if title is None or _is_off(named, sides) else _column(path, title, "names", n, bounds)


def _marks(path: Path, named: str | None, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Marks | None:
    """The splits: of a column with a sure title, else of one whose entries all name splits, else of flags."""
    if named is not None:
        return None if _is_off(named, sides) else _sure(_column(path, named, "parts", n, bounds, missing=True))
    usual = titles.usual(sides, titles.PARTS)
    if usual and titles.plain(usual[0]) in titles.SURE_PARTS:
        return _sure(_column(path, usual[0], "parts", n, bounds, missing=True))
    for title in usual:
        if sides[title] == arrays.Side(arrays.TEXT, (n,)):
            column = _column(path, title, "parts", n, bounds, missing=True)
            if (part_of := _coded(column)) is not None:
                return Marks(column, part_of)
    return _flagged(path, sides, n, bounds)


def _flagged(path: Path, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Marks | None:
    """The splits that columns of yes and no tell: ``is_train``, ``is_valid``."""
    usable = [title for title, side in sides.items() if titles.plain(title) in _table_splits.IS and side.shape == (n,)]
    flags: dict[str, list[bool]] = {}
    for title in usable:
        if sides[title].kind in (arrays.TEXT, arrays.INTEGER):
            values = _column(path, title, "parts", n, bounds).values
            answers = [answer for value in values if (answer := _table_splits.answer(value)) is not None]
            if len(answers) == n:
                flags[title] = answers
    parts: list[int] = []
    for row in range(n if flags else 0):
        part = _table_splits.of_flags({_table_splits.IS[titles.plain(title)]: flags[title][row] for title in flags})
        if part is None:
            raise ConfigError(
                f"{path}: {' and '.join(flags)} do not say which split row {row} belongs to; give dataset.parts=COLUMN "
                "for a column that holds train, validation or test, or dataset.parts=none."
            )
        parts.append(part)
    if len(set(parts)) < 2:
        return None
    column = Entries(" and ".join(flags), tuple(PARTS[part] for part in parts))
    return Marks(column, {PARTS[part]: part for part in set(parts)})


def _sure(column: Entries) -> Marks:
    """The splits of a column that certainly holds them, as codes or names.

    Raises
    ------
    ConfigError
        If an entry names no split, unless there are a training split and another one in names.
    """
    part_of = _coded(column, codes=True)
    if part_of is None:
        values = sorted(set(column.values))
        other = next(value for value in values if value not in _known(values, codes=True))
        hint = f"{WHERE}.parts: {column.title!r} holds {arrays.some(values)}"
        raise refuse(hint, other, f"{', '.join(PARTS)} (and their synonyms), or 0, 1, 2; or give dataset.parts=none")
    return Marks(column, part_of)


def _coded(column: Entries, codes: bool = False) -> dict[str, int] | None:
    """The split that each entry names; entries that name none are left out if there are train and another split.

    None if the entries do not name splits. With `codes`, they may be 0, 1 and 2.
    """
    values = sorted(set(column.values))
    known = _known(values, codes)
    part_of = {value: known[value] for value in values if value in known}
    is_split = TRAIN in known.values() and len(set(part_of.values())) > 1
    if len(part_of) < len(values) and (set(known) == set(CODES) or not is_split):
        return None
    return part_of


def _known(values: Sequence[str], codes: bool) -> dict[str, int]:
    """The split of each name; of all codes, where one of them is among the values."""
    if codes and set(values) & set(CODES):
        return dict(CODES)
    named = {value: part for value in values if (part := _split_names.of_name(value)) is not None}
    return _split_names.of_names(values) or named


def _labels_of(
    path: Path,
    named: str | None,
    sides: Mapping[str, arrays.Side],
    rows: Sequence[int] | None,
    n: int,
    bounds: Bounds,
) -> Entries | None:
    """The column of labels; refused if another column with a usual title has other classes."""
    if named is not None:
        return None if _is_off(named, sides) else _column(path, named, "labels", n, bounds, missing=rows is not None)
    usual = [title for title in titles.usual(sides, titles.LABELS) if not _is_coordinate(title, sides)]
    fitting = [title for title in usual if sides[title].shape == (n,) and sides[title].kind != arrays.OBJECT]
    columns, refused = [], []
    for title in fitting or usual[:1]:
        try:
            columns.append(_column(path, title, "labels", n, bounds, missing=rows is not None))
        except ConfigError as error:
            refused.append(error)
    if refused and not columns:
        raise refused[0]
    for other in columns[1:]:
        if not _same_classes(columns[0].at(rows), other.at(rows)):
            raise ConfigError(
                f"{path}: {columns[0].title!r} and {other.title!r} may both be the labels, and they differ; give "
                f"dataset.labels={columns[0].title} or dataset.labels={other.title} (none for no labels)."
            )
    if not columns:
        _refuse_like_labels(path, sides, n)
    return columns[0] if columns else None


def _refuse_like_labels(path: Path, sides: Mapping[str, arrays.Side], n: int) -> None:
    """Raise ConfigError if a column without a usual title probably holds the labels."""
    perhaps = [
        title
        for title, side in sides.items()
        if side.shape == (n,)
        and side.kind in (arrays.TEXT, arrays.INTEGER, arrays.REAL)
        and (titles.is_like_label(title) or (UNTITLED.fullmatch(title) and side.kind != arrays.REAL))
    ]
    if perhaps:
        raise ConfigError(
            f"{path}: the labels may be in {arrays.some([repr(title) for title in perhaps])}; give "
            f"dataset.labels={perhaps[0]}{' (or another one)' if len(perhaps) > 1 else ''}, or dataset.labels=none."
        )


def _is_coordinate(title: str, sides: Mapping[str, arrays.Side]) -> bool:
    """Whether a column is y of real numbers, with an x beside it."""
    return (
        title.lower() == "y"
        and sides[title].kind == arrays.REAL
        and any(side.lower() == "x" and sides[side].shape == sides[title].shape for side in sides)
    )


def _same_classes(first: Sequence[str], second: Sequence[str]) -> bool:
    pairs = set(zip(first, second, strict=True))
    return len(pairs) == len(set(first)) == len(set(second))


def _classes(labels: Entries, rows: Sequence[int] | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names, sorted as numbers where all are whole numbers, and the class of each row."""
    values = labels.at(rows)
    empty = [row for row, label in enumerate(values) if not label]
    if empty:
        raise ConfigError(
            f"{WHERE}.labels: no label in row {arrays.some(empty)} of {labels.title!r}; leave these rows out, or give "
            "dataset.labels=none."
        )
    classes = sorted(set(values))
    if all(label.removeprefix("-").isdecimal() for label in values):
        classes.sort(key=int)
    number = {label: position for position, label in enumerate(classes)}
    return tuple(classes), tuple(number[label] for label in values)
