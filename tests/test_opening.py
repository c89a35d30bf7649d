"""The ways to open a file: HEIC as phones make it, and whole pictures that Pillow alone would lose."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from filebytes import chunk
from pictures import scene
from PIL import Image

from backbench.images import decoding

RED, BLUE = (250, 10, 10), (10, 10, 250)


def halves(size=(80, 40)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def heic(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=95, **options)
    return buffer.getvalue()


def near(pixels: np.ndarray, colour: tuple[int, int, int], off: int = 4) -> bool:
    return bool(np.abs(pixels.astype(int) - colour).max() <= off)


@pytest.fixture
def decoded(tmp_path):
    def decode(data: bytes, name: str = "a.heic") -> decoding.Decoded:
        (tmp_path / name).write_bytes(data)
        return decoding.decode(tmp_path / name)

    return decode


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.jpg", "a"])
def test_heic_is_told_by_its_content(decoded, name):
    found = decoded(heic(halves()), name)
    pixels = np.asarray(found.image)
    assert (found.format, found.mode, found.image.size) == ("HEIF", "RGB", (80, 40))
    assert near(pixels[4:-4, 4:36], RED) and near(pixels[4:-4, 44:76], BLUE)


@pytest.mark.parametrize(
    ("orientation", "size", "corner"),
    [(1, (80, 40), RED), (3, (80, 40), BLUE), (6, (40, 80), RED), (8, (40, 80), BLUE)],
)
def test_heic_is_turned_once(decoded, orientation, size, corner):
    """The encoder writes a turn (irot) for the orientation of the EXIF data, which stays beside it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = heic(halves(), exif=exif.tobytes())
    assert (b"irot" in data) == (orientation != 1)
    image = decoded(data).image
    assert image.size == size and near(np.asarray(image)[4:16, 4:16], corner)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.98, 0.999])
def test_heic_cut_short_is_no_image(decoded, share):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    data = heic(scene(1), exif=exif.tobytes())
    with pytest.raises(decoding.Unreadable):
        decoded(data[: int(len(data) * share)])


def test_what_a_phone_appends_to_heic_does_no_harm(decoded):
    assert decoded(heic(halves()) + b"\xff\xff\xff\xffSEFT" + bytes(99)).image.size == (80, 40)


@pytest.mark.parametrize("mode", ["RGB;16", "I;16"])
def test_ten_bits_of_heic_become_eight(decoded, mode):
    values = np.full((64, 64, 3), (40000, 20000, 60000), np.uint16)
    file, buffer = pillow_heif.HeifFile(), io.BytesIO()
    file.add_frombytes(mode, (64, 64), (values if mode == "RGB;16" else values[..., 0]).tobytes())
    file.save(buffer, quality=95)
    expected = (156, 78, 233) if mode == "RGB;16" else (156, 156, 156)
    assert near(np.asarray(decoded(buffer.getvalue()).image), expected, 2)


@pytest.mark.parametrize(("primary", "size"), [(0, (80, 40)), (1, (30, 50))])
def test_of_several_pictures_the_primary_is_taken(decoded, primary, size):
    file, buffer = pillow_heif.from_pillow(halves()), io.BytesIO()
    file.add_from_pillow(Image.new("RGB", (30, 50), "white"))
    file.save(buffer, quality=95, primary_index=primary)
    assert decoded(buffer.getvalue()).image.size == size


def test_transparent_heic_lies_over_white(decoded):
    image = halves().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat([[0, 255]], 40, axis=1).repeat(40, axis=0).astype(np.uint8)))
    pixels = np.asarray(decoded(heic(image)).image)
    assert near(pixels[4:-4, 4:36], (255, 255, 255)) and near(pixels[4:-4, 44:76], BLUE)


def test_avif_stays_with_pillow(decoded):
    buffer = io.BytesIO()
    halves().save(buffer, "AVIF")
    assert decoded(buffer.getvalue()).format == "AVIF"


# Whole pictures


def with_chunk(data: bytes, extra: bytes, last: bool = False) -> bytes:
    """A PNG file with a further chunk before its pixels, or after them."""
    place = len(data) - 12 if last else data.index(b"IDAT") - 4
    return data[:place] + extra + data[place:]


def broken_sum(part: bytes) -> bytes:
    return part[:-1] + bytes([part[-1] ^ 1])


LONG_TEXT = zlib.compress(bytes(100_000_000), 9)
EXTRAS = {
    "long_text": chunk(b"zTXt", b"workflow\0\0" + LONG_TEXT),
    "long_international_text": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG_TEXT),
    "long_profile": chunk(b"iCCP", b"a\0\0" + LONG_TEXT),
    "text_with_a_broken_sum": broken_sum(chunk(b"tEXt", b"a\0b")),
    "exif_with_a_broken_sum": broken_sum(chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0")),
    "no_text": chunk(b"zTXt", b"a\0\0" + b"not packed"),
}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", EXTRAS)
def test_a_png_is_not_lost_over_what_is_beside_its_pixels(decoded, name, last):
    buffer, image = io.BytesIO(), scene(1)
    image.save(buffer, "PNG")
    found = decoded(with_chunk(buffer.getvalue(), EXTRAS[name], last), "a.png")
    np.testing.assert_array_equal(np.asarray(found.image), np.asarray(image))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_png_with_a_long_text_may_not_be_cut_short(decoded, share):
    buffer = io.BytesIO()
    scene(1).save(buffer, "PNG")
    data = with_chunk(buffer.getvalue(), EXTRAS["long_text"])
    with pytest.raises(decoding.Unreadable):
        decoded(data[: int(len(data) * share)], "a.png")


def noise(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_the_first_picture_is_read_though_later_ones_are_damaged(decoded, kind, seed):
    buffer, rng = io.BytesIO(), np.random.default_rng(seed)
    noise(0).save(buffer, kind, save_all=True, append_images=[noise(1), noise(2)])
    data = bytearray(buffer.getvalue())
    whole = np.asarray(decoded(bytes(data)).image)
    for place in rng.integers(len(data) * 6 // 10, len(data) * 95 // 100, 40):
        data[place] = rng.integers(256)
    np.testing.assert_array_equal(np.asarray(decoded(bytes(data)).image), whole)


def test_a_damaged_index_of_further_pictures_costs_no_jpeg(decoded):
    buffer = io.BytesIO()
    noise(0).save(buffer, "MPO", save_all=True, append_images=[noise(1)])
    data = buffer.getvalue()
    whole = decoded(data)
    start = data.index(b"MPF\0") + 4
    for place in range(start, start + 60):
        damaged = data[:place] + b"\xff" + data[place + 1 :]
        np.testing.assert_array_equal(np.asarray(decoded(damaged).image), np.asarray(whole.image))
    assert whole.format == "MPO"


def test_what_follows_a_jpeg_does_no_harm(decoded):
    buffer = io.BytesIO()
    scene(1).save(buffer, "JPEG")
    whole = decoded(buffer.getvalue())
    again = decoded(buffer.getvalue() + struct.pack("<99I", *range(99)))
    np.testing.assert_array_equal(np.asarray(again.image), np.asarray(whole.image))
