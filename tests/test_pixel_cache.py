"""The cache of prepared pixels: what is committed is found, what is damaged is absent, and no room is no error."""

import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pictures import FOLDER, digest_of
from sweeping import computed

from backbench import launching, paths, planning, settings
from backbench.datasets import Reading, _fingerprint, _layout, _pixel_caching
from backbench.images import cache, decoding
from backbench.images.policy import Image as Policy
from backbench.stage import Context, Inputs, Member
from backbench.stages import dataset as dataset_stage
from backbench.stages import pixels
from backbench.store import Store

pytestmark = pytest.mark.usefixtures("own_results")

POLICY = Policy(6, "RGB", "squash", "bilinear")


def key(number: int) -> bytes:
    return hashlib.sha256(bytes([number])).digest()


def rows(*numbers: int) -> np.ndarray:
    """Pixels that say which key they are of."""
    return np.stack([np.full((6, 6, 3), number, np.uint8) for number in numbers])


@pytest.fixture
def filled(tmp_path):
    """A folder with a cache of three blocks of two writers."""
    for blocks in ([(1, 2), (3, 4, 5)], [(6,)]):
        with cache.Writer(cache.PixelCache(tmp_path, POLICY)) as writer:
            for numbers in blocks:
                writer.append([key(number) for number in numbers], rows(*numbers))
    return tmp_path


def held(root) -> list[int]:
    """The keys whose pixels are there, and right."""
    pixels_of = cache.PixelCache(root, POLICY)
    numbers = []
    for number in range(10):
        image = pixels_of.read(key(number))
        if image is not None:
            np.testing.assert_array_equal(image, rows(number)[0])
            numbers.append(number)
    return numbers


def files(root, suffix) -> list:
    """The files of the cache, the larger first."""
    found = cache.PixelCache(root, POLICY).folder.glob(f"*{suffix}")
    return sorted(found, key=lambda path: -path.stat().st_size)


def test_what_was_written_is_found(filled):
    assert held(filled) == [1, 2, 3, 4, 5, 6]
    found = cache.PixelCache(filled, POLICY)
    assert key(3) in found and key(9) not in found and found.read(key(9)) is None
    found.release()
    np.testing.assert_array_equal(found.read(key(3)), rows(3)[0])


@pytest.mark.parametrize(
    "other",
    [
        Policy(7, "RGB", "squash", "bilinear"),
        Policy(6, "L", "squash", "bilinear"),
        Policy(6, "RGB", "crop", "bilinear"),
        Policy(6, "RGB", "squash", "bicubic"),
        Policy(6, "RGB", "squash", "bilinear", decode="full"),
    ],
    ids=str,
)
def test_another_policy_has_a_cache_of_its_own(filled, other):
    assert cache.PixelCache(filled, other).read(key(1)) is None


def test_pixels_of_another_decoder_are_absent(filled, monkeypatch):
    monkeypatch.setattr(decoding, "decoder_version", lambda: "pillow 99")
    assert held(filled) == []


DAMAGE = {
    "a byte of the first block": (".rows", lambda data: data[:50] + b"\xff" + data[51:], [3, 4, 5, 6]),
    "a byte of the second block": (".rows", lambda data: data[:-9] + b"\xff" + data[-8:], [1, 2, 6]),
    "rows cut short": (".rows", lambda data: data[:-9], [1, 2, 6]),
    "no rows": (".rows", lambda data: b"", [6]),
    "the index cut within its last line": (".index", lambda data: data[:-30], [1, 2, 6]),
    "the index cut within its first line": (".index", lambda data: data[:30], [6]),
    "no index": (".index", lambda data: b"", [6]),
    "zeros for an index": (".index", lambda data: bytes(len(data)), [6]),
    "another first row": (".index", lambda data: data.replace(b'"first": 2', b'"first": 1'), [1, 2, 6]),
    "another count": (".index", lambda data: data.replace(b'"count": 3', b'"count": 2'), [1, 2, 6]),
    "a line that is no block": (".index", lambda data: b"7\nnull\n[]\n" + data, [1, 2, 3, 4, 5, 6]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_absent(filled, damage):
    suffix, change, left = DAMAGE[damage]
    path = files(filled, suffix)[0]
    path.write_bytes(change(path.read_bytes()))
    assert held(filled) == left


def test_an_index_without_its_rows_is_no_cache(filled):
    files(filled, ".rows")[0].unlink()
    assert held(filled) == [6]


def test_what_a_killed_writer_left_is_written_again(filled):
    """Rows without their line in the index."""
    path = files(filled, ".index")[0]
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")
    with cache.Writer(cache.PixelCache(filled, POLICY)) as writer:
        writer.append([key(3)], rows(3))
    assert held(filled) == [1, 2, 3, 6]


# As a collection is read


def prepared(folder, root) -> np.ndarray:
    """The images of a folder as they are given to a backbone, from a store at `root`."""
    store, config = Store(root), {**FOLDER, "root": str(folder), "digest": digest_of(folder)}
    (outcome,) = dataset_stage.compute([Member("d" * 64, config)], Inputs(store, {}), Context())
    store.write("dataset", outcome.hash, {"config": config, "info": dict(outcome.info)}, outcome.arrays)
    return pixels.Prepared(Inputs(store, {"dataset": ("dataset", "d" * 64)}), POLICY)[:]


def take(folder, root):
    return _fingerprint.take(folder, _layout.read(folder), Reading(policies=[POLICY], store=root))


def test_cached_pixels_are_those_that_a_file_gives(folder, tmp_path):
    digest = take(folder, tmp_path / "with").digest
    assert len(files(tmp_path / "with", ".rows")) == 1 and digest == digest_of(folder)
    np.testing.assert_array_equal(prepared(folder, tmp_path / "with"), prepared(folder, tmp_path / "without"))


def test_a_damaged_cache_changes_nothing(folder, tmp_path):
    take(folder, tmp_path / "with")
    (path,) = files(tmp_path / "with", ".rows")
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    np.testing.assert_array_equal(prepared(folder, tmp_path / "with"), prepared(folder, tmp_path / "without"))


LIMITED = """
import resource, signal, sys
from pathlib import Path
from backbench.datasets import Reading, _fingerprint, _layout
from backbench.images.policy import Image

root, store = map(Path, sys.argv[1:])
policies = [Image(6, "RGB", "squash", "bilinear"), Image(64, "RGB", "squash", "bilinear")]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
print(_fingerprint.take(root, _layout.read(root), Reading(policies=policies, store=store)).digest)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs limits of a file's size")
def test_a_cache_without_room_stops_nobody(folder, tmp_path):
    """Nothing of 64 pixels fits; what was committed before stays."""
    command = [sys.executable, "-c", LIMITED, folder, tmp_path / "with"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest_of(folder) and "is full: decoded images are no longer cached" in done.stderr
    np.testing.assert_array_equal(prepared(folder, tmp_path / "with"), prepared(folder, tmp_path / "without"))


@pytest.fixture
def tiny(tmp_path):
    """A disk of 64 kB."""
    (tmp_path / "tiny").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path / "tiny")]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    yield tmp_path / "tiny"
    subprocess.run(["umount", str(tmp_path / "tiny")], check=True)


def test_a_disk_that_fills_up_stops_nobody(folder, tiny, monkeypatch, caplog):
    """As if something else took the room after it was looked at."""
    monkeypatch.setattr(_pixel_caching, "SHARE", 1000)
    large = Policy(64, "RGB", "squash", "bilinear")
    audit = _fingerprint.take(folder, _layout.read(folder), Reading(policies=[POLICY, large], store=tiny))
    assert len(audit.readable) == 30 and "is full: decoded images are no longer cached" in caplog.text


def test_a_disk_without_any_room_stops_nobody(folder, tiny, monkeypatch, caplog):
    monkeypatch.setattr(_pixel_caching, "SHARE", float("nan"))
    (tiny / cache.FOLDER).mkdir()
    with pytest.raises(OSError, match="No space left"), (tiny / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    assert len(take(folder, tiny).readable) == 30 and "is full: decoded images are no longer cached" in caplog.text


def test_what_cannot_fit_is_not_begun(folder, tmp_path, caplog):
    """At 200,000 pixels a side, thirty images are 3.6 TB."""
    vast = Policy(200_000, "RGB", "squash", "bilinear")
    audit = _fingerprint.take(folder, _layout.read(folder), Reading(policies=[vast], store=tmp_path / "s"))
    assert len(audit.readable) == 30 and "has no space to cache the decoded images" in caplog.text
    assert not (tmp_path / "s").exists()


# At the end of a sweep

GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=16", "clusterer=none", "retrieval=none")


@pytest.fixture
def done(folder):
    """A plan whose features and audit are computed."""
    return computed(*GRID, "classifier=none", "dataset=folder", f"dataset.root={folder}")


def kept() -> list:
    return [path for path in (paths.store() / cache.FOLDER).rglob("*") if path.is_file()]


def test_the_pixels_of_a_finished_sweep_are_dropped(done, monkeypatch):
    monkeypatch.delenv(settings.KEEP_IMAGES, raising=False)
    assert len(kept()) == 2, "rows and their index"
    other = cache.PixelCache(paths.store(), POLICY)
    with cache.Writer(other) as writer:
        writer.append([key(1)], rows(1))
    launching.finish(done)
    assert len(kept()) == 4, "there are no receipts yet"
    launching.prepare(done)
    launching.finish(done)
    assert {path.parent for path in kept()} == {other.folder}, "those of other sweeps stay"


def test_the_pixels_are_kept_where_that_is_asked_for(done, folder, monkeypatch):
    monkeypatch.setenv(settings.KEEP_IMAGES, "")
    planning.make([*GRID, "dataset=folder", f"dataset.root={folder}", "store.keep_images=true"])
    launching.prepare(done)
    launching.finish(done)
    assert len(kept()) == 2


def test_the_pixels_of_a_sweep_that_failed_are_kept(done, monkeypatch):
    monkeypatch.delenv(settings.KEEP_IMAGES, raising=False)
    launching.prepare(done)
    next(shard for shard in done.shards.values() if shard.kind == "features").receipt.unlink()
    launching.finish(done)
    assert len(kept()) == 2
