"""What the modules of the formats share: tables and other arrays as they are described by a header."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from backbench.arrays import titles
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import numpy as np

SHOWN = 5
Columns = Sequence[str] | None
TEXT, INTEGER, REAL, OBJECT, TEXTS = "text", "integer", "real", "object", "lists of text"


@dataclass(frozen=True)
class Table:
    """The numbers of a file: the name they are read by, their shape and NumPy kind, and where they are in words."""

    name: Any
    shape: tuple[int, ...]
    kind: str
    words: str


@dataclass(frozen=True)
class Side:
    """An array or column: ``text``, ``integer``, ``real``; ``object`` or ``lists of text``, which are not read."""

    kind: str
    shape: tuple[int, ...]


class Format(Protocol):
    """The module of a file format."""

    def table(self, path: Path, key: str | None, columns: Columns, bounds: Bounds) -> Table:
        """The table in a file, from its header."""

    def values(self, path: Path, name: Any, bounds: Bounds) -> "np.ndarray":
        """The numbers (n, d) of the table `name`."""

    def column(self, path: Path, name: str, bounds: Bounds, missing: bool = False) -> "np.ndarray | None":
        """The array or column `name` (n,) or of any shape; None if there is none."""

    def beside(self, path: Path) -> dict[str, Side]:
        """Every array or column by name."""


def some(items: Sequence[Any], shown: int = SHOWN) -> str:
    """The first few of `items`, for a message."""
    return ", ".join(map(str, items[:shown])) + (f", ... ({len(items)} in all)" if len(items) > shown else "")


def pick(
    path: Path, key: str | None, shapes: Mapping[str, tuple[int, ...]], numbers: Collection[str], bounds: Bounds
) -> str:
    """The name of the table among arrays: `key`, or the array of two dimensions that must be meant.

    That is ``features``; else the only one with another usual name; else the only one of `numbers` whose name does not
    say that it is something else (labels, a map); else the only one at all.
    """
    if key is not None:
        if key not in shapes:
            raise refuse(f"{bounds.prefix}key of {path}", key, sorted(shapes))
        return key
    tables = [name for name, shape in shapes.items() if len(shape) == 2]
    if "features" in tables:
        return "features"
    usual = titles.usual(tables, titles.FEATURES)
    features = [name for name in tables if name in numbers and not titles.is_never_feature(name)]
    for names in (usual, features if usual == [] else []):
        if len(names) == 1:
            return names[0]
    if len(tables) == 1 and not (tables[0] in numbers and titles.is_never_feature(tables[0])):
        return tables[0]
    listed = some([f"{name} {shape}" for name, shape in shapes.items()])
    if not tables:
        raise ConfigError(
            f"{path} holds no array of two dimensions ({listed}); features are (rows, columns): save them as such, "
            "for example with features.reshape(len(features), -1)."
        )
    raise ConfigError(
        f"{path} holds {len(tables)} arrays of two dimensions ({listed}); say which are the features with "
        f"{bounds.prefix}key=NAME."
    )
