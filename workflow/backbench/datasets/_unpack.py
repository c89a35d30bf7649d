"""Unpacking of foreign archives (layer 1, standard library only): .zip, .tar, .tar.gz, .tar.bz2, .tar.xz.

The format is told by the first bytes, not by the name. Nothing is ever written outside the folder: absolute paths and
``..`` are refused, links are passed over and recorded (so that no later file can be written through one), devices are
refused. What counts against the limits is what is really written, not what a header says. Archives inside an archive
stay as they are.
"""

import bz2
import errno
import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

from backbench.schema import ConfigError

CHUNK = 1 << 20
HEADER_BYTES = 16 << 20  # a tar header that claims more is an attack on the memory
RATIO, RATIO_FLOOR = 200, 256 << 20  # photographs shrink by a few per cent; small archives may do as they like
RESERVE = 64 << 20  # of the disk, which others use too
GIB = 1 << 30
DRIVE = re.compile(r"[A-Za-z]:")
PARTLY_WRITTEN = {
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EILSEQ: "has a name that is not allowed here",
}

PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}

# What the readers of the standard library raise for damaged data, besides OSError without an error number.
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    UnicodeError,
    ValueError,
)


class UnpackError(ConfigError):
    """An archive that is damaged, hostile or larger than allowed."""


@dataclass(frozen=True)
class Limits:
    """The most that may be unpacked: entries, and bytes in all."""

    entries: int
    size: int

    @classmethod
    def of(cls, max_files: int | None, max_gb: float | None) -> "Limits":
        """From a plugin's options; null is no limit."""
        return cls(max_files or 10**12, int((max_gb or 10**6) * GIB))


@dataclass
class Unpacked:
    """What was written: entries and bytes; `skipped` holds the links, each with its reason."""

    entries: int = 0
    size: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    name: str
    kind: Literal["file", "folder", "link", "other"]
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def unpack(archive: Path, folder: Path, limits: Limits) -> Unpacked:
    """Write the content of `archive` into the empty `folder`.

    Raises
    ------
    UnpackError
        If it is damaged, encrypted, no archive, above the limits, or has an entry that must not be written.
    OSError
        If the disk is full or the archive cannot be read.
    """
    found, most = Unpacked(), _most(archive, folder, limits)
    try:
        for entry in _entries(archive):
            found.entries += 1
            if found.entries > limits.entries:
                raise UnpackError(f"{archive} holds more than {limits.entries:,} files; raise dataset.max_files.")
            _unpack(archive, entry, folder, found, most)
    except (UnpackError, FileNotFoundError):
        raise
    except DAMAGED as error:
        raise UnpackError(f"{archive} is damaged: {_reason(error)}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise UnpackError(f"{archive} is damaged: {_reason(error)}") from error
    return found


def _most(archive: Path, folder: Path, limits: Limits) -> tuple[int, str]:
    """The most bytes that may be written, and what to say beyond that."""
    bomb = max(RATIO * archive.stat().st_size, RATIO_FLOOR)
    room = max(shutil.disk_usage(folder).free - RESERVE, 0)
    return min(
        (limits.size, f"{archive} unpacks to more than {limits.size / GIB:g} GiB; raise dataset.max_gb."),
        (bomb, f"{archive} is a decompression bomb: it unpacks to more than {bomb:,} bytes."),
        (room, f"{archive} does not fit: it unpacks to more than the {room / GIB:.1f} GiB that {folder} has room for."),
    )


def _unpack(archive: Path, entry: _Entry, folder: Path, found: Unpacked, most: tuple[int, str]) -> None:
    path = _inside(archive, entry.name)
    if entry.kind == "other":
        raise UnpackError(f"{archive}: {entry.name!r} is a device or pipe; no collection of images has one.")
    if entry.kind == "link":
        found.skipped[entry.name] = "is a link"
        return
    try:
        if entry.kind == "folder":
            folder.joinpath(*path.parts).mkdir(parents=True, exist_ok=True)
        elif path.parts:
            _write(entry, folder.joinpath(*path.parts), found, most)
    except (FileExistsError, NotADirectoryError):
        raise UnpackError(f"{archive} holds {entry.name!r} twice, or names that differ in case alone.") from None
    except OSError as error:
        if error.errno not in PARTLY_WRITTEN:
            raise
        raise UnpackError(f"{archive}: {entry.name!r} {PARTLY_WRITTEN[error.errno]}.") from None


def _write(entry: _Entry, target: Path, found: Unpacked, most: tuple[int, str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out, entry.open() as source:
        while chunk := source.read(CHUNK):
            found.size += len(chunk)
            if found.size > most[0]:
                raise UnpackError(most[1])
            out.write(chunk)


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
        raise UnpackError(f"{archive}: {name!r} is no file name.")
    return PurePosixPath(name)


def _entries(archive: Path) -> Iterator[_Entry]:
    with archive.open("rb") as handle:
        head = handle.read(512)
        handle.seek(0)
        packed = next((unpacked for magic, unpacked in PACKED.items() if head.startswith(magic)), None)
        if head.startswith((b"PK\3\4", b"PK\5\6")):
            yield from _zip(archive)
        elif packed is not None:
            with packed(handle) as stream:
                yield from _tar(stream)
        elif head[257:262] == b"ustar" or tarfile.is_tarfile(handle):
            handle.seek(0)
            yield from _tar(handle)
        else:
            raise UnpackError(
                f"{archive} is no archive of a known kind; allowed: .zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz."
            )


def _zip(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.flag_bits & 0x1:
                raise UnpackError(f"{archive} is encrypted; unpack it yourself and give dataset=folder dataset.root=.")
            # Old Windows tools write backslashes.
            name = info.filename.replace("\\", "/")
            yield _Entry(name, _zip_kind(info, name), lambda info=info: opened.open(info))


def _zip_kind(info: zipfile.ZipInfo, name: str) -> Any:
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    return "folder" if name.endswith("/") else kinds.get(stat.S_IFMT(info.external_attr >> 16), "other")


def _tar(stream: Any) -> Iterator[_Entry]:
    watched = _Watched(stream)
    with tarfile.open(fileobj=watched, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        while (info := tar.next()) is not None:
            tar.members.clear()  # tarfile would keep every header
            yield _Entry(info.name, _tar_kind(info), lambda info=info: tar.extractfile(info))
    watched.require_end()


def _tar_kind(info: tarfile.TarInfo) -> Any:
    if info.isreg():
        return "file"
    if info.isdir():
        return "folder"
    return "link" if info.issym() or info.islnk() else "other"


class _Watched:
    """A tar stream that lets no header claim the memory, and that knows whether the archive has come to its end."""

    def __init__(self, stream: Any):
        self._stream = stream
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER_BYTES:
            raise UnpackError(f"a header of this archive claims {size:,} bytes; it is not to be trusted.")
        self._last = self._stream.read(size)
        return self._last

    def seek(self, place: int) -> int:
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell()

    def require_end(self) -> None:
        """tarfile takes a header that is cut short, or no header at all, for the end of the archive."""
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it is cut short")
        padding = 0
        while chunk := self._stream.read(CHUNK):  # a compressed stream is checked at its end
            padding += len(chunk)
            if padding > HEADER_BYTES or chunk.strip(b"\0"):
                raise EOFError("it goes on behind its end")


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
