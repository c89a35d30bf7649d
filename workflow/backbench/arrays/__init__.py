"""Tables of numbers made elsewhere (layer 0): ``.npy``, ``.npz``, ``.parquet`` and ``.safetensors``.

Nothing is unpickled. A shape is told by the header alone, and ``.npy`` stays on disk as a memory map. What is missing,
ambiguous or damaged is a ConfigError that says what there is. One module per format, each with

- ``table(path, key, columns, bounds)``: the :class:`Table`, from the header;
- ``values(path, name, bounds)``: its numbers;
- ``column(path, name, bounds, missing)``: what else there is of that name, or None;
- ``beside(path)``: a :class:`Side` for each array or column, by name.

No more is read than :class:`backbench.arrays.bounds.Bounds` allow, whatever a head claims.
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from backbench.arrays import titles
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    import numpy as np

FORMATS = (".npy", ".npz", ".parquet", ".safetensors")
BLOCK_ROWS = 4096
SHOWN = 5
Columns = Sequence[str] | None
TEXT, INTEGER, REAL, OBJECT, TEXTS = "text", "integer", "real", "object", "lists of text"
ANY = Bounds()


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


def table(path: Path, key: str | None = None, columns: Columns = None, bounds: Bounds = ANY) -> Table:
    """The table in a file, without reading its values.

    Parameters
    ----------
    key
        Name of the array in an ``.npz`` or ``.safetensors``; None takes ``features`` or another usual name, else the
        only array of two dimensions.
    columns
        Columns of a ``.parquet``, or patterns of their titles (``e*``): numeric ones, or a single one of lists. None
        takes its only column of lists, or the family of numbered titles; see ``_features``.
    """
    with damage(path):
        found = _format(path).table(path, key, columns, bounds)
    if found.kind not in "fiub":
        raise ConfigError(f"{path}: values of kind {found.kind!r}; allowed: real numbers (float, int, bool).")
    if len(found.shape) != 2 or not all(found.shape):
        raise ConfigError(
            f"{path}: an array of the shape {tuple(found.shape)}; allowed: (rows, columns), at least one each."
        )
    return found


def shape(path: Path, key: str | None = None, columns: Columns = None, bounds: Bounds = ANY) -> tuple[int, int]:
    """Rows and columns of the table in a file; see :func:`table`."""
    rows, width = table(path, key, columns, bounds).shape
    return int(rows), int(width)


def values(path: Path, key: str | None = None, columns: Columns = None, bounds: Bounds = ANY) -> "np.ndarray":
    """The numbers (n, d) of a file in the type that they are stored in; see :func:`table` for the options."""
    expected = table(path, key, columns, bounds)
    with damage(path):
        found = _format(path).values(path, expected.name, bounds)
    if found.shape != expected.shape:
        listed = " x ".join(map(str, expected.shape))
        raise ConfigError(f"{path} holds {found.shape[0]} x {found.shape[1]} numbers, but its header says {listed}.")
    return found


def column(path: Path, name: str, bounds: Bounds = ANY, missing: bool = False) -> "np.ndarray | None":
    """The array or column `name` of one dimension beside the table in a file; None if there is none of that name.

    Where `missing` is true, text that is not there is empty, and no error.
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
    """Every array or column of a file by name, the table among them; a single column is taken for one dimension."""
    with damage(path):
        sides = _format(path).beside(path)
    return {
        name: replace(side, shape=side.shape[:1]) if len(side.shape) == 2 and side.shape[1] == 1 else side
        for name, side in sides.items()
    }


def floats(found: "np.ndarray") -> "np.ndarray":
    """Rows as float32 in one piece."""
    import numpy as np

    with np.errstate(over="ignore"):
        return np.ascontiguousarray(found, dtype="<f4")


def taken(found: "np.ndarray", rows: "np.ndarray", path: Path) -> "np.ndarray":
    """Some rows as float32."""
    with damage(path):
        return floats(found[rows])


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
    except ConfigError:
        raise
    except MemoryError as error:
        raise ConfigError(f"{path} does not fit in the memory of this machine: {error}".rstrip(": ") + ".") from error
    except Exception as error:  # four libraries with kinds of their own; all mean the same here
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def pick(
    path: Path, key: str | None, shapes: Mapping[str, tuple[int, ...]], numbers: Collection[str], bounds: Bounds
) -> str:
    """The name of the table among arrays: `key`, or the one of two dimensions that is meant.

    That is ``features``; else the only one with another usual name; else the only one of `numbers` whose name does not
    say that it is something else (labels, a map); else the only one at all.
    """
    if key is not None:
        if key not in shapes:
            raise refuse(f"{bounds.prefix}key of {path}", key, sorted(shapes))
        return key
    tables = [name for name, found in shapes.items() if len(found) == 2]
    if "features" in tables:
        return "features"
    usual = titles.usual(tables, titles.FEATURES)
    features = [name for name in tables if name in numbers and not titles.is_never_feature(name)]
    for names in (usual, features if usual == [] else []):
        if len(names) == 1:
            return names[0]
    if len(tables) == 1 and not (tables[0] in numbers and titles.is_never_feature(tables[0])):
        return tables[0]
    listed = some([f"{name} {found}" for name, found in shapes.items()])
    if not tables:
        raise ConfigError(
            f"{path} holds no array of two dimensions ({listed}); features are (rows, columns): save them as such, "
            "for example with features.reshape(len(features), -1)."
        )
    raise ConfigError(
        f"{path} holds {len(tables)} arrays of two dimensions ({listed}); say which are the features with "
        f"{bounds.prefix}key=NAME."
    )


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
