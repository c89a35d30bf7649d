"""Entries for the rows: file names, labels and split assignments, in a table's file or beside it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import arrays
from backbench.arrays import titles
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import numpy as np

FORMATS = (".txt", ".csv", ".npy")


def find(
    path: Path, named: str | None, usual: Sequence[str], where: str, bounds: Bounds = arrays.ANY
) -> list[str] | None:
    """The entries in the array or file `named`; if None, those under the first of the `usual` names.

    Parameters
    ----------
    path
        The file of the table, where names are looked up first.
    where
        The option, for messages.

    Raises
    ------
    ConfigError
        If `named` is neither in the table's file nor a separate list.
    """
    for name in usual if named is None else (named,):
        inside = arrays.column(path, name, bounds)
        if inside is not None:
            return texts(inside, path)
    return None if named is None else beside(path, named, usual, where)


def beside(path: Path, named: str, usual: Sequence[str], where: str) -> list[str]:
    """The entries of the list `named`, a separate file."""
    if Path(named).suffix.lower() not in FORMATS:
        choices = f" (it holds {arrays.some(list(arrays.beside(path)))})" if arrays.beside(path) else ""
        raise refuse(where, named, f"a name in {path}, or a file whose name ends in {', '.join(FORMATS)}{choices}")
    located = arrays.located(named, where, FORMATS)
    entries = read(located, usual)
    if entries is None:
        raise ConfigError(f"{where}: {located} has no column {' or '.join(usual)}.")
    return entries


def read(path: Path, names: Sequence[str]) -> list[str] | None:
    """Entries of a ``.txt`` (a line each), ``.npy`` (text or whole numbers) or ``.csv`` file.

    A ``.csv`` begins with a header line. The first of `names` in it, in any case, is the column; None if there is none.
    """
    with arrays.damage(path):
        if path.suffix.lower() == ".npy":
            return texts(_array(path), path)
        content = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".csv":
        return _column(path, content, names)
    return content.removesuffix("\n").split("\n")


def texts(entries: "np.ndarray", path: Path) -> list[str]:
    """The `entries` (n,) as text; whole numbers are written without a decimal point.

    Raises
    ------
    ConfigError
        If they are neither text nor whole numbers.
    """
    import numpy as np

    if entries.ndim != 1:
        raise ConfigError(
            f"{path}: entries of the shape {entries.shape}; allowed: one dimension, an entry for each row."
        )
    if entries.dtype.kind == "f" and np.isnan(entries).any():
        raise ConfigError(f"{path}: {np.isnan(entries).sum()} of {len(entries)} rows have no entry (NaN).")
    if entries.dtype.kind == "f" and np.isfinite(entries).all() and np.array_equal(entries, np.trunc(entries)):
        entries = entries.astype(np.int64)
    if entries.dtype.kind not in "USTiub":
        raise ConfigError(f"{path}: entries of type {entries.dtype}; allowed: text or whole numbers.")
    return [item.decode() if isinstance(item, bytes) else str(item) for item in entries.tolist()]


def _array(path: Path) -> "np.ndarray":
    """The entries (n,) of a ``.npy`` file; a single column (n, 1) counts as one dimension."""
    import numpy as np

    from backbench.arrays import _npy

    _npy.checked(path, arrays.ANY)
    entries = np.load(path, allow_pickle=False)
    return entries[:, 0] if entries.ndim == 2 and entries.shape[1] == 1 else entries


def _column(path: Path, content: str, names: Sequence[str]) -> list[str] | None:
    with arrays.damage(path):
        head, *rows = [row for row in csv.reader(io.StringIO(content)) if row] or [[]]
    head = [name.strip() for name in head]
    named = titles.usual(head, names)
    if not named:
        return None
    place = head.index(named[0])
    odd = [number for number, row in enumerate(rows, 2) if len(row) != len(head)]
    if odd:
        raise ConfigError(f"{path}: its header has {len(head)} columns, but row {arrays.some(odd)} does not.")
    return [row[place] for row in rows]
