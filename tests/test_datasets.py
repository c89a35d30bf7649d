"""Datasets: only verified content, every file accounted for, no test image in training."""

import functools
import gzip
import hashlib
import http.server
import os
import shutil
import socket
import struct
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backbench import paths, plugins
from backbench.datasets import TEST, TRAIN, VALIDATION, Split, _decode, _fetch, _fingerprint, _idx, _split
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member
from backbench.stages import dataset as dataset_stage
from backbench.stages import images as images_stage
from backbench.store import Store

RANDOM = {"source": "random", "validation": 0.2, "test": 0.2}
GIVEN = {"source": "given", "validation": 0.2, "test": 0.0}
FASHION = {
    "name": "fashion_mnist",
    "root": None,
    "n": 70000,
    "digest": "265611ebbd2be7b245d921d4d599ec6d02b95055dccfeb86c1b68da8ea11c787",
    "sample": 3000,
    "seed": 0,
    "split": GIVEN,
}
FOLDER = {
    "name": "folder",
    "root": None,
    "digest": None,
    "sample": None,
    "seed": 0,
    "split": RANDOM,
    "unreadable": "exclude",
}


def params_of(values, **changes):
    return plugins.params("dataset", {**values, **changes})


def folder_load(root, **changes):
    return plugins.load("dataset", "folder").load(params_of(FOLDER, root=str(root), **changes), Context())


def digest_of(root, **changes):
    module = plugins.load("dataset", "folder")
    return module.fingerprint(params_of(FOLDER, root=str(root), **changes), lambda done, total: None)


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(paths.downloads()))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


def paint(path: Path, number: int, size=(20, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    for number in range(30):
        paint(root / f"class{number % 3}" / f"{number:02}.png", number)
    return root


# The IDX reader


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read(tmp_path, suffix):
    path = tmp_path / f"a-ubyte{suffix}"
    path.write_bytes(gzip.compress(idx_bytes(ARRAY)) if suffix else idx_bytes(ARRAY))
    np.testing.assert_array_equal(_idx.read(path, (2, 3, 4)), ARRAY)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"\0\0\x08", "cut short"),
        (idx_bytes(ARRAY)[:-1], "fewer bytes"),
        (idx_bytes(ARRAY) + b"\0", "more bytes"),
        (b"\0\0\x0d" + idx_bytes(ARRAY)[3:], "does not start as an IDX file"),
        (b"\1" + idx_bytes(ARRAY)[1:], "does not start as an IDX file"),
        (idx_bytes(ARRAY.reshape(3, 2, 4)), r"\(3, 2, 4\), not of \(2, 3, 4\)"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31), "not of"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, data, reason):
    path = tmp_path / "a-ubyte.gz"
    path.write_bytes(gzip.compress(data))
    with pytest.raises(_idx.IdxError, match=reason):
        _idx.read(path, (2, 3, 4))


def test_damaged_archives_are_refused(tmp_path):
    path, whole = tmp_path / "a-ubyte.gz", gzip.compress(idx_bytes(ARRAY))
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    for data in (whole[:-9], whole[:20], b"no archive", bytes(flipped)):
        path.write_bytes(data)
        with pytest.raises(_idx.IdxError, match=r"a-ubyte\.gz is damaged"):
            _idx.read(path, (2, 3, 4))


def test_no_more_is_unpacked_than_expected(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=9) as handle:
        handle.write(idx_bytes(ARRAY))
        for _ in range(200):
            handle.write(bytes(1 << 20))
    with pytest.raises(_idx.IdxError, match="more bytes"):
        _idx.read(path, (2, 3, 4))


# Draws and splits


def test_shares_by_the_largest_remainder():
    assert _split.allocate([6000] * 2 + [1000] * 2, 300) == [129, 129, 21, 21]
    assert _split.allocate([5, 3, 1], 4) == [2, 1, 1]
    assert _split.allocate([1, 1, 1], 1) == [1, 0, 0]
    assert _split.allocate([10, 1], 11, [3, 1]) == [3, 1]
    assert _split.allocate([], 5) == []


sizes = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@settings(deadline=None)
@given(sizes, st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 10**6), st.booleans())
def test_splits_are_stratified_and_planned_exactly(sizes, validation, test, seed, sampled):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n, split = len(labels), Split("random", validation, test)
    sample = max(1, n // 2) if sampled else None
    rows, parts = _split.sample_and_split(None, labels, n, sample, seed, split)
    planned = _split.counts(Counter((TRAIN, label) for label in labels.tolist()), sample, split)
    assert planned == tuple(np.bincount(parts, minlength=3))
    assert len(rows) == (sample or n) and np.all(np.diff(rows) > 0)
    drawn = np.bincount(labels[rows], minlength=len(sizes))
    for label, size in enumerate(sizes):
        assert abs(drawn[label] - size * len(rows) / n) < 1
        mine = parts[labels[rows] == label]
        assert not len(mine) or (mine == TRAIN).any()
        for part, share in ((VALIDATION, validation), (TEST, test)):
            assert (mine == part).sum() <= share * drawn[label] + 1.5


def test_a_draw_depends_on_the_seed_and_nests():
    labels = np.arange(1000) % 7
    split = Split("random", 0.2, 0.2)
    draw = {(m, s): _split.sample_and_split(None, labels, 1000, m, s, split) for m in (100, 400) for s in (0, 1)}
    again = _split.sample_and_split(None, labels, 1000, 100, 0, split)
    np.testing.assert_array_equal(draw[100, 0], again)
    assert set(draw[100, 0][0]) < set(draw[400, 0][0])
    assert set(draw[100, 0][0]) != set(draw[100, 1][0])
    # Pinned: neither a release of NumPy nor one of ours may move a split.
    assert draw[100, 0][0][:8].tolist() == PINNED_ROWS
    assert draw[100, 0][1][:20].tolist() == PINNED_PARTS


PINNED_ROWS = [14, 17, 20, 21, 24, 40, 43, 48]
PINNED_PARTS = [0, 0, 2, 0, 0, 1, 1, 0, 1, 2, 2, 0, 0, 0, 0, 0, 0, 2, 0, 2]


def test_a_given_split_stays():
    parts = np.repeat(np.array([TRAIN, TEST], np.uint8), [80, 20])
    labels = np.arange(100) % 5
    rows, split = _split.sample_and_split(parts, labels, 100, None, 3, Split("given", 0.25, 0.5))
    np.testing.assert_array_equal(rows, np.arange(100))
    np.testing.assert_array_equal(split == TEST, parts == TEST)
    assert np.bincount(labels[split == VALIDATION]).tolist() == [4] * 5
    with_validation = parts.copy()
    with_validation[:10] = VALIDATION
    _, split = _split.sample_and_split(with_validation, labels, 100, None, 3, Split("given", 0.25, 0.5))
    np.testing.assert_array_equal(split, with_validation)


@pytest.mark.parametrize(
    ("sample", "split", "reason"),
    [
        (41, Split("random", 0.2, 0.2), "sample: received 41; allowed: 1 to 40"),
        (None, Split("random", 0.5, 0.5), "leave nothing to train on"),
    ],
)
def test_impossible_splits_are_refused(sample, split, reason):
    with pytest.raises(ConfigError, match=reason):
        _split.counts({(TRAIN, 0): 40}, sample, split)


def test_a_class_of_one_stays_in_training():
    _, split = _split.sample_and_split(None, np.array([0] * 20 + [1]), 21, None, 0, Split("random", 0.3, 0.3))
    assert split[20] == TRAIN


# Fashion-MNIST


@pytest.fixture(scope="session")
def fashion():
    try:
        return plugins.load("dataset", "fashion_mnist").load(
            params_of(FASHION, sample=None), Context(downloads=paths.downloads())
        )
    except ConfigError as error:
        pytest.skip(f"Fashion-MNIST cannot be had here: {error}")


def raw_files(fashion) -> Path:
    return Path(fashion.info["source"])


@pytest.mark.slow
def test_fashion_mnist_is_whole(fashion):
    assert fashion.pixels.shape == (70000, 28, 28) and fashion.pixels.dtype == np.uint8
    assert np.bincount(fashion.labels).tolist() == [7000] * 10
    assert np.bincount(fashion.split).tolist() == [48000, 12000, 10000]
    assert (fashion.split[60000:] == TEST).all() and not (fashion.split[:60000] == TEST).any()
    # Known statistics of the 60,000 training images.
    assert fashion.pixels[:60000].mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert fashion.pixels[:60000].std() / 255 == pytest.approx(0.3530, abs=1e-4)


@pytest.mark.slow
def test_fashion_mnist_sample_is_planned_and_official(fashion):
    module, params = plugins.load("dataset", "fashion_mnist"), params_of(FASHION)
    about = module.describe(params)
    drawn = module.load(params, Context(downloads=paths.downloads()))
    assert (about.n, about.classes, about.counts) == (3000, 10, (2056, 514, 430))
    assert tuple(np.bincount(drawn.split)) == about.counts
    official_test = {image.tobytes() for image in fashion.pixels[60000:]}
    official_train = {image.tobytes() for image in fashion.pixels[:60000]}
    assert all(image.tobytes() in official_test for image in drawn.pixels[drawn.split == TEST])
    assert all(image.tobytes() in official_train for image in drawn.pixels[drawn.split != TEST])


@pytest.mark.slow
def test_fashion_mnist_content_is_verified(fashion, tmp_path):
    module, root = plugins.load("dataset", "fashion_mnist"), tmp_path / "mine"
    root.mkdir()
    for path in raw_files(fashion).glob("*-ubyte.gz"):
        shutil.copy(path, root)
    context = Context(downloads=tmp_path / "downloads")
    assert len(module.load(params_of(FASHION, root=str(root)), context).labels) == 3000
    labels = root / "t10k-labels-idx1-ubyte.gz"
    data = bytearray(gzip.decompress(labels.read_bytes()))
    data[-1] = (data[-1] + 1) % 10
    labels.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(ConfigError, match="not the pinned 265611ebbd2b"):
        module.load(params_of(FASHION, root=str(root)), context)
    assert labels.exists(), "files that the user gave are never removed"


@pytest.mark.slow
def test_a_damaged_download_is_replaced(fashion, tmp_path):
    cache = tmp_path / "fashion_mnist"
    shutil.copytree(raw_files(fashion), cache)
    (cache / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    module = plugins.load("dataset", "fashion_mnist")
    assert len(module.load(params_of(FASHION), Context(downloads=tmp_path)).labels) == 3000


@pytest.mark.slow
def test_the_mirrors_are_used(fashion, tmp_path, monkeypatch):
    """torchvision's own download, from a server of ours with the checksums of what it serves."""
    from torchvision.datasets import FashionMNIST

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    served = functools.partial(Quiet, directory=str(raw_files(fashion)))
    files = sorted(raw_files(fashion).glob("*-ubyte.gz"))
    sums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in files]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(FashionMNIST, "resources", sums)
        place = _fetch.into(tmp_path / "downloads" / "fashion_mnist", _fetch.torchvision_fashion_mnist)
        server.shutdown()
    assert sorted(path.name for path in place.iterdir()) == [path.name for path in files]
    drawn = plugins.load("dataset", "fashion_mnist").load(params_of(FASHION), Context(downloads=place.parent))
    assert drawn.info["source"] == str(place)


def test_fashion_mnist_that_is_nowhere(tmp_path):
    with pytest.raises(ConfigError, match=r"t10k-labels-idx1-ubyte.*dataset\.root=FOLDER"):
        plugins.load("dataset", "fashion_mnist").load(params_of(FASHION, root=str(tmp_path)), Context())


def test_a_fetch_that_fails_leaves_nothing(tmp_path):
    def fill(folder):
        (folder / "half").write_bytes(b"x")
        raise _fetch.FetchError("gone")

    with pytest.raises(_fetch.FetchError):
        _fetch.into(tmp_path / "downloads" / "set", fill)
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.slow
def test_an_absent_debian_package_says_why(tmp_path):
    with pytest.raises(_fetch.FetchError, match="apt-get"):
        _fetch.debian_package("dataset-that-is-not-there", "usr", tmp_path)


def test_unreachable_mirrors_fail_over(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(_fetch.FetchError, match="cannot be reached"):
            _fetch._probe([address])


# Folders


def test_a_folder_is_described_before_and_after_its_fingerprint(folder):
    module, params = plugins.load("dataset", "folder"), params_of(FOLDER, root=str(folder))
    before = module.describe(params)
    assert (before.n, before.classes, before.digest, before.counts) == (30, 3, None, (18, 6, 6))
    digest = digest_of(folder)
    after = module.describe(params_of(FOLDER, root=str(folder), digest=digest))
    assert after.digest == digest and after.counts == before.counts


def test_a_loaded_folder(folder):
    found = folder_load(folder)
    assert found.names == ["class0", "class1", "class2"] and found.files == sorted(found.files)
    assert [found.names[label] for label in found.labels] == [Path(file).parent.name for file in found.files]
    assert np.bincount(found.split).tolist() == [18, 6, 6]
    assert found.info == {"excluded": {}, "duplicates": 0, "duplicates_across_parts": 0}


def test_the_digest_is_of_the_content(folder, tmp_path):
    first = digest_of(folder)
    for path in folder.rglob("*.png"):
        os.utime(path, (1, 1))
    assert digest_of(folder) == first
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert digest_of(moved) == first
    stored = moved / "class0" / "00.png"
    Image.open(stored).save(stored, compress_level=1)
    assert digest_of(moved) == first, "other bytes, same pixels"
    pixels = np.array(Image.open(stored))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(stored)
    changed = digest_of(moved)
    assert changed != first
    (moved / "class0").rename(moved / "another")
    assert digest_of(moved) not in (first, changed), "a class is content"


def test_only_changed_files_are_decoded_again(folder, monkeypatch):
    digest_of(folder)
    seen, real = [], _decode.rgb
    monkeypatch.setattr(_decode, "rgb", lambda path: seen.append(path.name) or real(path))
    digest_of(folder)
    assert seen == []
    paint(folder / "class1" / "01.png", 99)
    digest_of(folder)
    assert seen == ["01.png"]


def test_a_folder_that_changed_since_planning_is_refused(folder):
    digest = digest_of(folder)
    paint(folder / "class1" / "01.png", 99)
    with pytest.raises(ConfigError, match="as planned or pinned"):
        folder_load(folder, digest=digest)


def test_unreadable_files_are_recorded(folder):
    whole = (folder / "class0" / "00.png").read_bytes()
    (folder / "class0" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "class1" / "empty.jpg").write_bytes(b"")
    (folder / "class1" / "text.jpg").write_text("not an image")
    (folder / "class2" / "dangling.png").symlink_to(folder / "nowhere.png")
    (folder / "README.txt").write_text("beside the classes")
    (folder / ".hidden").write_text("passed over")
    found = folder_load(folder)
    reasons = found.info["excluded"]
    assert len(found.files) == 30 and sorted(reasons) == [
        "README.txt",
        "class0/cut.png",
        "class1/empty.jpg",
        "class1/text.jpg",
        "class2/dangling.png",
    ]
    assert reasons["class1/empty.jpg"] == "empty file"
    assert "truncated" in reasons["class0/cut.png"]
    assert reasons["class1/text.jpg"] == "cannot identify image file it"
    assert reasons["class2/dangling.png"] == "No such file or directory"
    about = plugins.load("dataset", "folder").describe(params_of(FOLDER, root=str(folder)))
    assert about.n == 30 and about.digest == digest_of(folder)
    with pytest.raises(ConfigError, match="5 unreadable files"):
        folder_load(folder, unreadable="fail")


def test_a_truncated_jpeg_is_no_image(tmp_path):
    paint(tmp_path / "a.jpg", 1, (300, 300))
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(_decode.Unreadable, match="truncated"):
        _decode.rgb(tmp_path / "a.jpg")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_no_image(tmp_path, monkeypatch):
    paint(tmp_path / "a.png", 1, (200, 200))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30000)
    with pytest.raises(_decode.Unreadable, match=r"200 x 200 pixels, more than the limit of 30000|decompression bomb"):
        _decode.rgb(tmp_path / "a.png")


def saved(tmp_path, image, name, **options):
    image.save(tmp_path / name, **options)
    return np.asarray(_decode.rgb(tmp_path / name))


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
    with pytest.raises(_decode.Unreadable, match="floating-point"):
        saved(tmp_path, Image.new("F", (2, 2)), "d.tif")


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.zeros((4, 8, 3), np.uint8)
    upright[:, :4] = 255
    pixels = saved(tmp_path, Image.fromarray(upright), "a.png", exif=exif)
    assert pixels.shape == (8, 4, 3) and pixels[:4].min() == 255 and pixels[4:].max() == 0


def test_a_flat_folder_has_no_labels(tmp_path):
    for number in range(10):
        paint(tmp_path / "flat" / f"{number}.png", number)
    found = folder_load(tmp_path / "flat")
    assert found.labels is None and found.names is None and np.bincount(found.split).tolist() == [6, 2, 2]
    assert plugins.load("dataset", "folder").describe(params_of(FOLDER, root=str(tmp_path / "flat"))).classes is None


def test_a_folder_with_its_own_split(tmp_path):
    for number in range(24):
        part = "test" if number < 6 else "Train"
        paint(tmp_path / "own" / part / f"c{number % 2}" / f"{number:02}.png", number)
    found = folder_load(tmp_path / "own", split=GIVEN)
    assert found.names == ["c0", "c1"]
    assert [file.startswith("test/") for file in found.files] == (found.split == TEST).tolist()
    assert np.bincount(found.split).tolist() == [14, 4, 6]
    assert np.bincount(folder_load(tmp_path / "own").split).tolist() == [14, 5, 5]
    for number in range(24, 27):
        paint(tmp_path / "own" / "val" / "c0" / f"{number}.png", number)
    assert np.bincount(folder_load(tmp_path / "own", split=GIVEN).split).tolist() == [18, 3, 6]


def test_twins_in_two_parts_are_counted(folder):
    for number in range(30):
        shutil.copy(
            folder / f"class{number % 3}" / f"{number:02}.png", folder / f"class{number % 3}" / f"x{number}.png"
        )
    info = folder_load(folder).info
    assert info["duplicates"] == 30 and 0 < info["duplicates_across_parts"] <= 60


@pytest.mark.parametrize(
    ("make", "changes", "reason"),
    [
        (lambda root: None, {}, "is no folder"),
        (lambda root: root.mkdir(), {}, "holds no files"),
        (lambda root: paint(root / "a" / "1.png", 1), {"split": GIVEN}, "needs train and test folders"),
        (lambda root: [paint(root / "in" / c / "1.png", 1) for c in "ab"], {}, "only wraps in; give dataset.root="),
        (lambda root: [paint(root / p, 1) for p in ("train/a/1.png", "test/1.png")], {}, "some do not"),
        (lambda root: (root.mkdir(), (root / "a.png").write_bytes(b"")), {}, "holds no readable image"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, make, changes, reason):
    make(tmp_path / "root")
    with pytest.raises(ConfigError, match=reason):
        folder_load(tmp_path / "root", **changes)


def test_a_folder_needs_a_root():
    with pytest.raises(ConfigError, match=r"dataset\.root=PATH"):
        plugins.load("dataset", "folder").describe(params_of(FOLDER))


def test_an_interrupted_fingerprint_goes_on(folder, monkeypatch):
    monkeypatch.setattr(_fingerprint, "SAVE_EVERY", 5)

    def stop(done, total):
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fingerprint.take(folder, stop)
    seen, real = [], _decode.rgb
    monkeypatch.setattr(_decode, "rgb", lambda path: seen.append(path.name) or real(path))
    _fingerprint.take(folder)
    assert 18 <= len(seen) <= 20


# The stages


def store_stage(store, module, kind, config, refs, scratch):
    member = Member(kind[0] * 64, config)
    (outcome,) = module.compute([member], Inputs(store, refs), Context(threads=2, scratch=scratch))
    assert outcome.failure is None
    store.write(kind, member.hash, {"config": config, "info": dict(outcome.info)}, outcome.arrays)
    return kind, member.hash


IMAGE = {"size": 8, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}


def test_the_stages_of_a_folder(folder, tmp_path):
    store, config = Store(tmp_path / "store"), {**FOLDER, "root": str(folder), "digest": digest_of(folder)}
    source = store_stage(store, dataset_stage, "dataset", config, {}, tmp_path)
    info = store.read(*source)["info"]
    assert info["n"] == 30 and info["counts"] == {"train": 18, "validation": 6, "test": 6}
    assert info["classes"] == ["class0", "class1", "class2"] and len(info["files"]) == 30
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="which is gone"):
        store_stage(store, images_stage, "images", IMAGE, {"dataset": source}, tmp_path / "scratch")
    digest_of(moved)
    decoded = store_stage(store, images_stage, "images", IMAGE, {"dataset": source}, tmp_path / "scratch")
    images = store.array(*decoded, "images")
    for row, file in enumerate(info["files"]):
        expected = Image.open(moved / file).resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images[row], np.asarray(expected))
    assert not (tmp_path / "scratch").exists()
    paint(moved / "class1" / "01.png", 99)
    with pytest.raises(_decode.Unreadable, match="has changed since"):
        store_stage(store, images_stage, "images", IMAGE, {"dataset": source}, tmp_path / "scratch")


def test_resizing():
    pixels = np.random.default_rng(0).integers(0, 256, (10, 30), np.uint8)
    grey = images_stage.resize(Image.fromarray(pixels), images_stage.Policy(10, "RGB", "crop", "bilinear"))
    np.testing.assert_array_equal(grey, np.repeat(pixels[:, 10:20, None], 3, axis=2))
    same = images_stage.resize(Image.fromarray(pixels), images_stage.Policy(30, "L", "squash", "nearest"))
    np.testing.assert_array_equal(same[..., 0], np.repeat(pixels, 3, axis=0))
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8))
    assert images_stage.resize(colour, images_stage.Policy(4, "L", "squash", "bicubic")).shape == (4, 4, 1)
