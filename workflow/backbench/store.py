"""Content-addressed store of stage results (layer 0).

A member is a record ``<kind>/<hh>/<hash>.json`` and array files beside it that are named by their own digest. Arrays
are written first and the record last, each by an atomic rename: the record is the commit point, and a member is there
whole or not at all. Everything is verified when it is read; what fails the check counts as absent. A folder that lies
where a file belongs is set aside, never deleted.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import logging
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import hashing, paths

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

DONE, FAILED = "done", "failed"
GROUP_WRITABLE, FILE_MODE = 0o775, 0o664


class StoreError(RuntimeError):
    """A member that is missing or does not match its recorded digest, or a place that cannot be written."""


class Store:
    """Members by (kind, hash) under one root folder."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def path(self, kind: str, member: str) -> Path:
        """Path of the record of a member."""
        return self.root / kind / member[:2] / f"{member}.json"

    def read(self, kind: str, member: str) -> dict[str, Any] | None:
        """The verified record of a member, or None where it is absent, damaged or cut short."""
        path = self.path(kind, member)
        try:
            record = json.loads(path.read_bytes())
            checksum = record.pop("checksum")
        except FileNotFoundError:
            return None
        except OSError as error:
            _warn_of(_culprit(path), error.strerror or type(error).__name__)
            return None
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            log.warning("damaged record, counted as absent: %s", path)
            return None
        if checksum != _checksum(record) or record.get("hash") != member:
            log.warning("record does not match its checksum, counted as absent: %s", path)
            return None
        return record

    def complete(self, kind: str, record: Mapping[str, Any]) -> bool:
        """Whether every array that a record names lies beside it with its full size."""
        folder = self.path(kind, record["hash"]).parent
        return all(_size(folder / item["file"]) == item["bytes"] for item in record["arrays"].values())

    def array(self, kind: str, member: str, name: str, mmap: bool = False) -> "np.ndarray":
        """An array of a member, verified against its recorded digest.

        Raises
        ------
        StoreError
            If the member or the array is absent, or its content has changed; a changed member is forgotten, so that
            the next launch computes it again.
        """
        import numpy as np

        record = self.read(kind, member)
        if record is None or name not in record["arrays"]:
            raise StoreError(f"the store holds no {name!r} of {kind} {hashing.short(member)} ({self.root})")
        entry = record["arrays"][name]
        path = self.path(kind, member).parent / entry["file"]
        if _size(path) != entry["bytes"] or hashing.file_digest(path) != entry["sha256"]:
            self.path(kind, member).unlink(missing_ok=True)
            raise StoreError(f"{path} does not match its recorded digest; launch again and it is computed anew")
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)

    def write(self, kind: str, member: str, record: Mapping[str, Any], arrays: Mapping[str, "np.ndarray"]) -> None:
        """Store a member whole; an older record of the same hash is replaced in one step."""
        path = self.path(kind, member)
        make_folder(path.parent)
        old = self.read(kind, member)
        entries = {name: self._write_array(path, name, array) for name, array in arrays.items()}
        body = {**record, "kind": kind, "hash": member, "arrays": entries}
        _set_aside(path)
        write_text(path, _sealed(body))
        self._drop_orphans(path.parent, old, entries)

    def amend(self, kind: str, member: str, changes: Mapping[str, Any]) -> None:
        """Change keys of a record in one step; its arrays stay."""
        body = {**(self.read(kind, member) or {}), **changes}
        _set_aside(self.path(kind, member))
        write_text(self.path(kind, member), _sealed(body))

    def scratch(self, kind: str, member: str) -> Path:
        """Folder for the unfinished work of a member; it outlives a kill."""
        return self.root / "partial" / kind / member

    def _write_array(self, record_path: Path, name: str, array: "np.ndarray") -> dict[str, Any]:
        import numpy as np

        with _replacing(record_path.parent) as (handle, commit):
            np.save(handle, np.asarray(array), allow_pickle=False)
            handle.flush()
            digest = hashing.file_digest(Path(handle.name))
            target = record_path.parent / f"{record_path.stem}.{name}.{hashing.short(digest)}.npy"
            _set_aside(target)
            commit(target)
        array = np.asarray(array)
        return {
            "file": target.name,
            "sha256": digest,
            "bytes": target.stat().st_size,
            "shape": list(array.shape),
            "dtype": array.dtype.str,
        }

    @staticmethod
    def _drop_orphans(folder: Path, old: Mapping[str, Any] | None, entries: Mapping[str, Any]) -> None:
        kept = {entry["file"] for entry in entries.values()}
        for entry in (old or {}).get("arrays", {}).values():
            if entry["file"] not in kept:
                with contextlib.suppress(OSError):  # a folder in its place takes up no room that counts
                    (folder / entry["file"]).unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, never writable by everyone.

    Raises
    ------
    StoreError
        If something else lies there, or it may not be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        try:
            place.mkdir(mode=GROUP_WRITABLE, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise StoreError(f"{_culprit(place)} is not a folder, and has to be; move it away.") from error
        except PermissionError as error:
            raise _forbidden(place.parent) from error
    if not folder.is_dir():
        raise StoreError(f"{_culprit(folder)} is not a folder, and has to be; move it away.")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    make_folder(path.parent)
    with _replacing(path.parent) as (handle, commit):
        handle.write(content)
        commit(path)


def remove(path: Path) -> None:
    """Remove a file, if it is there; a folder in its place is set aside."""
    _set_aside(path)
    path.unlink(missing_ok=True)


def write_if_changed(path: Path, text: str) -> None:
    """Write a text file whole or not at all, unless it says that already."""
    try:
        same = path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        same = False
    if not same:
        write_text(path, text)


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[tuple[Any, Any]]:
    """A temporary file in `folder` and the function that renames it to its final name."""
    try:
        handle = tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-", delete=False)  # noqa: SIM115 (it is renamed)
    except PermissionError as error:
        raise _forbidden(folder) from error
    committed = False

    def commit(target: Path) -> None:
        nonlocal committed
        handle.flush()
        os.fsync(handle.fileno())
        Path(handle.name).chmod(FILE_MODE & ~_umask())
        if target.absolute().is_relative_to(paths.results().absolute()):  # a folder elsewhere is somebody's own
            _set_aside(target)
        Path(handle.name).replace(target)
        committed = True

    try:
        with handle:
            yield handle, commit
    finally:
        if not committed:
            Path(handle.name).unlink(missing_ok=True)


def _set_aside(target: Path) -> None:
    """Rename a folder that lies where a file of ours is to be written."""
    if target.is_dir() and not target.is_symlink():
        names = (target.with_name(f"{target.name}.aside-{number}") for number in itertools.count(1))
        aside = next(path for path in names if not os.path.lexists(path))
        target.rename(aside)
        log.warning("%s was a folder where a file belongs; it is now %s", target, aside.name)


def _culprit(path: Path) -> Path:
    """The file that lies where a folder above `path` belongs, or `path` itself."""
    above = (place for place in path.parents if os.path.lexists(place) and not place.is_dir())
    return next(above, path)


@functools.cache
def _warn_of(path: Path, reason: str) -> None:
    log.warning("%s cannot be read as a record (%s), counted as absent; a sweep computes it anew", path, reason)


def _forbidden(folder: Path) -> StoreError:
    return StoreError(
        f"{folder} may not be written by this user: change its permissions, or name another place with BACKBENCH_STORE "
        "or BACKBENCH_RESULTS."
    )


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _size(path: Path) -> int:
    try:
        about = path.stat()
    except OSError:
        return -1
    return about.st_size if stat.S_ISREG(about.st_mode) else -1


def _sealed(record: Mapping[str, Any]) -> str:
    body = json.loads(json.dumps(record))
    return json.dumps({**body, "checksum": _checksum(body)}, sort_keys=True, indent=1)


def _checksum(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
