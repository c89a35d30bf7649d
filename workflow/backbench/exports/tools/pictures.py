"""Images as other tools want them: absolute paths of files, and thumbnails of one size."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import hashing, machine, threads
from backbench.datasets import _registry
from backbench.exports._folder import Folder
from backbench.pictures import _images
from backbench.pictures.source import Source
from backbench.pictures.thumbnails import PNG, Thumbnail

if TYPE_CHECKING:
    import numpy as np

IMAGES = "images"
EVERY = 5_000
JPEG_QUALITY = 85


def missing(source: Source) -> str | None:
    """Why a run has no images."""
    return _images.missing(source)


def paths(
    source: Source, rows: "np.ndarray", root: Folder, say: Callable[[str], None], files: bool
) -> list[str] | None:
    """Absolute paths of the images `rows` (m,); None without images.

    The images of an array of pixels get a PNG each in the folder `images-RUN` of the export, if `files` is true.

    Raises
    ------
    ConfigError
        If the folder of the images no longer exists.
    """
    if missing(source):
        return None
    info = source.info("dataset")
    if "files" in info:
        local = source.row.plan.stages[source.row.stages["features"]].local.get("root")
        places = [Path(local or info["root"]), Path(info["root"])]
        place = _registry.locate(info["digest"], info["files"], places).absolute()
        return [str(place / info["files"][row]) for row in rows.tolist()]
    return _written(source, rows, root, say) if files else None


def _written(source: Source, rows: "np.ndarray", root: Folder, say: Callable[[str], None]) -> list[str]:
    """Write the images `rows` (m,) of an array of pixels as PNG; returns their absolute paths."""
    from PIL import Image

    pixels = source.stored("dataset", "pixels")
    folder = Folder(root.root / f"{IMAGES}-{hashing.short(source.row.config_hash)}")
    places = [folder.root.absolute() / f"{row:06}.png" for row in rows.tolist()]

    def save(at: int) -> None:
        held = io.BytesIO()
        image = pixels[rows[at]]
        Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image).save(held, "PNG")
        scratch = places[at].with_suffix(".tmp")
        scratch.write_bytes(held.getvalue())
        scratch.replace(places[at])

    with threads.beside(machine.cores()):
        for done, _ in enumerate(threads.in_order(save, range(len(rows)), ahead=64), 1):
            if done % EVERY == 0 or done == len(rows):
                say(f"images as PNG: {done:,} of {len(rows):,}")
    return [str(path) for path in places]


def thumbnails(source: Source, rows: "np.ndarray", say: Callable[[str], None]) -> Iterator[Thumbnail | None]:
    """Thumbnails of the images `rows` (m,), None where an image cannot be read any more."""
    numbers = [int(row) for row in rows]
    with threads.beside(machine.cores()):
        for done, thumbnail in enumerate(source.thumbnails.thumbnails(numbers), 1):
            if done % EVERY == 0 or done == len(numbers):
                say(f"thumbnails: {done:,} of {len(numbers):,}")
            yield thumbnail


def encoded(thumbnail: Thumbnail) -> bytes:
    """A thumbnail as PNG if it is one, else as JPEG, which every tool shows."""
    from PIL import Image

    if thumbnail.format == PNG:
        return thumbnail.content
    target = io.BytesIO()
    with Image.open(io.BytesIO(thumbnail.content)) as image:
        image.convert("RGB").save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()
