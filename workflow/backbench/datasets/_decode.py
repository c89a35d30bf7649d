"""One strict way from an image file to 8-bit RGB (layer 1).

- Formats are told by content, not by the file's name, and are those that Pillow decodes by itself and whose truncation
  it reports. Left out is what needs another program (EPS, WMF), what holds numbers or films and not a picture (FITS,
  GRIB, HDF5, MPEG), PSD and PCD (a stored preview, not the picture), PCX (its palette stands last: a truncated file
  passes for a grey one), ICNS (a smaller icon stands in for one that is cut) and what has no signature; TGA has none,
  and counts only by its file name.
- EXIF orientation is applied; of an animation or a multi-page file the first frame is taken, of an icon the largest.
- Transparency is laid over white. 16-bit grey is scaled to 8 bits (v / 257, rounded); 16-bit colour as Pillow reads it
  (its high byte). CMYK, YCbCr, Lab, HSV, palette and bilevel images are converted by Pillow, without colour profiles.
- A truncated file is an error, never padded with grey. So is one of more than ``PIL.Image.MAX_IMAGE_PIXELS`` pixels
  (a decompression bomb), and one whose numbers have no known range (32-bit integers beyond 16 bits, floats). What the
  decoders themselves pass over, such as a flipped bit within a JPEG, is not noticed.
- Only regular files are opened: a pipe or a socket would wait for ever.
"""

import functools
import hashlib
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

FORMATS = (
    *("AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "QOI", "SGI", "SUN"),
    *("TIFF", "WEBP"),
)
BY_NAME = {".tga": "TGA"}
LIBRARIES = ("jpg", "jpg_2000", "libtiff", "webp", "avif")
SIXTEEN_BITS = 65535


class Unreadable(ValueError):
    """A file that is not one whole image."""


@dataclass(frozen=True)
class Decoded:
    """An image as 8-bit RGB, upright, with the colour mode and the format that it is stored in."""

    image: "Image.Image"
    mode: str
    format: str


def rgb(path: Path) -> "Image.Image":
    """The image in a file as 8-bit RGB."""
    return decode(path).image


def decode(path: Path) -> Decoded:
    """The image in a file.

    Raises
    ------
    Unreadable
        With the reason, for anything but a whole image of a size that can be trusted.
    OSError
        If there is no such file, or it may not be read.
    """
    from PIL import Image, ImageOps

    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for its writer
        raise Unreadable("no regular file")
    if about.st_size == 0:
        raise Unreadable("empty file")
    try:
        with Image.open(path, formats=(*_formats(), *_by_name(path))) as opened:
            _refuse_bomb(opened.size)
            opened.load()
            mode, kind = opened.mode, opened.format
            return Decoded(_to_rgb(ImageOps.exif_transpose(opened)), mode, kind)
    except (MemoryError, Unreadable):
        raise
    except Exception as error:  # Pillow's decoders raise a dozen kinds for damaged data; all mean the same here
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not the decoder's
            raise
        raise Unreadable(_reason(error, path)) from error


def pixel_digest(image: "Image.Image") -> bytes:
    """SHA-256 of the size and the pixels of a decoded image."""
    head = f"{image.mode}{image.size}".encode("ascii")
    return hashlib.sha256(head + image.tobytes()).digest()


@functools.cache
def decoder_version() -> str:
    """What the decoded pixels may depend on: Pillow and the libraries that decode for it."""
    import PIL
    from PIL import features

    return " ".join([f"pillow {PIL.__version__}", *(f"{name} {features.version(name)}" for name in LIBRARIES)])


@functools.cache
def _formats() -> tuple[str, ...]:
    """The formats that this build of Pillow reads; it looks its readers up on demand, so they are loaded first.

    What Pillow only warns of (damaged EXIF data, half a bomb) is refused here or harmless: it is kept off the terminal.
    """
    from PIL import Image

    warnings.filterwarnings("ignore", module=r"PIL\.")
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _by_name(path: Path) -> tuple[str, ...]:
    name = BY_NAME.get(path.suffix.lower())
    return (name,) if name else ()


def _refuse_bomb(size: tuple[int, int]) -> None:
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise Unreadable(f"{size[0]} x {size[1]} pixels, more than the limit of {limit}")


def _to_rgb(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scaled(image).convert("RGB")
    if image.mode == "F":
        raise Unreadable("floating-point pixels have no known range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _scaled(image: "Image.Image") -> "Image.Image":
    import numpy as np
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > SIXTEEN_BITS:
        raise Unreadable("32-bit pixels beyond 0..65535 have no known range")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _reason(error: Exception, path: Path) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "no image of a known format"
    text = str(error).replace(repr(str(path)), "it").replace(str(path), "it").splitlines()
    return text[0] if text and text[0] else type(error).__name__
