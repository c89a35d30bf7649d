"""The images stage: torchvision's preprocessing to the bit, odd shapes, resumption, files that changed."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from backbench.backbones import Image as Policy
from backbench.images import decoding, preparing
from backbench.schema import ConfigError, parse
from backbench.stage import Context, Inputs, Member
from backbench.stages import images as stage
from backbench.store import Store

REF = {"dataset": ("dataset", "d" * 64)}
CROP = {"size": 32, "mode": "RGB", "resize": "crop", "interpolation": "bilinear", "shorter": 36}
SQUASH = {"size": 32, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
# landscape, portrait, square, the shorter side itself, tiny, one pixel, odd, thin
SHAPES = [(300, 201), (97, 401), (64, 64), (36, 50), (36, 36), (3, 2), (1, 1), (333, 37), (1, 90)]


def picture(width, height, mode="RGB", seed=0):
    shape = (height, width) if mode == "L" else (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(("shorter", "size"), [(36, 32), (256, 224), (33, 32), (24, 24)])
def test_shorter_is_what_torchvision_does(shorter, size, interpolation):
    from torchvision import transforms

    policy = Policy(size, "RGB", "crop", interpolation, shorter)
    mode = transforms.InterpolationMode[interpolation.upper()]
    theirs = transforms.Compose([transforms.Resize(shorter, mode), transforms.CenterCrop(size)])
    for width, height in SHAPES:
        image = picture(width, height)
        ours = preparing.resize(image, policy)
        np.testing.assert_array_equal(ours, np.asarray(theirs(image)), err_msg=f"{width}x{height}")


def test_grey_becomes_colour_by_repetition():
    grey = picture(50, 40, "L")
    for config in (SQUASH, CROP):
        found = preparing.resize(grey, parse(Policy, config, "image"))
        np.testing.assert_array_equal(found, preparing.resize(grey.convert("RGB"), parse(Policy, config, "image")))
    assert preparing.resize(picture(5, 4), Policy(8, "L", "squash", "bilinear")).shape == (8, 8, 1)


@pytest.mark.parametrize("size", [(30_000, 10), (10, 30_000), (1, 1)])
def test_odd_shapes_survive(size):
    for config in (SQUASH, CROP, {**CROP, "size": 224, "shorter": 256}, {**CROP, "shorter": None}):
        policy = parse(Policy, config, "image")
        assert preparing.resize(picture(*size), policy).shape == (policy.size, policy.size, 3)


def test_a_long_image_is_cut_before_it_is_resized(monkeypatch):
    policy = Policy(224, "RGB", "crop", "bilinear", 256)
    for size in [(1500, 30), (31, 1200)]:
        whole = preparing.resize(picture(*size), policy)
        monkeypatch.setattr(preparing, "WHOLE", 0)
        cut = preparing.resize(picture(*size), policy)
        monkeypatch.undo()
        assert np.abs(whole.astype(int) - cut).max() <= 1


def test_shorter_belongs_to_crop_and_holds_the_crop():
    with pytest.raises(ConfigError, match="allowed: resize=crop"):
        parse(Policy, {**SQUASH, "shorter": 40}, "image")
    with pytest.raises(ConfigError, match=r"at least image\.size=32"):
        parse(Policy, {**CROP, "shorter": 31}, "image")
    assert parse(Policy, SQUASH, "image").shorter is None


@pytest.fixture
def folder(tmp_path):
    """A store with a dataset stage of forty files; returns it with the names and the folder."""
    root, names = tmp_path / "files", [f"{i}.png" for i in range(40)]
    root.mkdir()
    for i, name in enumerate(names):
        picture(20 + i, 30, seed=i).save(root / name)
    digests = [decoding.pixel_digest(decoding.rgb(root / name)) for name in names]
    store = Store(tmp_path / "store")
    about = {"n": 40, "digest": "c" * 64, "root": str(root), "files": names}
    arrays = {"file_digests": np.frombuffer(b"".join(digests), np.uint8).reshape(40, 32)}
    store.write("dataset", REF["dataset"][1], {"info": about}, arrays)
    return store, root


def decode(store, scratch, config=SQUASH, **options):
    member = Member("e" * 64, config)
    for outcome in stage.compute([member], Inputs(store, REF), Context(scratch=scratch, **options)):
        found = np.array(outcome.arrays["images"])
    return found


def test_files_in_their_order_whatever_the_threads(folder, tmp_path, monkeypatch):
    store, root = folder
    monkeypatch.setattr(stage, "BLOCK", 3)
    one, many = (decode(store, tmp_path / "s", CROP, threads=count) for count in (1, 3))
    np.testing.assert_array_equal(one, many)
    policy = parse(Policy, CROP, "image")
    for row in (0, 17, 39):
        np.testing.assert_array_equal(one[row], preparing.resize(Image.open(root / f"{row}.png"), policy))
    assert not (tmp_path / "s").exists()


def test_a_file_that_changed_stops_it_and_the_rest_is_kept(folder, tmp_path, monkeypatch):
    store, root = folder
    monkeypatch.setattr(stage, "BLOCK", 4)
    before = (root / "30.png").read_bytes()
    picture(50, 30, seed=99).save(root / "30.png")
    with pytest.raises(decoding.Unreadable, match=r"30\.png has changed"):
        decode(store, tmp_path / "s")
    (root / "30.png").write_bytes(before)
    seen = []
    found = decode(store, tmp_path / "s", progress=lambda *now: seen.append(now))
    assert seen[0] == (28, 40), "seven blocks of four were done"
    assert hashlib.sha256(found).digest() == hashlib.sha256(decode(store, tmp_path / "t")).digest()


def test_arrays_are_resized_as_files_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    store = Store(tmp_path / "store")
    store.write("dataset", REF["dataset"][1], {"info": {"n": 5}}, {"pixels": pixels})
    found = decode(store, tmp_path / "s")
    policy = parse(Policy, SQUASH, "image")
    np.testing.assert_array_equal(found, [preparing.resize(Image.fromarray(row), policy) for row in pixels])
