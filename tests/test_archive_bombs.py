"""Links that would fill the disk or never end."""

import contextlib
import os
import shutil
import tarfile
import time

import pytest
from packing import LIMITS, mixed, special, tarred, unpack

from backbench.datasets import _unpack
from backbench.datasets._unpack import Limits, UnpackError

HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE


def test_copies_count_against_the_limits(tmp_path):
    big = os.urandom(1 << 20)
    archive = mixed(tmp_path / "a.tar", ("big", big), *(special(f"{n}", HARD, "big") for n in range(500)))
    with pytest.raises(UnpackError, match=r"more than 0\.1 GiB; raise dataset\.max_gb"):
        unpack(archive, Limits.of(None, 0.1))
    with pytest.raises(UnpackError, match=r"more than 500 files; raise dataset\.max_files"):
        unpack(archive, Limits(500, 1 << 40))
    with pytest.raises(UnpackError, match=r"decompression bomb: it unpacks to more than 2.*,... bytes"):
        unpack(archive, Limits.of(None, None))


def test_a_full_disk_is_known_before_the_first_copy(tmp_path, monkeypatch):
    archive = mixed(tmp_path / "a.tar", ("x", os.urandom(10_000)), special("l", HARD, "x"))
    usage = _unpack.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(_unpack.shutil, "disk_usage", lambda _: usage._replace(free=_unpack.RESERVE + 15_000))
    with pytest.raises(UnpackError, match="does not fit"):
        unpack(archive)


@pytest.mark.parametrize("files", [{"0/x": b"1"}, {"0/": b""}])
@pytest.mark.parametrize("limits", [LIMITS, Limits.of(None, None)])
def test_folders_that_double_are_a_bomb(tmp_path, monkeypatch, files, limits):
    monkeypatch.setattr(_unpack, "ENTRIES_FLOOR", 10_000)
    links = [special(f"{n + 1}/{side}", SYMBOLIC, f"../{n}") for n in range(60) for side in "lr"]
    start = time.process_time()
    with pytest.raises(
        UnpackError, match=r"holds more than 1,000 files|bomb of links: it unpacks to more than .* files"
    ):
        unpack(tarred(tmp_path / "a.tar", files, *links), limits)
    assert time.process_time() - start < 20


def test_a_knot_of_folders_ends(tmp_path):
    """Each of thirty folders has links to all others: there are more ways through them than atoms."""
    links = [special(f"{a}/{b}", SYMBOLIC, f"../{b}") for a in range(30) for b in range(30)]
    with pytest.raises(UnpackError, match="holds more than 5,000 files"):
        unpack(tarred(tmp_path / "a.tar", {"0/x": b"1"}, *links), Limits(5000, 1 << 30))


@pytest.mark.parametrize("kind", [HARD, SYMBOLIC])
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("end", ["x", "3999"])
def test_very_long_chains(tmp_path, kind, forward, end):
    chain = [special(f"{n}", kind, f"{n - 1}" if n else end) for n in range(4000)]
    start = time.process_time()
    archive = mixed(tmp_path / "a.tar", ("x", b"1"), *(chain if forward else reversed(chain)))
    made, result = unpack(archive, Limits(8000, 1 << 30))
    assert time.process_time() - start < 20
    if end == "x":
        assert len(made) == 4001 and set(made.values()) == {b"1"}
    else:
        assert made == {"x": b"1"} and len(result.skipped) == 4000


def test_a_file_with_nearly_all_the_names_that_its_disk_allows(tmp_path, monkeypatch):
    """ext4 gives a file 65,000 names; the links for which none is left are written in full."""
    link, names, refused = os.link, tmp_path / "names", []

    def crowd(source):
        names.mkdir()
        with contextlib.suppress(OSError):
            for n in range(70_000):
                link(source, names / str(n))
        for n in range(20):
            (names / str(n)).unlink()

    def crowded(source, target):
        if not names.exists():
            crowd(source)
        try:
            link(source, target)
        except OSError:
            refused.append(target)
            raise

    (tmp_path / "archive").mkdir()
    links = [special(f"{n % 10}/{n}", HARD, "x") for n in range(100)]
    archive = mixed(tmp_path / "archive" / "a.tar", ("x", b"1"), *links)
    monkeypatch.setattr(_unpack.os, "link", crowded)
    made, _ = unpack(archive)
    assert len(made) == 101 and set(made.values()) == {b"1"}
    assert len(refused) == (0 if (names / "69999").exists() else 80)
    shutil.rmtree(names)


def test_a_disk_without_second_names(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_unpack.os, "link", refuse)
    made, _ = unpack(mixed(tmp_path / "a.tar", ("x", b"1"), special("l", HARD, "x"), special("m/n", HARD, "x")))
    assert made == {"x": b"1", "l": b"1", "m/n": b"1"}
