"""The fingerprint: of the content alone, each file read once."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from opens import opened
from pictures import digest_of, folder_load, paint
from PIL import Image

from backbench.datasets import Reading, _fingerprint, _layout, _listing, _registry
from backbench.images import decoding, reading
from backbench.schema import ConfigError

pytestmark = pytest.mark.usefixtures("own_results")


def by_hand(root, part=()) -> str:
    """The digest of a folder of classes as it is documented: path, class and bytes of each file, by the paths."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.*")):
        name, sha256 = path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(json.dumps([name, path.parent.name, sha256, *part], separators=(",", ":")).encode("ascii"))
    return total.hexdigest()


def test_the_digest_is_of_the_content(folder, tmp_path):
    first = digest_of(folder)
    for path in folder.rglob("*.png"):
        os.utime(path, (1, 1))
    assert digest_of(folder) == first == by_hand(folder)
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert digest_of(moved) == first
    stored = moved / "class0" / "00.png"
    Image.open(stored).save(stored, compress_level=1)
    changed = digest_of(moved)
    assert changed != first, "other bytes, though of the same pixels"
    assert changed == by_hand(moved)
    (moved / "class0").rename(moved / "another")
    assert digest_of(moved) == by_hand(moved) not in (first, changed), "a class is content"


def test_the_parts_of_a_collection_are_content(tmp_path):
    for part in ("train", "test"):
        for number in range(4):
            paint(tmp_path / "in" / part / "cat" / f"{number}.png", number)
    whole = digest_of(tmp_path / "in")
    assert whole == by_hand(tmp_path / "in"), "its path tells the part"
    (tmp_path / "t.csv").write_text(
        "path,label,split\n" + "".join(f"{part}/cat/{n}.png,cat,train\n" for part in ("train", "test") for n in "0123")
    )
    assert digest_of(tmp_path / "in", csv=str(tmp_path / "t.csv")) == by_hand(tmp_path / "in", ["train"])


def test_the_digest_does_not_depend_on_who_decodes(folder, monkeypatch):
    first = digest_of(folder)
    monkeypatch.setattr(decoding, "decoder_version", lambda: "pillow 99")
    with opened(folder) as names:
        assert digest_of(folder) == first
    assert len(names) == 30, "what another decoder found is found anew"


def test_only_changed_files_are_read_again(folder):
    digest_of(folder)
    with opened(folder) as names:
        digest_of(folder)
        assert names == []
        paint(folder / "class1" / "01.png", 99)
        names.clear()
        digest_of(folder)
    assert names == ["class1/01.png"]


def test_a_file_in_the_place_of_another_is_read_again(folder):
    """Files of one archive may have their size and both times in common; the inode tells them apart."""
    digest_of(folder)
    known, file = _registry.read(folder), "class1/01.png"
    assert _registry.fresh(folder, file, known)
    assert not _registry.fresh(folder, file, {file: {**known[file], "inode": known[file]["inode"] + 1}})


def test_what_goes_by_its_name_is_not_known_by_its_bytes(folder):
    """A TGA file has no signature: under another name it is no image, whatever was known of its bytes."""
    paint(folder / "class1" / "one.tga", 40)
    with_it = digest_of(folder)
    (folder / "class1" / "one.tga").rename(folder / "class1" / "one.png")
    audit = _fingerprint.take(folder, _layout.read(folder))
    assert audit.digest != with_it and audit.excluded == {"class1/one.png": "no image of a known format"}
    data = hashlib.sha256(b"the same bytes").digest()
    assert len({reading.key_of(data, None, name) for name in ("a.tga", "a.nef", "a.png")}) == 3
    assert reading.key_of(data, None, "a.png") == data


def test_a_folder_that_changed_since_planning_is_refused(folder):
    digest = digest_of(folder)
    paint(folder / "class1" / "01.png", 99)
    with pytest.raises(ConfigError, match="as planned or pinned"):
        folder_load(folder, digest=digest)


def test_an_interrupted_fingerprint_goes_on(folder):
    def stop(done, total):
        assert (done, total) == (16, 30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fingerprint.take(folder, _layout.read(folder), Reading(stop))
    with opened(folder) as names:
        _fingerprint.take(folder, _layout.read(folder))
    assert len(names) == 14


def test_what_was_found_is_kept(folder):
    first = _fingerprint.take(folder, _layout.read(folder))
    again = _fingerprint.recall(folder, _layout.read(folder))
    assert again == first and len(first.readable) == 30
    seen = first.readable[0]
    assert (seen.size, seen.mode, seen.format, seen.entry.path) == ((20, 16), "RGB", "PNG", "class0/00.png")
    assert seen.sha256 == hashlib.sha256((folder / "class0" / "00.png").read_bytes()).hexdigest()


def test_nothing_is_written_where_nothing_changed(folder):
    digest_of(folder)
    path = _registry._path(folder)
    stamp = path.stat().st_mtime_ns, path.stat().st_ino
    digest_of(folder)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == stamp
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "and no journal is left"


@pytest.mark.parametrize("body", ['{"format": 1, "files": {}}', "", "[]", "null", "{"])
def test_files_of_another_release_are_read_anew(folder, body):
    first = digest_of(folder)
    _registry._path(folder).write_text(body)
    with opened(folder) as names:
        assert digest_of(folder) == first
    assert len(names) == 30


def test_a_digest_is_found_while_its_files_are_there(folder):
    first = digest_of(folder)
    assert _registry.locate(first, [], [folder / "gone"]) == folder
    paint(folder / "class0" / "new.png", 99)
    second = digest_of(folder)
    assert _registry.locate(first, [], [folder / "gone"]) == _registry.locate(second, [], [folder / "gone"]) == folder
    (folder / "class0" / "00.png").unlink()
    digest_of(folder)
    for digest in (first, second):
        with pytest.raises(ConfigError, match=r"which no longer exists; give dataset\.root=PATH"):
            _registry.locate(digest, [], [folder / "gone"])


def test_a_label_a_path_and_a_part_are_content(folder):
    def audit(entries, apart=False):
        return _fingerprint._audit(_listing.Listing(entries, True, apart=apart), files)

    facts = {"sha256": "ab", "phash": "0", "sides": [1, 1], "mode": "L", "format": "PNG", "reduction": 1, "pixels": "c"}
    files = {f"{name}.png": facts for name in "ab"}
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
PINNED = "80bb1932166bf7f313172d66e175f4de835a3fe8894bdd83f197b29e56392ffa"


def test_the_digest_is_pinned(tmp_path):
    for number in range(3):
        path = tmp_path / "in" / f"class{number % 2}" / f"{number}.ppm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"P6 4 4 255\n" + np.arange(number, number + 48, dtype=np.uint8).tobytes())
    assert digest_of(tmp_path / "in") == by_hand(tmp_path / "in") == PINNED
