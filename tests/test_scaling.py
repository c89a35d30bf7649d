"""Decoding at a scale: when, how far, and that nothing moves, is lost or is overlooked."""

import io

import numpy as np
import pytest
from pictures import scene
from PIL import Image

from backbench.backbones import Image as Policy
from backbench.images import _exif, decoding, preparing, scaling
from backbench.schema import ConfigError, canonical, parse

SQUASH = {"size": 96, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
CROP = {"size": 224, "mode": "RGB", "resize": "crop", "interpolation": "bicubic", "shorter": 256}


def jpeg(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **{"quality": 92, **options})
    return buffer.getvalue()


@pytest.fixture
def decoded(tmp_path):
    """A function that decodes the bytes of a file so that a shorter side of `least` pixels is left."""

    def decode(data: bytes, least: int | None = None, name: str = "a.jpg") -> decoding.Decoded:
        (tmp_path / name).write_bytes(data)
        return decoding.decode(tmp_path / name, None, least)

    return decode


# When, and how far


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({}, 640),
        ({"size": 256}, 640),
        ({"size": 384}, 960),
        ({"decode": "full"}, None),
        ({"interpolation": "nearest"}, None),
        (CROP, 640),
        ({**CROP, "shorter": 342}, 855),
        ({**CROP, "size": 300, "shorter": None}, 750),
    ],
)
def test_a_policy_keeps_more_than_twice_what_it_resizes_to(changes, least):
    assert scaling.least(parse(Policy, {**SQUASH, **changes}, "image")) == least


@pytest.mark.parametrize(
    ("size", "least", "reduction"),
    [
        ((1023, 4000), 512, 1),
        ((1024, 1024), 512, 2),
        ((4000, 2047), 512, 2),
        ((2048, 2100), 512, 4),
        ((4032, 3024), 512, 4),
        ((4096, 5000), 512, 8),
        ((9000, 9000), 512, 8),
        ((4032, 3024), 768, 2),
        ((4032, 3024), None, 1),
    ],
)
def test_the_largest_reduction_that_leaves_enough(size, least, reduction):
    with Image.open(io.BytesIO(jpeg(Image.new("L", size), quality=20))) as opened:
        assert scaling.reduction(opened, least) == reduction
        extent = scaling.draft(opened, reduction)
        opened.load()
        assert extent == (size[0] / reduction, size[1] / reduction)
        assert opened.size == tuple(-(-side // reduction) for side in size)


def test_what_is_no_jpeg_is_decoded_whole(decoded):
    for name, options in {"a.png": {}, "a.webp": {"lossless": True}, "a.tif": {"compression": "jpeg"}}.items():
        buffer = io.BytesIO()
        scene(1, (400, 300)).save(buffer, {"a.tif": "TIFF"}.get(name, name[2:].upper()), **options)
        found = decoded(buffer.getvalue(), 10, name)
        assert (found.reduction, found.image.size, found.box) == (1, (400, 300), (0, 0, 400, 300))


# 32 x 32 pixels of grey, the left half 90 and the right half 200, without a cosine transform.
LOSSLESS = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffc3000b080020002001011100ffc4001600010101000000000000000000"
    "00000000000706ffda0008010100010000cc80" + "00b7000000" * 30 + "00b70000ffd9"
)


def test_what_is_coded_without_loss_is_decoded_whole(decoded):
    found = decoded(LOSSLESS, 8)
    assert (found.format, found.reduction, found.image.size) == ("JPEG", 1, (32, 32))
    assert np.unique(np.asarray(found.image)).tolist() == [90, 200]


@pytest.mark.parametrize("odd", [b"\xff\xff\xfe\0\4ab", b"\xff\xfe\0\2", b"\xff\xe5\0\6\xff\xda\xff\xc3"])
def test_an_odd_header_does_not_confuse(decoded, odd):
    data = jpeg(scene(1, (400, 300)))
    found = decoded(data[:2] + odd + data[2:], 100)
    assert (found.reduction, found.sides) == (2, (400, 300))


def test_each_reduction_is_decoded_once_and_shared(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg(scene(1, (400, 300))))
    factors, real = [], scaling.draft
    monkeypatch.setattr(scaling, "draft", lambda opened, factor: factors.append(factor) or real(opened, factor))
    with decoding.decode_each(tmp_path / "a.jpg", None, [64, None, 75, 100, 400, 150, 37]) as pictures:
        assert [picture.reduction for picture in pictures] == [4, 1, 4, 2, 1, 2, 8]
        assert pictures[0] is pictures[2] and pictures[1] is pictures[4] and pictures[3] is pictures[5]
    assert sorted(factors) == [1, 2, 4, 8]


def test_the_option_is_hashed_where_it_is_set():
    assert "decode" not in canonical(parse(Policy, SQUASH, "image"))
    assert canonical(parse(Policy, {**SQUASH, "decode": "full"}, "image"))["decode"] == "full"
    with pytest.raises(ConfigError, match=r"image\.decode: received 'half'; allowed: scaled, full"):
        parse(Policy, {**SQUASH, "decode": "half"}, "image")


# The same picture

MODES = {
    "grey": ("L", {}),
    "cmyk": ("CMYK", {}),
    "4:4:4": ("RGB", {"subsampling": 0}),
    "4:2:2": ("RGB", {"subsampling": 1}),
    "4:2:0": ("RGB", {"subsampling": 2}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive cmyk": ("CMYK", {"progressive": True}),
    "stored as RGB": ("RGB", {"keep_rgb": True}),
    "restart markers": ("RGB", {"restart_marker_blocks": 3}),
}


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("name", MODES)
def test_every_kind_of_jpeg_is_the_same_picture_at_a_scale(decoded, name, factor):
    mode, options = MODES[name]
    data = jpeg(scene(5, (640, 480)).convert(mode), **options)
    whole, reduced = decoded(data), decoded(data, 480 // factor)
    assert (reduced.reduction, reduced.image.size) == (factor, (640 // factor, 480 // factor))
    assert (
        (reduced.mode, reduced.format, reduced.sides)
        == (whole.mode, whole.format, whole.sides)
        == (mode, "JPEG", (640, 480))
    )
    difference = np.asarray(whole.image.reduce(factor)).astype(int) - np.asarray(reduced.image)
    # At 1/8 two columns of 4:2:2 share a colour.
    assert np.abs(difference).mean() < (3 if (name, factor) == ("4:2:2", 8) else 0.6) and abs(difference.mean()) < 0.2


def test_of_a_phone_with_two_pictures_the_first_is_taken_at_a_scale(decoded):
    data = jpeg(scene(5, (640, 480)), "MPO", save_all=True, append_images=[scene(6, (640, 480))])
    whole, reduced = decoded(data), decoded(data, 120)
    assert (reduced.format, reduced.reduction, reduced.sides) == ("MPO", 4, (640, 480))
    difference = np.asarray(whole.image.reduce(4)).astype(int) - np.asarray(reduced.image)
    assert np.abs(difference).mean() < 1.2


def test_a_damaged_index_of_pictures_costs_nothing_at_a_scale(decoded):
    data = bytearray(jpeg(scene(5, (640, 480)), "MPO", save_all=True, append_images=[scene(6, (640, 480))]))
    place = data.index(b"MPF\0")
    data[place + 12 : place + 40] = bytes([0xFF]) * 28
    reduced = decoded(bytes(data), 120)
    assert (reduced.reduction, reduced.sides, reduced.image.size) == (4, (640, 480), (160, 120))


# Nothing moves


RAMP = (697, 497)  # none of the reductions divides them


def ramp(size: tuple[int, int]) -> Image.Image:
    """Red grows from the left to the right, green from the top to the bottom: what moves changes its colour."""
    across, down = (np.linspace(20, 235, side) for side in size)
    pixels = np.stack([*np.meshgrid(across, down), np.full(size[::-1], 128)], axis=-1)
    return Image.fromarray(pixels.round().astype(np.uint8))


def oriented(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[_exif.ORIENTATION] = orientation
    return jpeg(image, exif=exif, quality=98, subsampling=0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_the_extent_follows_the_orientation(decoded, factor, orientation):
    data = oriented(ramp(RAMP), orientation)
    whole, reduced = decoded(data), decoded(data, RAMP[1] // factor)
    assert reduced.reduction == factor and reduced.sides == whole.sides == whole.image.size
    assert whole.box == (0, 0, *whole.sides)
    left, top, right, bottom = reduced.box
    assert (right - left, bottom - top) == tuple(side / factor for side in whole.sides)
    assert left >= 0 and top >= 0 and right <= reduced.image.width and bottom <= reduced.image.height
    for policy in (
        Policy(16, "RGB", "squash", "bilinear"),
        Policy(16, "RGB", "crop", "bilinear"),
        Policy(12, "RGB", "crop", "bicubic", 14),
        Policy(16, "L", "squash", "bicubic"),
    ):
        difference = preparing.resize(whole, policy).astype(int) - preparing.resize(reduced, policy)
        assert np.abs(difference).max() <= 1, policy


def test_without_the_extent_it_would_move(decoded):
    data = oriented(ramp(RAMP), 1)
    whole, reduced = decoded(data), decoded(data, RAMP[1] // 8)
    squash = Policy(16, "RGB", "squash", "bilinear")
    moved = preparing.resize(whole, squash).astype(int) - preparing.resize(reduced.image, squash)
    assert np.abs(moved).max() > 2


def test_images_up_to_four_times_the_target_are_the_same_to_the_bit(decoded):
    from torchvision import transforms

    data = jpeg(scene(3, (1500, 1023)))
    policy = parse(Policy, CROP, "image")
    theirs = transforms.Compose(
        [transforms.Resize(256, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(224)]
    )
    found = preparing.resize(decoded(data, scaling.least(policy)), policy)
    np.testing.assert_array_equal(found, np.asarray(theirs(Image.open(io.BytesIO(data)))))


def test_a_long_picture_at_a_scale_is_cut_before_it_is_resized(decoded, monkeypatch):
    reduced = decoded(oriented(ramp((900, 193)), 1), 48)
    policy = Policy(12, "RGB", "crop", "bilinear", 14)
    whole = preparing.resize(reduced, policy)
    monkeypatch.setattr(preparing, "WHOLE", 0)
    assert np.abs(whole.astype(int) - preparing.resize(reduced, policy)).max() <= 1


# Nothing is overlooked


def verdicts(data: bytes, decoded) -> list[bool]:
    """Whether a file is read: whole, and at each scale."""
    found = []
    for factor in scaling.REDUCTIONS:
        try:
            found.append(decoded(data, 96 // factor).reduction == factor)
        except decoding.Unreadable:
            found.append(False)
    return found


@pytest.mark.parametrize("name", MODES)
def test_a_cut_is_found_at_every_scale(decoded, name):
    mode, options = MODES[name]
    data = jpeg(scene(7, (128, 96)).convert(mode), **options)
    assert verdicts(data, decoded) == [True] * 4
    ends = {*np.linspace(2, len(data) - 3, 30).astype(int).tolist(), *range(len(data) - 24, len(data) - 2)}
    for end in sorted(ends):
        assert verdicts(data[:end], decoded) == [False] * 4, f"cut at {end} of {len(data)}"


@pytest.mark.parametrize("progressive", [False, True])
def test_damage_has_the_same_verdict_at_every_scale(decoded, progressive):
    data = jpeg(scene(7, (128, 96)), progressive=progressive)
    for place in np.random.default_rng(0).integers(2, len(data), 60).tolist():
        damaged = data[:place] + bytes([data[place] ^ 0xA5]) + data[place + 1 :]
        assert len({*verdicts(damaged, decoded)}) == 1, f"at {place}"
