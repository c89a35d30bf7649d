"""Images as programs hold them: paths, bytes, images of Pillow, arrays of pixels."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench.images.bounds import Unreadable
from backbench.images.content import Content
from backbench.images.decoding import Decoded
from backbench.inference import looking
from backbench.inference.looking import Look
from backbench.schema import ConfigError

if TYPE_CHECKING:
    from PIL import Image

    from backbench.inference.model import Model

ALLOWED = "a path, encoded images as bytes, images of Pillow, or pixels (h, w), (h, w, 3) or (n, h, w, 3) uint8"
# What PNG keeps as it is; TIFF takes the others.
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def several(images: Any) -> Iterator[Any]:
    """Each of some images; a single one is one of them."""
    import numpy as np
    from PIL import Image

    if isinstance(images, str | Path | bytes | bytearray | Image.Image):
        yield images
    elif isinstance(images, np.ndarray):
        if images.dtype != np.uint8 or images.ndim not in (2, 3, 4):
            raise ConfigError(f"received an array {images.shape} of {images.dtype}; allowed: {ALLOWED}.")
        yield from images if images.ndim == 4 else [images]
    else:
        try:
            yield from images
        except TypeError:
            raise ConfigError(f"received {type(images).__name__}; allowed: {ALLOWED}, or several of these.") from None


def look(image: Any, number: int, model: "Model") -> Look:
    """An image as the model takes it; whatever is wrong with a file or with bytes becomes its reason.

    Parameters
    ----------
    number : its place among several, by which one without a path is called

    Raises
    ------
    ConfigError
        For what is no image at all.
    """
    import numpy as np
    from PIL import Image, ImageOps

    if isinstance(image, str | Path):
        return looking.look(Path(image).expanduser(), model)
    name = Path(f"image {number}")
    if isinstance(image, bytes | bytearray):
        return of_bytes(bytes(image), name, model)
    if isinstance(image, np.ndarray):
        shape = image.shape
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and shape[2] not in (1, 3)):
            raise ConfigError(f"received an array {shape} of {image.dtype}; allowed: {ALLOWED}.")
        image = Image.fromarray(image[..., 0] if image.ndim == 3 and shape[2] == 1 else image)
    if not isinstance(image, Image.Image):
        raise ConfigError(f"received {type(image).__name__}; allowed: {ALLOWED}.")
    if not image.width or not image.height:
        return Look(name, reason="an image without pixels")
    if image.has_transparency_data or image.mode[0] in "IF":
        return _as_file(image, name, model)
    return Look(name, pixels=model.prepare(ImageOps.exif_transpose(image)))


def _as_file(image: "Image.Image", name: Path, model: "Model") -> Look:
    """An image of Pillow with transparency or more than 8 bits, read by the rules of files."""
    from PIL import ImageOps

    form = "PNG" if image.mode in PNG_MODES else "TIFF"
    held = io.BytesIO()
    try:
        ImageOps.exif_transpose(image).save(held, form, exif=b"", compress_level=1)
    except (OSError, ValueError) as error:
        return Look(name, reason=str(error))
    return replace(of_bytes(held.getvalue(), name, model), sha256="")


def of_bytes(data: bytes, name: Path, model: "Model", also: Callable[[Decoded], None] = lambda decoded: None) -> Look:
    """An encoded image, by the same strict decoder as files; `also` is given the decoded image."""
    if not data:
        return Look(name, reason=str(Unreadable("empty file")))
    content = Content(name, hashlib.sha256(data).hexdigest(), len(data), (len(data), 0, 0, 0), data)
    return looking.look_at(content, model, also)
