"""The bytes of a file, read once: their digest, and what decoders open.

Decoders and the digest work on the same bytes, so that both are of the same image even while something writes to the
file. Files above ``HELD`` bytes are not held in memory: their digest is streamed, and decoders open them by their path.
"""

import hashlib
import io
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backbench.images.bounds import Unreadable

# The most bytes of a file that is held in memory; photographs of 100 megapixels take about half of it.
HELD = 64 << 20
ATTEMPTS = 2

# Identifies one state of a file: size, times of modification and of change, and inode number. The inode is needed
# because files extracted from an archive may have the other three in common.
Stamp = tuple[int, int, int, int]


class Changed(OSError):
    """A file that was written to while it was being read, at every attempt.

    This says nothing about the image, and must not be stored as a reason for leaving the file out: it may be whole the
    next time.
    """


@dataclass(frozen=True)
class Content:
    """A regular file that is not empty: its path, the SHA-256 of its bytes in hexadecimal, and its size in bytes.

    `data` is None for a file of more than ``HELD`` bytes. `stamp` is its state when it was read.
    """

    path: Path
    sha256: str
    size: int
    stamp: Stamp = field(repr=False)
    data: bytes | None = field(repr=False)

    def source(self) -> io.BytesIO | Path:
        """What a decoder opens: the bytes, without a copy, or the path of a file that is not held in memory."""
        return self.path if self.data is None else io.BytesIO(self.data)

    def open(self) -> BinaryIO:
        """The bytes as a file object, to be closed by the caller."""
        return self.path.open("rb") if self.data is None else io.BytesIO(self.data)

    def head(self, count: int) -> bytes:
        """The first `count` bytes, or as many as there are."""
        with self.open() as file:
            return file.read(count)

    def whole(self) -> bytes:
        """All bytes, read from the file if they are not held in memory."""
        return self.path.read_bytes() if self.data is None else self.data

    def check(self) -> None:
        """Raise Changed if a file that is not held in memory has changed since its digest was computed."""
        if self.data is None and _stamp(self.path) != self.stamp:
            raise _changed(self.path)


def read(path: Path) -> Content:
    """The content of a file, which is read a second time if it changes during the first.

    Raises
    ------
    Unreadable
        If it is not a regular file (a pipe would wait for its writer for ever), or is empty.
    Changed
        If it changes during the second reading as well.
    OSError
        If it does not exist, or may not be read.
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
    return Changed(f"{path} was changed while it was being read; launch again once nothing writes to it")
