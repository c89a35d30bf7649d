"""The entries of a zip or tar, one after the other (standard library only).

The format is recognised by the first bytes, not by the name. Nothing is written here; see ``_unpack``.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO, Literal

from backbench.datasets import _formats, _links
from backbench.datasets._links import Link
from backbench.datasets._zip_names import Names
from backbench.schema import ConfigError

CHUNK = 1 << 20
HEADER_BYTES = 16 << 20  # a tar header that claims more is an attack on the memory
Kind = Literal["file", "folder", "link", "other"]
# Compressed formats by their first bytes: how each is opened, and its name.
PACKED: dict[bytes, tuple[Callable[[BufferedReader], BufferedIOBase], str]] = {
    b"\x1f\x8b": (gzip.open, "gzip"),
    b"BZh": (bz2.open, "bzip2"),
    b"\xfd7zXZ\0": (lzma.open, "xz"),
}
ZIP_STARTS = (b"PK\3\4", b"PK\5\6", b"PK00PK\3\4")


class UnpackError(ConfigError):
    """An archive that is damaged, hostile or larger than allowed."""


@dataclass(frozen=True)
class Entry:
    """One entry of an archive, by its name there; `link` is set for a link."""

    name: str
    kind: Kind
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    link: Link | None = None


def entries(archive: Path, note: Callable[[str], None]) -> Iterator[Entry]:
    """The entries in their order; `note` is called with each sentence that the user should read.

    Raises
    ------
    UnpackError
        If it is encrypted, or not an archive of a known kind.
    Exception
        Whatever the standard library raises for a damaged one.
    """
    with archive.open("rb") as handle:
        head = handle.read(512)
        handle.seek(0)
        packed = next((reader for magic, reader in PACKED.items() if head.startswith(magic)), None)
        if head.startswith(ZIP_STARTS):
            yield from _zip(archive, note)
        elif packed is not None:
            with packed[0](handle) as stream:
                _require_tar(archive, stream, packed[1])
                yield from _tar(stream, note)
        elif head[257:262] == b"ustar" or (head and _begins_tar(head)):
            yield from _tar(handle, note)
        else:
            raise UnpackError(_formats.volume(archive) or _formats.unknown(archive, head))


def _zip(archive: Path, note: Callable[[str], None]) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        if refusal := _formats.refusal(archive, infos):
            raise UnpackError(refusal)
        names = Names(infos)
        for text in names.notes():
            note(text)
        for info in infos:
            # Old Windows tools write backslashes.
            name = names.read(info).replace("\\", "/")
            kind, link = _zip_kind(info, name), None
            if kind == "link":
                with opened.open(info) as content:
                    link = Link(names.decode(content.read(_links.LONGEST + 1)).replace("\\", "/"), hard=False)
            yield Entry(name, kind, partial(opened.open, info), link)


def _zip_kind(info: zipfile.ZipInfo, name: str) -> Kind:
    kinds: dict[int, Kind] = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    return "folder" if name.endswith("/") else kinds.get(stat.S_IFMT(info.external_attr >> 16), "other")


def _require_tar(archive: Path, stream: BufferedIOBase, packer: str) -> None:
    """Refuse a single compressed file, which tarfile would call a damaged tar."""
    head = stream.read(tarfile.BLOCKSIZE)
    stream.seek(0)
    if not _begins_tar(head):
        raise UnpackError(_formats.no_tar(archive, packer))


def _begins_tar(head: bytes) -> bool:
    """Whether this is the first block of a tar, perhaps empty; tarfile itself would also try to decompress it."""
    if head in (b"", bytes(tarfile.BLOCKSIZE)):
        return True
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _tar(stream: BufferedIOBase, note: Callable[[str], None]) -> Iterator[Entry]:
    watched, undecoded, first = _Watched(stream), 0, ""
    with tarfile.open(fileobj=watched, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        while (info := tar.next()) is not None:
            # tarfile would keep every header; the stubs lack the attribute.
            tar.members.clear()  # type: ignore[attr-defined]
            if not _is_utf8(info.name):
                undecoded, first = undecoded + 1, first or info.name
            yield Entry(info.name, _tar_kind(info), partial(_content, tar, info), _tar_link(info))
    watched.require_end()
    if undecoded:
        names = f"{undecoded:,} names" if undecoded > 1 else "1 name"
        note(f"{names} in the archive not in UTF-8: their bytes are kept unchanged, as in {first!r}")


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    assert content is not None, "only regular files are opened"
    return content


def _tar_kind(info: tarfile.TarInfo) -> Kind:
    if info.isreg():
        return "file"
    if info.isdir():
        return "folder"
    return "link" if info.issym() or info.islnk() else "other"


def _tar_link(info: tarfile.TarInfo) -> Link | None:
    return Link(info.linkname, info.islnk()) if info.issym() or info.islnk() else None


class _Watched(BufferedIOBase):
    """A tar stream in which no header can claim all memory, and that knows whether the archive has come to its end."""

    def __init__(self, stream: BufferedIOBase):
        self._stream = stream
        self._last = b""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= HEADER_BYTES:
            raise UnpackError(f"a header of this archive claims {size or 0:,} bytes, which cannot be true.")
        self._last = self._stream.read(size)
        return self._last

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def require_end(self) -> None:
        """Raise EOFError unless the archive is complete: tarfile treats a truncated or missing header as its end."""
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it is cut short")
        padding = 0
        while chunk := self._stream.read(CHUNK):  # a compressed stream is checked at its end
            padding += len(chunk)
            if padding > HEADER_BYTES or chunk.strip(b"\0"):
                raise EOFError("there is data after its end")
