"""Room in memory for pictures that are being read (layer 1): one budget for all threads of a process.

Each picture takes the bytes that decoding and resizing it may need from ``BUDGET``, and gives them back afterwards.
Where they are not free it waits, so that a few huge pictures are read one after the other however many threads there
are; one that needs more than there is runs while nobody else holds room. Pictures of ``SMALL`` bytes or fewer take
none, and never wait.

The numbers are upper bounds of the peaks of many kinds of files (``tests/test_room.py`` measures some). They are beside
the bytes of the file, which are read before, and beside icons, which are decoded as they are opened.
"""

import contextlib
import math
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backbench.images import _jpeg, bounds, scaling

if TYPE_CHECKING:
    from PIL import Image

# Bytes of all pictures that are being read at once by this process.
BUDGET = 2 << 30
SMALL = 32 << 20
# Pixels that are converted at once, and bytes for each of them.
BAND, IN_BAND = 1 << 22, 10
# Bytes for each pixel of any format: JPEG 2000 and PNG with transparency need most.
ANY = 24
# Bytes for each decoded pixel of a JPEG file: as it is stored, turned upright, and as RGB.
JPEG = 12
# Bytes for each pixel of a whole JPEG file that comes in several scans: the coefficients of all four colours are held.
COEFFICIENTS = 8
# Bytes for each pixel of the longer side: the weights of the resize.
SIDE = 64


class Room:
    """A budget of bytes that threads share."""

    def __init__(self, size: int):
        self.size = self.free = size
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextlib.contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Hold room for `count` bytes, waiting until they are free; all there is for more than there is.

        A thread that holds room already takes more without waiting: two that wait for each other would wait for ever.
        """
        if count <= SMALL:
            yield
            return
        count, held = min(count, self.size), getattr(self._own, "held", 0)
        with self._changed:
            self._changed.wait_for(lambda: held or self.free >= count)
            self.free -= count
        self._own.held = held + count
        try:
            yield
        finally:
            self._own.held -= count
            with self._changed:
                self.free += count
                self._changed.notify_all()


ALL = Room(BUDGET)


def needed(opened: "Image.Image", factors: Iterable[int]) -> int:
    """Bytes that an opened file may need at most while it is decoded at each of `factors`, and while it is resized."""
    pixels, side = opened.size[0] * opened.size[1], max(opened.size)
    if opened.format not in scaling.FORMATS:
        return of_pixels(max(pixels, math.prod(bounds.tile(opened))), ANY) + SIDE * side
    stored = 0 if _jpeg.coding(opened).at_once else COEFFICIENTS * pixels
    return stored + sum(of_pixels(pixels // factor**2, JPEG) + SIDE * side // factor for factor in set(factors))


def of_pixels(pixels: int, each: int = ANY) -> int:
    """Bytes that decoding so many pixels may need, at `each` bytes for one of them."""
    return each * pixels + IN_BAND * min(pixels, BAND)
