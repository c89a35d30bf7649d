"""Memory for images that are being read: one budget for all threads of a process.

Each image reserves the bytes that decoding and resizing it may need from ``BUDGET``, and returns them afterwards. It
waits until enough are free, so that a few huge images are read one after the other however many threads there are; an
image that needs more than the budget is read while no other holds a reservation. Images of ``SMALL`` bytes or fewer
reserve nothing and never wait.

The numbers are upper bounds of the peaks for many kinds of files (``tests/test_room.py`` measures some). They do not
include the bytes of the file, which are read before, nor icons, which are decoded when they are opened.
"""

import contextlib
import math
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backbench.images import _jpeg, bounds, scaling

if TYPE_CHECKING:
    from PIL import Image

# Bytes of all images that this process reads at once.
BUDGET = 2 << 30
SMALL = 32 << 20
# Pixels that are converted at once, and bytes per pixel.
BAND, IN_BAND = 1 << 22, 10
# Bytes per pixel of any format: JPEG 2000 and PNG with transparency need most.
ANY = 24
# Bytes per decoded pixel of a JPEG file: as stored, turned upright, and as RGB.
JPEG = 12
# Bytes per pixel of a whole JPEG file with several scans: the coefficients of up to four components are held.
COEFFICIENTS = 8
# Bytes per pixel of the longer side: the weights of the resize.
SIDE = 64


class Room:
    """A budget of bytes that threads share."""

    def __init__(self, size: int):
        self.size = self.free = size
        self._changed = threading.Condition()
        self._local = threading.local()

    @contextlib.contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Reserve `count` bytes, waiting until they are free; at most the whole budget.

        A thread that has a reservation gets more without waiting: two such threads would wait for each other for ever.
        """
        if count <= SMALL:
            yield
            return
        count, held = min(count, self.size), getattr(self._local, "held", 0)
        with self._changed:
            self._changed.wait_for(lambda: held or self.free >= count)
            self.free -= count
        self._local.held = held + count
        try:
            yield
        finally:
            self._local.held -= count
            with self._changed:
                self.free += count
                self._changed.notify_all()


ALL = Room(BUDGET)


def needed(opened: "Image.Image", factors: Iterable[int]) -> int:
    """The most bytes that an opened file may need while it is decoded at each of `factors` and resized."""
    pixels, side = opened.size[0] * opened.size[1], max(opened.size)
    if opened.format not in scaling.FORMATS:
        return of_pixels(max(pixels, math.prod(bounds.tile(opened))), ANY) + SIDE * side
    stored = 0 if _jpeg.coding(opened).at_once else COEFFICIENTS * pixels
    return stored + sum(of_pixels(pixels // factor**2, JPEG) + SIDE * side // factor for factor in set(factors))


def of_pixels(pixels: int, each: int = ANY) -> int:
    """The most bytes that decoding so many pixels may need, at `each` bytes per pixel."""
    return each * pixels + IN_BAND * min(pixels, BAND)
