"""Prepared pixels on disk, by the image files they were made from: written when decoding, read by extraction.

A cache is a folder for one policy. Every writer appends to its own file, a block of rows at a time, and commits the
block with a line in the index beside it: a block that was cut short by a kill is not in the index. The checksum of a
block is verified when it is first read, and a damaged block counts as absent. Nothing depends on a cache: pixels that
are missing are prepared again from the image file.
"""

import contextlib
import errno
import json
import logging
import mmap
import shutil
import threading
import time
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from backbench import code, hashing, schema
from backbench.files import make_folder, share
from backbench.images import decoding
from backbench.images.policy import Image as Policy

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

CHANNELS = {"RGB": 3, "L": 1}
FOLDER, ROWS, INDEX = "pixels", ".rows", ".index"
# Pixels of an abandoned sweep are dropped after a week.
LEFT_SECONDS = 7 * 86400.0
# Keys are SHA-256 digests.
KEY_BYTES = 32
# No space left: on the disk, in the user's quota, in a single file.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MODULES = ("backbench.images.preparing", "backbench.images.decoding")


@dataclass(frozen=True)
class _Block:
    """Rows that were committed together: their place in a file, and the CRC-32 of their bytes."""

    file: Path
    first: int
    count: int
    checksum: int


class PixelCache:
    """Prepared images (size, size, channels) uint8 of one policy by their keys, digests of 32 bytes.

    Parameters
    ----------
    root
        Folder of the store.
    """

    def __init__(self, root: Path, policy: Policy):
        self.shape = (policy.size, policy.size, CHANNELS[policy.mode])
        self.bytes_each = policy.size**2 * CHANNELS[policy.mode]
        self.folder = root / FOLDER / hashing.short(_identity(policy))
        self._verified: dict[_Block, bool] = {}
        self._maps: dict[Path, np.ndarray] = {}

    @cached_property
    def _places(self) -> Mapping[bytes, tuple[_Block, int]]:
        """The block of each key, and its row in that block."""
        places: dict[bytes, tuple[_Block, int]] = {}
        for path in sorted(self.folder.glob(f"*{INDEX}")):
            for line in path.read_text(encoding="ascii", errors="replace").splitlines():
                block, keys = _parsed(line, path.with_suffix(ROWS))
                places.update((key, (block, row)) for row, key in enumerate(keys))
        return places

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def read(self, key: bytes) -> "np.ndarray | None":
        """The pixels (size, size, channels) uint8 of a key; None if they are absent or damaged."""
        block, row = self._places.get(key, (None, 0))
        if block is None or not self._is_whole(block):
            return None
        return self._rows(block)[row]

    def release(self) -> None:
        """Release the memory taken by pages of the mapped files."""
        for rows in self._maps.values():
            mapped = getattr(rows, "_mmap", None)
            if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)

    def _is_whole(self, block: _Block) -> bool:
        if block not in self._verified:
            rows = self._rows(block)
            self._verified[block] = len(rows) == block.count and zlib.crc32(rows.data) == block.checksum
        return self._verified[block]

    def _rows(self, block: _Block) -> "np.ndarray":
        """The images (n, size, size, channels) uint8 of a block; fewer if its file is incomplete."""
        import numpy as np

        if block.file not in self._maps:
            size = block.file.stat().st_size if block.file.exists() else 0
            whole = size // self.bytes_each
            empty = np.empty((0, *self.shape), np.uint8)
            self._maps[block.file] = np.memmap(block.file, np.uint8, "r", 0, (whole, *self.shape)) if whole else empty
        return self._maps[block.file][block.first : block.first + block.count]


class Writer:
    """Appends blocks to a cache, from any thread (a context manager).

    Files are created when there is something to write. If there is no space for a block, neither it nor anything after
    it is stored, and ``stopped`` is set.
    """

    def __init__(self, cache: PixelCache):
        self.cache, self.count, self.stopped = cache, 0, False
        self._files: tuple[BinaryIO, TextIO] | None = None
        self._turn = threading.Lock()

    def append(self, keys: Sequence[bytes], rows: "np.ndarray") -> None:
        """Write and commit `rows` (n, size, size, channels) uint8 under `keys`."""
        with self._turn:
            if self.stopped or not len(keys):
                return
            try:
                self._append(keys, rows)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                log.warning("%s is full: decoded images are no longer cached", self.cache.folder)
                self.stopped = True

    def _append(self, keys: Sequence[bytes], rows: "np.ndarray") -> None:
        """Write `rows` (n, size, size, channels) uint8, then the line of the index that commits them."""
        data, index = self._opened()
        data.write(rows.data)
        data.flush()
        block = {"first": self.count, "count": len(keys), "crc32": zlib.crc32(rows.data), "keys": b"".join(keys).hex()}
        index.write(json.dumps(block) + "\n")
        index.flush()
        self.count += len(keys)

    def _opened(self) -> tuple[BinaryIO, TextIO]:
        if self._files is None:
            make_folder(self.cache.folder)
            base = self.cache.folder / uuid.uuid4().hex
            self._files = base.with_suffix(ROWS).open("wb"), base.with_suffix(INDEX).open("w", encoding="ascii")
            for file in self._files:
                share(Path(file.name))
        return self._files

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; committed blocks stay."""
        for file in self._files or ():
            with contextlib.suppress(OSError):  # the disk is full: what is left in the buffer is not a whole block
                file.close()


def drop(root: Path, policies: Iterable[Policy]) -> None:
    """Remove the prepared pixels of some policies, and any that nothing was written to for `LEFT_SECONDS`."""
    folders = {PixelCache(root, policy).folder for policy in policies}
    since = time.time() - LEFT_SECONDS
    folders |= {folder for folder in (root / FOLDER).glob("*") if _written(folder) < since}
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path) -> float:
    """When a cache was last written to."""
    return max((path.stat().st_mtime for path in folder.glob("*")), default=folder.stat().st_mtime)


def _identity(policy: Policy) -> str:
    """Digest of what prepared pixels depend on besides the image file."""
    about = {"policy": schema.canonical(policy), "decoder": decoding.decoder_version(), "code": code.digest(MODULES)}
    return hashing.digest(about)


def _parsed(line: str, rows: Path) -> tuple[_Block, list[bytes]]:
    """The block and keys of a line of an index; no keys if the line is incomplete."""
    try:
        entry: dict[str, Any] = json.loads(line)
        joined = bytes.fromhex(entry["keys"])
        keys = [joined[start : start + KEY_BYTES] for start in range(0, len(joined), KEY_BYTES)]
        block = _Block(rows, int(entry["first"]), int(entry["count"]), int(entry["crc32"]))
    except (ValueError, KeyError, TypeError):
        return _Block(rows, 0, 0, 0), []
    return (block, keys) if len(keys) == block.count else (block, [])
