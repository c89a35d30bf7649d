"""An array that is filled from its first row to its last and outlives a kill.

The rows are in a ``.npy`` file in the scratch folder of the result; a small JSON file beside it says how many are done,
with a checksum of each range, and is replaced by a rename. Rows whose checksum does not match are computed again.
"""

import contextlib
import json
import logging
import mmap
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backbench.files import make_folder, share, write_text

log = logging.getLogger(__name__)

# Progress is saved at most every half second, and saving takes at most one fiftieth of the time.
SAVE_SECONDS, SAVE_SHARE = 0.5, 50
PIECE = 1 << 24
ROWS, PROGRESS = "rows.npy", "progress.json"


class Partial:
    """Rows of one array; `key` identifies how they are computed, and rows with another key are dropped.

    ``done`` is the number of rows that are there, and ``array`` the memory-mapped array. ``sizes`` and ``makers``
    belong to the caller and are saved with the rows: the sizes of their batches, and what computed them. Leaving the
    context saves what is done; :meth:`discard` removes the files.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, ...], dtype: str, key: str, progress: Callable[[int, int], None]
    ):
        self.folder, self.progress = folder, progress
        self.about: dict[str, Any] = {"key": key, "shape": list(shape), "dtype": np.dtype(dtype).str}
        self.stretches: list[list[int]] = []
        self.sizes: list[int] = []
        self.makers: list[str] = []
        self.saved, self.pause = time.monotonic(), SAVE_SECONDS
        make_folder(folder)
        resumed = self._resumed()
        if resumed is None:
            self.stretches = []
        self.array: np.memmap = self._fresh(tuple(shape)) if resumed is None else resumed
        self._file = (folder / ROWS).open("r+b", buffering=0)
        self.done = self._committed
        self.sizes, self.makers = (self.sizes, self.makers) if self.done else ([], [])
        if self.done:
            log.info("continuing at row %d of %d", self.done, len(self.array))
        self.progress(self.done, len(self.array))

    def append(self, rows: np.ndarray) -> None:
        """Add `rows` (m, ...) after those that are done."""
        self.put(self.done, rows)
        self.advance(len(rows))

    def put(self, first: int, rows: np.ndarray) -> None:
        """Write `rows` (m, ...) from row `first` on, in any thread; :meth:`advance` counts them."""
        # Written to the file, since each new page of the map would cause a page fault.
        data = np.ascontiguousarray(rows, dtype=self.array.dtype).data.cast("B")
        place = self.array.offset + first * self.array.strides[0]
        while data:
            written = os.pwrite(self._file.fileno(), data, place)
            data, place = data[written:], place + written

    def advance(self, count: int) -> None:
        """Count the next `count` rows, already written, as done."""
        self.done += count
        if time.monotonic() - self.saved > self.pause:
            self.save()
        self.progress(self.done, len(self.array))

    def save(self) -> None:
        """Make what is done survive a kill; after a power cut, the checksum shows whether it survived."""
        if self.done > self._committed:
            self.stretches.append([self.done, _checksum(self.array, self._committed, self.done)])
            start = time.monotonic()
            body = {**self.about, "stretches": self.stretches, "sizes": self.sizes, "makers": self.makers}
            write_text(self.folder / PROGRESS, json.dumps(body))
            self.pause = max(SAVE_SECONDS, SAVE_SHARE * (time.monotonic() - start))
        self.saved = time.monotonic()

    def restart(self) -> None:
        """Drop all rows."""
        (self.folder / PROGRESS).unlink(missing_ok=True)
        self.stretches, self.sizes, self.makers, self.done = [], [], self.makers[-1:], 0
        self.progress(0, len(self.array))

    def discard(self) -> None:
        """Remove the files of the array, and its folder if that leaves it empty."""
        for name in (ROWS, PROGRESS):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_: object) -> None:
        self.save()
        self._file.close()
        if not self.done:
            self.discard()

    @property
    def _committed(self) -> int:
        return self.stretches[-1][0] if self.stretches else 0

    def _fresh(self, shape: tuple[int, ...]) -> np.memmap:
        """A new array (n, ...) of this shape."""
        array = np.lib.format.open_memmap(self.folder / ROWS, "w+", self.about["dtype"], shape)
        share(self.folder / ROWS)
        if hasattr(os, "posix_fallocate"):
            # A full disk is an error here; later, a write to the map would kill the process.
            with (self.folder / ROWS).open("r+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, (self.folder / ROWS).stat().st_size)
        return array

    def _resumed(self) -> np.memmap | None:
        """The array (n, ...) of an earlier attempt with the same key, up to the last range whose checksum matches."""
        try:
            body = json.loads((self.folder / PROGRESS).read_text(encoding="utf-8"))
            array: np.memmap = np.load(self.folder / ROWS, mmap_mode="r+", allow_pickle=False)
            stretches = [[int(stop), int(checksum)] for stop, checksum in body.pop("stretches")]
            self.sizes = [int(size) for size in body.pop("sizes")]
            self.makers = [str(maker) for maker in body.pop("makers")]
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if body != self.about or list(array.shape) != body["shape"] or array.dtype.str != body["dtype"]:
            return None
        start = 0
        for stop, checksum in stretches:
            if not start < stop <= len(array) or _checksum(array, start, stop) != checksum:
                break
            self.stretches.append([stop, checksum])
            start = stop
        return array


def _checksum(array: np.memmap, start: int, stop: int) -> int:
    """CRC-32 of the bytes of some rows of `array` (n, ...), a piece at a time to save memory."""
    step = max(1, PIECE // max(1, array.strides[0]))
    checksum = 0
    for first in range(start, stop, step):
        checksum = zlib.crc32(np.ascontiguousarray(array[first : min(first + step, stop)]).data, checksum)
        release(array)
    return checksum


def release(array: np.ndarray) -> None:
    """Free the memory of the used pages of `array` (n, ...), if it is mapped; the file keeps their content."""
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
