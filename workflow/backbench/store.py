"""Content-addressed store of stage results.

A member is a record ``<kind>/<hh>/<hash>.json`` and array files beside it that are named by their own digest. Arrays
are written first and the record last, each by an atomic rename: the record is the commit point, and a member is there
whole or not at all. Everything is verified when it is read; what fails the check counts as absent.
"""

import contextlib
import functools
import hashlib
import json
import logging
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import files, hashing

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

DONE, FAILED = "done", "failed"


class StoreError(RuntimeError):
    """A result that is missing or does not match its recorded digest."""


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
            intact = record.pop("checksum") == _checksum(record) and record.get("hash") == member
        except FileNotFoundError:
            return None
        except OSError as error:
            _warn_of(files.blocking(path), error.strerror or type(error).__name__)
            return None
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            log.warning("damaged record, counted as absent: %s", path)
            return None
        if not intact:
            log.warning("record does not match its checksum, counted as absent: %s", path)
            return None
        return record

    def complete(self, kind: str, record: Mapping[str, Any]) -> bool:
        """Whether every array that a record names is there with its full size: beside it, or with the kind it names."""
        return all(
            _size(self.path(item.get("kind", kind), record["hash"]).parent / item["file"]) == item["bytes"]
            for item in record["arrays"].values()
        )

    def info(self, kind: str, member: str) -> Mapping[str, Any]:
        """The information of a member.

        Raises
        ------
        StoreError
            If the member is absent.
        """
        record = self.read(kind, member)
        if record is None:
            raise StoreError(f"the store holds no {kind} {hashing.short(member)} ({self.root})")
        info: Mapping[str, Any] = record["info"]
        return info

    def array(self, kind: str, member: str, name: str, mmap: bool = False) -> "np.ndarray":
        """An array of a member, (rows, ...), verified against its recorded digest.

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
        """Store a member whole, with its arrays (rows, ...); an older record of the hash is replaced in one step."""
        path = self.path(kind, member)
        files.make_folder(path.parent)
        old = self.read(kind, member)
        entries = {name: self._write_array(path, name, array) for name, array in arrays.items()}
        body = {**record, "kind": kind, "hash": member, "arrays": entries}
        files.set_aside(path)
        files.write_text(path, _sealed(body))
        self._drop_orphans(path.parent, old, entries)

    def amend(self, kind: str, member: str, changes: Mapping[str, Any]) -> None:
        """Change keys of a record in one step; its arrays stay."""
        body = {**(self.read(kind, member) or {}), **changes}
        files.set_aside(self.path(kind, member))
        files.write_text(self.path(kind, member), _sealed(body))

    def scratch(self, kind: str, member: str) -> Path:
        """Folder for the unfinished work of a member; it outlives a kill."""
        return self.root / "partial" / kind / member

    def _write_array(self, record_path: Path, name: str, array: "np.ndarray") -> dict[str, Any]:
        """Write an array (rows, ...) beside its record; its entry there."""
        import numpy as np

        with files.replacing(record_path.parent) as (handle, commit):
            np.save(handle, np.asarray(array), allow_pickle=False)
            handle.flush()
            digest = hashing.file_digest(Path(handle.name))
            target = record_path.parent / f"{record_path.stem}.{name}.{hashing.short(digest)}.npy"
            files.set_aside(target)
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


@functools.cache
def _warn_of(path: Path, reason: str) -> None:
    log.warning("%s cannot be read as a record (%s), counted as absent; a sweep computes it anew", path, reason)


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
