"""The one way from an image file to 8-bit RGB, which is strict.

- Formats are recognised by content, not by file name. They are those that Pillow decodes by itself and whose truncation
  it reports, HEIC and HEIF (``pillow-heif``), and camera raw files with the extra ``raw`` (see ``_raw``). Not
  supported: formats that need another program (EPS, WMF); numbers and films (FITS, GRIB, HDF5, MPEG); PSD and PCD (they
  store a preview, not the image); PCX (its palette comes last, so that a truncated file looks like a grey image); ICNS
  (a smaller icon replaces a truncated one); and formats without a signature, except TGA, which is recognised by its
  name.
- The orientation is applied (see ``_exif``). The first frame of an animation or multi-page file is taken, the largest
  image of an icon, the primary image of a HEIF file.
- Transparency is blended with white. 16-bit grey is scaled to 8 bits according to the number of bits in use (see
  ``depths``); 16-bit colour comes as Pillow reads it (its high byte). CMYK, YCbCr, Lab, HSV, palette and bilevel images
  are converted by Pillow, without colour profiles.
- A truncated file is an error, never padded with grey. So is one that is too large (see ``bounds``), and one whose
  values have no known range (32-bit integers beyond 16 bits, floats). Damage that the decoders themselves do not
  report, such as a flipped bit within a JPEG, goes unnoticed.
- The bytes of a file are read once (see ``content``). JPEG files may be decoded at a reduced scale (see ``scaling``);
  truncation is detected at any scale.
- JPEG is decoded by Pillow. ``simplejpeg`` uses the same library for the same pixels and saves a tenth of the time at a
  reduced scale; ``torchvision.io`` has no scales; neither reports as much about a file (see
  ``benchmarks/results/decoding.md``).
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
from backbench.images.bounds import Unreadable as Unreadable
from backbench.images.content import Changed as Changed
from backbench.images.content import Content

if TYPE_CHECKING:
    from PIL import Image

LIBRARIES = ("jpg", "jpg_2000", "libtiff", "webp", "avif")
RAW = "RAW"
# Pixels that are converted or hashed at once, so that memory never holds several copies of a large image.
BAND = room.BAND
# How Pillow refers to the bytes of a file in its messages.
NAMELESS = re.compile(r"<_io\.BytesIO object at 0x[0-9a-fA-F]+>")


@dataclass(frozen=True)
class Decoded:
    """An image as 8-bit RGB, upright, with the colour mode and the format that it is stored in.

    `sides` are the width and height of the whole image, upright. The sides of `image` are 1/`reduction` of them,
    rounded up; `box` (left, top, right, bottom, in its pixels) is the part with content, outside of which may be a
    fraction of a pixel of padding.

    `peak` is the largest stored value of a 16-bit image in a format that does not say how many of its bits are used. Of
    16-bit colour only the high byte is read, and `peak` is the largest value with that byte. Otherwise it is None.
    """

    image: "Image.Image"
    mode: str
    format: str
    sides: tuple[int, int]
    reduction: int
    box: _exif.Box
    peak: int | None = None


def of_image(image: "Image.Image", format: str = "array") -> Decoded:
    """A whole upright image, as if it had been decoded here."""
    return Decoded(image, image.mode, format, image.size, 1, _exif.whole_box(image.size))


def rgb(source: Path | Content, bits: int | None = None) -> "Image.Image":
    """The whole image in a file as 8-bit RGB."""
    return decode(source, bits).image


def decode(source: Path | Content, bits: int | None = None, least: int | None = None) -> Decoded:
    """The image in a file; `bits` is how many of 16 bits are used where the file does not say (None: all).

    `least` is the shorter side that must remain when a JPEG file is decoded at a scale (None: decode it whole).

    Raises
    ------
    Unreadable
        With the reason, for anything but a whole image within the bounds.
    Changed
        If the file is changed while it is being read.
    MemoryError
        If this machine has too little for it.
    OSError
        If it does not exist, or may not be read.
    """
    with decode_each(source, bits, [least]) as (decoded,):
        return decoded


@contextlib.contextmanager
def decode_each(source: Path | Content, bits: int | None, leasts: Sequence[int | None]) -> Iterator[list[Decoded]]:
    """The image in a file for each of `leasts`, decoded once for each reduction that they call for.

    Those of the same reduction are the same object. Their memory is reserved (see ``room``) until the ``with`` block
    ends: resize them inside, and keep none.

    Raises
    ------
    Unreadable, Changed, MemoryError, OSError
        As ``decode`` does, when the block is entered.
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
    except Exception as error:  # Pillow's decoders raise many kinds for damaged data; here they all mean the same
        if _of_the_system(error):
            raise
        raise Unreadable(_reason(error, file.path, head)) from error
    file.check()
    return pictures


def pixel_digest(image: "Image.Image") -> bytes:
    """SHA-256 of the mode, size and pixels of a decoded image."""
    total = hashlib.sha256(f"{image.mode}{image.size}".encode("ascii"))
    for _, band in _bands(image):
        total.update(band.tobytes())
    return total.digest()


@functools.cache
def decoder_version() -> str:
    """The versions that decoded pixels may depend on: Pillow, pillow-heif, rawpy, and the libraries they use."""
    import PIL
    import pillow_heif
    from PIL import features

    libraries = [f"{name} {features.version(name)}" for name in LIBRARIES]
    heif = f"pillow-heif {pillow_heif.__version__} libheif {pillow_heif.libheif_version()}"
    return " ".join([f"pillow {PIL.__version__}", *libraries, heif, f"rawpy {_raw.version()}"])


def _pictures(
    ways: Iterable[_opening.Opener], bits: int | None, leasts: Sequence[int | None], held: contextlib.ExitStack
) -> list[Decoded]:
    """The images by the first way that succeeds; if none does, the error of the first is raised."""
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
    raise failure or Unreadable("no reader is known for it")


def _by(
    way: _opening.Opener, bits: int | None, leasts: Sequence[int | None], held: contextlib.ExitStack
) -> list[Decoded]:
    """The image that `way` opens for each of `leasts`; the file is opened again for each reduction."""
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
    bounds.refuse_size(image.size)  # an icon may have another size than it says
    peak = depths.peak(image, depth)
    sides, box = image.size, _exif.whole_box(image.size)
    if factor > 1:
        sides = whole[::-1] if orientation in _exif.SWAPPED else whole
        box = _exif.turned_box(extent, image.size, orientation)
    return Decoded(_to_rgb(image, depth), opened.mode, str(opened.format), sides, factor, box, peak)


def _to_rgb(image: "Image.Image", depth: depths.Depth) -> "Image.Image":
    from PIL import Image

    if image.mode == "F":
        raise Unreadable("floating-point pixels have no known range")
    if image.mode == "RGB" and not image.readonly and not image.has_transparency_data:
        return image  # pixels that are mapped from a file are copied: they would change with the file
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
    """An image in bands of rows from the top, each with the number of its first row; a small image is one band."""
    rows = max(1, BAND // image.width)
    if image.height <= rows:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _of_the_system(error: Exception) -> bool:
    """Whether an error comes from the operating system, not from the content of a file."""
    return isinstance(error, OSError) and error.errno is not None


def _reason(error: Exception, path: Path, head: bytes) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        kind = kinds.name(head)
        return "no image of a known format" + (f": {kind}" if kind else "")
    text = NAMELESS.sub("it", str(error)).replace(repr(str(path)), "it").replace(str(path), "it").splitlines()
    return text[0] if text and text[0] else type(error).__name__
