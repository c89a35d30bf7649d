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
- The bytes of a file are read once (see ``content``). JPEG files may be decoded at a scale (see ``scaling``): a file
  that is not whole is found at any.
- JPEG is decoded by Pillow: ``simplejpeg`` gives the same pixels by the same library and saves a tenth of the time at a
  scale, ``torchvision.io`` has no scale; neither tells as much of a file (see ``benchmarks/results/decoding.md``).
"""

import contextlib
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.images import _exif, _opening, _raw, bounds, content, depths, kinds, room, scaling
from backbench.images.bounds import Unreadable
from backbench.images.content import Changed, Content

if TYPE_CHECKING:
    from PIL import Image

LIBRARIES = ("jpg", "jpg_2000", "libtiff", "webp", "avif")
RAW = "RAW"
# Pixels that are converted or hashed at once, so that a large image is not held several times over.
BAND = room.BAND
# What Pillow calls the bytes of a file in its messages.
NAMELESS = re.compile(r"<_io\.BytesIO object at 0x[0-9a-fA-F]+>")


@dataclass(frozen=True)
class Decoded:
    """An image as 8-bit RGB, upright, with the colour mode and the format that it is stored in.

    `sides` are the width and height of the whole picture, upright; `image` has 1/`reduction` of them, rounded up, and
    `box` is where the picture is in it (left, top, right, bottom, in its pixels): beyond may be a fraction of padding.

    `peak` is the largest stored value of a 16-bit image in a format that does not say how many of its bits count; of
    colour, whose high byte alone is read, the largest value with that byte. It is None for any other.
    """

    image: "Image.Image"
    mode: str
    format: str
    sides: tuple[int, int]
    reduction: int
    box: _exif.Box
    peak: int | None = None


def of_image(image: "Image.Image", format: str = "array") -> Decoded:
    """A whole picture that is upright, as if it had been decoded here."""
    return Decoded(image, image.mode, format, image.size, 1, (0.0, 0.0, *map(float, image.size)))


def rgb(source: Path | Content, bits: int | None = None) -> "Image.Image":
    """The whole image in a file as 8-bit RGB."""
    return decode(source, bits).image


def decode(source: Path | Content, bits: int | None = None, least: int | None = None) -> Decoded:
    """The image in a file; `bits` is how many of 16 bits count where the file does not say (None: all).

    `least` is the shorter side that a JPEG file must keep where it is decoded at a scale (None: it is decoded whole).

    Raises
    ------
    Unreadable
        With the reason, for anything but a whole image of a size that can be trusted.
    Changed
        If the file is written to while it is read.
    MemoryError
        If this machine has not enough for it.
    OSError
        If there is no such file, or it may not be read.
    """
    with decode_each(source, bits, [least]) as (decoded,):
        return decoded


@contextlib.contextmanager
def decode_each(source: Path | Content, bits: int | None, leasts: Sequence[int | None]) -> Iterator[list[Decoded]]:
    """The image in a file for each of `leasts`, decoded once for each reduction that they come to.

    Those of the same reduction are the same object. The room that they take (see ``room``) is held until the ``with``
    block ends: resize them there, and keep none.

    Raises
    ------
    Unreadable, Changed, MemoryError, OSError
        As of ``decode``, when the block is entered.
    """
    file = source if isinstance(source, Content) else content.read(source)
    with contextlib.ExitStack() as held:
        yield _decoded_each(file, bits, leasts, held)


def _decoded_each(
    file: Content, bits: int | None, leasts: Sequence[int | None], held: contextlib.ExitStack
) -> list[Decoded]:
    head = file.head(kinds.HEAD)
    _opening.formats()  # before any reader can warn
    try:
        kind = _raw.kind(file, head)
        if kind is None:
            pictures = _pictures(_opening.ways(file, head), bits, leasts, held)
        else:
            pictures = [of_image(_raw.read(file, kind, held), RAW)] * len(leasts)
    except (MemoryError, Unreadable, Changed):
        raise
    except Exception as error:  # Pillow's decoders raise a dozen kinds for damaged data; all mean the same here
        if _of_the_system(error):
            raise
        raise Unreadable(_reason(error, file.path, head)) from error
    file.check()
    return pictures


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


def _pictures(
    ways: Iterable[_opening.Opener], bits: int | None, leasts: Sequence[int | None], held: contextlib.ExitStack
) -> list[Decoded]:
    """The pictures by the first way that gives them; if none does, the error of the first."""
    failure: Exception | None = None
    for way in ways:
        try:
            return _by(way, bits, leasts, held)
        except Unreadable:
            raise
        except Exception as error:
            if _of_the_system(error):
                raise
            failure = failure or error
            held.close()
    raise failure


def _by(
    way: _opening.Opener, bits: int | None, leasts: Sequence[int | None], held: contextlib.ExitStack
) -> list[Decoded]:
    """The picture that `way` opens for each of `leasts`; each reduction is opened anew."""
    with way() as opened:
        _refuse(opened)
        wanted = [scaling.reduction(opened, least) for least in leasts]
        held.enter_context(room.ALL.taken(room.needed(opened, wanted)))
        decoded = {wanted[0]: _decoded(opened, bits, wanted[0])}
    for factor in set(wanted) - set(decoded):
        with way() as opened:
            decoded[factor] = _decoded(opened, bits, factor)
    return [decoded[factor] for factor in wanted]


def _refuse(opened: "Image.Image") -> None:
    bounds.refuse_size(opened.size)
    bounds.refuse_tiles(opened)


def _decoded(opened: "Image.Image", bits: int | None, factor: int) -> Decoded:
    depth, whole = depths.of(opened, bits), opened.size
    extent = scaling.draft(opened, factor)
    image, orientation = _exif.upright(opened)
    bounds.refuse_size(image.size)  # an icon may hold another size than it says
    peak = depths.peak(image, depth)
    sides, box = image.size, (0.0, 0.0, *map(float, image.size))
    if factor > 1:
        sides = whole[::-1] if orientation in _exif.SWAPPED else whole
        box = _exif.turned_box(extent, image.size, orientation)
    return Decoded(_to_rgb(image, depth), opened.mode, opened.format, sides, factor, box, peak)


def _to_rgb(image: "Image.Image", depth: depths.Depth) -> "Image.Image":
    from PIL import Image

    if image.mode == "F":
        raise Unreadable("floating-point pixels have no known range")
    if image.mode == "RGB" and not image.readonly and not image.has_transparency_data:
        return image  # what is mapped from a file is copied: it would change with the file
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
    text = NAMELESS.sub("it", str(error)).replace(repr(str(path)), "it").replace(str(path), "it").splitlines()
    return text[0] if text and text[0] else type(error).__name__
