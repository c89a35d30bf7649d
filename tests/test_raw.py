"""Camera raw files: developed by LibRaw, never their preview, and named where they cannot be read."""

import io
import sys

import numpy as np
import pytest
from filebytes import LONG, SHORT, directory, dng
from pictures import scene
from PIL import Image

from backbench.images import _raw, decoding

MOSAIC = np.full((64, 96), 3000)
MOSAIC[:, :48] = 60000


@pytest.mark.parametrize("name", ["a.dng", "a.DNG", "a.nef", "a.tif", "a.jpg", "a"])
def test_a_raw_file_is_developed_whatever_it_is_called(tmp_path, name):
    pytest.importorskip("rawpy")
    (tmp_path / name).write_bytes(dng(MOSAIC))
    found = decoding.decode(tmp_path / name)
    assert (found.format, found.mode, found.image.size, found.peak) == ("RAW", "RGB", (96, 64), None)
    pixels = np.asarray(found.image)
    assert (pixels[8:-8, 8:40] == 255).all()
    # 3,000 of 60,000, the largest value, by the gamma of BT.709
    assert np.abs(pixels[8:-8, 56:88].astype(int) - 255 * (1.099 * (3000 / 60000) ** 0.45 - 0.099)).max() < 3


def test_the_camera_says_which_side_is_up(tmp_path):
    pytest.importorskip("rawpy")
    (tmp_path / "a.dng").write_bytes(dng(MOSAIC, orientation=6))
    pixels = np.asarray(decoding.rgb(tmp_path / "a.dng"))
    assert pixels.shape == (96, 64, 3) and pixels[:40].min() == 255 and pixels[56:].max() < 80


def test_it_is_developed_alike_each_time(tmp_path):
    pytest.importorskip("rawpy")
    noise = np.random.default_rng(0).integers(0, 65536, (64, 96))
    (tmp_path / "a.dng").write_bytes(dng(noise))
    first, second = (decoding.pixel_digest(decoding.rgb(tmp_path / "a.dng")) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.9, 0.99])
def test_a_truncated_one_is_no_image(tmp_path, share):
    pytest.importorskip("rawpy")
    data = dng(MOSAIC)
    (tmp_path / "a.dng").write_bytes(data[: max(1, int(len(data) * share))])
    with pytest.raises(decoding.Unreadable, match=r"a camera raw file \(\.dng\) that LibRaw cannot read"):
        decoding.rgb(tmp_path / "a.dng")


def test_one_that_is_too_large_is_not_unpacked(tmp_path, monkeypatch):
    pytest.importorskip("rawpy")
    (tmp_path / "a.dng").write_bytes(dng(MOSAIC))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
    with pytest.raises(decoding.Unreadable, match="96 x 64 pixels, more than the limit of 6000"):
        decoding.rgb(tmp_path / "a.dng")


@pytest.mark.parametrize("suffix", sorted(_raw.SUFFIXES))
def test_without_rawpy_the_reason_says_what_to_install(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    path = tmp_path / f"a{suffix.upper()}"
    scene(1).save(path, "TIFF")
    expected = rf"a camera raw file \({suffix}\); install backbench\[raw\] to read it"
    with pytest.raises(decoding.Unreadable, match=expected):
        decoding.rgb(path)


HEADS = {
    "cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(90),
    "cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(90),
    "orf": b"IIRO\x08\0\0\0" + bytes(90),
    "raf": b"FUJIFILMCCD-RAW 0201" + bytes(90),
    "rw2": b"IIU\0\x08\0\0\0" + bytes(90),
    "x3f": b"FOVb" + bytes(90),
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_raw_file_under_another_name_is_told_by_its_content(tmp_path, monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / "a.jpg").write_bytes(HEADS[kind])
    with pytest.raises(decoding.Unreadable, match=rf"a camera raw file \(\.{kind}\); install"):
        decoding.rgb(tmp_path / "a.jpg")


def test_a_preview_is_never_the_photograph(tmp_path, monkeypatch):
    """The first page of a NEF file is a small preview; the photograph is in a directory below it."""
    monkeypatch.setitem(sys.modules, "rawpy", None)
    body = bytes(range(256)) * 3
    tags = {
        **{254: (LONG, 1), 256: (LONG, 16), 257: (LONG, 16), 258: (SHORT, 8, 8, 8), 259: (SHORT, 1), 262: (SHORT, 2)},
        **{273: (LONG, 8), 277: (SHORT, 3), 278: (LONG, 16), 279: (LONG, len(body)), 330: (LONG, 8)},
    }
    (tmp_path / "a.tif").write_bytes(directory(tags, body))
    assert Image.open(tmp_path / "a.tif").size == (16, 16), "Pillow takes it for the picture"
    with pytest.raises(decoding.Unreadable, match="a camera raw file"):
        decoding.rgb(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(directory({**tags, 254: (LONG, 0)}, body))
    assert decoding.rgb(tmp_path / "b.tif").size == (16, 16)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_an_ordinary_picture_stays_one_under_the_name_of_a_raw_file(tmp_path, kind):
    buffer = io.BytesIO()
    scene(1).save(buffer, kind)
    (tmp_path / "a.nef").write_bytes(buffer.getvalue())
    assert decoding.decode(tmp_path / "a.nef").format == kind
