"""One pass over the files: each is opened once, what is done outlives a kill, and what changes is not remembered."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from opens import opened
from pictures import digest_of, folder_load, paint, scene
from sweeping import computed

from backbench import planning
from backbench.datasets import Reading, _fingerprint, _layout, _registry
from backbench.engine.results import ledger
from backbench.images import cache, content, decoding, preparing, reading
from backbench.images.policy import Image as Policy

pytestmark = pytest.mark.usefixtures("own_results")

SMALL = Policy(16, "RGB", "squash", "bilinear")
CROP = Policy(24, "RGB", "crop", "bicubic", 28)
GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=16", "clusterer=none", "classifier=none")


@pytest.fixture
def many(tmp_path):
    """A hundred painted pictures in two classes."""
    for number in range(100):
        paint(tmp_path / "many" / f"class{number % 2}" / f"{number:02}.png", number)
    return tmp_path / "many"


# What is read


def test_a_look_has_the_facts_and_the_pixels_of_every_policy(tmp_path):
    scene(3, (1400, 1600)).save(tmp_path / "a.jpg", quality=90)
    with opened(tmp_path) as names:
        look = reading.Reader([SMALL, CROP]).look(tmp_path / "a.jpg")
    assert names == ["a.jpg"]
    about = (tmp_path / "a.jpg").stat()
    assert look.facts["sha256"] == hashlib.sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()
    now = [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]
    assert [look.facts[key] for key in reading.STAMP] == now
    assert (look.facts["sides"], look.facts["format"], look.facts["reduction"]) == ([1400, 1600], "JPEG", 2)
    for rows, policy in zip(look.rows, (SMALL, CROP), strict=True):
        decoded = decoding.decode(tmp_path / "a.jpg", None, 640)
        np.testing.assert_array_equal(rows, preparing.resize(decoded, policy))
    assert json.loads(json.dumps(look.facts)) == look.facts


def test_looks_come_in_the_order_of_the_files(folder):
    (folder / "class1" / "bad.png").write_bytes(b"no image")
    paths = sorted(folder.rglob("*.png"))
    blocks = list(reading.Reader([SMALL]).each(paths))
    looks = [look for block in blocks for look in block]
    assert [len(block) for block in blocks] == [16, 15]
    assert [look.facts["sha256"] for look in looks] == [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]
    assert [p.name for p, look in zip(paths, looks, strict=True) if "reason" in look.facts] == ["bad.png"]


def test_every_file_is_opened_once_from_the_folder_to_the_features(many):
    overrides = (*GRID, "dataset=folder", f"dataset.root={many}")
    with opened(many) as names:
        planning.make(overrides)
    assert sorted(names) == sorted(path.relative_to(many).as_posix() for path in many.rglob("*.png"))
    with opened(many) as names:
        computed(*overrides, without=("audit", *ledger.HEADS))
    assert names == [], "the pixels are kept"


def test_a_file_that_was_moved_or_copied_is_not_decoded_again(folder, tmp_path):
    first = _fingerprint.take(folder, _layout.read(folder))
    shutil.copytree(folder, tmp_path / "copy")
    reader = reading.Reader([SMALL], recall=_fingerprint._recall(None))
    look = reader.look(tmp_path / "copy" / "class0" / "00.png")
    assert look.rows == () and look.facts["phash"] == f"{first.readable[0].phash:016x}"
    assert look.facts["ctime_ns"] == (tmp_path / "copy" / "class0" / "00.png").stat().st_ctime_ns


# A file that is written to


def test_a_file_that_changes_while_it_is_read_is_not_remembered(folder):
    digest, path = digest_of(folder), folder / "class1" / "growing.png"
    buffer = io.BytesIO()
    scene(5).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue() + bytes(40 << 20))
    done = threading.Event()

    def write():
        with path.open("ab", buffering=0) as file:
            while not done.is_set():
                file.write(b"\0")
                time.sleep(0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(content.Changed, match=r"growing\.png was changed while it was being read; launch again"):
            content.read(path)
        excluded = _fingerprint.take(folder, _layout.read(folder)).excluded
    finally:
        done.set()
        writer.join()
    assert "was changed while it was being read" in excluded["class1/growing.png"]
    assert _fingerprint.recall(folder, _layout.read(folder)) is None, "it is looked at again"
    path.write_bytes(buffer.getvalue())
    found = folder_load(folder)
    assert "class1/growing.png" in found.files and found.digest != digest


# A kill

KILLED = """
import os, sys, time
from pathlib import Path
from backbench.datasets import Reading, _fingerprint, _layout
from backbench.images.policy import Image

def told(done, total):
    print(done, flush=True)
    time.sleep(0.2)

root, store = map(Path, sys.argv[1:])
policy = Image(16, "RGB", "squash", "bilinear")
_fingerprint.take(root, _layout.read(root), Reading(told, [policy], store))
"""


def kept(root) -> list[str]:
    """The files that a journal tells of."""
    lines = _registry._journal(root).read_text().splitlines()
    return [name for line in lines[1:] for name in json.loads(line)]


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_pass_goes_on_behind_its_last_block(many, tmp_path):
    job = subprocess.Popen([sys.executable, "-c", KILLED, many, tmp_path / "s"], stdout=subprocess.PIPE, text=True)
    while int(job.stdout.readline()) < 48:
        pass
    job.kill()
    assert job.wait() == -signal.SIGKILL
    job.stdout.close()
    before = kept(many)
    assert 48 <= len(before) < 100 and not _registry._path(many).exists()
    pixels = cache.PixelCache(tmp_path / "s", SMALL)
    assert all(hashlib.sha256((many / name).read_bytes()).digest() in pixels for name in before)
    counts = []
    with opened(many) as names:
        audit = _fingerprint.take(
            many, _layout.read(many), Reading(lambda *now: counts.append(now), [SMALL], tmp_path / "s")
        )
    assert not set(names) & set(before) and len(names) == 100 - len(before)
    assert counts[-1] == (100 - len(before),) * 2 and not _registry._journal(many).exists()
    assert len(audit.readable) == 100
    images = cache.PixelCache(tmp_path / "s", SMALL)
    for seen in audit.readable:
        expected = preparing.resize(decoding.rgb(many / seen.entry.path), SMALL)
        np.testing.assert_array_equal(images.read(bytes.fromhex(seen.sha256)), expected)


def interrupted(root, at=48):
    """What a pass leaves behind that is broken off after so many files."""

    def stop(done, total):
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fingerprint.take(root, _layout.read(root), Reading(stop))
    return _registry._journal(root)


@pytest.mark.parametrize(("cut", "whole"), [(2, 32), (300, 32), (8000, 16), (-40, 0), (-1, 0)])
def test_of_a_journal_that_is_cut_the_whole_lines_count(many, cut, whole):
    journal = interrupted(many)
    text, before = journal.read_bytes(), kept(many)[:whole]
    journal.write_bytes(text[: len(text) - cut if cut > 0 else -cut])
    with opened(many) as names:
        interrupted(many, 16)
    assert not set(names) & set(before)
    assert kept(many)[:whole] == before and len(kept(many)) == whole + 16, "nothing is noted behind half a line"
    before = kept(many)
    with opened(many) as names:
        audit = _fingerprint.take(many, _layout.read(many))
    assert len(names) == 100 - len(before) and not set(names) & set(before)
    assert audit.digest == digest_of(many) and len(audit.readable) == 100


def test_a_journal_of_another_decoder_is_ignored(many):
    journal = interrupted(many)
    head, *lines = journal.read_text().splitlines()
    journal.write_text("\n".join([json.dumps({**json.loads(head), "decoder": "pillow 1"}), *lines]) + "\n")
    with opened(many) as names:
        _fingerprint.take(many, _layout.read(many))
    assert len(names) == 100


# Memory

MEASURED = """
import sys
from pathlib import Path
from backbench.datasets import Reading, _fingerprint, _layout
from backbench.images.policy import Image

root, store = map(Path, sys.argv[1:])
policy = Image(224, "RGB", "crop", "bilinear", 256)
audit = _fingerprint.take(root, _layout.read(root), Reading(policies=[policy], store=store))
# Not what getrusage says: that begins with the size of the process that started this one.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(audit.readable), peak)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_photographs(tmp_path):
    buffer, peaks = io.BytesIO(), []
    scene(1, (2400, 1800)).save(buffer, "JPEG", quality=85)
    for count in (20, 60):
        root = tmp_path / f"in{count}"
        root.mkdir()
        for number in range(count):  # what follows the picture makes each a file of its own
            (root / f"{number}.jpg").write_bytes(buffer.getvalue() + b"%d" % number)
        command = [sys.executable, "-c", MEASURED, root, tmp_path / f"s{count}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        readable, peak = map(int, done.stdout.split())
        assert readable == count
        peaks.append(peak)
    # 40 more photographs are 520 MB of pixels, 130 MB at half their sides.
    assert peaks[1] - peaks[0] < 40 << 10, peaks
