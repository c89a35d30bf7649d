"""Arrays by name in an ``.npz`` file."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from backbench.arrays import INTEGER, OBJECT, REAL, TEXT, Side, Table, _npy, pick, some
from backbench.arrays.bounds import Bounds
from backbench.schema import ConfigError

ENCRYPTED = 1
BLOCK = 1 << 24
KINDS = {"U": TEXT, "S": TEXT, "i": INTEGER, "u": INTEGER, "b": INTEGER, "f": REAL}


def _heads(path: Path) -> dict[str, tuple[zipfile.ZipInfo, _npy.Head]]:
    """Each array's entry and head; entries that are no arrays are passed over unless there is nothing else.

    Raises
    ------
    ConfigError
        If an entry is encrypted or stands twice, or there is no array.
    """
    heads, other = {}, None
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
    """Whether an entry is a folder, or what macOS adds."""
    return title.endswith("/") or "__MACOSX" in title or PurePosixPath(title).name.startswith("._")


def _called(path: Path, info: zipfile.ZipInfo) -> str:
    return f"{path}: {info.filename}"


def table(path: Path, key: str | None, columns: Any, bounds: Bounds) -> Table:
    heads = {name: head for name, (_, head) in _heads(path).items()}
    shapes = {name: head.shape for name, head in heads.items()}
    name = pick(path, key, shapes, [name for name, head in heads.items() if head.kind.kind in "fiub"], bounds)
    _npy.refuse_objects(heads[name].kind, f"{path}: {name}")
    return Table(name, heads[name].shape, heads[name].kind.kind, f"the array {name}")


def values(path: Path, name: str, bounds: Bounds) -> np.ndarray:
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


def _fill(content: np.ndarray, handle: Any) -> int:
    """Read into `content`, and the number of bytes that came; one more tells that all were checked."""
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
    return values(path, name, bounds) if name in _heads(path) else None


def beside(path: Path) -> dict[str, Side]:
    return {name: Side(KINDS.get(head.kind.kind, OBJECT), head.shape) for name, (_, head) in _heads(path).items()}
