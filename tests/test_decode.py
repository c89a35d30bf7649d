"""Decoding: whole images only, told by their content, made RGB in one documented way."""

import io
from pathlib import Path

import numpy as np
import pytest
from pictures import paint, scene
from PIL import Image

from backbench.images import decoding


def test_a_truncated_jpeg_is_no_image(tmp_path):
    paint(tmp_path / "a.jpg", 1, (300, 300))
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(decoding.Unreadable, match="truncated"):
        decoding.rgb(tmp_path / "a.jpg")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_no_image(tmp_path, monkeypatch):
    paint(tmp_path / "a.png", 1, (200, 200))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30000)
    with pytest.raises(decoding.Unreadable, match=r"200 x 200 pixels, more than the limit of 30000|decompression bomb"):
        decoding.rgb(tmp_path / "a.png")


def saved(tmp_path, image, name, **options):
    image.save(tmp_path / name, **options)
    return np.asarray(decoding.rgb(tmp_path / name))


def test_sixteen_bits_are_scaled(tmp_path):
    values = np.array([[0, 128, 129], [257, 32896, 65535]], np.uint16)
    for name in ("a.png", "a.tif"):
        pixels = saved(tmp_path, Image.fromarray(values), name)
        assert pixels[..., 0].tolist() == [[0, 0, 1], [1, 128, 255]] and pixels.shape == (2, 3, 3)


def test_transparency_lies_over_white(tmp_path):
    pixels = saved(tmp_path, Image.fromarray(np.array([[[255, 0, 0, 0], [255, 0, 0, 255]]], np.uint8)), "a.png")
    assert pixels.tolist() == [[[255, 255, 255], [255, 0, 0]]]
    half = saved(tmp_path, Image.fromarray(np.array([[[0, 128]]], np.uint8), "LA"), "b.png")
    assert half.tolist() == [[[127] * 3]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 255, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    assert saved(tmp_path, palette, "c.png", transparency=0).tolist() == [[[255, 255, 255], [0, 255, 0]]]


def test_other_modes_become_rgb(tmp_path):
    cmyk = saved(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "a.jpg", quality=100)
    assert cmyk.shape == (8, 8, 3) and np.abs(cmyk.astype(int) - [255, 0, 0]).max() < 6
    assert saved(tmp_path, Image.new("1", (2, 2), 1), "b.png").tolist() == [[[255] * 3] * 2] * 2
    assert saved(tmp_path, Image.new("L", (1, 1), 7), "c.png").tolist() == [[[7] * 3]]
    with pytest.raises(decoding.Unreadable, match="floating-point"):
        saved(tmp_path, Image.new("F", (2, 2)), "d.tif")


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.zeros((4, 8, 3), np.uint8)
    upright[:, :4] = 255
    pixels = saved(tmp_path, Image.fromarray(upright), "a.png", exif=exif)
    assert pixels.shape == (8, 4, 3) and pixels[:4].min() == 255 and pixels[4:].max() == 0


# Formats

LOSSLESS = {
    "a.bmp": {},
    "a.dds": {},
    "a.ico": {},
    "a.jp2": {},
    "a.png": {},
    "a.ppm": {},
    "a.qoi": {},
    "a.sgi": {},
    "a.tga": {},
    "rle.tga": {"compression": "tga_rle"},
    "a.tif": {},
    "deflate.tif": {"compression": "tiff_deflate"},
    "lzw.tif": {"compression": "tiff_lzw"},
    "a.webp": {"lossless": True},
}
LOSSY = {"a.avif": {}, "a.jpg": {}, "a.webp": {}, "jpeg.tif": {"compression": "jpeg"}, "a.gif": {}}
SIDE = 128  # a size that icons have


@pytest.mark.parametrize("name", LOSSLESS)
def test_formats_are_read_exactly(tmp_path, name):
    image = scene(3, (SIDE, SIDE))
    image.save(tmp_path / name, **LOSSLESS[name])
    np.testing.assert_array_equal(np.asarray(decoding.rgb(tmp_path / name)), np.asarray(image))


@pytest.mark.parametrize(("name", "options"), [*LOSSLESS.items(), *LOSSY.items()])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
def test_no_format_hides_that_it_is_cut_short(tmp_path, name, options, share):
    scene(3, (SIDE, SIDE)).save(tmp_path / name, **options)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(decoding.Unreadable):
        decoding.rgb(tmp_path / name)


def sun_raster(image: Image.Image) -> bytes:
    header = [0x59A66A95, *image.size, 24, 3 * image.width * image.height, 3, 0, 0]
    return b"".join(word.to_bytes(4, "big") for word in header) + image.tobytes()


def test_a_sun_raster_is_read(tmp_path):
    (tmp_path / "a.ras").write_bytes(sun_raster(scene(1)))
    np.testing.assert_array_equal(np.asarray(decoding.rgb(tmp_path / "a.ras")), np.asarray(scene(1)))


@pytest.mark.parametrize("kind", ["EPS", "ICNS", "PCX", "PDF", "MSP"])
def test_formats_that_are_not_safe_are_refused(tmp_path, kind):
    path = tmp_path / "a.jpg"
    scene(1).convert("1" if kind == "MSP" else "L").save(path, kind)
    with pytest.raises(decoding.Unreadable, match="no image of a known format"):
        decoding.rgb(path)


def test_tga_counts_by_its_name_alone(tmp_path):
    scene(1).save(tmp_path / "a.tga")
    assert decoding.decode(tmp_path / "a.tga").format == "TGA"
    with pytest.raises(decoding.Unreadable, match="no image of a known format"):
        decoding.rgb((tmp_path / "a.tga").rename(tmp_path / "a.png"))
    (tmp_path / "text.tga").write_text("no picture at all\n" * 40)
    with pytest.raises(decoding.Unreadable, match="no image of a known format"):
        decoding.rgb(tmp_path / "text.tga")


def test_a_wrong_extension_does_not_matter(tmp_path):
    scene(1).save(tmp_path / "a.jpg", "PNG")
    found = decoding.decode(tmp_path / "a.jpg")
    assert (found.format, found.mode, found.image.size) == ("PNG", "RGB", (96, 80))


def test_the_mode_is_the_stored_one(tmp_path):
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    Image.new("L", (8, 8)).save(tmp_path / "b.png")
    Image.new("RGBA", (8, 8)).save(tmp_path / "c.png")
    assert [decoding.decode(tmp_path / name).mode for name in ("a.jpg", "b.png", "c.png")] == ["CMYK", "L", "RGBA"]


# Unusual images


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, kind):
    frames = [scene(number) for number in range(3)]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:], **lossless)
    found, first = np.asarray(decoding.rgb(tmp_path / "a")).astype(int), np.asarray(frames[0]).astype(int)
    assert np.abs(found - first).mean() < (12 if kind == "GIF" else 1e-9)


@pytest.mark.parametrize("size", [(1, 1), (30000, 10), (10, 30000), (1, 3000)])
def test_unusual_sizes_are_read(tmp_path, size):
    paint(tmp_path / "a.png", 1, size)
    assert decoding.rgb(tmp_path / "a.png").size == size


def test_the_largest_icon_is_taken(tmp_path):
    scene(1, (64, 64)).save(tmp_path / "a.ico", sizes=[(16, 16), (64, 64), (32, 32)])
    assert decoding.rgb(tmp_path / "a.ico").size == (64, 64)


def test_sixteen_bits_and_colour_keep_the_high_byte(tmp_path):
    values = np.arange(0, 65536, 257 * 5, np.uint16)[:48].reshape(4, 4, 3)
    body = b"P6 4 4 65535\n" + values.astype(">u2").tobytes()
    (tmp_path / "a.ppm").write_bytes(body)
    found = np.asarray(decoding.rgb(tmp_path / "a.ppm"))
    assert np.abs(found.astype(int) - values // 257).max() <= 1


def test_thirty_two_bits_beyond_sixteen_are_refused(tmp_path):
    with pytest.raises(decoding.Unreadable, match=r"beyond 0\.\.65535"):
        saved(tmp_path, Image.fromarray(np.array([[70000]], np.int32)), "a.tif")


def test_exif_is_honoured_in_a_jpeg(tmp_path):
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 3
    scene(1).save(buffer, "JPEG", quality=95)
    scene(1).save(tmp_path / "a.jpg", quality=95, exif=exif)
    expected = Image.open(buffer).convert("RGB").transpose(Image.Transpose.ROTATE_180)
    np.testing.assert_array_equal(np.asarray(decoding.rgb(tmp_path / "a.jpg")), np.asarray(expected))


def test_reasons_do_not_name_the_path(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(decoding.Unreadable) as caught:
        decoding.rgb(Path(tmp_path / "a.jpg"))
    assert str(tmp_path) not in str(caught.value)
