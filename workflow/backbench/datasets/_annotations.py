"""Labels, names and splits that come with a table of embeddings (no libraries)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import arrays
from backbench.arrays import titles
from backbench.arrays.bounds import Bounds
from backbench.datasets import TRAIN, _side_splits, _split_names
from backbench.datasets._side_columns import NAMES, WHERE, Entries, column, is_off
from backbench.schema import ConfigError

UNTITLED = re.compile(r"arr_\d+")  # numpy.savez without names


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
    marks = _side_splits.find(path, asked["parts"], sides, n, bounds)
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


def _named(path: Path, named: str | None, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Entries | None:
    title = named or next((name for name in NAMES if name in sides), None)
    return None if title is None or is_off(named, sides) else column(path, title, "names", n, bounds)


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
        return None if is_off(named, sides) else column(path, named, "labels", n, bounds, missing=rows is not None)
    usual = [title for title in titles.usual(sides, titles.LABELS) if not _is_coordinate(title, sides)]
    fitting = [title for title in usual if sides[title].shape == (n,) and sides[title].kind != arrays.OBJECT]
    columns, refused = [], []
    for title in fitting or usual[:1]:
        try:
            columns.append(column(path, title, "labels", n, bounds, missing=rows is not None))
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
    """Class names, sorted as numbers if all are whole numbers, and the class of each row."""
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
