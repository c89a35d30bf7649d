"""What the audit computes from the images of a collection: hashes, likeness, blankness, thumbnails."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from backbench.images import decoding, phash, reading, scaling
from backbench.stage import Context, Inputs
from backbench.stages import pixels

if TYPE_CHECKING:
    from PIL import Image

Result = TypeVar("Result")

THUMBNAIL = 96
# Two images are compared as grey squares of this side.
GREY = 32
# Standard deviation of the grey values (0..255) below which an image is blank.
BLANK = 3.0
BLOCK = 512


class Pictures:
    """The images of a dataset at a scale, each opened on demand by the threads of the job."""

    def __init__(self, inputs: Inputs, context: Context, root: str | None = None):
        self._open = pixels.opener(inputs, root)
        self._name = pixels.names(inputs)
        self._threads = max(1, context.threads)
        self._progress = context.progress

    def each(
        self, rows: Collection[int], look: Callable[["Image.Image"], Result], least: int = scaling.AUDIT
    ) -> Iterator[Result]:
        """What `look` returns for each of `rows`, in their order; `least` is the shorter side in pixels that it needs.

        Raises
        ------
        OSError, Unreadable
            If a file is missing or has changed since the dataset stage read it, or an image cannot be decoded.
        """
        waiting, done = iter(rows), 0
        with ThreadPoolExecutor(self._threads) as pool:
            while block := list(islice(waiting, BLOCK)):
                yield from pool.map(lambda row: self._looked(int(row), look, least), block)
                done += len(block)
                self._progress(done, len(rows))

    def _looked(self, row: int, look: Callable[["Image.Image"], Result], least: int) -> Result:
        with pixels.named(self._name(row)), self._open(row, least) as decoded:
            return look(decoded.image)


def hashes(pictures: Pictures, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Content digests (n, 32) uint8 and perceptual hashes (n,) uint64 of the images of an array."""
    pairs = list(pictures.each(range(n), lambda image: (decoding.pixel_digest(image), phash.of(image))))
    digests = np.frombuffer(b"".join(digest for digest, _ in pairs), np.uint8).reshape(n, -1)
    return digests, np.array([value for _, value in pairs], np.uint64)


def blank(pictures: Pictures, rows: np.ndarray) -> np.ndarray:
    """Those (m,) of `rows` (n,) whose images show nothing: their grey values hardly differ."""
    spreads = np.array(list(pictures.each(rows, reading.spread)), np.float64)
    return rows[spreads < BLANK]


def greys(pictures: Pictures, rows: Collection[int]) -> np.ndarray:
    """The images of m `rows` as grey squares (m, 1024) float32, centred and of length 1.

    The dot product of two squares is their correlation. An image of a single grey is all zeros and resembles nothing.
    """
    squares = np.array(list(pictures.each(rows, _grey)), np.float32).reshape(-1, GREY * GREY)
    squares -= squares.mean(axis=1, keepdims=True)
    squares /= np.maximum(np.linalg.norm(squares, axis=1, keepdims=True), 1e-6)
    return squares


def thumbnails(pictures: Pictures | None, rows: Sequence[int]) -> tuple[np.ndarray, list[list[int]]]:
    """Letterboxed thumbnails (m, 96, 96, 3) uint8 of `rows`, and the width and height of the image inside each."""
    made = list(pictures.each(rows, _thumbnail, math.ceil(scaling.SPARE * THUMBNAIL))) if pictures else []
    stack = np.array([pixels for pixels, _ in made], np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL, 3)
    return stack, [size for _, size in made]


def _grey(image: "Image.Image") -> np.ndarray:
    """The grey values (1024,) uint8 of an image shrunk to a square."""
    from PIL import Image

    return np.asarray(image.convert("L").resize((GREY, GREY), Image.Resampling.BICUBIC), np.uint8).ravel()


def _thumbnail(image: "Image.Image") -> tuple[np.ndarray, list[int]]:
    """A letterboxed thumbnail (96, 96, 3) uint8, and the width and height of the image inside it."""
    from PIL import Image

    image = image.convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    letterbox = Image.new("RGB", (THUMBNAIL, THUMBNAIL))
    width, height = image.size
    letterbox.paste(image, ((THUMBNAIL - width) // 2, (THUMBNAIL - height) // 2))
    return np.asarray(letterbox), [width, height]
