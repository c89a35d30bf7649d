"""Columns beside the numbers of a table of embeddings (no libraries): in the file, or lists of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import arrays
from backbench.arrays import lists, titles
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError

WHERE = "dataset(embeddings)"
NONE = "none"
NAMES = titles.NAMES[:8]


@dataclass(frozen=True)
class Entries:
    """The entries of one column, array or list, and what it is called."""

    title: str
    values: tuple[str, ...]

    def at(self, rows: Sequence[int] | None) -> tuple[str, ...]:
        """The entries of some rows, None for all."""
        return self.values if rows is None else tuple(self.values[row] for row in rows)


def column(path: Path, title: str, option: str, n: int, bounds: Bounds, missing: bool = False) -> Entries:
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


def is_off(named: str | None, sides: Mapping[str, arrays.Side]) -> bool:
    """Whether the user says that there is no such column; one may also be called ``none``."""
    return named == NONE and NONE not in sides
