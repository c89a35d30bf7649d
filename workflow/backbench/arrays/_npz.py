"""Arrays by name in an ``.npz`` file."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from backbench.arrays import _npy
from backbench.arrays._tables import INTEGER, OBJECT, REAL, TEXT, Side, Table, pick, some
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError

ENCRYPTED = 1
BLOCK = 1 << 24
KINDS = {"U": TEXT, "S": TEXT, "i": INTEGER, "u": INTEGER, "b": INTEGER, "f": REAL}


def _heads(path: Path) -> dict[str, tuple[zipfile.ZipInfo, _npy.Head]]:
    """The entry and header of each array; entries that are not arrays are skipped unless there is nothing else.

    Raises
    ------
    ConfigError
        If an entry is encrypted, two have the same name, or there is no array.
    """
    heads: dict[str, tuple[zipfile.ZipInfo, _npy.Head]] = {}
    other: ConfigError | None = None
    with zipfile.ZipFile(path) as opened:
        members = [info for info in opened.infolist() if not _is_extra(info.filename)]
        titles = [info.filename for info in members]
        twice = sorted({title for title in titles if titles.count(title) > 1}) if len(set(titles)) < len(titles) else []
        if twice:
            raise ConfigError(f"{path} holds entries of the same name: {some(twice)}; write it with numpy.savez.")
        for info in members:
            if info.flag_bits & ENCRYPTED:
                raise ConfigError(f"{path}: {info.filename} is encrypted; write it without a password (numpy.savez).")
            with opened.open(info) as handle:
                try:
                    heads[info.filename.removesuffix(".npy")] = (info, _npy.header(handle, _called(path, info)))
                except ConfigError as error:
                    if info.filename.endswith(".npy"):
                        raise
                    other = error
    if not heads:
        raise other or ConfigError(f"{path} holds no array; write it with numpy.savez.")
    return heads


def _is_extra(title: str) -> bool:
    """Whether an entry is a folder, or one that macOS adds."""
    return title.endswith("/") or "__MACOSX" in title or PurePosixPath(title).name.startswith("._")


def _called(path: Path, info: zipfile.ZipInfo) -> str:
    return f"{path}: {info.filename}"


def table(path: Path, key: str | None, columns: Any, bounds: Bounds) -> Table:
    """The array of features, from its header."""
    heads = {name: head for name, (_, head) in _heads(path).items()}
    shapes = {name: head.shape for name, head in heads.items()}
    name = pick(path, key, shapes, [name for name, head in heads.items() if head.kind.kind in "fiub"], bounds)
    _npy.refuse_objects(heads[name].kind, f"{path}: {name}")
    return Table(name, heads[name].shape, heads[name].kind.kind, f"the array {name}")


def values(path: Path, name: str, bounds: Bounds) -> np.ndarray:
    """The array `name`, of any shape: (n, d) for the table."""
    info, head = _heads(path)[name]
    called = f"{path}: {name}"
    _npy.refuse_objects(head.kind, called)
    bounds.check(path, head.size, f"the array {name} {head}")
    _npy.refuse_short(head, info.file_size, called)
    content = np.empty(head.size, np.uint8)
    with zipfile.ZipFile(path) as opened, opened.open(info) as handle:
        handle.read(head.length)
        done = _fill(content, handle)
    _npy.refuse_short(head, head.length + done, called)
    return np.ndarray(head.shape, head.kind, content.data, order="F" if head.fortran else "C")


def _fill(content: np.ndarray, handle: IO[bytes]) -> int:
    """Read into `content` (bytes,) uint8; returns how many bytes there were.

    Reading one byte more makes the archive verify its checksum.
    """
    done = 0
    while done < len(content):
        block = handle.read(min(BLOCK, len(content) - done))
        if not block:
            break
        content[done : done + len(block)] = np.frombuffer(block, np.uint8)
        done += len(block)
    handle.read(1)
    return done


def column(path: Path, name: str, bounds: Bounds, missing: bool = False) -> np.ndarray | None:
    """The array `name`, (n,) or of any shape; None if there is none."""
    return values(path, name, bounds) if name in _heads(path) else None


def beside(path: Path) -> dict[str, Side]:
    """Every array by name."""
    return {name: Side(KINDS.get(head.kind.kind, OBJECT), head.shape) for name, (_, head) in _heads(path).items()}
