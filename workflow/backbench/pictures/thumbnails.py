"""Images as people know them: upright, in their own proportions, and small enough for a page or a grid.

Those of files are kept in ``results/reports/thumbnails``, so that each file is decoded once. That folder may be deleted
at any time.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from backbench import hashing, paths, threads
from backbench.files import write_bytes
from backbench.images import decoding
from backbench.images.content import Content
from backbench.schema import ConfigError
from backbench.stage import Inputs
from backbench.stages import pixels
from backbench.store import StoreError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# Width and height in pixels that a thumbnail fits in; smaller images are not enlarged.
BOX = (360, 180)
# Images whose longer side has at most so many pixels are kept as they are, pixel by pixel.
EXACT = 64
QUALITY, METHOD = 75, 4
PNG, WEBP = "png", "webp"
# What is raised where an image is not there any more.
LOST = (OSError, ConfigError, StoreError, decoding.Unreadable)


@dataclass(frozen=True)
class Thumbnail:
    """A small image as a file: its bytes, their format, and width and height in pixels."""

    content: bytes
    format: str
    width: int
    height: int


class Thumbnails:
    """The images of a data set as thumbnails.

    Parameters
    ----------
    root
        Folder that was asked for; None for the folder where the dataset stage found the files.
    """

    def __init__(self, inputs: Inputs, root: str | None = None):
        self._inputs, self._root = inputs, root

    def thumbnail(self, row: int) -> Thumbnail | None:
        """The image of a row; None where its file is missing, has changed, or cannot be read any more."""
        with contextlib.suppress(*LOST):
            return self._of_file(row) if self._keys is not None else _encoded(self._opened(row))
        return None

    def thumbnails(self, rows: Sequence[int]) -> Iterator[Thumbnail | None]:
        """The images of several rows, in their order, by the threads that the caller may use."""
        return threads.in_order(self.thumbnail, rows)

    def decoded(self, rows: Sequence[int]) -> "Iterator[np.ndarray | None]":
        """The pixels (h, w) or (h, w, 3) uint8 of the thumbnails of several rows, in their order."""
        return threads.in_order(self._pixels, rows)

    def _pixels(self, row: int) -> "np.ndarray | None":
        """The pixels (h, w) or (h, w, 3) uint8 of a thumbnail; None where there is none."""
        with contextlib.suppress(*LOST):
            return decoded(self._of_file(row)) if self._keys is not None else _array(self._opened(row))
        return None

    def _of_file(self, row: int) -> Thumbnail:
        assert self._keys is not None  # checked by the caller
        made_from = [self._keys[row].tobytes().hex(), BOX, EXACT, QUALITY, METHOD, decoding.decoder_version()]
        kept = paths.results() / "reports" / "thumbnails" / hashing.short(hashing.digest(made_from))
        try:
            return _read(kept.read_bytes())
        except (OSError, ValueError):
            thumbnail = _encoded(self._opened(row))
            write_bytes(kept, thumbnail.content)
            return thumbnail

    def _opened(self, row: int) -> "Image.Image":
        with self._opener(row, BOX[1]) as decoded:
            return _fitted(decoded)

    @cached_property
    def _keys(self) -> "np.ndarray | None":
        """Keys (n, 32) uint8 of the files; None for arrays of pixels."""
        return pixels.keys(self._inputs)

    @cached_property
    def _opener(self) -> pixels.Opener:
        return pixels.opener(self._inputs, self._root)


def of_decoded(picture: decoding.Decoded) -> Thumbnail:
    """A decoded image as a thumbnail."""
    return _encoded(_fitted(picture))


def decoded(thumbnail: Thumbnail) -> "np.ndarray":
    """The pixels (h, w) or (h, w, 3) uint8 of a thumbnail."""
    from PIL import Image

    with Image.open(io.BytesIO(thumbnail.content)) as image:
        return _array(image)


def _array(image: "Image.Image") -> "np.ndarray":
    """The pixels (h, w) or (h, w, 3) uint8 of an image."""
    import numpy as np

    return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def of_file(held: Content, bits: int | None) -> "np.ndarray":
    """The pixels (h, w) or (h, w, 3) uint8 of the thumbnail of any file, which is not kept.

    Raises
    ------
    Unreadable, OSError
        If it is no image.
    """
    with decoding.decode_each(held, bits, [BOX[1]]) as (opened,):
        return decoded(_encoded(_fitted(opened)))


def _fitted(picture: decoding.Decoded) -> "Image.Image":
    """The whole picture, reduced to the box if it is larger."""
    from PIL import Image

    scale = min(1.0, *(most / side for most, side in zip(BOX, picture.sides, strict=True)))
    width, height = (max(1, round(side * scale)) for side in picture.sides)
    if (width, height) == picture.image.size:
        return picture.image.copy()
    return picture.image.resize((width, height), Image.Resampling.LANCZOS, box=picture.box, reducing_gap=3.0)


def _encoded(image: "Image.Image") -> Thumbnail:
    target = io.BytesIO()
    if max(image.size) <= EXACT:
        image.save(target, "PNG", optimize=True)
        return Thumbnail(target.getvalue(), PNG, *image.size)
    image.convert("RGB").save(target, "WEBP", quality=QUALITY, method=METHOD)
    return Thumbnail(target.getvalue(), WEBP, *image.size)


def _read(content: bytes) -> Thumbnail:
    """A thumbnail that was kept.

    Raises
    ------
    OSError
        If it is damaged.
    """
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        image.verify()
        return Thumbnail(content, (image.format or "").lower(), *image.size)
