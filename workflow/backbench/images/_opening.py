"""The ways to open an image file: Pillow, ``pillow-heif``, and a second attempt where Pillow is too strict.

Pillow refuses a whole image for faults in its metadata: a PNG file with long texts or a wrong checksum of its EXIF
data, an AVIF file with damaged EXIF data, a JPEG file with a damaged index of further images, an animated WebP file
with a damaged later frame. These are opened again without anything but the pixels of the first image, which are never
treated leniently.
"""

import functools
import io
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.images import kinds
from backbench.images.content import Content

if TYPE_CHECKING:
    from PIL import Image

FORMATS = (
    *("AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "QOI", "SGI", "SUN"),
    *("TIFF", "WEBP"),
)
BY_NAME = {".tga": "TGA"}
PNG = b"\x89PNG\r\n\x1a\n"
WEBP = b"WEBPVP8X"
JPEG = b"\xff\xd8\xff"
# Chunks of a PNG file that its pixels depend on, and further ones that are kept if they are intact.
NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
KEPT = frozenset({b"eXIf", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"})
# The boxes of a HEIF file.
BOXES = frozenset({b"ftyp", b"free", b"idat", b"mdat", b"meta", b"moov", b"skip", b"uuid"})
# Grey TIFF files that Pillow can decode but does not list: by byte order, white-is-zero (0), format, bit order and
# number of bits. ``depths`` inverts those where white is zero.
GREY_TIFF = {
    (b"MM", 0, (1,), 1, (16,), ()): ("I;16B", "I;16B"),
    (b"II", 0, (1,), 1, (12,), ()): ("I;16", "I;12"),
}

Opener = Callable[[], "Image.Image"]


def ways(content: Content, head: bytes) -> Iterator[Opener]:
    """The functions that open a file, to be tried in order until one gives the whole image."""
    from PIL import Image

    if not kinds.is_heif(head):
        yield lambda: Image.open(content.source(), formats=(*formats(), *_by_name(content.path)))
    if head.startswith(PNG):
        yield lambda: Image.open(io.BytesIO(_pixels_alone(content.whole())), formats=["PNG"])
    elif head.startswith(WEBP, 8):
        yield lambda: Image.open(io.BytesIO(_first_frame(content.whole())), formats=["WEBP"])
    elif head.startswith(JPEG):
        yield lambda: _first_jpeg(content)
    elif kinds.is_avif(head):
        yield lambda: Image.open(io.BytesIO(_without_exif(content.whole())), formats=["AVIF"])
    elif kinds.is_heif(head) or kinds.is_still(head):
        yield lambda: _heif(content)
        yield lambda: _heif(content, without_exif=True)


@functools.cache
def formats() -> tuple[str, ...]:
    """The formats that this build of Pillow reads; its readers are loaded first, since it does so on demand.

    Pillow's warnings (damaged EXIF data, very large images) are silenced: what they are about is harmless or refused.
    """
    from PIL import Image, TiffImagePlugin

    warnings.filterwarnings("ignore", module=r"PIL\.")
    Image.init()
    for stored, modes in GREY_TIFF.items():
        TiffImagePlugin.OPEN_INFO.setdefault(stored, modes)
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _by_name(path: Path) -> tuple[str, ...]:
    name = BY_NAME.get(path.suffix.lower())
    return (name,) if name else ()


def _heif(content: Content, without_exif: bool = False) -> "Image.Image":
    """The primary image of a HEIF file, which its decoder turns upright.

    Raises
    ------
    EOFError
        If the file ends within one of its boxes, which the decoder ignores after the end of the image.
    """
    from pillow_heif import HeifImageFile

    data = content.whole()
    _refuse_cut_boxes(data)
    file: Callable[..., Image.Image] = HeifImageFile  # its constructor has no annotations
    return file(io.BytesIO(_without_exif(data) if without_exif else data))


def _refuse_cut_boxes(data: bytes) -> None:
    place = 0
    while place < len(data):
        size, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size == 0 or name not in BOXES:  # a box up to the end of the file, or data that a phone has appended
            return
        place += max(size, 8)
    if place > len(data):
        raise EOFError("the file is truncated")


def _first_jpeg(content: Content) -> "Image.Image":
    from PIL import JpegImagePlugin

    return JpegImagePlugin.JpegImageFile(content.source())


def _without_exif(data: bytes) -> bytes:
    """An AVIF or HEIF file whose EXIF data are renamed, so that no reader looks at them."""
    return data.replace(b"Exif", b"none", 1)


def _pixels_alone(data: bytes) -> bytes:
    """A PNG file without texts, profiles, and chunks with a wrong checksum that the pixels do not need.

    Raises
    ------
    EOFError
        If the file ends within a chunk.
    """
    kept, place = [PNG], len(PNG)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        name, chunk = data[place + 4 : place + 8], data[place:end]
        if len(chunk) < 12 or end > len(data):
            raise EOFError("the file ends within a chunk")
        whole = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if name in NEEDED or (name in KEPT and whole):
            kept.append(chunk)
        if name == b"IEND":
            break
        place = end
    return b"".join(kept)


def _first_frame(data: bytes) -> bytes:
    """The first frame of an animated WebP file as a separate file.

    Raises
    ------
    EOFError
        If there is none, or it is smaller than the animation.
    """
    place, canvas = 12, data[24:30]
    while place + 8 <= len(data):
        name, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name == b"ANMF":
            frame = data[place + 8 : place + 8 + length]
            if len(frame) < length or frame[:12] != bytes(6) + canvas:
                break
            head = b"VP8X" + (10).to_bytes(4, "little") + b"\x10\0\0\0" + canvas  # with transparency, not animated
            body = WEBP[:4] + head + frame[16:]
            return b"RIFF" + len(body).to_bytes(4, "little") + body
        place += 8 + length + length % 2
    raise EOFError("no whole first frame")
