"""Unpacking foreign archives (standard library only): .zip, .tar, .tar.gz, .tar.bz2, .tar.xz.

Nothing is ever written outside the folder: absolute paths and ``..`` are refused, and so are devices. No link is made
on the disk, so no file can be written through one. A link within the archive becomes a copy of its target once all
files are written (see ``_links``); any other link is left out and recorded. The limits apply to what is really written,
not to what headers say, and a copy counts in full. Archives inside an archive stay as they are.
"""

import errno
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from backbench.datasets import _formats
from backbench.datasets._entries import CHUNK, Entry, UnpackError, entries
from backbench.datasets._links import DRIVE, Copy, Links, Twice

RATIO, RATIO_FLOOR = 200, 256 << 20  # photographs shrink by a few per cent; small archives are exempt
ENTRIES_FLOOR = 1_000_000  # the same for the number of files after folders are copied
RESERVE = 64 << 20  # bytes of the disk that are left to others
GIB = 1 << 30
BAD_NAMES = {
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EILSEQ: "has a name that is not allowed here",
}

# What the standard library raises for damaged data, besides OSError without an error number.
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, UnicodeError, ValueError)


@dataclass(frozen=True)
class Limits:
    """The most that may be unpacked: number of entries, and bytes in total."""

    entries: int
    size: int

    @classmethod
    def of(cls, max_files: int | None, max_gb: float | None) -> "Limits":
        """From a plugin's options; null is no limit."""
        return cls(max_files or 10**12, int((max_gb or 10**6) * GIB))


@dataclass
class Unpacked:
    """What was written: entries and bytes.

    `skipped` holds the links that were left out, each with its reason; `notes` are sentences for the user.
    """

    entries: int = 0
    size: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def unpack(archive: Path, folder: Path, limits: Limits) -> Unpacked:
    """Write the content of `archive` into the empty `folder`.

    Raises
    ------
    UnpackError
        If it is damaged, encrypted, not an archive, above the limits, or has an entry that must not be written.
    OSError
        If the disk is full or the archive cannot be read.
    """
    job = _Job(archive, folder, limits, _most(archive, folder, limits), Links(folder))
    try:
        for entry in entries(archive, job.unpacked.notes.append):
            job.take(entry)
        job.settle()
        job.count_copies()
        job.make_copies()
    except (UnpackError, FileNotFoundError):
        raise
    except NotImplementedError as error:
        raise UnpackError(_formats.unreadable(archive, _reason(error))) from error
    except DAMAGED as error:
        raise UnpackError(_damage(archive, error)) from error
    except OSError as error:
        # A zip with wrong offsets in its headers makes the reader seek before the start of the file.
        if error.errno is not None and not (error.errno == errno.EINVAL and error.filename is None):
            raise
        raise UnpackError(_damage(archive, error)) from error
    return job.unpacked


def _most(archive: Path, folder: Path, limits: Limits) -> tuple[int, str]:
    """The most bytes that may be written, and the message if there are more."""
    bomb = max(RATIO * archive.stat().st_size, RATIO_FLOOR)
    room = max(shutil.disk_usage(folder).free - RESERVE, 0)
    return min(
        (limits.size, f"{archive} unpacks to more than {limits.size / GIB:g} GiB; raise dataset.max_gb."),
        (bomb, f"{archive} is a decompression bomb: it unpacks to more than {bomb:,} bytes."),
        (room, f"{archive} does not fit: it unpacks to more than the {room / GIB:.1f} GiB that are free in {folder}."),
    )


@dataclass
class _Job:
    """The unpacking of one archive; `most` are the bytes that may be written, and the message if there are more."""

    archive: Path
    folder: Path
    limits: Limits
    most: tuple[int, str]
    links: Links
    unpacked: Unpacked = field(default_factory=Unpacked)

    def take(self, entry: Entry) -> None:
        """Write an entry, or remember it if it is a link."""
        self._count_entry()
        path = _inside(self.archive, entry.name)
        if entry.kind == "other":
            raise UnpackError(f"{self.archive}: {entry.name!r} is a device or pipe, which no collection of images has.")
        with _refusing(self.archive, entry.name):
            if entry.link is not None:
                self.links.add("/".join(path.parts), entry.link)
            elif entry.kind == "folder":
                self.folder.joinpath(*path.parts).mkdir(parents=True, exist_ok=True)
            elif path.parts:
                _write(entry, self.folder.joinpath(*path.parts), self.unpacked, self.most)

    def settle(self) -> None:
        """Resolve the links, now that all files are written."""
        with _refusing(self.archive, ""):
            self.links.settle()

    def count_copies(self) -> None:
        """Check the copies against the limits before the first one is made."""
        bomb = max(RATIO * self.unpacked.entries, ENTRIES_FLOOR)
        for copy in self.links.copies():
            if copy.path not in self.links:  # a link was counted when it was read
                self._count_entry()
            if self.unpacked.entries > bomb:
                raise UnpackError(f"{self.archive} is a bomb of links: it unpacks to more than {bomb:,} files.")
            if copy.source is not None:
                _count_bytes((self.folder / copy.source).stat().st_size, self.unpacked, self.most)

    def make_copies(self) -> None:
        """Write the copies; record the links without one."""
        followed, files = 0, 0
        for copy in self.links.copies():
            if copy.reason is not None:
                self.unpacked.skipped[copy.path or "."] = copy.reason
                continue
            followed, files = followed + (copy.path in self.links), files + (copy.source is not None)
            with _refusing(self.archive, copy.path):
                _make(copy, self.folder)
        self.unpacked.notes += _notes(followed, files, self.unpacked.skipped)

    def _count_entry(self) -> None:
        self.unpacked.entries += 1
        if self.unpacked.entries > self.limits.entries:
            raise UnpackError(f"{self.archive} holds more than {self.limits.entries:,} files; raise dataset.max_files.")


def _count_bytes(size: int, unpacked: Unpacked, most: tuple[int, str]) -> None:
    unpacked.size += size
    if unpacked.size > most[0]:
        raise UnpackError(most[1])


def _notes(followed: int, files: int, skipped: Mapping[str, str]) -> Iterator[str]:
    """Sentences about the links of an archive."""
    if followed:
        of_files = f" ({files:,} files)" if files != followed else ""
        links = "1 link within the archive is" if followed == 1 else f"{followed:,} links within the archive are"
        copies = "a copy of its target" if followed == 1 else "copies of their targets"
        yield f"{links} unpacked as {copies}{of_files}"
    if skipped:
        path, reason = next(iter(skipped.items()))
        links = "1 link in the archive is" if len(skipped) == 1 else f"{len(skipped):,} links in the archive are"
        yield f"{links} left out: {path!r} {reason}{', ...' if len(skipped) > 1 else ''}"


@contextmanager
def _refusing(archive: Path, name: str) -> Iterator[None]:
    """Turn the errors of an entry that cannot be written into messages."""
    try:
        yield
    except Twice as error:
        path, first, second = error.args
        raise UnpackError(f"{archive} holds {path!r} twice, as {first} and as {second}.") from None
    except (FileExistsError, NotADirectoryError):
        raise UnpackError(f"{archive} holds {name!r} twice, or names that differ only in case.") from None
    except OSError as error:
        reason = None if error.errno is None else BAD_NAMES.get(error.errno)
        if reason is None:
            raise
        raise UnpackError(f"{archive}: {name!r} {reason}.") from None


def _write(entry: Entry, target: Path, unpacked: Unpacked, most: tuple[int, str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out, entry.open() as source:
        while chunk := source.read(CHUNK):
            _count_bytes(len(chunk), unpacked, most)
            out.write(chunk)


def _make(copy: Copy, folder: Path) -> None:
    """Write one copy: as a hard link to the file, which nobody writes to, or in full if that is impossible."""
    target = folder / copy.path
    if copy.source is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(folder / copy.source, target)
    except FileExistsError:
        raise
    except OSError:
        with (folder / copy.source).open("rb") as source, target.open("xb") as out:
            shutil.copyfileobj(source, out)


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The path of an entry below the folder.

    Raises
    ------
    UnpackError
        If it would lie elsewhere.
    """
    if name.startswith("/") or DRIVE.match(name):
        raise UnpackError(f"{archive}: {name!r} is an absolute path; pack the folder again with relative ones.")
    if ".." in name.split("/"):
        raise UnpackError(f"{archive}: {name!r} leads out of the folder; this archive is not to be trusted.")
    if "\0" in name:
        raise UnpackError(f"{archive}: {name!r} is not a file name.")
    return PurePosixPath(name)


def _damage(archive: Path, error: BaseException) -> str:
    return _formats.volume(archive) or f"{archive} is damaged: {_reason(error)}"


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
