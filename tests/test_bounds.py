"""One image costs a bounded amount of memory, and stops nobody."""

import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from filebytes import LONG, SHORT, directory, png
from peaks import SCRIPT
from pictures import digest_of, folder_load
from PIL import Image

from backbench.backbones import Image as Policy
from backbench.datasets import _fingerprint, _layout
from backbench.images import bounds, decoding, preparing, reading
from backbench.stages import _audit_images, pixels

# A file is known by its bytes, whichever test wrote it.
pytestmark = pytest.mark.usefixtures("own_results")

# A process that prints what a function of the package says, and by how much memory it grew.
MEASURED = (
    SCRIPT
    + """
import json, sys

import imagehash, scipy.fft
from backbench.images import decoding, reading

decoding.decoder_version()
decoding._opening.formats()
before = peak_from_now()
found = dict(reading.Reader().look(Path(sys.argv[1])).facts)
print(json.dumps([found, peak() - before]))
"""
)


def looked(path) -> tuple[dict, int]:
    """What the fingerprint finds in a file, and the bytes that a process of its own needed beside."""
    done = subprocess.run([sys.executable, "-c", MEASURED, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def blank_png(width: int, height: int, bits: int = 1, colour: int = 0) -> bytes:
    samples = {0: 1, 2: 3, 6: 4}[colour]
    return png((width, height), bits, colour, bytes(height * (1 + (width * bits * samples + 7) // 8)))


def icon(inner: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 64, 64, 0, 0, 1, 32, len(inner), 22) + inner


def tiled(width: int, length: int) -> bytes:
    """A TIFF file of 16 x 16 pixels in a tile of any size, which takes little place when it is packed."""
    body = zlib.compress(bytes(3_000_000), 9)
    tags = {
        **{256: (LONG, 16), 257: (LONG, 16), 258: (SHORT, 8), 259: (SHORT, 8), 262: (SHORT, 1), 277: (SHORT, 1)},
        **{322: (LONG, width), 323: (LONG, length), 324: (LONG, 8), 325: (LONG, len(body))},
    }
    return directory(tags, body)


def gif(canvas: tuple[int, int], place: tuple[int, int] = (0, 0)) -> bytes:
    head = b"GIF89a" + struct.pack("<HH", *canvas) + b"\x80\0\0\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHH", *place, 1, 1) + b"\0\2\2\x44\1\0;"


ABSURD = {
    "wide.png": (lambda: blank_png(60_000_000, 1), "60000000 x 1 pixels: a side is longer than the limit of 1000000"),
    "tall.png": (lambda: blank_png(1, 60_000_000), "1 x 60000000 pixels: a side is longer"),
    "a.ppm": (lambda: b"P6 60000000 1 255\n" + bytes(9), "60000000 x 1 pixels: a side is longer"),
    "a.bmp": (
        lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000_000, 1, 1, 24, 0, 0, 0, 0, 0, 0),
        "60000000 x 1 pixels: a side is longer",
    ),
    "a.qoi": (lambda: b"qoif" + struct.pack(">IIBB", 60_000_000, 1, 3, 0), "60000000 x 1 pixels: a side is longer"),
    "area.png": (lambda: png((9500, 9500), 8, 2, bytes(99)), "9500 x 9500 pixels, more than the limit"),
    "wide.ico": (lambda: icon(blank_png(60_000_000, 1)), "60000000 x 1 pixels: a side is longer"),
    "area.ico": (lambda: icon(png((60_000, 60_000), 8, 2, bytes(99))), "decompression bomb"),
    "tile.tif": (lambda: tiled(46_336, 46_336), "46336 x 46336 pixels, more than the limit"),
    "wide_tile.tif": (lambda: tiled(2_000_000_000, 16), "2000000000 x 16 pixels, more than the limit"),
    "canvas.gif": (lambda: gif((65_535, 65_535)), "decompression bomb"),
    "frame.gif": (lambda: gif((1, 1), (65_000, 65_000)), "decompression bomb"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_size_is_refused_from_the_header(tmp_path, name):
    make, reason = ABSURD[name]
    (tmp_path / name).write_bytes(make())
    found, grown = looked(tmp_path / name)
    assert reason in found["reason"] and grown < 80 << 20


@pytest.mark.parametrize("size", [(30_000, 200), (200, 30_000), (65_535, 3), (bounds.SIDE, 1), (1, bounds.SIDE)])
def test_long_pictures_are_read(tmp_path, size):
    (tmp_path / "a.png").write_bytes(blank_png(*size, 8, 2))
    facts = reading.Reader().look(tmp_path / "a.png").facts
    assert tuple(facts["sides"]) == size


LARGE = {
    "a.png": ("RGBA", {"compress_level": 1}),
    "a.jp2": ("RGB", {}),
    "a.jpg": ("CMYK", {"progressive": True}),
    "a.webp": ("RGBA", {"method": 0}),
    "turned.tif": ("RGB", {"exif": 6}),
}


@pytest.mark.parametrize("name", LARGE)
def test_the_memory_of_an_image_is_bounded_by_its_pixels(tmp_path, name):
    mode, options = LARGE[name]
    coarse = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = options.pop("exif", 1)
    Image.fromarray(coarse).resize((2500, 2500)).convert(mode).save(tmp_path / name, exif=exif, **options)
    found, grown = looked(tmp_path / name)
    assert found["sides"] == [2500, 2500] and grown < 24 * 2500**2 + (16 << 20)


@pytest.mark.parametrize("size", [(bounds.SIDE, 1), (1, bounds.SIDE), (65_535, 7), (30_000, 2_000)])
@pytest.mark.parametrize("policy", [("squash", None), ("crop", None), ("crop", 256)], ids=str)
def test_any_shape_within_the_bounds_is_resized(size, policy):
    resize, shorter = policy
    square = Policy(size=64, mode="RGB", resize=resize, interpolation="bicubic", shorter=shorter)
    assert (
        preparing.resize(Image.new("RGB", size, (9, 200, 30)), square).reshape(-1, 3).tolist() == [[9, 200, 30]] * 64**2
    )
    assert _audit_images._thumbnail(Image.new("RGB", size))[0].shape == (96, 96, 3)


def test_a_large_picture_is_digested_and_converted_as_a_whole(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    whole = decoding.rgb(tmp_path / "a.png")
    digest = decoding.pixel_digest(whole)
    monkeypatch.setattr(decoding, "BAND", 7 * 40)
    banded = decoding.rgb(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(banded), np.asarray(whole))
    assert decoding.pixel_digest(banded) == digest


@pytest.mark.parametrize("mode", ["P", "I;16", "I;16B", "LA", "1", "CMYK", "I"])
def test_bands_make_no_difference_in_any_mode(tmp_path, monkeypatch, mode):
    values = np.random.default_rng(0).integers(0, 256, (50, 40), np.uint8)
    if mode.startswith("I"):
        image = Image.fromarray(values.astype({"I": "<i4", "I;16": "<u2", "I;16B": ">u2"}[mode]) * 257)
    else:
        image = Image.fromarray(values).convert(mode)
    options = {"transparency": 3} if mode == "P" else {}
    image.save(tmp_path / "a", "PNG" if mode == "P" else "TIFF", **options)
    whole = np.asarray(decoding.rgb(tmp_path / "a"))
    monkeypatch.setattr(decoding, "BAND", 7 * 40)
    np.testing.assert_array_equal(np.asarray(decoding.rgb(tmp_path / "a")), whole)


# One file stops nobody


def test_an_absurd_picture_is_left_out_with_its_reason(folder):
    before = digest_of(folder)
    (folder / "class1" / "wide.png").write_bytes(blank_png(60_000_000, 1))
    found = folder_load(folder)
    assert list(found.info["excluded"]) == ["class1/wide.png"] and "a side is longer" in str(found.info["excluded"])
    assert found.digest == before


SHORT_OF_MEMORY = """
import json, resource, sys
from pathlib import Path

import imagehash, scipy.fft
from backbench.datasets import _fingerprint, _layout
from backbench.images import decoding, reading

root = Path(sys.argv[1])
reading.Reader().look(root / "class0" / "00.png")
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (200 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(json.dumps(dict(_fingerprint.take(root, _layout.read(root)).excluded)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and limits of memory")
def test_a_file_that_is_too_large_for_this_machine_is_left_out_for_now(folder):
    (folder / "class1" / "large.png").write_bytes(blank_png(9000, 9000, 8, 2))
    done = subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY, folder], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"class1/large.png": reading.NO_MEMORY}
    assert _fingerprint.recall(folder, _layout.read(folder)) is None, "it is looked at again"
    assert folder_load(folder).info["excluded"] == {}


def test_whatever_a_library_raises_is_the_reason_of_the_file(folder, monkeypatch):
    digest = digest_of(folder)
    (folder / "class1" / "zz.png").write_bytes(blank_png(20, 16, 8, 2))
    real = reading.phash.sketch

    def deep(image):
        if not image.getbbox():
            raise RecursionError("maximum recursion depth exceeded")
        return real(image)

    monkeypatch.setattr(reading.phash, "sketch", deep)
    found = folder_load(folder)
    assert found.info["excluded"] == {"class1/zz.png": "RecursionError: maximum recursion depth exceeded"}
    assert found.digest == digest


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "a/b.png: not enough memory for it"),
        (OverflowError("too large"), "a/b.png: OverflowError: too large"),
        (SystemError("tile cannot extend"), "a/b.png: SystemError: tile cannot extend"),
    ],
)
def test_an_error_after_decoding_names_the_image(error, words):
    with pytest.raises(decoding.Unreadable, match=words), pixels.named("a/b.png"):
        raise error


def test_a_file_that_broke_later_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(decoding.Unreadable, match=r"a\.jpg has changed since .* \(empty file\); launch again"):
        pixels._file(tmp_path, "a.jpg", "0" * 64, None, None).__enter__()


def test_a_resize_of_no_end_names_its_image():
    with pytest.raises(decoding.Unreadable, match=r"b\.png: not enough memory"), pixels.named("b.png"):
        Image.new("1", (60_000_000, 1)).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
