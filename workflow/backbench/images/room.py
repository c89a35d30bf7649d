"""Room in memory for pictures that are being read (layer 1): one budget for all threads of a process.

Each picture takes the bytes that decoding and resizing it may need from ``BUDGET``, and gives them back afterwards.
Where they are not free it waits, so that a few huge pictures are read one after the other however many threads there
are; one that needs more than there is runs while nobody else holds room. Pictures of ``SMALL`` bytes or fewer take
none, and never wait.

The numbers are upper bounds of the peak that was measured for each kind of file (``tests/test_room.py``): besides the
bytes of the file itself, which are read before.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backbench.images import scaling

if TYPE_CHECKING:
    from PIL import Image

# Bytes of all pictures that are being read at once by this process.
BUDGET = 2 << 30
SMALL = 32 << 20
# Bytes for each pixel of any format: JPEG 2000 needs most, 16-bit files and camera raw files hardly less.
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
        return ANY * pixels + SIDE * side
    stored = 0 if _at_once(opened) else COEFFICIENTS * pixels
    return stored + sum(JPEG * pixels // factor**2 + SIDE * side // factor for factor in set(factors))


def _at_once(opened: "Image.Image") -> bool:
    """Whether the first scan of a JPEG file holds all its colours, and them whole."""
    if "progressive" in opened.info:
        return False
    opened.fp.seek(2)
    while (start := opened.fp.read(4))[:1] == b"\xff":
        if start[1:2] == b"\xda":
            return opened.fp.read(1) == bytes([opened.layers])
        opened.fp.seek(int.from_bytes(start[2:], "big") - 2, 1)
    return False
