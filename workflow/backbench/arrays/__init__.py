"""Tables of numbers made elsewhere (layer 0): ``.npy``, ``.npz``, ``.parquet`` and ``.safetensors``.

Nothing is unpickled. A shape is told by the header alone, and ``.npy`` stays on disk as a memory map. What is missing,
ambiguous or damaged is a ConfigError that says what there is. One module per format, each with

- ``table(path, key, columns)``: (name, shape, kind of number) of the table, from the header;
- ``values(path, name)``: its numbers;
- ``column(path, name)``: what else there is of that name, or None.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import numpy as np

FORMATS = (".npy", ".npz", ".parquet", ".safetensors")
BLOCK_ROWS = 4096
SHOWN = 5
Columns = Sequence[str] | None


def some(items: Sequence[Any], shown: int = SHOWN) -> str:
    """The first few of `items`, for a message."""
    return ", ".join(map(str, items[:shown])) + (f", ... ({len(items)} in all)" if len(items) > shown else "")


def located(path: str, where: str, allowed: Sequence[str] = FORMATS) -> Path:
    """The absolute path of a file of a known format.

    Raises
    ------
    ConfigError
        If it is of another format, or not there.
    """
    found = Path(path).expanduser().absolute()
    if found.suffix.lower() not in allowed:
        raise refuse(where, path, f"a file whose name ends in {', '.join(allowed)}")
    if not found.is_file():
        raise ConfigError(f"{where}: received {path!r}; there is no such file (looked for {found}).")
    return found


def shape(path: Path, key: str | None = None, columns: Columns = None) -> tuple[int, int]:
    """Rows and columns of the table in a file, without reading its values.

    Parameters
    ----------
    key
        Name of the array in an ``.npz`` or ``.safetensors``; None takes its only array of two dimensions.
    columns
        Columns of a ``.parquet``: numeric ones, or a single one of lists; None takes its only column of lists, else
        all columns of floating-point numbers.
    """
    return _table(path, key, columns)[1]


def values(path: Path, key: str | None = None, columns: Columns = None) -> "np.ndarray":
    """The numbers (n, d) of a file in the type that they are stored in; see :func:`shape` for the options."""
    name, expected = _table(path, key, columns)
    with damage(path):
        found = _format(path).values(path, name)
    if found.shape != expected:
        raise ConfigError(f"{path} holds {found.shape[0]} x {found.shape[1]} numbers, and its head says {expected}.")
    return found


def column(path: Path, name: str) -> "np.ndarray | None":
    """The array or column `name` of one dimension beside the table in a file; None if there is none of that name."""
    with damage(path):
        found = _format(path).column(path, name)
    if found is not None and found.ndim != 1:
        raise ConfigError(
            f"{path}: {name!r} has the shape {found.shape}; allowed: one dimension, an entry for each row."
        )
    return found


def floats(found: "np.ndarray") -> "np.ndarray":
    """Rows as float32 in one piece."""
    import numpy as np

    with np.errstate(over="ignore"):
        return np.ascontiguousarray(found, dtype="<f4")


def digest(found: "np.ndarray", path: Path) -> str:
    """``hashing.array_digest`` of the rows as float32, block by block: equal numbers count, not how they are stored.

    Raises
    ------
    ConfigError
        If a value is not finite as float32.
    """
    import numpy as np

    digested = hashlib.sha256(f"<f4{list(found.shape)}".encode("ascii"))
    for first in range(0, len(found), BLOCK_ROWS):
        block = floats(found[first : first + BLOCK_ROWS])
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if bad.size:
            raise ConfigError(
                f"{path}: values that are not finite (NaN or infinity) in row {some((bad + first).tolist())}."
            )
        digested.update(block.reshape(-1).view(np.uint8))
    return digested.hexdigest()


def stamp(path: Path) -> tuple[int, int]:
    """Size and modification time: while they stay, so does the content."""
    about = path.stat()
    return about.st_size, about.st_mtime_ns


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Whatever a library says of a damaged file becomes one kind of error."""
    try:
        yield
    except (ConfigError, MemoryError):
        raise
    except Exception as error:  # four libraries with kinds of their own; all mean the same here
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def pick(path: Path, key: str | None, shapes: dict[str, tuple[int, ...]]) -> str:
    """The name of the table among arrays: `key`, or the only one of two dimensions."""
    if key is not None:
        if key not in shapes:
            raise refuse(f"key of {path}", key, sorted(shapes))
        return key
    tables = [name for name, found in shapes.items() if len(found) == 2]
    if len(tables) != 1:
        listed = some([f"{name} {found}" for name, found in shapes.items()])
        raise ConfigError(f"{path} holds {len(tables)} arrays of two dimensions ({listed}); say which with key=NAME.")
    return tables[0]


def _table(path: Path, key: str | None, columns: Columns) -> tuple[Any, tuple[int, int]]:
    with damage(path):
        name, found, kind = _format(path).table(path, key, columns)
    if kind not in "fiub":
        raise ConfigError(f"{path}: values of kind {kind!r}; allowed: real numbers (float, int, bool).")
    if len(found) != 2 or not all(found):
        raise ConfigError(f"{path}: an array of the shape {tuple(found)}; allowed: (rows, columns), at least one each.")
    return name, (int(found[0]), int(found[1]))


def _format(path: Path) -> ModuleType:
    """The module of a file's format; those of other formats, and their libraries, are not imported."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        from backbench.arrays import _npy as found
    elif suffix == ".npz":
        from backbench.arrays import _npz as found
    elif suffix == ".parquet":
        from backbench.arrays import _parquet as found
    else:
        from backbench.arrays import _safetensors as found
    return found
