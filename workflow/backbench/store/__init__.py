"""Content-addressed store of stage results.

A member is a record ``<kind>/<hh>/<hash>.<code>.json`` and array files beside it that are named by their own digest.
Arrays are written first and the record last, each by an atomic rename: the record is the commit point, and a member is
there whole or not at all. Everything is verified when it is read; what fails the check counts as absent.

Results of different code lie side by side: the code that made a record is part of the name of its file, and of no hash.
`Store.of` is the store as one plan sees it: of each member the record of the plan's own code.
"""

import contextlib
import copy
import functools
import logging
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import files, hashing
from backbench.store import _records

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

DONE, FAILED = "done", "failed"
PARTIAL = "partial"
AGAIN = "launch the sweep again, and what was damaged is computed anew"

# By (kind, hash) the digests of the code whose record is wanted, the best first.
Codes = Mapping[tuple[str, str], Sequence[str]]


class StoreError(RuntimeError):
    """A result that is missing or does not match its recorded digest."""


class _Damaged(StoreError):
    """An array that is not what was written."""


class Store:
    """Members by (kind, hash) under one root folder.

    Of a member that several versions of the code made, the newest record is read; :meth:`of` has a view that prefers,
    or reads nothing but, the records of some code.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self._codes: Codes = {}
        self._others = True

    def of(self, codes: Codes, others: bool = True) -> "Store":
        """This store as code sees it: of each member in `codes` the record of the first code that made one.

        Where none of them did, the newest record of other code is read if `others`, else none.
        """
        view = copy.copy(self)
        view._codes, view._others = codes, others
        return view

    def path(self, kind: str, member: str, code: str | None = None) -> Path:
        """Path of the record of a member by some code; without one, of the record that is there, or would be."""
        folder = self._folder(kind, member)
        if code is not None:
            return folder / _records.name(member, code)
        place, record = self.located(kind, member)
        there = _records.newest_first(folder, _records.names(folder, member))
        return place if record else next(iter(there), place)

    def read(self, kind: str, member: str) -> dict[str, Any] | None:
        """The verified record of a member, or None where it is absent, damaged or cut short."""
        return self.located(kind, member)[1]

    def located(self, kind: str, member: str) -> tuple[Path, dict[str, Any] | None]:
        """The path of the record that `read` reads, and the record; None where there is none.

        A plan mostly finds its own at once; only where that is absent is the folder listed.
        """
        folder, wanted = self._folder(kind, member), self._wanted(kind, member)
        names, plain = [_records.name(member, code) for code in wanted], _records.name(member)
        if names and (record := _records.read(folder / names[0], member)):
            return folder / names[0], record
        there = _records.names(folder, member)
        for name in [*(name for name in names[1:] if name in there), *([plain] if names and plain in there else [])]:
            record = _records.read(folder / name, member)
            if record and record.get("code", "") in wanted:
                return folder / name, record
        if self._others or not wanted:
            for path in _records.newest_first(folder, [name for name in there if name not in names]):
                if record := _records.read(path, member):
                    return path, record
        return folder / plain, None

    def opened(self, path: Path) -> dict[str, Any] | None:
        """The verified record in a file, or None where it is absent, damaged or cut short."""
        return _records.read(path)

    def records(self, kind: str) -> Iterator[dict[str, Any]]:
        """All verified records of a kind, of whatever code, the newest first."""
        paths = list((self.root / kind).glob(f"*/*{_records.ENDING}"))
        for path in _records.newest_first(self.root, [str(path.relative_to(self.root)) for path in paths]):
            record = _records.read(path)
            if record:
                yield record

    def complete(self, kind: str, record: Mapping[str, Any]) -> bool:
        """Whether every array that a record names is there with its full size: beside it, or with the kind it names."""
        return all(
            _size(self._folder(item.get("kind", kind), record["hash"]) / item["file"]) == item["bytes"]
            for item in record["arrays"].values()
        )

    def damaged(self, kind: str, member: str) -> bool:
        """Whether a member that counts as absent was there: its record is not whole, or was forgotten as damaged.

        Nothing is known of a member in a folder that this user may not search.
        """
        folder, wanted = self._folder(kind, member), self._wanted(kind, member)
        places = [folder / _records.name(member, code) for code in (*wanted, "")]
        with contextlib.suppress(PermissionError):
            return any(path.exists() or _records.mark(path).exists() for path in places)
        return False

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
            If the member or the array is absent, or its content has changed; a changed member is forgotten as
            damaged, so that the next launch computes it again.
        """
        place, record = self.located(kind, member)
        if record is None or name not in record["arrays"]:
            again = f"; {AGAIN}" if _records.marked(place.parent, member) else ""
            raise StoreError(f"the store holds no {name!r} of {kind} {hashing.short(member)} ({self.root}){again}")
        entry = record["arrays"][name]
        path = place.parent / entry["file"]
        try:
            return self._load(path, entry, mmap)
        except _Damaged:
            self.mark_damaged(place)
            files.forget(place)
            raise
        except PermissionError as error:
            raise StoreError(f"{path} may not be read by this user; its owner types: chmod g+r {path}") from error

    def write(self, kind: str, member: str, record: Mapping[str, Any], arrays: Mapping[str, "np.ndarray"]) -> None:
        """Store a member whole, with its arrays (rows, ...); an older record by the same code is replaced in one step.

        `record` has the digest of the code that made it as ``code``, if any.
        """
        path = self.path(kind, member, record.get("code", ""))
        files.make_folder(path.parent)
        old = _records.read(path, member)
        entries = {name: self._write_array(path.parent, member, name, array) for name, array in arrays.items()}
        self._commit(path, {**record, "kind": kind, "hash": member, "arrays": entries})
        self._drop_orphans(path.parent, old)

    def amend(self, kind: str, member: str, changes: Mapping[str, Any]) -> None:
        """Change keys of the record of a member in one step; its arrays stay.

        With the code changed this is a record of its own, and the one of before stays as it is.
        """
        place, record = self.located(kind, member)
        if record is not None and record.get("code") == changes.get("code", record.get("code")):
            self._commit(place, {**record, **changes})
        else:
            self.adopt(kind, member, {**(record or {}), **changes})

    def adopt(self, kind: str, member: str, record: Mapping[str, Any]) -> None:
        """Store a record of a member whose arrays are in its folder already."""
        path = self.path(kind, member, record.get("code", ""))
        self._commit(path, {**record, "kind": kind, "hash": member})

    def forget(self, kind: str, member: str) -> None:
        """Remove all records of a member, of whatever code, and the arrays that no other record names."""
        folder = self._folder(kind, member)
        for name in _records.names(folder, member):
            record = _records.read(folder / name, member)
            if record:
                files.forget(folder / name)
                self._drop_orphans(folder, record)

    @staticmethod
    def mark_damaged(place: Path) -> None:
        """Note beside a record that it, or an array of it, is damaged, so that a launch knows once it is removed."""
        with contextlib.suppress(OSError):  # where this user may not write, the record stays as well
            _records.mark(place).touch()

    def scratch(self, kind: str, member: str) -> Path:
        """Folder for the unfinished work of a member; it outlives a kill."""
        return self.root / PARTIAL / kind / member

    def _folder(self, kind: str, member: str) -> Path:
        return _folder(self.root, kind, member[:2])

    def _wanted(self, kind: str, member: str) -> Sequence[str]:
        return self._codes.get((kind, _records.digest_part(member)), ())

    def _load(self, path: Path, entry: Mapping[str, Any], mmap: bool) -> "np.ndarray":
        """The array (rows, ...) of an entry of a record, verified."""
        import numpy as np

        if _size(path) != entry["bytes"] or hashing.file_digest(path) != entry["sha256"]:
            raise _Damaged(f"{path} does not match its recorded digest; {AGAIN}")
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)

    @staticmethod
    def _commit(path: Path, body: Mapping[str, Any]) -> None:
        files.set_aside(path)
        files.write_text(path, _records.sealed(body))
        _records.mark(path).unlink(missing_ok=True)
        now = time.time_ns()  # finer than the clock of the file system, which tells the newest
        with contextlib.suppress(OSError):  # another user has just stored the same
            os.utime(path, ns=(now, now))

    @staticmethod
    def _write_array(folder: Path, member: str, name: str, array: "np.ndarray") -> dict[str, Any]:
        """Write an array (rows, ...) into the folder of its record; its entry there."""
        import numpy as np

        with files.replacing(folder) as (handle, commit):
            np.save(handle, np.asarray(array), allow_pickle=False)
            handle.flush()
            digest = hashing.file_digest(Path(handle.name))
            target = folder / f"{_records.digest_part(member)}.{name}.{hashing.short(digest)}.npy"
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
    def _drop_orphans(folder: Path, old: Mapping[str, Any] | None) -> None:
        """Remove the arrays of a record that was replaced, unless another record of its member names them."""
        names = {entry["file"] for entry in (old or {}).get("arrays", {}).values()}
        if old is None or not names:
            return
        prefix = _records.digest_part(old["hash"])
        for path in folder.glob(f"{prefix}*{_records.ENDING}"):
            names -= {entry["file"] for entry in (_records.read(path) or {}).get("arrays", {}).values()}
        for name in names:
            with contextlib.suppress(OSError):  # a folder in its place takes up no room that counts
                (folder / name).unlink(missing_ok=True)


@functools.lru_cache(maxsize=8192)
def _folder(root: Path, kind: str, digits: str) -> Path:
    return Path(root, kind, digits)


def _size(path: Path) -> int:
    try:
        about = path.stat()
    except OSError:
        return -1
    return about.st_size if stat.S_ISREG(about.st_mode) else -1
