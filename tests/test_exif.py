"""The orientation: applied where it is whole, and never the price of a picture."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from filebytes import LONG, SHORT, directory
from pictures import scene
from PIL import Image

from backbench.images import _exif, decoding

SIDES = (16, 12)
ORIENTATION = 0x0112
# What each orientation does to rows and columns, by NumPy alone.
TURNED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
KINDS = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "LZW": {"compression": "tiff_lzw"},
    "AVIF": {"quality": 90},
}


def saved(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    scene(7, SIDES).save(buffer, "TIFF" if kind == "LZW" else kind, **KINDS[kind], **options)
    return buffer.getvalue()


def heif(**options) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(scene(7, SIDES)).save(buffer, quality=90, **options)
    return buffer.getvalue()


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8769)[0x829A] = 0.01
    exif.get_ifd(0x8825)[1] = "N"
    return exif


@pytest.fixture
def decoded(tmp_path):
    def decode(data: bytes) -> np.ndarray:
        (tmp_path / "a").write_bytes(data)
        return np.asarray(decoding.rgb(tmp_path / "a"))

    return decode


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", KINDS)
def test_the_orientation_is_applied_once(decoded, kind, orientation):
    plain, turned = decoded(saved(kind)), decoded(saved(kind, exif=exif_of(orientation)))
    np.testing.assert_array_equal(turned, TURNED[orientation](plain))


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("written", ['tiff:Orientation="{}"', "<tiff:Orientation>{}</tiff:Orientation>"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_xmp_tells_it_where_exif_does_not(decoded, kind, written, orientation):
    packet = f"<x:xmpmeta><rdf:Description {written.format(orientation)}/></x:xmpmeta>".encode()
    np.testing.assert_array_equal(decoded(saved(kind, xmp=packet)), TURNED[orientation](decoded(saved(kind))))


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_a_value_that_means_nothing_is_upright(decoded, value):
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        np.testing.assert_array_equal(decoded(saved(kind, exif=exif_of(value))), decoded(saved(kind)))


def entries(*packed: bytes) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(packed)) + b"".join(packed) + bytes(4)


SIX = struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
WRONG = {
    "undefined_width": struct.pack("<HHI4s", 0x100, 7, 4, b"abcd"),
    "text_for_an_offset": struct.pack("<HHI4s", 0x8769, 2, 4, b"abc\0"),
    "offset_beyond_the_end": struct.pack("<HHII", 0x8769, 4, 1, 0xFFFFFF00),
    "gps_at_itself": struct.pack("<HHII", 0x8825, 4, 1, 8),
    "unknown_type": struct.pack("<HHII", 0x010F, 99, 7, 5),
    "endless": struct.pack("<HHII", 0x010F, 2, 0x7FFFFFFF, 8),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_beside_it_costs_not_even_the_orientation(decoded, name, kind):
    turned = decoded(saved(kind, exif=entries(SIX, WRONG[name])))
    expected = decoded(saved(kind))
    np.testing.assert_array_equal(turned, TURNED[6](expected))


ORIENTATIONS = {
    "text": struct.pack("<HHI4s", ORIENTATION, 2, 2, b"6\0\0\0"),
    "bytes": struct.pack("<HHI4s", ORIENTATION, 7, 4, b"abcd"),
    "nothing": struct.pack("<HHII", ORIENTATION, 3, 0, 0),
    "rational_beyond_the_end": struct.pack("<HHII", ORIENTATION, 5, 1, 0xFFFFFF),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_an_orientation_of_a_wrong_type_is_upright(decoded, name, kind):
    np.testing.assert_array_equal(decoded(saved(kind, exif=entries(ORIENTATIONS[name]))), decoded(saved(kind)))


# A flood of damage

COUNT = 240


def jpeg_block(data: bytes) -> tuple[int, int]:
    start = data.index(b"Exif\0\0")
    return start, start - 2 + int.from_bytes(data[start - 2 : start], "big")


def png_block(data: bytes) -> tuple[int, int]:
    start = data.index(b"eXIf") + 4
    return start, start + int.from_bytes(data[start - 8 : start - 4], "big")


def webp_block(data: bytes) -> tuple[int, int]:
    start = data.index(b"EXIF") + 8
    return start, start + int.from_bytes(data[start - 4 : start], "little")


def tiff_block(data: bytes) -> tuple[int, int]:
    """The EXIF directory and what it points to; the other tags of a TIFF file are the picture's."""
    start = data.index(EXIF_DIRECTORY)
    return start, start + len(EXIF_DIRECTORY)


def iso_block(data: bytes) -> tuple[int, int]:
    """The EXIF data of AVIF and HEIF, stored beside the turn that counts; Pillow leaves the orientation out of AVIF."""
    exif = exif_of(6).tobytes()[6:-12]
    start = data.index(exif[:8])
    return start, start + len(exif)


EXIF_DIRECTORY = struct.pack(
    "<HHHIIHHIIHHIII8s",
    *(3, 0x829A, 5, 1, 8, 0x9003, 2, 20, 40, 0xA002, 4, 1, 7, 0),
    b"12345678",
)


def saved_with_exif(kind: str) -> bytes:
    """The scene, to be turned by 90 degrees; of TIFF, with a directory of EXIF, which Pillow does not write."""
    if kind == "HEIF":
        return heif(exif=exif_of(6).tobytes())
    if kind not in ("TIFF", "DEFLATED"):
        return saved(kind, exif=exif_of(6))
    pixels = scene(7, SIDES).tobytes()
    pixels = zlib.compress(pixels) if kind == "DEFLATED" else pixels
    tags = {
        **{256: (LONG, SIDES[0]), 257: (LONG, SIDES[1]), 258: (SHORT, 8, 8, 8), 262: (SHORT, 2), 273: (LONG, 8)},
        **{259: (SHORT, 8 if kind == "DEFLATED" else 1), 274: (SHORT, 6), 277: (SHORT, 3), 278: (LONG, SIDES[1])},
        **{279: (LONG, len(pixels)), 0x8769: (LONG, 8 + len(pixels))},
    }
    return directory(tags, pixels + EXIF_DIRECTORY)


BLOCKS = {
    "JPEG": jpeg_block,
    "PNG": png_block,
    "WEBP": webp_block,
    "TIFF": tiff_block,
    "DEFLATED": tiff_block,
    "AVIF": iso_block,
    "HEIF": iso_block,
}


def mutated(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """The same with one to eight bytes of its EXIF block changed; of PNG, every other time with the right checksum."""
    start, end = BLOCKS[kind](data)
    changed = bytearray(data)
    for place in rng.integers(start, end, rng.integers(1, 9)):
        changed[place] = rng.choice([0, 1, 255, rng.integers(256)])
    if kind == "PNG" and rng.random() < 0.5:
        changed[end : end + 4] = struct.pack(">I", zlib.crc32(changed[start - 4 : end]))
    return bytes(changed)


@pytest.mark.parametrize("kind", BLOCKS)
def test_no_picture_is_lost_over_damaged_exif(decoded, kind):
    rng = np.random.default_rng(12)
    whole, plain = (
        saved_with_exif(kind),
        decoded(heif() if kind == "HEIF" else saved("TIFF" if kind == "DEFLATED" else kind)),
    )
    np.testing.assert_array_equal(decoded(whole), TURNED[6](plain))
    possible = {turn(plain).tobytes() + bytes(turn(plain).shape) for turn in TURNED.values()}
    turned = 0
    for _ in range(COUNT):
        pixels = decoded(mutated(whole, kind, rng))
        assert pixels.tobytes() + bytes(pixels.shape) in possible
        turned += pixels.shape == TURNED[6](plain).shape
    assert turned > COUNT // 10, "what is beside the orientation does not cost it"


@pytest.mark.parametrize("field", [0x02, 0x04, 0x08], ids=["type", "count", "value"])
def test_a_damaged_orientation_of_a_tiff_file_costs_no_picture(decoded, field):
    data, plain = bytearray(saved("TIFF", exif=exif_of(6))), decoded(saved("TIFF"))
    place = data.index(struct.pack("<HHI", ORIENTATION, 3, 1)) + field
    for value in range(0, 256, 5):
        data[place] = value
        pixels = decoded(bytes(data))
        assert pixels.shape in (plain.shape, TURNED[6](plain).shape)


def test_every_turn_of_pillow_is_known():
    assert {Image.Transpose[name] for name in _exif.TURNS.values()} == set(Image.Transpose)
