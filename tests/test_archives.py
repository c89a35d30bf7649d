"""Archives: unpacked whole or not at all, nothing outside the folder, downloads that go on, the right bytes only."""

import bz2
import functools
import gzip
import hashlib
import http.server
import io
import lzma
import multiprocessing
import os
import signal
import stat
import struct
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packing import ARCHIVE, LIMITS, load, params_of, pictures, png, sha, special, tarred, unpacked, zipped

from backbench import plugins
from backbench.datasets import Reading, _archives, _download, _fetch, _unpack
from backbench.datasets._unpack import Limits, UnpackError
from backbench.schema import ConfigError
from backbench.stage import Context


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(_download, "PAUSE_SECONDS", 0.01)


def left_in(folder: Path) -> list[str]:
    """What lies in the folder of archives, locks aside."""
    return sorted(p.name for p in folder.glob("*") if p.suffix != ".lock") if folder.is_dir() else []


# Unpacking


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz", "no-suffix"])
def test_every_kind_is_unpacked(tmp_path, name):
    files = {"x/1.bin": os.urandom(3000), "x/y/2.bin": b"", "3.bin": bytes(40_000)}
    path = tmp_path / name
    if name == "a.zip":
        zipped(path, files)
    elif name.endswith("gz"):
        path.write_bytes(gzip.compress(tarred(tmp_path / "t.tar", files).read_bytes()))
    else:
        tarred(path, files)
    assert unpacked(path, tmp_path) == files


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (special("../x", tarfile.REGTYPE), "leads out of the folder"),
        (special("a/../../x", tarfile.DIRTYPE), "leads out of the folder"),
        (special("/etc/x", tarfile.REGTYPE), "absolute path"),
        (special("C:/x", tarfile.REGTYPE), "absolute path"),
        (special("null", tarfile.CHRTYPE), "device or pipe"),
        (special("disk", tarfile.BLKTYPE), "device or pipe"),
        (special("pipe", tarfile.FIFOTYPE), "device or pipe"),
        (special("good.txt", tarfile.REGTYPE), "holds 'good.txt' twice"),
        (special("good.txt/below", tarfile.REGTYPE), "holds 'good.txt/below' twice"),
        (special("n" * 300, tarfile.REGTYPE), "name that is too long"),
    ],
)
@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_hostile_entries_are_refused(tmp_path, entry, reason, suffix):
    archive = tarred(tmp_path / f"bad.{suffix}", {"good.txt": b"1"}, entry)
    with pytest.raises(UnpackError, match=reason):
        _archives.from_file(archive, f"sha256:{sha(archive)}", tmp_path / "deep" / "downloads", LIMITS)
    assert left_in(tmp_path / "deep" / "downloads" / "archives") == []
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"bad.{suffix}", "deep"], "written outside"


@pytest.mark.parametrize(
    ("kind", "target"),
    [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "../../.."), (tarfile.LNKTYPE, "../good.txt")],
)
def test_links_are_never_made(tmp_path, kind, target):
    archive = tarred(tmp_path / "a.tar", {"good.txt": b"1"}, special("link", kind, target))
    tree = _archives.from_file(archive, f"sha256:{sha(archive)}", tmp_path, LIMITS)
    title = "a link" if kind == tarfile.SYMTYPE else "a hard link"
    assert tree.skipped == {"link": f"is {title} to {target!r}, which points outside the archive"}
    assert [path.name for path in tree.folder.iterdir()] == ["good.txt"]


def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(special("door", tarfile.SYMTYPE, str(outside)))
        info = tarfile.TarInfo("door/x")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"!"))
    assert unpacked(archive, tmp_path) == {"door/x": b"!"}
    assert list(outside.iterdir()) == []


def test_hostile_zip_entries(tmp_path):
    for number, name in enumerate(("../x", "a/../../x", "/x", "..\\x", "C:\\x")):
        with pytest.raises(UnpackError, match=r"out of the folder|absolute path"):
            target = tmp_path / str(number)
            target.mkdir()
            _unpack.unpack(zipped(tmp_path / f"{number}.zip", {name: b""}), target, LIMITS)
    link, pipe = zipfile.ZipInfo("link"), zipfile.ZipInfo("pipe")
    link.external_attr, pipe.external_attr = (stat.S_IFLNK | 0o777) << 16, (stat.S_IFIFO | 0o666) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "l").mkdir()
    skipped = _unpack.unpack(tmp_path / "link.zip", tmp_path / "l", LIMITS).skipped
    assert skipped == {"link": "is a link to '/etc/passwd', which points outside the archive"}
    with zipfile.ZipFile(tmp_path / "pipe.zip", "w") as archive:
        archive.writestr(pipe, "")
    with pytest.raises(UnpackError, match="device or pipe"):
        _unpack.unpack(tmp_path / "pipe.zip", tmp_path / "l", LIMITS)


def test_windows_paths_and_odd_names(tmp_path):
    assert unpacked(zipped(tmp_path / "a.zip", {"cat\\1.png": b"1", "d/": b""}), tmp_path) == {"cat/1.png": b"1"}
    odd = os.fsdecode(b"caf\xe9\n.png")
    tar = tarred(tmp_path / "b.tar", {odd: b"2", "./c/./d": b"3"})
    (tmp_path / "out").rename(tmp_path / "before")
    assert unpacked(tar, tmp_path) == {odd: b"2", "c/d": b"3"}


def test_a_bomb_is_refused_before_the_disk_fills(tmp_path):
    """One GiB of zeros: in a .tar.gz as it is, and in a .zip whose headers declare 100 bytes."""
    bomb = tmp_path / "bomb.tar.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as handle:
        info = tarfile.TarInfo("zeros")
        info.size = 1 << 30
        handle.write(info.tobuf())
        for _ in range(300):  # more than the limit; the rest is never reached
            handle.write(bytes(1 << 20))
    assert bomb.stat().st_size < 4 << 20
    with pytest.raises(UnpackError, match=r"more than 0\.01 GiB; raise dataset\.max_gb"):
        _archives.from_file(bomb, f"sha256:{sha(bomb)}", tmp_path / "d", Limits.of(1000, 0.01))
    with pytest.raises(UnpackError, match="decompression bomb"):
        _archives.from_file(bomb, f"sha256:{sha(bomb)}", tmp_path / "d", Limits.of(None, None))
    assert left_in(tmp_path / "d" / "archives") == []


def test_a_zip_that_declares_less_than_it_holds(tmp_path):
    path = zipped(tmp_path / "a.zip", {"zeros": bytes(50 << 20)})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    for at in (22, directory + 24):  # the sizes in the local and in the central header
        assert struct.unpack_from("<I", data, at)[0] == 50 << 20
        struct.pack_into("<I", data, at, 100)
    path.write_bytes(data)
    (tmp_path / "out").mkdir()
    with pytest.raises(UnpackError, match="damaged"):
        _unpack.unpack(path, tmp_path / "out", LIMITS)
    assert sum(p.stat().st_size for p in (tmp_path / "out").iterdir()) <= 100


def test_a_sparse_file_counts_by_what_is_written(tmp_path):
    info = special("hole", tarfile.GNUTYPE_SPARSE)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[386:398] = block[398:410] = b"00000000000\0"  # no data
    block[483:495] = b"77777777777\0"  # 8 GiB
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    (tmp_path / "a.tar").write_bytes(bytes(block) + bytes(10240 - 512))
    with pytest.raises(UnpackError, match=r"bomb|raise dataset\.max_gb"):
        unpacked(tmp_path / "a.tar", tmp_path, Limits(10, 1 << 20))


def test_a_header_may_not_claim_the_memory(tmp_path):
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as handle:
        info = special("x", tarfile.XHDTYPE)
        info.size = 200 << 20
        handle.write(info.tobuf())
        handle.write(bytes(17 << 20))
    with pytest.raises(UnpackError, match=r"claims 2..,...,... bytes"):
        unpacked(path, tmp_path)


def test_too_many_files(tmp_path, monkeypatch):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100_001):
            archive.writestr(zipfile.ZipInfo(f"{number}/"), b"")
    small = tmp_path / "small.zip"
    zipped(small, {str(n): b"" for n in range(11)})
    with pytest.raises(UnpackError, match=r"more than 10 files; raise dataset\.max_files"):
        _archives.from_file(small, f"sha256:{sha(small)}", tmp_path, Limits(10, 1 << 20))
    taken = []
    take = _unpack._Job.take
    monkeypatch.setattr(_unpack._Job, "take", lambda job, entry: taken.append(entry) or take(job, entry))
    with pytest.raises(UnpackError, match="more than 1,000 files"):
        _archives.from_file(path, f"sha256:{sha(path)}", tmp_path, LIMITS)
    assert len(taken) == 1001
    assert left_in(tmp_path / "archives") == []


def damaged() -> dict[str, bytes]:
    plain, files = io.BytesIO(), {f"{n}.bin": os.urandom(5000) for n in range(5)}
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    whole = plain.getvalue()
    packed, in_zip = gzip.compress(whole), io.BytesIO()
    with zipfile.ZipFile(in_zip, "w") as archive:
        archive.writestr("a", b"content" * 100)
    flipped = bytearray(in_zip.getvalue())
    flipped[60] ^= 0xFF
    astray = bytearray(in_zip.getvalue())
    struct.pack_into("<L", astray, astray.rindex(b"PK\5\6") + 16, 1 << 20)
    garbled = bytearray(whole)
    garbled[5632:6144] = b"?" * 512  # the second header
    return {
        "tar.gz cut in the data": packed[: len(packed) // 2],
        "tar.gz without its checksum": packed[:-6],
        "tar cut at a header": whole[:5632],
        "tar cut in a header": whole[:5732],
        "tar cut in the data": whole[:8000],
        "tar with a garbled header": bytes(garbled),
        "two tars in one": whole + whole,
        "tar.xz cut": lzma.compress(whole)[:-30],
        "tar.bz2 cut": bz2.compress(whole)[:-30],
        "gz of no tar": gzip.compress(b"no tar at all" * 100),
        "zip with a flipped bit": bytes(flipped),
        "zip with a directory before its start": bytes(astray),
        "zip cut": in_zip.getvalue()[:-30],
    }


@pytest.mark.parametrize(("what", "data"), damaged().items(), ids=damaged())
def test_damaged_archives_are_refused(tmp_path, what, data):
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(UnpackError, match="is damaged"):
        _archives.from_file(path, f"sha256:{sha(path)}", tmp_path, LIMITS)
    assert left_in(tmp_path / "archives") == []


def test_what_is_no_archive(tmp_path):
    for name, data in {"a.rar": b"Rar!\x1a\x07" + bytes(600), "empty.zip": b"", "a.png": png(1)}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnpackError, match=r"not an archive of a known kind; allowed: \.zip"):
            unpacked(tmp_path / name, tmp_path / name[0]) if (tmp_path / name[0]).mkdir(exist_ok=True) is None else None
        (tmp_path / name[0] / "out").rmdir()


def test_an_encrypted_zip(tmp_path):
    path = zipped(tmp_path / "a.zip", {"x": b"secret"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnpackError, match="is encrypted; unpack it yourself"):
        unpacked(path, tmp_path)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {f"{n}": bytes(1000) for n in range(5)})
    written = []

    def full(entry, target, found, most, real=_unpack._write):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(target)
        real(entry, target, found, most)

    monkeypatch.setattr(_unpack, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        _archives.from_file(archive, f"sha256:{sha(archive)}", tmp_path, LIMITS)
    assert left_in(tmp_path / "archives") == []


def test_no_more_than_the_disk_has_room_for(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {"x": os.urandom(10_000)})
    usage = _unpack.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(_unpack.shutil, "disk_usage", lambda _: usage._replace(free=_unpack.RESERVE + 5000))
    with pytest.raises(UnpackError, match="does not fit"):
        unpacked(archive, tmp_path)


# Once, whole or not at all


def slowly(archive: str, downloads: str) -> None:
    """Unpack in a process of its own, a tenth of a second a file."""

    def slow(entry, target, found, most, real=_unpack._write):
        real(entry, target, found, most)
        time.sleep(0.1)

    _unpack._write = slow
    _archives.from_file(Path(archive), f"sha256:{sha(Path(archive))}", Path(downloads), LIMITS)


def test_a_kill_leaves_nothing_that_looks_finished(tmp_path):
    archive = zipped(tmp_path / "a.zip", pictures(each=30))
    known, place = f"sha256:{sha(archive)}", tmp_path / "archives"
    child = multiprocessing.get_context("spawn").Process(target=slowly, args=(str(archive), str(tmp_path)))
    child.start()
    deadline = time.monotonic() + 30
    while not [*place.glob(".*/files/*/*")] and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert [*place.glob(".*/files/*/*")], "it was killed in the middle"
    assert _archives.existing(known, tmp_path) is None
    tree = _archives.from_file(archive, known, tmp_path, LIMITS)
    assert len([*tree.folder.rglob("*.png")]) == 90
    assert left_in(place) == [known[7:19]], "what the killed process left is gone"


def test_an_archive_is_unpacked_once(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", pictures())
    first = load(archive=str(archive))
    monkeypatch.setattr(_unpack, "unpack", lambda *_: pytest.fail("unpacked again"))
    assert load(archive=str(archive)).files == first.files


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checksum": "sha256:0", "skipped": {}}'])
def test_a_folder_with_another_marker_is_made_anew(tmp_path, text):
    archive = zipped(tmp_path / "a.zip", pictures())
    known = f"sha256:{sha(archive)}"
    tree = _archives.from_file(archive, known, tmp_path, LIMITS)
    (tree.folder / "cat" / "00.png").unlink()
    (tree.folder.parent / "unpacked.json").write_text(text)
    assert _archives.existing(known, tmp_path) is None
    assert (_archives.from_file(archive, known, tmp_path, LIMITS).folder / "cat" / "00.png").is_file()


def test_a_local_archive_is_hashed_again_only_if_it_changed(tmp_path):
    archive = zipped(tmp_path / "a.zip", pictures())
    known = _archives.checksum(archive, None)
    assert known == f"sha256:{sha(archive)}"
    stamp = archive.stat()
    data = archive.read_bytes()
    archive.write_bytes(data[:-1] + b"!")
    os.utime(archive, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert _archives.checksum(archive, None) == known, "same size and time: taken from memory"
    os.utime(archive)
    assert _archives.checksum(archive, None) == f"sha256:{sha(archive)}" != known


# The plugin


@pytest.mark.parametrize("prefix", ["", "wrap/", "a/b/"])
def test_an_archive_is_the_folder_in_it(tmp_path, prefix):
    extra = {"__MACOSX/._x": b"", f"{prefix}.DS_Store": b""}
    found = load(archive=str(zipped(tmp_path / "a.zip", {**pictures(prefix), **extra})))
    assert list(found.names) == ["cat", "dog", "owl"] and len(found.files) == 12
    root = tmp_path / "plain"
    for name, data in pictures().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    folder = plugins.load("dataset", "folder")
    options = {key: ARCHIVE[key] for key in ("digest", "sample", "seed", "split", "unreadable")}
    plain = plugins.params("dataset", {"name": "folder", "root": str(root), **options})
    assert folder.fingerprint(plain, Reading()) == found.digest
    assert np.array_equal(folder.load(plain, Context()).split, found.split)


def test_what_lies_around_the_folder_that_counts_is_recorded(tmp_path):
    around = {"README.md": b"about", "a/LICENSE": b"terms", "__MACOSX/._x": b"", "a/b/notes.txt": b"more"}
    found = load(archive=str(zipped(tmp_path / "a.zip", {**pictures("a/b/"), **around})))
    assert set(found.info["excluded"]) == {"../../README.md", "../LICENSE", "../../__MACOSX/", "notes.txt"}
    link = special("extra", tarfile.SYMTYPE, "../elsewhere")
    found = load(archive=str(tarred(tmp_path / "a.tar", pictures("a/"), link)))
    assert list(found.info["excluded"]) == ["../extra"]


def test_a_refusal_says_which_folder_of_the_archive_to_take(tmp_path):
    archive = str(zipped(tmp_path / "a.zip", {**pictures("data/train/"), **pictures("data/test/"), "docs/x.png": b""}))
    with pytest.raises(ConfigError, match=r"only data, without docs: dataset\.folder=data"):
        load(archive=archive)
    assert len(load(archive=archive, folder="data").files) == 24


def test_many_links_are_counted_in_one_phrase(tmp_path):
    links = [special(f"cat/{n}.png", tarfile.SYMTYPE, f"/mnt/{n}.png") for n in range(100, 130)]
    load(archive=str(tarred(tmp_path / "a.tar", pictures(), *links)))
    (sentence, _) = plugins.load("dataset", "archive").describe(params_of(archive=str(tmp_path / "a.tar"))).understood
    assert sentence.endswith("30 passed over: a link that points to no file of the archive (30)")


def test_a_flat_archive_with_labels_in_the_names(tmp_path):
    """The layout of the animals paper."""
    files = {f"{kind}_{n:03}.png": png(n + 100 * i) for i, kind in enumerate(("tiger", "elephant")) for n in range(5)}
    found = load(archive=str(zipped(tmp_path / "animals.zip", files)), label_pattern="^(?P<label>[a-z]+)_")
    assert list(found.names) == ["elephant", "tiger"] and np.bincount(found.labels).tolist() == [5, 5]
    assert all(("tiger" in name) == bool(label) for name, label in zip(found.files, found.labels, strict=True))


def test_a_folder_of_an_archive(tmp_path):
    files = {**pictures("set/small/"), **pictures("set/large/", each=6), "set/readme.txt": b"hello"}
    archive = str(tarred(tmp_path / "a.tar.gz", files))
    assert len(load(archive=archive, folder="set/small").files) == 12
    assert len(load(archive=archive, folder="large").files) == 18
    with pytest.raises(ConfigError, match=r"no folder 'larg'; allowed: set/large, set/small"):
        load(archive=archive, folder="larg")
    with pytest.raises(ConfigError, match="allowed: a folder inside the archive"):
        load(archive=archive, folder="../..")


def test_parts_and_tables_in_an_archive(tmp_path):
    files = {**pictures("train/"), **pictures("test/", each=2)}
    given = {"source": "given", "validation": 0.25, "test": 0.2}
    found = load(archive=str(zipped(tmp_path / "parts.zip", files)), split=given)
    assert np.bincount(found.split).tolist() == [9, 3, 6]
    table = "path,label\n" + "".join(f"{n}.png,{'even' if n % 2 == 0 else 'odd'}\n" for n in range(6))
    files = {**{f"{n}.png": png(n) for n in range(6)}, "labels.csv": table.encode()}
    found = load(archive=str(zipped(tmp_path / "table.zip", files)), csv="labels.csv")
    assert list(found.names) == ["even", "odd"] and len(found.files) == 6


def test_a_table_beside_the_only_folder_of_an_archive(tmp_path):
    files = pictures("images/", classes=("",))
    table = "path,label\n" + "".join(f"{name},{'even' if n % 2 == 0 else 'odd'}\n" for n, name in enumerate(files))
    found = load(archive=str(zipped(tmp_path / "a.zip", {**files, "labels.csv": table.encode()})), csv="labels.csv")
    assert list(found.names) == ["even", "odd"] and len(found.files) == len(files)


def test_links_in_an_archive_are_in_the_record(tmp_path):
    archive = tarred(tmp_path / "a.tar", pictures("set/"), special("set/cat/more.png", tarfile.SYMTYPE, "/etc/passwd"))
    reason = "is a link to '/etc/passwd', which points outside the archive"
    assert load(archive=str(archive)).info["excluded"] == {"cat/more.png": reason}


def test_the_checksum_of_a_local_archive(tmp_path):
    archive = zipped(tmp_path / "a.zip", pictures())
    assert len(load(archive=str(archive), sha256=sha(archive).upper()).files) == 12
    with pytest.raises(ConfigError, match=f"has {sha(archive)}, not {'0' * 64} as given"):
        load(archive=str(archive), sha256="0" * 64)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "give either dataset.archive=PATH, or dataset.url"),
        ({"url": "http://x/a.zip", "archive": "a.zip"}, "give either"),
        ({"url": "http://x/a.zip"}, "dataset.sha256: http://x/a.zip needs one"),
        ({"url": "http://x/a.zip", "sha256": "12"}, "64 hex digits"),
        ({"url": "file:///a.zip", "sha256": "0" * 64}, "give dataset.archive=PATH"),
        ({"url": "/a.zip", "sha256": "0" * 64}, "give dataset.archive=PATH"),
        ({"url": "ftp://x/a.zip", "sha256": "0" * 64}, "starts with http:// or https://"),
        ({"archive": "/is/not/there.zip"}, "/is/not/there.zip is not a file"),
    ],
)
def test_options_that_cannot_be(options, reason):
    module, params = plugins.load("dataset", "archive"), params_of(**options)
    for call in (module.describe, lambda p: module.fingerprint(p, Reading())):
        with pytest.raises(ConfigError, match=reason):
            call(params)


def test_planning_does_not_unpack(tmp_path):
    archive = zipped(tmp_path / "a.zip", pictures())
    with pytest.raises(ConfigError, match=r"not unpacked yet.*backbench audit"):
        plugins.load("dataset", "archive").describe(params_of(archive=str(archive)))
    assert left_in(tmp_path / "downloads" / "archives") == []


# Downloads


class Server:
    """A web server for one file, which can be made to misbehave."""

    def __init__(self, data: bytes):
        self.data, self.ranges, self.requests = data, True, []
        self.break_at: list[int] = []  # for each request, the bytes after which the line goes dead
        self.status, self.stall = 200, 0.0
        self.shift = 0  # how many bytes before the asked ones a partial answer begins

    def handle(self, request: http.server.BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.requests.append(asked)
        if self.status != 200:
            request.send_error(self.status)
            return
        start = int(asked[6:-1]) - self.shift if asked and self.ranges else 0
        if start >= len(self.data):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.data)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = self.data[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        request.end_headers()
        cut = self.break_at.pop(0) if self.break_at else len(body)
        request.wfile.write(body[:cut])
        request.wfile.flush()
        time.sleep(self.stall)


@pytest.fixture
def served(tmp_path):
    server = Server(zipped(tmp_path / "served.zip", pictures(each=20)).read_bytes())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.handle(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads, running.block_on_close = True, False
        threading.Thread(target=running.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{running.server_port}/set.zip"
        server.sha256 = hashlib.sha256(server.data).hexdigest()
        yield server
        running.shutdown()


def test_an_archive_from_the_web(served, tmp_path, monkeypatch):
    found = load(url=served.url, sha256=served.sha256)
    assert len(found.files) == 60 and len(served.requests) == 1
    assert found.info["archive"] == served.url
    assert left_in(tmp_path / "downloads" / "archives") == [served.sha256[:12]], "the archive itself is gone"
    served.status = 500
    assert load(url=served.url, sha256=served.sha256).files == found.files, "the second use asks nobody"
    assert len(served.requests) == 1


def test_a_broken_transfer_goes_on(served, tmp_path):
    served.break_at = [1000, 2000, 500]
    target = tmp_path / "a.zip"
    _download.fetch(served.url, f"sha256:{served.sha256}", target)
    assert target.read_bytes() == served.data
    assert served.requests == [None, "bytes=1000-", "bytes=3000-", "bytes=3500-"]
    assert sorted(p.name for p in tmp_path.glob("a.zip*")) == ["a.zip"]


def test_a_transfer_goes_on_in_the_next_process(served, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "ATTEMPTS", 1)
    served.break_at = [1000, 0]
    with pytest.raises(_fetch.FetchError, match=r"127\.0\.0\.1.*of .* MiB arrived|Connection broken"):
        _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert (tmp_path / "a.zip.part").stat().st_size == 1000
    _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert served.requests[-1] == "bytes=1000-"


def test_a_part_that_is_whole_already(served, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(served.data)
    _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert served.requests == [f"bytes={len(served.data)}-"] and (tmp_path / "a.zip").read_bytes() == served.data


@pytest.mark.parametrize("size", [100, 10**6])
def test_a_part_of_another_file(served, tmp_path, size):
    """Too short to notice, it fails the check and all of it comes anew; too long, the server says so."""
    (tmp_path / "a.zip.part").write_bytes(b"x" * size)
    _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == served.data and len(served.requests) == 2


def test_a_server_without_ranges(served, tmp_path):
    served.ranges, served.break_at = False, [1000]
    _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == served.data
    assert served.requests == [None, "bytes=1000-"]


def test_a_partial_answer_of_another_range_is_not_appended(served, tmp_path, caplog):
    served.shift, served.break_at = 10, [1000]
    _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == served.data
    assert served.requests == [None, "bytes=1000-", None] and "sent another range" in caplog.text


def test_a_server_that_always_sends_another_range_is_left(served, tmp_path):
    served.shift, served.break_at = 10, [1000] * 100
    with pytest.raises(_fetch.FetchError):
        _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert len(served.requests) <= 2 * _download.ATTEMPTS


def test_a_server_that_never_finishes(served, tmp_path):
    served.ranges, served.break_at = False, [1000] * 100
    with pytest.raises(_fetch.FetchError):
        _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert len(served.requests) <= 2 * _download.ATTEMPTS


def test_a_stall_is_noticed(served, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(_download, "ATTEMPTS", 1)
    served.break_at, served.stall = [1000, 0], 5.0
    with pytest.raises(_fetch.FetchError, match="timed out"):
        _download.fetch(served.url, f"sha256:{served.sha256}", tmp_path / "a.zip")
    assert len(served.requests) == 1


def test_another_checksum_than_promised(served, tmp_path):
    wrong = "1" * 64
    with pytest.raises(ConfigError, match=f"checksum is sha256:{served.sha256}, not sha256:{wrong}"):
        load(url=served.url, sha256=wrong)
    assert len(served.requests) == 1, "a whole wrong file is not fetched again"
    assert left_in(tmp_path / "downloads" / "archives") == []


def test_a_server_that_refuses(served, tmp_path):
    served.status = 404
    with pytest.raises(ConfigError, match=r"set\.zip: the server answers 404 Not Found.*dataset\.archive=PATH"):
        load(url=served.url, sha256=served.sha256)
    assert len(served.requests) == 1
    served.status, served.requests = 503, []
    with pytest.raises(ConfigError, match="503"):
        load(url=served.url, sha256=served.sha256)
    assert len(served.requests) == _download.ATTEMPTS
    assert left_in(tmp_path / "downloads" / "archives") == []


def test_no_server_at_all():
    with pytest.raises(ConfigError, match=r"Connection refused.*dataset\.archive=PATH"):
        load(url="http://127.0.0.1:9/a.zip", sha256="0" * 64)


def test_a_download_counts_against_the_limit(served):
    with pytest.raises(ConfigError, match=r"raise dataset\.max_gb"):
        load(url=served.url, sha256=served.sha256, max_gb=0.000001)


def test_passwords_are_not_shown():
    assert _download.shown("https://me:secret@host:8080/a.zip?x=1") == "https://host:8080/a.zip?x=1"


def test_progress_has_size_rate_and_time_left():
    meter = _download._Meter("x", 10 << 20, 100 << 20)
    meter.add(20 << 20)
    assert meter.line(2.0) == "30.0 MiB of 100.0 MiB, 10.0 MiB/s, 7 s remaining"
    assert _download._Meter("x", 0, None).line(1.0) == "0.0 MiB, 0.0 MiB/s"


def test_two_processes_share_one_download(served, tmp_path):
    """Threads stand in for processes: the lock is of the operating system."""
    results = []
    fetch = functools.partial(
        _archives.from_url, served.url, f"sha256:{served.sha256}", tmp_path, Limits(1000, 1 << 30)
    )
    workers = [threading.Thread(target=lambda: results.append(fetch())) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 3 and len({tree.folder for tree in results}) == 1 and len(served.requests) == 1
