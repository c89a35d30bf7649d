"""Tables of numbers made elsewhere: ``.npy``, ``.npz``, ``.parquet`` and ``.safetensors``.

Nothing is unpickled. Shapes are read from the header alone, and ``.npy`` stays on disk as a memory map. Anything
missing, ambiguous or damaged is a ConfigError that lists what the file holds. There is one module per format, with the
functions of :class:`backbench.arrays._tables.Format`.

No more is read than :class:`backbench.arrays.bounds.Bounds` allow, whatever a header claims.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.arrays._tables import INTEGER as INTEGER
from backbench.arrays._tables import OBJECT as OBJECT
from backbench.arrays._tables import REAL as REAL
from backbench.arrays._tables import TEXT as TEXT
from backbench.arrays._tables import TEXTS as TEXTS
from backbench.arrays._tables import Columns, Format
from backbench.arrays._tables import Side as Side
from backbench.arrays._tables import Table as Table
from backbench.arrays._tables import some as some
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import numpy as np

FORMATS = (".npy", ".npz", ".parquet", ".safetensors")
BLOCK_ROWS = 4096
ANY = Bounds()


def located(path: str, where: str, allowed: Sequence[str] = FORMATS) -> Path:
    """The absolute path of a file of a known format.

    Raises
    ------
    ConfigError
        If it is of another format, or does not exist.
    """
    location = Path(path).expanduser().absolute()
    if location.suffix.lower() not in allowed:
        raise refuse(where, path, f"a file whose name ends in {', '.join(allowed)}")
    if not location.is_file():
        raise ConfigError(f"{where}: received {path!r}; there is no such file (looked for {location}).")
    return location


def table(path: Path, key: str | None = None, columns: Columns = None, bounds: Bounds = ANY) -> Table:
    """The table in a file, without reading its values.

    Parameters
    ----------
    key
        Name of the array in an ``.npz`` or ``.safetensors``; None takes ``features`` or another usual name, else the
        only array with two dimensions.
    columns
        Columns of a ``.parquet``, or patterns of their titles (``e*``): numeric ones, or a single one of lists. None
        takes its only column of lists, or the family of numbered titles; see ``_features``.
    """
    with damage(path):
        described = _format(path).table(path, key, columns, bounds)
    if described.kind not in "fiub":
        raise ConfigError(f"{path}: values of kind {described.kind!r}; allowed: real numbers (float, int, bool).")
    if len(described.shape) != 2 or not all(described.shape):
        raise ConfigError(
            f"{path}: an array of the shape {tuple(described.shape)}; allowed: (rows, columns), at least one each."
        )
    return described


def shape(path: Path, key: str | None = None, columns: Columns = None, bounds: Bounds = ANY) -> tuple[int, int]:
    """Rows and columns of the table in a file; see :func:`table`."""
    rows, width = table(path, key, columns, bounds).shape
    return int(rows), int(width)


def values(path: Path, key: str | None = None, columns: Columns = None, bounds: Bounds = ANY) -> "np.ndarray":
    """The numbers (n, d) of a file, in their stored type; see :func:`table` for the options."""
    expected = table(path, key, columns, bounds)
    with damage(path):
        numbers = _format(path).values(path, expected.name, bounds)
    if numbers.shape != expected.shape:
        listed = " x ".join(map(str, expected.shape))
        held = f"{numbers.shape[0]} x {numbers.shape[1]}"
        raise ConfigError(f"{path} holds {held} numbers, but its header says {listed}.")
    return numbers


def column(path: Path, name: str, bounds: Bounds = ANY, missing: bool = False) -> "np.ndarray | None":
    """The entries (n,) of the array or column `name` beside the table in a file; None if there is none of that name.

    With `missing`, absent text is empty instead of an error.
    """
    with damage(path):
        entries = _format(path).column(path, name, bounds, missing)
    if entries is not None and entries.ndim == 2 and entries.shape[1] == 1:
        entries = entries[:, 0]
    if entries is not None and entries.ndim != 1:
        hint = " (for one-hot labels, use argmax(axis=1))" if entries.ndim == 2 else ""
        raise ConfigError(
            f"{path}: {name!r} has the shape {entries.shape}; allowed: one dimension, an entry for each row{hint}."
        )
    return entries


def beside(path: Path) -> dict[str, Side]:
    """Every array or column of a file by name, including the table; a single column counts as one dimension."""
    with damage(path):
        sides = _format(path).beside(path)
    return {
        name: replace(side, shape=side.shape[:1]) if len(side.shape) == 2 and side.shape[1] == 1 else side
        for name, side in sides.items()
    }


def floats(rows: "np.ndarray") -> "np.ndarray":
    """`rows` (n, d) as contiguous float32 (n, d)."""
    import numpy as np

    with np.errstate(over="ignore"):
        return np.ascontiguousarray(rows, dtype="<f4")


def taken(numbers: "np.ndarray", rows: "np.ndarray", path: Path) -> "np.ndarray":
    """The given `rows` (m,) of `numbers` (n, d) as float32 (m, d)."""
    with damage(path):
        return floats(numbers[rows])


def digest(numbers: "np.ndarray", path: Path) -> str:
    """``hashing.array_digest`` of `numbers` (n, d) as float32, block by block, whatever their stored type.

    Raises
    ------
    ConfigError
        If a value is not finite as float32.
    """
    import numpy as np

    digested = hashlib.sha256(f"<f4{list(numbers.shape)}".encode("ascii"))
    for first in range(0, len(numbers), BLOCK_ROWS):
        block = floats(numbers[first : first + BLOCK_ROWS])
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if bad.size:
            raise ConfigError(
                f"{path}: values that are not finite (NaN or infinity) in row {some((bad + first).tolist())}."
            )
        digested.update(block.reshape(-1).view(np.uint8).data)
    return digested.hexdigest()


def stamp(path: Path) -> tuple[int, int]:
    """Size and modification time: while these stay the same, the content is taken to be the same."""
    about = path.stat()
    return about.st_size, about.st_mtime_ns


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn whatever a library raises for a damaged file into one kind of error."""
    try:
        yield
    except ConfigError:
        raise
    except MemoryError as error:
        raise ConfigError(f"{path} does not fit in the memory of this machine: {error}".rstrip(": ") + ".") from error
    except Exception as error:  # each library has its own exceptions; here they all mean the same
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def _format(path: Path) -> Format:
    """The module of a file's format; those of other formats, and their libraries, are not imported."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        from backbench.arrays import _npy

        return _npy
    if suffix == ".npz":
        from backbench.arrays import _npz

        return _npz
    if suffix == ".parquet":
        from backbench.arrays import _parquet

        return _parquet
    from backbench.arrays import _safetensors

    return _safetensors
