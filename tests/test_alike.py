"""Equal pixels in files that differ: found whatever the format and the scale, and never where they only look alike."""

import io
import struct

import numpy as np
import pytest
from opens import opened
from pictures import digest_of, folder_load, scene
from PIL import Image

from backbench.datasets import _alike, _fingerprint, _layout
from backbench.images import content, decoding, reading

pytestmark = pytest.mark.usefixtures("own_results")

MEGAPIXELS_12 = (4000, 3000)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def with_comment(data: bytes, text: bytes) -> bytes:
    """A JPEG file with a comment of its own, and the same picture."""
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]


def jpeg(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def groups(root) -> list[set[str]]:
    """The files of a folder that have equal pixels."""
    alike: dict[str, set[str]] = {}
    for seen in _fingerprint.take(root, _layout.read(root)).readable:
        alike.setdefault(seen.content, set()).add(seen.entry.path)
    return [names for names in alike.values() if len(names) > 1]


def reduction(path) -> int:
    return reading.Reader().look(path).facts["reduction"]


@pytest.mark.parametrize("size", [(90, 60), (1800, 1350)])
def test_a_photograph_with_other_metadata(place, size):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    data = jpeg(scene(1, size))
    for name, bytes_of in (("a", data), ("b", with_comment(data, b"one")), ("c", jpeg(scene(1, size), exif=exif))):
        (place / f"{name}.jpg").write_bytes(bytes_of)
    (place / "d.jpg").write_bytes(jpeg(scene(2, size)))
    assert reduction(place / "a.jpg") == (1 if size[0] < 1000 else 2)
    assert groups(place) == [{"a.jpg", "b.jpg", "c.jpg"}]


def test_a_large_photograph_that_was_saved_in_another_format(place):
    (place / "a.jpg").write_bytes(jpeg(scene(1, MEGAPIXELS_12)))
    with Image.open(place / "a.jpg") as image:
        image.save(place / "b.png", compress_level=1)
        image.save(place / "c.bmp")
        pixels = np.array(image)
    pixels[1234, 2345, 0] ^= 1
    Image.fromarray(pixels).save(place / "other.png", compress_level=1)
    assert reduction(place / "a.jpg") == 4 and reduction(place / "b.png") == 1
    assert groups(place) == [{"a.jpg", "b.png", "c.bmp"}]


def test_small_images_of_two_formats(place):
    for number in range(3):
        scene(number, (40, 30)).save(place / f"{number}.png")
        scene(number, (40, 30)).save(place / f"{number}.bmp")
        scene(number, (30, 40)).save(place / f"{number}.tif")
    assert sorted(map(sorted, groups(place))) == [[f"{number}.bmp", f"{number}.png"] for number in range(3)]


def test_a_turned_photograph_equals_the_one_that_was_saved_upright(place):
    exif = Image.Exif()
    exif[0x0112] = 6
    (place / "a.jpg").write_bytes(jpeg(scene(1, (1800, 1350)), exif=exif))
    decoding.rgb(place / "a.jpg").save(place / "b.png")
    assert Image.open(place / "b.png").size == (1350, 1800) and reduction(place / "a.jpg") == 2
    assert groups(place) == [{"a.jpg", "b.png"}]


def test_photographs_of_equal_hashes_are_not_equal(place):
    """Lighter by one: no perceptual hash notices."""
    first = scene(1, (1800, 1350))
    first.save(place / "a.png", compress_level=1)
    Image.fromarray(np.clip(np.asarray(first).astype(int) + 1, 0, 255).astype(np.uint8)).save(place / "b.png")
    (place / "c.jpg").write_bytes(jpeg(first))
    (place / "d.jpg").write_bytes(jpeg(Image.open(place / "b.png")))
    readable = _fingerprint.take(place, _layout.read(place)).readable
    assert len({seen.phash for seen in readable}) == 1 and len({seen.size for seen in readable}) == 1
    assert groups(place) == []


def test_photographs_that_differ_beyond_their_scale_are_not_equal(place):
    """One of the waves that a block is made of differs, which half the size is computed without."""
    wave = np.sqrt(2) * np.cos((2 * np.arange(8) + 1) * 4 * np.pi / 16)
    for name, height in (("a", 0), ("b", 10)):
        pixels = np.full((1280, 1280), 128.0)
        pixels[640:648, 640:648] += height * np.outer(wave, wave)
        Image.fromarray(pixels.round().astype(np.uint8)).save(place / f"{name}.jpg", qtables=[[16] * 64])
    looks = [reading.Reader().look(place / f"{name}.jpg").facts for name in "ab"]
    assert looks[0]["reduction"] == 2 and looks[0]["pixels"] == looks[1]["pixels"], "equal at half their sides"
    assert not np.array_equal(decoding.rgb(place / "a.jpg"), decoding.rgb(place / "b.jpg"))
    assert groups(place) == []


def sky(number: int) -> Image.Image:
    """Hardly any contrast: at one scale there is enough structure for a perceptual hash, at another there is not."""
    rng, size = np.random.default_rng(number), (2000, 1400)
    clouds = Image.fromarray((rng.random((5, 7)) * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    rows = np.mgrid[0 : size[1], 0 : size[0]][0]
    grey = 150 + 40 * rows / size[1] + (np.asarray(clouds, float) - 128) / 128 * rng.uniform(0.5, 3)
    return Image.fromarray((grey + rng.normal(0, 2, rows.shape)).clip(0, 255).astype(np.uint8))


def test_pictures_of_little_contrast_in_two_formats(place):
    for number in range(6):
        (place / f"{number}.jpg").write_bytes(jpeg(sky(number)))
        Image.open(place / f"{number}.jpg").save(place / f"{number}.png", compress_level=1)
    assert sorted(map(sorted, groups(place))) == [[f"{number}.jpg", f"{number}.png"] for number in range(6)]


def test_one_of_equal_images_is_kept(place):
    data = jpeg(scene(1, (1800, 1350)))
    for label, number in (("cat", 1), ("dog", 2)):
        (place / label).mkdir()
        for more in range(9):
            scene(100 * number + more, (40, 30)).save(place / label / f"{more}.png")
        (place / label / "a.jpg").write_bytes(with_comment(data, b"%d" % number))
    Image.open(io.BytesIO(data)).save(place / "dog" / "again.png")
    found = folder_load(place, duplicates="exclude")
    assert found.info["excluded"] == {
        "dog/a.jpg": "the same image as cat/a.jpg (another class)",
        "dog/again.png": "the same image as cat/a.jpg (another class)",
    }
    assert len(found.files) == 19 and folder_load(place).info["duplicates"] == 2


def test_only_what_may_be_equal_is_decoded_whole_and_that_once(place):
    data = jpeg(scene(1, (1800, 1350)))
    for name in "abc":
        (place / f"{name}.jpg").write_bytes(with_comment(data, name.encode("ascii")))
    for number in range(3):
        (place / f"{number}.jpg").write_bytes(jpeg(scene(10 + number, (1800, 1350))))
    with opened(place) as names:
        digest_of(place)
    assert sorted(names) == sorted([*(f"{n}.jpg" for n in "012abc"), *(f"{n}.jpg" for n in "abc")])
    (place / "d.jpg").write_bytes(with_comment(data, b"d"))
    with opened(place) as names:
        digest_of(place)
    assert names == ["d.jpg", "d.jpg"]
    assert _fingerprint.recall(place, _layout.read(place)) is not None


def test_a_file_that_changed_before_it_was_decoded_whole_keeps_its_bytes_for_a_key(place):
    data = jpeg(scene(1, (1800, 1350)))
    for name in "ab":
        (place / f"{name}.jpg").write_bytes(with_comment(data, name.encode("ascii")))
    files = {f"{name}.jpg": dict(reading.Reader().look(place / f"{name}.jpg").facts) for name in "ab"}
    (place / "b.jpg").write_bytes(b"gone")
    keys = {path: _alike.key({**files[path], **facts}) for path, facts in _alike.confirmed(place, files, None).items()}
    assert keys["b.jpg"] == files["b.jpg"]["sha256"] != keys["a.jpg"]
    assert content.read(place / "a.jpg").sha256 == files["a.jpg"]["sha256"]
