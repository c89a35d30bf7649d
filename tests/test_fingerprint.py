"""The fingerprint: of the content alone, each file decoded once."""

import os
import shutil

import numpy as np
import pytest
from pictures import digest_of, folder_load, paint
from PIL import Image

from backbench.datasets import _fingerprint, _layout, _listing, _registry
from backbench.images import decoding
from backbench.schema import ConfigError

pytestmark = pytest.mark.usefixtures("own_results")


def decoded(monkeypatch):
    """The names of the files that are decoded from now on."""
    seen, real = [], decoding.decode
    monkeypatch.setattr(decoding, "decode", lambda path: seen.append(path.name) or real(path))
    return seen


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
    seen = decoded(monkeypatch)
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


def test_an_interrupted_fingerprint_goes_on(folder, monkeypatch):
    monkeypatch.setattr(_fingerprint, "SAVE_SECONDS", 0)

    def stop(done, total):
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fingerprint.take(folder, _layout.read(folder), stop)
    seen = decoded(monkeypatch)
    _fingerprint.take(folder, _layout.read(folder))
    assert 18 <= len(seen) <= 20


def test_what_was_found_is_kept(folder):
    first = _fingerprint.take(folder, _layout.read(folder))
    again = _fingerprint.recall(folder, _layout.read(folder))
    assert again == first and len(first.readable) == 30
    one = first.readable[0]
    assert (one.size, one.mode, one.format, one.entry.path) == ((20, 16), "RGB", "PNG", "class0/00.png")


def test_nothing_is_written_where_nothing_changed(folder):
    digest_of(folder)
    path = _registry._path(folder)
    stamp = path.stat().st_mtime_ns, path.stat().st_ino
    digest_of(folder)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == stamp


@pytest.mark.parametrize("body", ['{"format": 1, "files": {}}', "", "[]", "null", "{"])
def test_files_of_another_release_are_read_anew(folder, monkeypatch, body):
    first = digest_of(folder)
    _registry._path(folder).write_text(body)
    seen = decoded(monkeypatch)
    assert digest_of(folder) == first and len(seen) == 30


def test_a_digest_is_found_while_its_files_are_there(folder):
    first = digest_of(folder)
    assert _registry.locate(first, [], [folder / "gone"]) == folder
    paint(folder / "class0" / "new.png", 99)
    second = digest_of(folder)
    assert _registry.locate(first, [], [folder / "gone"]) == _registry.locate(second, [], [folder / "gone"]) == folder
    (folder / "class0" / "00.png").unlink()
    digest_of(folder)
    for digest in (first, second):
        with pytest.raises(ConfigError, match=r"which is gone; give dataset\.root=PATH"):
            _registry.locate(digest, [], [folder / "gone"])


def test_a_label_a_path_and_a_part_are_content(folder):
    def audit(entries, apart=False):
        return _fingerprint._audit(_listing.Listing(entries, True, apart=apart), found)

    found = {f"{n}.png": {"sha256": "ab", "phash": "0", "sides": [1, 1], "mode": "L", "format": "PNG"} for n in "ab"}
    entry = _listing.Entry("a.png", "x", 0)
    digests = {
        audit([entry]).digest,
        audit([_listing.Entry("b.png", "x", 0)]).digest,
        audit([_listing.Entry("a.png", "y", 0)]).digest,
        audit([_listing.Entry("a.png", None, 0)]).digest,
        audit([entry], apart=True).digest,
        audit([_listing.Entry("a.png", "x", 2)], apart=True).digest,
    }
    assert len(digests) == 6
    assert audit([_listing.Entry("a.png", "x", 2)]).digest == audit([entry]).digest, "its path tells the part"


# Pinned: neither a release of Pillow nor one of ours may move the digest of a folder.
PINNED = "bc7ef0ed2941e27b65e3f6aaf7a040228f6fec5ac989e38cd03f2aeadc2bf4ec"


def test_the_digest_is_pinned(tmp_path):
    for number in range(3):
        path = tmp_path / "in" / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(number, number + 48, dtype=np.uint8).reshape(4, 4, 3)).save(path)
    assert digest_of(tmp_path / "in") == PINNED
