"""Prepared images: torchvision's preprocessing to the bit, odd shapes, the rows of a dataset, files that changed."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from backbench.backbones import Image as Policy
from backbench.images import decoding, preparing
from backbench.schema import ConfigError, parse
from backbench.stage import Context, Inputs
from backbench.stages import pixels
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
    """A store with a dataset stage of forty files; returns it with the folder."""
    root, names = tmp_path / "files", [f"{i}.png" for i in range(40)]
    root.mkdir()
    for i, name in enumerate(names):
        picture(20 + i, 30, seed=i).save(root / name)
    digests = [hashlib.sha256((root / name).read_bytes()).digest() for name in names]
    store = Store(tmp_path / "store")
    about = {"n": 40, "digest": "c" * 64, "root": str(root), "files": names}
    arrays = {"file_digests": np.frombuffer(b"".join(digests), np.uint8).reshape(40, 32)}
    store.write("dataset", REF["dataset"][1], {"info": about}, arrays)
    return store, root


def prepared(store, config=SQUASH) -> pixels.Prepared:
    return pixels.Prepared(Inputs(store, REF), parse(Policy, config, "image"))


def test_files_in_their_order_whatever_the_threads(folder, tmp_path, monkeypatch):
    store, root = folder
    monkeypatch.setattr(pixels, "BLOCK", 3)
    images = prepared(store, CROP)
    alone, many = (images.on_disk(Context(scratch=tmp_path / str(count), threads=count)) for count in (1, 3))
    np.testing.assert_array_equal(alone, many)
    np.testing.assert_array_equal(alone, images[:])
    assert images.shape == alone.shape == (40, 32, 32, 3) and len(images) == 40
    policy = parse(Policy, CROP, "image")
    for row in (0, 17, 39):
        np.testing.assert_array_equal(alone[row], preparing.resize(Image.open(root / f"{row}.png"), policy))


def test_rows_are_asked_for_as_of_an_array(folder):
    images = prepared(folder[0])
    whole = images[:]
    for rows in (5, slice(3, 9), slice(38, 99), np.array([7, 0, 7]), [39, 2], []):
        np.testing.assert_array_equal(images[rows], whole[rows])
    part = images.take(np.array([30, 4, 9]))
    np.testing.assert_array_equal(part[:], whole[[30, 4, 9]])
    np.testing.assert_array_equal(part[1:], whole[[4, 9]])
    assert len(part) == 3 and len(images) == 40


def test_a_file_that_changed_is_named_and_the_others_are_read(folder):
    store, root = folder
    whole, before = prepared(store)[:], (root / "30.png").read_bytes()
    picture(50, 30, seed=99).save(root / "30.png")
    images = prepared(store)
    np.testing.assert_array_equal(images[:30], whole[:30])
    with pytest.raises(decoding.Unreadable, match=r"30\.png has changed"):
        images[28:36]
    (root / "30.png").unlink()
    with pytest.raises(decoding.Unreadable, match=r"30\.png is missing; restore it"):
        images[30]
    (root / "30.png").write_bytes(before)
    np.testing.assert_array_equal(images[28:36], whole[28:36])


def test_arrays_are_resized_as_files_are(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    store = Store(tmp_path / "store")
    store.write("dataset", REF["dataset"][1], {"info": {"n": 5}}, {"pixels": values})
    policy = parse(Policy, SQUASH, "image")
    np.testing.assert_array_equal(
        prepared(store)[:], [preparing.resize(Image.fromarray(row), policy) for row in values]
    )


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 28, 28, 3)])
def test_arrays_that_are_as_the_policy_wants_them_are_taken_as_they_are(tmp_path, shape):
    values = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    store = Store(tmp_path / "store")
    store.write("dataset", REF["dataset"][1], {"info": {"n": 5}}, {"pixels": values})
    config = {**SQUASH, "size": 28, "mode": "L" if len(shape) == 3 else "RGB"}
    policy = parse(Policy, config, "image")
    images = prepared(store, config)
    expected = [preparing.resize(Image.fromarray(row), policy) for row in values]
    np.testing.assert_array_equal(images[:], expected)
    np.testing.assert_array_equal(images[np.array([4, 1])], np.array(expected)[[4, 1]])
    assert isinstance(images.on_disk(Context(scratch=tmp_path / "scratch")), np.memmap)
    assert not (tmp_path / "scratch").exists(), "it lies on the disk already"
