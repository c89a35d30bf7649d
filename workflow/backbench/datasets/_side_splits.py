"""The splits that come with a table of embeddings (no libraries)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import arrays
from backbench.arrays import titles
from backbench.arrays.bounds import Bounds
from backbench.datasets import PARTS, TRAIN, _split_names, _table_splits
from backbench.datasets._side_columns import WHERE, Entries, column, is_off
from backbench.schema import ConfigError, refuse

CODES = {str(part): part for part in range(len(PARTS))}


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


def find(path: Path, named: str | None, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Marks | None:
    """The splits: of a column with a sure title, else of one whose entries all name splits, else of flags."""
    if named is not None:
        return None if is_off(named, sides) else _sure(column(path, named, "parts", n, bounds, missing=True))
    usual = titles.usual(sides, titles.PARTS)
    if usual and titles.plain(usual[0]) in titles.SURE_PARTS:
        return _sure(column(path, usual[0], "parts", n, bounds, missing=True))
    for title in usual:
        if sides[title] == arrays.Side(arrays.TEXT, (n,)):
            entries = column(path, title, "parts", n, bounds, missing=True)
            if (part_of := _coded(entries)) is not None:
                return Marks(entries, part_of)
    return _untitled(path, sides, n, bounds) or _flagged(path, sides, n, bounds)


def _untitled(path: Path, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Marks | None:
    """The splits of a column of another title all of whose entries name splits.

    Raises
    ------
    ConfigError
        If two such columns differ.
    """
    known = (*titles.PARTS, *titles.LABELS, *titles.NAMES)
    marks: list[Marks] = []
    for title, side in sides.items():
        if side == arrays.Side(arrays.TEXT, (n,)) and titles.plain(title) not in known:
            entries = column(path, title, "parts", n, bounds, missing=True)
            words = set(entries.values)
            if 1 < len(words) <= _table_splits.FEW and len(part_of := _split_names.of_names(words)) == len(words):
                marks.append(Marks(entries, part_of))
    if any(other.parts != marks[0].parts for other in marks):
        columns = [mark.column.title for mark in marks]
        choices = " or ".join(f"dataset.parts={title}" for title in [*columns, "none"])
        raise ConfigError(f"{path}: {' and '.join(columns)} give different splits; give {choices}.")
    return marks[0] if marks else None


def _flagged(path: Path, sides: Mapping[str, arrays.Side], n: int, bounds: Bounds) -> Marks | None:
    """The splits that columns of yes and no tell: ``is_train``, ``is_valid``."""
    named = {title: _table_splits.of_flag(title) for title, side in sides.items() if side.shape == (n,)}
    part_of = {title: part for title, part in named.items() if part is not None}
    flags: dict[str, list[bool]] = {}
    for title in part_of:
        if sides[title].kind in (arrays.TEXT, arrays.INTEGER, arrays.REAL):
            values = _answers(path, title, sides[title], n, bounds)
            answers = [answer for value in values if (answer := _table_splits.answer(value)) is not None]
            if len(answers) == n:
                flags[title] = answers
    parts: list[int] = []
    for row in range(n if flags else 0):
        part = _table_splits.of_flags({part_of[title]: flags[title][row] for title in flags})
        if part is None:
            raise ConfigError(
                f"{path}: {' and '.join(flags)} do not say which split row {row} belongs to; give dataset.parts=COLUMN "
                "for a column that holds train, validation or test, or dataset.parts=none."
            )
        parts.append(part)
    if len(set(parts)) < 2:
        return None
    entries = Entries(" and ".join(flags), tuple(PARTS[part] for part in parts))
    return Marks(entries, {PARTS[part]: part for part in set(parts)})


def _answers(path: Path, title: str, side: arrays.Side, n: int, bounds: Bounds) -> tuple[str, ...]:
    """The entries of a column that may say yes and no; none if it holds other numbers than whole ones."""
    try:
        return column(path, title, "parts", n, bounds).values
    except ConfigError:
        if side.kind != arrays.REAL:
            raise
        return ()


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
