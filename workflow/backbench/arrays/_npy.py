"""The array in a ``.npy`` file, and the header of the format."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from backbench.arrays._tables import Side, Table
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError

# By version: the bytes of the number that gives the length of the header, and the function that reads the header.
VERSIONS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
LONGEST_HEAD = 10_000


@dataclass(frozen=True)
class Head:
    """Shape, memory order and type of an array, and the number of bytes before its values."""

    shape: tuple[int, ...]
    fortran: bool
    kind: np.dtype[Any]
    length: int

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.kind.itemsize

    def __str__(self) -> str:
        return f"{self.shape} {self.kind}"


def header(handle: IO[bytes], name: Any) -> Head:
    """The header of an array; no values are read.

    Raises
    ------
    ConfigError
        If the file is in another format, or its header is invalid.
    """
    if handle.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
        raise ConfigError(f"{name} is not in the .npy format (pickles are never read); write it with numpy.save.")
    version = tuple(handle.read(2))
    if version not in VERSIONS:
        raise ConfigError(f"{name}: version {version} of the .npy format; allowed: 1.0 and 2.0.")
    digits, reader = VERSIONS[version]
    digits_read = handle.read(digits)
    length = int.from_bytes(digits_read, "little")
    if length > LONGEST_HEAD:
        raise ConfigError(f"{name}: its header says that it is {length:,} bytes long; allowed: {LONGEST_HEAD:,}.")
    try:
        shape, fortran, kind = reader(io.BytesIO(digits_read + handle.read(length)))
    except Exception as error:  # the header is in Python's syntax, and its parsers raise many kinds
        raise ConfigError(f"{name}: its header cannot be read: {type(error).__name__}.") from error
    if any(side < 0 for side in shape):
        raise ConfigError(f"{name}: its header gives the shape {shape}; allowed: no negative numbers.")
    return Head(shape, fortran, kind, len(npy.MAGIC_PREFIX) + 2 + digits + length)


def refuse_objects(kind: np.dtype[Any], name: Any) -> None:
    """Raise ConfigError for an array of Python objects."""
    if kind.hasobject:
        raise ConfigError(
            f"{name} holds Python objects, which are never unpickled; save numbers as float32, and names as text "
            "(numpy.array(names, dtype=str))."
        )


def refuse_short(head: Head, present: int, name: Any) -> None:
    """Raise ConfigError for an array of which only `present` bytes are there, header included, and not all values."""
    if present < head.length + head.size:
        raise ConfigError(
            f"{name}: its header says {head}, {head.size:,} bytes, but it holds {max(present - head.length, 0):,}; the "
            "file is damaged or truncated: write it again."
        )


def checked(path: Path, bounds: Bounds) -> Head:
    """The header of a file, which is refused if it is too large or incomplete."""
    with path.open("rb") as handle:
        head = header(handle, path)
    refuse_objects(head.kind, path)
    bounds.check(path, head.size, f"the array {head}", in_memory=False)
    refuse_short(head, path.stat().st_size, path)
    return head


def table(path: Path, key: str | None, columns: Any, bounds: Bounds) -> Table:
    """The array of the file, from its header."""
    head = checked(path, bounds)
    return Table("", head.shape, head.kind.kind, "the array")


def values(path: Path, name: str, bounds: Bounds) -> np.ndarray:
    """The array (n, d) as a memory map."""
    checked(path, bounds)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def column(path: Path, name: str, bounds: Bounds, missing: bool = False) -> None:
    """None: there is nothing beside the table."""


def beside(path: Path) -> dict[str, Side]:
    """Nothing: there is nothing beside the table."""
    return {}
