"""One array in a ``.npy`` file."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from backbench.schema import ConfigError


def header(handle: BinaryIO, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type from the head of the format, before anything of the content is read.

    Raises
    ------
    ConfigError
        If it is another format.
    """
    if handle.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
        raise ConfigError(f"{path} is not in the .npy format (pickles are never read); write it with numpy.save.")
    version = tuple(handle.read(2))
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ConfigError(f"{path}: version {version} of the .npy format; allowed: 1.0 and 2.0.")
    found, _, kind = readers[version](handle)
    return found, kind


def refuse_objects(kind: np.dtype, path: Path) -> None:
    """Raise ConfigError for an array of Python objects."""
    if kind.hasobject:
        raise ConfigError(
            f"{path} holds Python objects, which are never unpickled; save numbers as float32, and names as text "
            "(numpy.array(names, dtype=str))."
        )


def table(path: Path, key: str | None, columns: Any) -> tuple[str, tuple[int, ...], str]:
    with path.open("rb") as handle:
        found, kind = header(handle, path)
    refuse_objects(kind, path)
    return "", found, kind.kind


def values(path: Path, name: str) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def column(path: Path, name: str) -> None:
    """There is nothing beside the table."""
