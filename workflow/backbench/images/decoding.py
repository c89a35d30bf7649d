"""One strict way from an image file to 8-bit RGB (layer 1).

- Formats are told by content, not by the file's name, and are those that Pillow decodes by itself and whose truncation
  it reports, HEIC and HEIF (``pillow-heif``), and camera raw files with the extra ``raw`` (see ``_raw``). Left out is
  what needs another program (EPS, WMF), what holds numbers or films and not a picture (FITS, GRIB, HDF5, MPEG), PSD and
  PCD (a stored preview, not the picture), PCX (its palette stands last: a truncated file passes for a grey one), ICNS
  (a smaller icon stands in for one that is cut) and what has no signature; TGA has none, and counts only by its name.
- The orientation is applied (see ``_exif``); of an animation or a multi-page file the first frame is taken, of an icon
  the largest, of a HEIF file the primary picture.
- Transparency is laid over white. 16-bit grey is scaled to 8 bits by the bits that count (see ``depths``); 16-bit
  colour as Pillow reads it (its high byte). CMYK, YCbCr, Lab, HSV, palette and bilevel images are converted by Pillow,
  without colour profiles.
- A truncated file is an error, never padded with grey. So is one that is too large (see ``bounds``), and one whose
  numbers have no known range (32-bit integers beyond 16 bits, floats). What the decoders themselves pass over, such as
  a flipped bit within a JPEG, is not noticed.
- Only regular files are opened: a pipe or a socket would wait for ever.
"""

import functools
import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.images import _exif, _opening, _raw, bounds, depths, kinds
from backbench.images.bounds import Unreadable

if TYPE_CHECKING:
    from PIL import Image

LIBRARIES = ("jpg", "jpg_2000", "libtiff", "webp", "avif")
RAW = "RAW"
# Pixels that are converted or hashed at once, so that a large image is not held several times over.
BAND = 1 << 22


@dataclass(frozen=True)
class Decoded:
    """An image as 8-bit RGB, upright, with the colour mode and the format that it is stored in.

    `peak` is the largest stored value of a 16-bit image in a format that does not say how many of its bits count; of
    colour, whose high byte alone is read, the largest value with that byte. It is None for any other.
    """

    image: "Image.Image"
    mode: str
    format: str
    peak: int | None = None


def rgb(path: Path, bits: int | None = None) -> "Image.Image":
    """The image in a file as 8-bit RGB."""
    return decode(path, bits).image


def decode(path: Path, bits: int | None = None) -> Decoded:
    """The image in a file; `bits` is how many of 16 bits count where the file does not say (None: all).

    Raises
    ------
    Unreadable
        With the reason, for anything but a whole image of a size that can be trusted.
    MemoryError
        If this machine has not enough for it.
    OSError
        If there is no such file, or it may not be read.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for its writer
        raise Unreadable("no regular file")
    if about.st_size == 0:
        raise Unreadable("empty file")
    with path.open("rb") as file:
        head = file.read(kinds.HEAD)
    _opening.formats()  # before any reader can warn
    try:
        kind = _raw.kind(path, head)
        return _pixels(path, head, bits) if kind is None else Decoded(_raw.read(path, kind), "RGB", RAW)
    except (MemoryError, Unreadable):
        raise
    except Exception as error:  # Pillow's decoders raise a dozen kinds for damaged data; all mean the same here
        if _of_the_system(error):
            raise
        raise Unreadable(_reason(error, path, head)) from error


def pixel_digest(image: "Image.Image") -> bytes:
    """SHA-256 of the size and the pixels of a decoded image."""
    total = hashlib.sha256(f"{image.mode}{image.size}".encode("ascii"))
    for _, band in _bands(image):
        total.update(band.tobytes())
    return total.digest()


@functools.cache
def decoder_version() -> str:
    """What the decoded pixels may depend on: Pillow, pillow-heif, rawpy, and the libraries that decode for them."""
    import PIL
    import pillow_heif
    from PIL import features

    libraries = [f"{name} {features.version(name)}" for name in LIBRARIES]
    heif = f"pillow-heif {pillow_heif.__version__} libheif {pillow_heif.libheif_version()}"
    return " ".join([f"pillow {PIL.__version__}", *libraries, heif, f"rawpy {_raw.version()}"])


def _pixels(path: Path, head: bytes, bits: int | None) -> Decoded:
    """The picture by the first way that gives it; if none does, the error of the first."""
    failure: Exception | None = None
    for way in _opening.ways(path, head):
        try:
            with way() as opened:
                return _decoded(opened, bits)
        except Unreadable:
            raise
        except Exception as error:
            if _of_the_system(error):
                raise
            failure = failure or error
    raise failure


def _decoded(opened: "Image.Image", bits: int | None) -> Decoded:
    bounds.refuse_size(opened.size)
    bounds.refuse_tiles(opened)
    depth = depths.of(opened, bits)
    image = _exif.upright(opened)
    bounds.refuse_size(image.size)  # an icon may hold another size than it says
    peak = depths.peak(image, depth)
    return Decoded(_to_rgb(image, depth), opened.mode, opened.format, peak)


def _to_rgb(image: "Image.Image", depth: depths.Depth) -> "Image.Image":
    from PIL import Image

    if image.mode == "F":
        raise Unreadable("floating-point pixels have no known range")
    rgb = Image.new("RGB", image.size)
    for top, band in _bands(image):
        rgb.paste(_band_to_rgb(band, depth), (0, top))
    return rgb


def _band_to_rgb(image: "Image.Image", depth: depths.Depth) -> "Image.Image":
    from PIL import Image

    if depths.is_grey(image):
        return depths.scaled(image, depth).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image


def _bands(image: "Image.Image") -> Iterator[tuple[int, "Image.Image"]]:
    """An image in bands of rows from the top, each with its first row; a small one is a single band."""
    rows = max(1, BAND // image.width)
    if image.height <= rows:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _of_the_system(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno is not None


def _reason(error: Exception, path: Path, head: bytes) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        kind = kinds.name(head)
        return "no image of a known format" + (f": {kind}" if kind else "")
    text = str(error).replace(repr(str(path)), "it").replace(str(path), "it").splitlines()
    return text[0] if text and text[0] else type(error).__name__
