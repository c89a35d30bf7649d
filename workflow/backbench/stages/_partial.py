"""An array that is filled from its first row to its last and outlives a kill (layer 2).

The rows lie in a ``.npy`` file under the scratch folder of their member; a small JSON file beside it says how many are
done, with a checksum of every stretch, and is replaced by a rename. What does not check out is computed again.
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

import numpy as np

from backbench.files import make_folder, write_text

log = logging.getLogger(__name__)

# At most every half second; writing down what is done takes at most one part in fifty of the time.
SAVE_SECONDS, SAVE_SHARE = 0.5, 50
PIECE = 1 << 24
ROWS, PROGRESS = "rows.npy", "progress.json"


class Partial:
    """Rows of one array; `key` says what they are made by, and rows of another key are dropped.

    ``done`` is the number of rows that are there, ``array`` the memory-mapped array. ``sizes`` and ``makers`` belong to
    whoever appends: the sizes of the batches in which the rows came, and what made them, kept with them. Closing it (it
    is a context manager) saves what is done; :meth:`discard` removes its files.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, ...], dtype: str, key: str, progress: Callable[[int, int], None]
    ):
        self.folder, self.progress = folder, progress
        self.about = {"key": key, "shape": list(shape), "dtype": np.dtype(dtype).str}
        self.stretches: list[list[int]] = []
        self.sizes: list[int] = []
        self.makers: list[str] = []
        self.saved, self.pause = time.monotonic(), SAVE_SECONDS
        make_folder(folder)
        self.array = self._resumed()
        if self.array is None:
            self.stretches = []
            self.array = self._fresh(tuple(shape))
        self._file = (folder / ROWS).open("r+b", buffering=0)
        self.done = self._committed
        self.sizes, self.makers = (self.sizes, self.makers) if self.done else ([], [])
        if self.done:
            log.info("going on at row %d of %d", self.done, len(self.array))
        self.progress(self.done, len(self.array))

    def append(self, rows: np.ndarray) -> None:
        """Put `rows` behind those that are done."""
        self.put(self.done, rows)
        self.advance(len(rows))

    def put(self, first: int, rows: np.ndarray) -> None:
        """Write `rows` from the row `first` on, from any thread; :meth:`advance` counts them."""
        # By the file, for each new page of a map would be a fault of its own.
        data = memoryview(np.ascontiguousarray(rows, dtype=self.array.dtype)).cast("B")
        place = self.array.offset + first * self.array.strides[0]
        while data:
            written = os.pwrite(self._file.fileno(), data, place)
            data, place = data[written:], place + written

    def advance(self, count: int) -> None:
        """Count the next `count` rows, which are written, as done."""
        self.done += count
        if time.monotonic() - self.saved > self.pause:
            self.save()
        self.progress(self.done, len(self.array))

    def save(self) -> None:
        """Make what is done survive a kill; whether it survived a power cut as well, its checksum tells."""
        if self.done > self._committed:
            self.stretches.append([self.done, self._checksum(self._committed, self.done)])
            start = time.monotonic()
            body = {**self.about, "stretches": self.stretches, "sizes": self.sizes, "makers": self.makers}
            write_text(self.folder / PROGRESS, json.dumps(body))
            self.pause = max(SAVE_SECONDS, SAVE_SHARE * (time.monotonic() - start))
        self.saved = time.monotonic()

    def restart(self) -> None:
        """Forget all rows."""
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

    def _checksum(self, start: int, stop: int) -> int:
        """Over the bytes of some rows, a piece at a time, so that no more of them is held."""
        step = max(1, PIECE // max(1, self.array.strides[0]))
        found = 0
        for first in range(start, stop, step):
            found = zlib.crc32(np.ascontiguousarray(self.array[first : min(first + step, stop)]), found)
            release(self.array)
        return found

    def _fresh(self, shape: tuple[int, ...]) -> np.ndarray:
        array = np.lib.format.open_memmap(self.folder / ROWS, "w+", self.about["dtype"], shape)
        if hasattr(os, "posix_fallocate"):
            # A full disk is an error here; later it would kill the process at a write to the map.
            with (self.folder / ROWS).open("r+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, (self.folder / ROWS).stat().st_size)
        return array

    def _resumed(self) -> np.ndarray | None:
        """The array of an earlier attempt with the same key, up to the last stretch that checks out."""
        try:
            body = json.loads((self.folder / PROGRESS).read_text(encoding="utf-8"))
            self.array = np.load(self.folder / ROWS, mmap_mode="r+", allow_pickle=False)
            stretches = [[int(stop), int(checksum)] for stop, checksum in body.pop("stretches")]
            self.sizes = [int(size) for size in body.pop("sizes")]
            self.makers = [str(maker) for maker in body.pop("makers")]
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if body != self.about or list(self.array.shape) != body["shape"] or self.array.dtype.str != body["dtype"]:
            return None
        start = 0
        for stop, checksum in stretches:
            if not start < stop <= len(self.array) or self._checksum(start, stop) != checksum:
                break
            self.stretches.append([stop, checksum])
            start = stop
        return self.array


def release(array: np.ndarray) -> None:
    """Give back the memory that the read or written pages of a mapped file take; the file keeps their content."""
    if isinstance(array, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)
