"""Which columns of a table are the features, where the user does not say."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench.arrays import titles
from backbench.arrays._tables import some
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError

LIST, REAL, WHOLE, OTHER = "list", "real", "whole", "other"
# With other columns of numbers beside it, a family is only taken for the features if it has so many times as many.
CLEARLY_MORE = 4


@dataclass(frozen=True)
class Choice:
    """Titles of the columns, in the order of the file, and a description of them."""

    columns: tuple[str, ...]
    words: str


def choose(
    path: Path, kinds: Mapping[str, str], index: Collection[str], bounds: Bounds, is_whole: Callable[[str], bool]
) -> Choice:
    """The features among columns of the given kinds: the column of lists, or the family of numbered titles.

    Parameters
    ----------
    kinds
        ``list`` (of numbers), ``real``, ``whole`` (numbers) or ``other``, by title.
    index
        Titles of the columns that are an index.
    is_whole
        Whether a column of reals holds whole numbers alone, and not always the same one.

    Raises
    ------
    ConfigError
        If several columns could be meant, or none is clear.
    """
    allowed = [title for title in kinds if title not in index and not titles.is_never_feature(title)]
    lists = _lists([title for title, kind in kinds.items() if kind == LIST], allowed)
    reals = [title for title in allowed if kinds[title] == REAL]
    groups = _families(path, kinds, allowed, index, bounds, whole_too=not lists)
    readings = [Choice((title,), f"lists in column {title}") for title in lists]
    readings += [Choice(group.titles, f"columns {group}") for group in groups]
    if len(readings) == 1:
        for group in groups:
            _refuse_whole_end(path, group, kinds, bounds, is_whole)
        rest = [title for title in reals if title not in readings[0].columns]
        if lists or len(readings[0].columns) >= CLEARLY_MORE * len(rest):
            return readings[0]
        readings.append(Choice(tuple(title for title in kinds if title in (*reals, *readings[0].columns)), ""))
    if not readings and len(kinds) == len(reals) == 1:
        return Choice(tuple(reals), f"column {reals[0]}")
    raise _unclear(path, kinds, readings, bounds)


def _families(
    path: Path,
    kinds: Mapping[str, str],
    allowed: Sequence[str],
    index: Collection[str],
    bounds: Bounds,
    whole_too: bool,
) -> list[titles.Family]:
    """The families of numbers: those with a column of reals; failing that, with `whole_too`, those of whole numbers.

    Raises
    ------
    ConfigError
        If a column of the family is not numeric, or the first or last one of a family of reals is of whole numbers.
    """
    numbers = titles.families(title for title in allowed if kinds[title] in (REAL, WHOLE))
    groups = [group for group in numbers if any(kinds[title] == REAL for title in group.titles)]
    groups = groups or (numbers if whole_too else [])
    for group in groups:
        _refuse_whole_end(path, group, kinds, bounds, lambda title: False)
        odd = [title for title in kinds if group.holds(title) and title not in (*group.titles, *index)]
        if odd:
            raise ConfigError(f"{path}: the columns {group} are numeric, but {some(odd)} among them are not.")
    return groups


def _refuse_whole_end(
    path: Path, group: titles.Family, kinds: Mapping[str, str], bounds: Bounds, is_whole: Callable[[str], bool]
) -> None:
    """Raise ConfigError if a family of reals begins or ends with whole numbers, which may be labels put beside it.

    They may be stored as reals; then the column next to them must not hold whole numbers as well.
    """
    ordered = [title for _, title in sorted(zip(group.numbers, group.titles, strict=True))]
    ends = ((ordered[0], ordered[1]), (ordered[-1], ordered[-2]))
    whole = [title for title, _ in ends if kinds[title] == WHOLE]
    whole = whole or [end for end, near in ends if is_whole(end) and not is_whole(near)]
    if whole and any(kinds[title] == REAL for title in ordered):
        typed = titles.pattern(group.titles, list(kinds))
        raise ConfigError(
            f"{path}: the columns {group} are real numbers, but {some(whole)} holds whole numbers, which may be labels "
            "or features. For labels, rename that column to label; for features, give "
            f'"{bounds.prefix}columns=[{typed}]".'
        )


def _lists(lists: Sequence[str], allowed: Sequence[str]) -> list[str]:
    """The columns of lists that may be features; if exactly one has a usual title, that one alone."""
    usual = titles.usual(lists, titles.FEATURES)
    return usual if len(usual) == 1 else [title for title in lists if title in allowed or title in usual]


def _described(reading: Choice) -> str:
    if len(reading.columns) == 1:
        return f"the {reading.words}"
    return f"the {len(reading.columns)} {reading.words or 'columns of numbers'}"


def _unclear(path: Path, kinds: Mapping[str, str], readings: Sequence[Choice], bounds: Bounds) -> ConfigError:
    all_titles, option = list(kinds), f"{bounds.prefix}columns"
    if readings:
        lines = [
            f'{_described(reading)}: "{option}=[{titles.pattern(reading.columns, all_titles)}]"' for reading in readings
        ]
        return ConfigError(f"{path}: several columns may be the features; say which to take: {'; or '.join(lines)}.")
    listed = some([f"{title} ({kind})" for title, kind in kinds.items()], shown=12)
    return ConfigError(
        f"{path} has the columns {listed}; it is not clear which are features (no column of lists, no family of "
        f'numbered titles such as e0, e1, ...); say which to take: "{option}=[NAME,...]", or a pattern: '
        f'"{option}=[e*]".'
    )
