"""One array in a ``.npy`` file, and the head of the format."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from backbench.arrays import Side, Table
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError

# Bytes of the number that says how long a head is, by version, and what reads the head.
VERSIONS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
LONGEST_HEAD = 10_000


@dataclass(frozen=True)
class Head:
    """Shape, order and type of an array, and the number of bytes before its values."""

    shape: tuple[int, ...]
    fortran: bool
    kind: np.dtype
    length: int

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.kind.itemsize

    def __str__(self) -> str:
        return f"{self.shape} {self.kind}"


def header(handle: BinaryIO, name: Any) -> Head:
    """The head of an array, before anything of its values is read.

    Raises
    ------
    ConfigError
        If it is another format, or the head is none.
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
    except Exception as error:  # the head is text in Python's syntax, whose readers have many kinds
        raise ConfigError(f"{name}: its header cannot be read: {type(error).__name__}.") from error
    if any(side < 0 for side in shape):
        raise ConfigError(f"{name}: its header gives the shape {shape}; allowed: no negative numbers.")
    return Head(shape, fortran, kind, len(npy.MAGIC_PREFIX) + 2 + digits + length)


def refuse_objects(kind: np.dtype, name: Any) -> None:
    """Raise ConfigError for an array of Python objects."""
    if kind.hasobject:
        raise ConfigError(
            f"{name} holds Python objects, which are never unpickled; save numbers as float32, and names as text "
            "(numpy.array(names, dtype=str))."
        )


def refuse_short(head: Head, there: int, name: Any) -> None:
    """Raise ConfigError for an array whose values are not all there."""
    if there < head.length + head.size:
        raise ConfigError(
            f"{name}: its header says {head}, {head.size:,} bytes, but it holds {max(there - head.length, 0):,}; the "
            "file is damaged or cut off: write it again."
        )


def checked(path: Path, bounds: Bounds) -> Head:
    """The head of a file whose values are all there."""
    with path.open("rb") as handle:
        head = header(handle, path)
    refuse_objects(head.kind, path)
    bounds.check(path, head.size, f"the array {head}", in_memory=False)
    refuse_short(head, path.stat().st_size, path)
    return head


def table(path: Path, key: str | None, columns: Any, bounds: Bounds) -> Table:
    head = checked(path, bounds)
    return Table("", head.shape, head.kind.kind, "the array")


def values(path: Path, name: str, bounds: Bounds) -> np.ndarray:
    checked(path, bounds)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def column(path: Path, name: str, bounds: Bounds, missing: bool = False) -> None:
    """There is nothing beside the table."""


def beside(path: Path) -> dict[str, Side]:
    """There is nothing beside the table."""
    return {}
