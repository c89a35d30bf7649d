"""Labels, names and parts that stand beside a table of embeddings (layer 1, no libraries)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import arrays
from backbench.arrays import lists, titles
from backbench.arrays.bounds import Bounds
from backbench.datasets import PARTS, TRAIN, _parts, _table_parts
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


@dataclass(frozen=True)
class Beside:
    """What there is beside the numbers, for the `rows` that are kept (None: all of `n`).

    `parts` are as the file gives them; `left_out` counts the rows of other parts by what the file calls them.
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
        """Whether the parts are a split: a training part and another."""
        return self.parts is not None and TRAIN in self.parts and len(set(self.parts)) > 1

    @property
    def used_parts(self) -> tuple[int, ...] | None:
        """The parts as they are used: a validation part without a test part is reported."""
        if self.parts is None:
            return None
        used = _parts.reported(self.parts)
        return tuple(used[part] for part in self.parts)


def read(path: Path, asked: Mapping[str, str | None], n: int, bounds: Bounds) -> Beside:
    """Labels, names and parts of the `n` rows of a file.

    Parameters
    ----------
    asked
        The options `labels`, `names` and `parts`: a name in the file, a list of its own, ``none``, or None for what has
        a usual title.

    Raises
    ------
    ConfigError
        If two columns of labels differ, a label is missing, a name stands twice, or a part is none.
    """
    sides = arrays.beside(path)
    marks = _parts_of(path, asked["parts"], sides, n, bounds)
    part_of = None if marks is None else _coded(marks, sure=asked["parts"] is not None or _is_sure(marks.title))
    rows = None
    if part_of is not None and len(part_of) < len(set(marks.values)):
        rows = tuple(row for row, value in enumerate(marks.values) if value in part_of)
    names = _named(path, asked["names"], sides, n, bounds)
    labels = _labels_of(path, asked["labels"], sides, rows, n, bounds)
    kept = _only(names, rows)
    twice = [name for name, count in Counter(kept or ()).items() if count > 1]
    if twice:
        raise ConfigError(
            f"{path}: some names are in several rows of {names.title!r}: {arrays.some(twice)}; give "
            "dataset.names=COLUMN for the column that names the rows, or dataset.names=none."
        )
    classes, numbers = (None, None) if labels is None else _classes(labels, rows)
    parts = None if part_of is None else tuple(part_of[value] for value in _only(marks, rows))
    left_out = Counter() if part_of is None else Counter(value for value in marks.values if value not in part_of)
    used = {
        "labels": labels and labels.title,
        "names": names and names.title,
        "parts": None if part_of is None else marks.title,
    }
    return Beside(n, used, classes, numbers, kept, parts, rows, {key or "(empty)": left_out[key] for key in left_out})


def _only(entries: Entries | None, rows: Sequence[int] | None) -> tuple[str, ...] | None:
    if entries is None or rows is None:
        return entries and entries.values
    return tuple(entries.values[row] for row in rows)


def _column(path: Path, title: str, option: str, n: int, bounds: Bounds, missing: bool = False) -> Entries:
    """An array or column of the file, or a list of its own, with an entry for each row."""
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


def _parts_of(
    path: Path, named: str | None, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds
) -> Entries | None:
    """The column of parts: one with a sure title, else one whose entries are all names of parts."""
    if named is not None:
        return None if _is_off(named, sides) else _column(path, named, "parts", n, bounds, missing=True)
    usual = titles.usual(sides, titles.PARTS)
    if usual and _is_sure(usual[0]):
        return _column(path, usual[0], "parts", n, bounds, missing=True)
    for title in usual:
        if sides[title] == arrays.Side(arrays.TEXT, (n,)):
            column = _column(path, title, "parts", n, bounds, missing=True)
            if _coded(column, sure=False) is not None:
                return column
    return _flagged(path, sides, n, bounds)


def _flagged(path: Path, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Entries | None:
    """The parts that columns of yes and no tell: ``is_train``, ``is_valid``."""
    usable = [title for title, side in sides.items() if titles.plain(title) in _table_parts.IS and side.shape == (n,)]
    flags = {}
    for title in usable:
        if sides[title].kind in (arrays.TEXT, arrays.INTEGER):
            answers = [_table_parts.answer(value) for value in _column(path, title, "parts", n, bounds).values]
            if None not in answers:
                flags[title] = answers
    rows = [
        _table_parts.of_flags({_table_parts.IS[titles.plain(title)]: flags[title][row] for title in flags})
        for row in range(n if flags else 0)
    ]
    if None in rows:
        listed = " and ".join(flags)
        raise ConfigError(
            f"{path}: {listed} do not say which part row {rows.index(None)} belongs to; give dataset.parts=COLUMN for "
            "one that holds train, validation or test, or dataset.parts=none."
        )
    return Entries(" and ".join(flags), tuple(PARTS[row] for row in rows)) if len(set(rows)) > 1 else None


def _is_sure(title: str) -> bool:
    return titles.plain(title) in titles.SURE_PARTS


def _coded(column: Entries, sure: bool) -> dict[str, int] | None:
    """The part that each entry means; without the entries that mean none, if there is a training part and another.

    None if they are no parts, and no one said that they are.
    """
    values = sorted(set(column.values))
    if sure and set(values) & set(CODES):
        known: dict[str, int] = dict(CODES)
    else:
        known = _parts.of_names(values)
        if not known:
            known = {value: part for value in values if (part := _parts.of_name(value)) is not None}
    other = [value for value in values if value not in known]
    split = TRAIN in known.values() and len({known[value] for value in values if value in known}) > 1
    if other and (set(known) == set(CODES) or not split):
        if not sure:
            return None
        hint = f"{WHERE}.parts: {column.title!r} holds {arrays.some(values)}"
        raise refuse(hint, other[0], f"{', '.join(PARTS)} (and their synonyms), or 0, 1, 2; or give dataset.parts=none")
    return {value: known[value] for value in values if value in known}


def _labels_of(
    path: Path,
    named: str | None,
    sides: Mapping[str, arrays.Side],
    rows: Sequence[int] | None,
    n: int,
    bounds: Bounds,
) -> Entries | None:
    """The column of labels, checked against others with titles of labels: where two differ, neither is taken."""
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
        if not _same_classes(_only(columns[0], rows), _only(other, rows)):
            raise ConfigError(
                f"{path}: {columns[0].title!r} and {other.title!r} may both be the labels, and differ; give "
                f"dataset.labels={columns[0].title} or dataset.labels={other.title} (none for no labels)."
            )
    if not columns:
        _refuse_like_labels(path, sides, n)
    return columns[0] if columns else None


def _refuse_like_labels(path: Path, sides: Mapping[str, arrays.Side], n: int) -> None:
    """Raise ConfigError where a column without a usual title may well hold the labels."""
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
    """Whether a column y of reals has an x beside it."""
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
    values = _only(labels, rows)
    empty = [row for row, label in enumerate(values) if not label]
    if empty:
        raise ConfigError(
            f"{WHERE}.labels: no label in row {arrays.some(empty)} of {labels.title!r}; leave these rows out, or give "
            "dataset.labels=none."
        )
    whole = all(label.removeprefix("-").isdecimal() for label in values)
    classes = sorted(set(values), key=(lambda label: (int(label), label)) if whole else None)
    number = {label: place for place, label in enumerate(classes)}
    return tuple(classes), tuple(number[label] for label in values)
