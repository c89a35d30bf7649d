"""Folders of image files to read: large photographs, small ones and tiny ones, in ten classes.

The pictures come from the photographs of Caltech-101 where the assets have them (``BACKBENCH_ASSETS``), and are drawn
otherwise: noise whose spectrum falls as that of photographs does. Large ones are enlarged, get the noise of a sensor
and are stored as phones do it, so that a file has several megabytes.
"""

import io
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

CLASSES = ("ants", "boats", "cups", "dogs", "eyes", "ferns", "gulls", "hats", "irons", "jars")
ARCHIVE = Path(os.environ.get("BACKBENCH_ASSETS", ""), "data", "caltech101_51.tar")
# Standard deviation of the noise of a sensor in good light, of 255.
NOISE = 6.0
# Sides of the pictures that are drawn.
DRAWN = (480, 320)


@dataclass(frozen=True)
class Kind:
    """A kind of collection: how many files by default, their sides, colour mode, format and quality."""

    count: int
    sides: tuple[int, int]
    mode: str
    suffix: str
    quality: int = 0
    noise: float = 0.0


KINDS = {
    "photographs": Kind(60, (4000, 3000), "RGB", ".jpg", 92, NOISE),
    "small": Kind(1500, (300, 200), "RGB", ".jpg", 90),
    "tiny": Kind(3000, (28, 28), "L", ".png"),
}


def make(folder: Path, kind: str, count: int, threads: int) -> None:
    """Write `count` files of a kind below `folder`, each of another picture."""
    about = KINDS[kind]
    for name in CLASSES[:count]:
        (folder / name).mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(0, about.noise, (*about.sides[::-1], 3)) if about.noise else None
    save = partial(_save, folder, about, None if noise is None else noise.round().astype(np.int16))
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, count, 64):  # few at a time, for each is large
            numbers = range(first, min(first + 64, count))
            list(pool.map(save, numbers, _sources(count, numbers)))


def source() -> str:
    """Where the pictures come from, in words."""
    return "photographs of Caltech-101" if ARCHIVE.is_file() else "drawn pictures"


def _save(folder: Path, kind: Kind, noise: np.ndarray | None, number: int, picture: "Image.Image") -> None:
    from PIL import Image

    picture = picture.convert(kind.mode).resize(kind.sides, Image.Resampling.BICUBIC)
    if noise is not None:
        pixels = np.asarray(picture) + np.roll(noise, (97 * number, 61 * number), (0, 1))
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    options = {"quality": kind.quality} if kind.quality else {}
    picture.save(folder / CLASSES[number % len(CLASSES)] / f"{number:06}{kind.suffix}", **options)


def _sources(count: int, numbers: range) -> Iterator["Image.Image"]:
    return _photographs(count, numbers) if ARCHIVE.is_file() else map(_drawn, numbers)


def _photographs(count: int, numbers: range) -> Iterator["Image.Image"]:
    """Photographs of all classes; a second turn through the archive gives other cuts of them."""
    from PIL import Image

    with tarfile.open(ARCHIVE) as archive:
        members = [member for member in archive if member.isfile() and member.name.endswith(".jpg")]
        step = max(1, len(members) // count)
        for number in numbers:
            turn, place = divmod(number * step, len(members))
            picture = Image.open(io.BytesIO(archive.extractfile(members[place]).read())).convert("RGB")
            cut = 0.05 * turn
            left, top = (int(cut * side) for side in picture.size)
            yield picture.crop((left, top, *picture.size))


def _drawn(number: int) -> "Image.Image":
    """Coloured noise with an amplitude of 1/f, as photographs have it."""
    from PIL import Image

    width, height = DRAWN
    generator = np.random.default_rng(number)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    channels = []
    for _ in range(3):
        white = np.fft.rfft2(generator.normal(size=(height, width)))
        pink = np.fft.irfft2(white / frequency, (height, width))
        channels.append(128 + 50 * pink / pink.std())
    return Image.fromarray(np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8))
