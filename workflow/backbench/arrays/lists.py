"""One entry for each row (layer 0): file names, labels and parts of a split, in a table or beside it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import arrays
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import numpy as np

FORMATS = (".txt", ".csv", ".npy")


def find(path: Path, named: str | None, usual: Sequence[str], where: str) -> list[str] | None:
    """The entries that `named` is the name or the file of; without it, those of the first of the `usual` names.

    Parameters
    ----------
    path
        The file of the table: names are looked up in it first.
    where
        The option, for messages.

    Raises
    ------
    ConfigError
        If `named` is neither in the table's file nor a list of its own.
    """
    for name in usual if named is None else (named,):
        inside = arrays.column(path, name)
        if inside is not None:
            return texts(inside, path)
    if named is None:
        return None
    if Path(named).suffix.lower() not in FORMATS:
        raise refuse(where, named, f"a name in {path}, or a file whose name ends in {', '.join(FORMATS)}")
    beside = arrays.located(named, where, FORMATS)
    found = read(beside, usual)
    if found is None:
        raise ConfigError(f"{where}: {beside} has no column {' or '.join(usual)}.")
    return found


def read(path: Path, names: Sequence[str]) -> list[str] | None:
    """Entries of a ``.txt`` (a line each), ``.npy`` (text or whole numbers) or ``.csv`` file.

    A ``.csv`` begins with a head line; the first of `names` in it is the column, and None is given if it has none.
    """
    with arrays.damage(path):
        if path.suffix.lower() == ".npy":
            return texts(_array(path), path)
        content = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".csv":
        return _column(path, content, names)
    return content.removesuffix("\n").split("\n")


def texts(found: "np.ndarray", path: Path) -> list[str]:
    """Entries of an array as text; whole numbers are written as such.

    Raises
    ------
    ConfigError
        If they are neither text nor whole numbers.
    """
    import numpy as np

    if found.ndim != 1:
        raise ConfigError(f"{path}: entries of the shape {found.shape}; allowed: one dimension, an entry for each row.")
    if found.dtype.kind == "f" and np.isfinite(found).all() and np.array_equal(found, np.trunc(found)):
        found = found.astype(np.int64)
    if found.dtype.kind not in "USTiub":
        raise ConfigError(f"{path}: entries of type {found.dtype}; allowed: text or whole numbers.")
    return [item.decode() if isinstance(item, bytes) else str(item) for item in found.tolist()]


def _array(path: Path) -> "np.ndarray":
    import numpy as np

    from backbench.arrays import _npy

    with path.open("rb") as handle:
        _npy.refuse_objects(_npy.header(handle, path)[1], path)
    return np.load(path, allow_pickle=False)


def _column(path: Path, content: str, names: Sequence[str]) -> list[str] | None:
    with arrays.damage(path):
        head, *rows = [row for row in csv.reader(io.StringIO(content)) if row] or [[]]
    head = [name.strip() for name in head]
    place = next((head.index(name) for name in names if name in head), None)
    if place is None:
        return None
    odd = [number for number, row in enumerate(rows, 2) if len(row) != len(head)]
    if odd:
        raise ConfigError(f"{path}: its head has {len(head)} columns; other numbers have the rows {arrays.some(odd)}.")
    return [row[place] for row in rows]
