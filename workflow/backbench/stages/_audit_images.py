"""The pictures of a collection as the audit looks at them: hashes, likeness, blankness, thumbnails."""

from collections.abc import Callable, Iterator, Sequence
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
# Side of the grey squares that two images are compared by.
GREY = 32
# Standard deviation of the grey values (0..255) below which an image is blank.
BLANK = 3.0
BLOCK = 512


class Pictures:
    """The images of a dataset at a scale, each opened when asked for, by the threads of the job."""

    def __init__(self, inputs: Inputs, context: Context, root: str | None = None):
        self._open = pixels.opener(inputs, root)
        self._name = pixels.names(inputs)
        self._threads = max(1, context.threads)
        self._progress = context.progress

    def each(
        self, rows: Sequence[int], look: Callable[["Image.Image"], Result], least: int = scaling.AUDIT
    ) -> Iterator[Result]:
        """What `look` says of each of `rows`, in their order; `least` is the shorter side that it needs.

        Raises
        ------
        OSError, Unreadable
            If a file is gone or is no longer the one that the dataset stage saw, or an image cannot be looked at.
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
    """Content digests (n, 32) and perceptual hashes (n,) of the images of an array."""
    found = list(pictures.each(range(n), lambda image: (decoding.pixel_digest(image), phash.of(image))))
    digests = np.frombuffer(b"".join(digest for digest, _ in found), np.uint8).reshape(n, -1)
    return digests, np.array([value for _, value in found], np.uint64)


def blank(pictures: Pictures, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` that show nothing: their grey values hardly differ."""
    return rows[np.array(list(pictures.each(rows, reading.spread)), float) < BLANK]


def greys(pictures: Pictures, rows: Sequence[int]) -> np.ndarray:
    """The images of `rows` as grey squares, centred and of length 1: their dot product is the correlation of two.

    A picture of one flat grey has zeros and is like nothing.
    """
    squares = np.array(list(pictures.each(rows, _grey)), np.float32).reshape(-1, GREY * GREY)
    squares -= squares.mean(axis=1, keepdims=True)
    squares /= np.maximum(np.linalg.norm(squares, axis=1, keepdims=True), 1e-6)
    return squares


def thumbnails(pictures: Pictures | None, rows: Sequence[int]) -> tuple[np.ndarray, list[list[int]]]:
    """Letterboxed thumbnails (m, 96, 96, 3) of `rows`, and the width and height of the image in the middle of each."""
    found = list(pictures.each(rows, _thumbnail, scaling.SPARE * THUMBNAIL)) if pictures else []
    stack = np.array([pixels for pixels, _ in found], np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL, 3)
    return stack, [size for _, size in found]


def _grey(image: "Image.Image") -> np.ndarray:
    from PIL import Image

    return np.asarray(image.convert("L").resize((GREY, GREY), Image.Resampling.BICUBIC), np.uint8).ravel()


def _thumbnail(image: "Image.Image") -> tuple[np.ndarray, list[int]]:
    from PIL import Image

    image = image.convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    board = Image.new("RGB", (THUMBNAIL, THUMBNAIL))
    board.paste(image, tuple((THUMBNAIL - side) // 2 for side in image.size))
    return np.asarray(board), list(image.size)
