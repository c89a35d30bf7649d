"""The bytes of a file, read once (layer 1): their digest, and what decoders open.

Decoders and the digest work on the same bytes, so that both speak of the same picture even while something writes to
the file. Files above ``HELD`` bytes are not held: their digest is streamed, and decoders open them by their path.
"""

import hashlib
import io
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backbench.images.bounds import Unreadable

# Bytes up to which a file is held in memory; photographs of 100 megapixels have about half as many.
HELD = 64 << 20
ATTEMPTS = 2

# What tells one state of a file from another: size, times of modification and of change, and the number of its inode,
# for files of an archive may have the other three in common.
Stamp = tuple[int, int, int, int]


class Changed(OSError):
    """A file that was written to while it was read, each time it was tried.

    It says nothing of the picture and must not be remembered as a reason to leave the file out: the next reading may
    find it whole.
    """


@dataclass(frozen=True)
class Content:
    """A regular file that is not empty: where it is, the SHA-256 of its bytes in hexadecimal, and how many they are.

    `data` is None for a file of more than ``HELD`` bytes. `stamp` is its size and times when it was read.
    """

    path: Path
    sha256: str
    size: int
    stamp: Stamp = field(repr=False)
    data: bytes | None = field(repr=False)

    def source(self) -> io.BytesIO | Path:
        """What a decoder opens: the bytes without a copy, or the path of a file that is not held."""
        return self.path if self.data is None else io.BytesIO(self.data)

    def open(self) -> BinaryIO:
        """The bytes as a file, to be closed by the caller."""
        return self.path.open("rb") if self.data is None else io.BytesIO(self.data)

    def head(self, count: int) -> bytes:
        """The first `count` bytes, or as many as there are."""
        with self.open() as file:
            return file.read(count)

    def whole(self) -> bytes:
        """All bytes, read from the file where they are not held."""
        return self.path.read_bytes() if self.data is None else self.data

    def check(self) -> None:
        """Raise Changed if a file that is not held is no longer the one that the digest is of."""
        if self.data is None and _stamp(self.path) != self.stamp:
            raise _changed(self.path)


def read(path: Path) -> Content:
    """The content of a file, which is read a second time if it changes meanwhile.

    Raises
    ------
    Unreadable
        For what is no regular file (a pipe would wait for ever for its writer), and for an empty one.
    Changed
        If it changes while it is read again.
    OSError
        If there is no such file, or it may not be read.
    """
    for _ in range(ATTEMPTS):
        before = _stamp(path)
        if before[0] == 0:
            raise Unreadable("empty file")
        with path.open("rb") as file:
            data = file.read(before[0] + 1) if before[0] <= HELD else None
            sha256 = hashlib.file_digest(file, "sha256") if data is None else hashlib.sha256(data)
        if _stamp(path) == before and (data is None or len(data) == before[0]):
            return Content(path, sha256.hexdigest(), before[0], before, data)
    raise _changed(path)


def _stamp(path: Path) -> Stamp:
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise Unreadable("no regular file")
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def _changed(path: Path) -> Changed:
    return Changed(f"{path} was written to while it was read; launch again once nothing writes to it")
