"""Links in archives: copies of what they name within the archive, left out and named where they lead elsewhere."""

import io
import json
import os
import random
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packing import LIMITS, load, params_of, pictures, sha, special, tarred, zipped

from backbench import paths
from backbench.datasets import _archives, _unpack
from backbench.datasets import archive as plugin
from backbench.datasets._unpack import Limits, Unpacked, UnpackError
from backbench.schema import ConfigError

HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE
FILES = {"train/cat/1.png": b"first", "train/cat/2.png": b"second", "train/dog/1.png": b"third"}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


def content(folder: Path) -> dict[str, bytes]:
    assert not any(path.is_symlink() for path in folder.rglob("*")), "a link on the disk"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpack(archive: Path, limits: Limits = LIMITS) -> tuple[dict[str, bytes], Unpacked]:
    target = archive.parent / "deep" / "down"
    target.mkdir(parents=True)
    outside = sorted(path.name for path in archive.parent.iterdir())
    try:
        result = _unpack.unpack(archive, target, limits)
        return content(target), result
    finally:
        assert sorted(path.name for path in archive.parent.iterdir()) == outside, "written outside"
        assert [path.name for path in target.parent.iterdir()] == ["down"], "written outside"
        shutil.rmtree(target.parent)


def mixed(path: Path, *entries: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    """A tar of files and links in just this order."""
    with tarfile.open(path, "w") as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    return path


def zipped_links(path: Path, files: dict[str, bytes], links: dict[str, bytes]) -> Path:
    zipped(path, files)
    with zipfile.ZipFile(path, "a") as archive:
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return path


# What is within


@pytest.mark.parametrize(
    ("links", "copies"),
    [
        ([("test/cat/1.png", HARD, "train/cat/1.png")], {"test/cat/1.png": b"first"}),
        ([("test/cat/1.png", HARD, "./train//cat/./1.png")], {"test/cat/1.png": b"first"}),
        ([("test/cat/1.png", SYMBOLIC, "../../train/cat/1.png")], {"test/cat/1.png": b"first"}),
        ([("./train/cat/3.png", SYMBOLIC, "2.png")], {"train/cat/3.png": b"second"}),
        ([("train/cat/3.png", SYMBOLIC, "../../train/dog/../dog/1.png")], {"train/cat/3.png": b"third"}),
        ([("3.png", HARD, "TRAIN/Cat/1.PNG")], {"3.png": b"first"}),
        ([("test", SYMBOLIC, "train")], {name.replace("train", "test"): data for name, data in FILES.items()}),
        ([("test/owl", SYMBOLIC, "../train/dog/")], {"test/owl/1.png": b"third"}),
        ([("b", SYMBOLIC, "a"), ("a", HARD, "train/dog/1.png")], {"a": b"third", "b": b"third"}),
        ([("c", HARD, "b"), ("b", HARD, "a"), ("a", HARD, "train/dog/1.png")], dict.fromkeys("abc", b"third")),
        ([("t/x", SYMBOLIC, "../u/1.png"), ("u", SYMBOLIC, "train/dog")], {"t/x": b"third", "u/1.png": b"third"}),
        ([("train/cat/s", SYMBOLIC, "1.png"), ("train/dog/s", HARD, "train/cat/s")],
         {"train/cat/s": b"first", "train/dog/s": b"third"}),
        ([("train/dog/s", HARD, "train/cat/s"), ("train/cat/s", SYMBOLIC, "1.png")],
         {"train/cat/s": b"first", "train/dog/s": b"third"}),
        ([("t/a/1", HARD, "train/cat/1.png"), ("u", SYMBOLIC, "t")], {"t/a/1": b"first", "u/a/1": b"first"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["files first", "links first"])
def test_links_become_copies(tmp_path, links, copies, order):
    entries = [*FILES.items(), *(special(*link) for link in links)]
    archive = mixed(tmp_path / "a.tar", *(entries if order == "files first" else reversed(entries)))
    found, result = unpack(archive)
    assert found == {**FILES, **copies} and result.skipped == {}
    assert result.size == sum(map(len, found.values())), "a copy counts in full"
    start = "1 link within the archive is unpacked as a copy of what it names"
    if len(links) > 1:
        start = f"{len(links)} links within the archive are unpacked as copies of what they name"
    assert result.notes == [start + (f" ({len(copies)} files)" if len(copies) != len(links) else "")]


def test_symbolic_links_in_a_zip(tmp_path):
    links = {"test/cat/1.png": b"../../train/cat/2.png", "val": b"train", "bad": b"a\0b", "none": b"", "out": b"../x"}
    found, result = unpack(zipped_links(tmp_path / "a.zip", FILES, links))
    copies = {name.replace("train", "val"): data for name, data in FILES.items()}
    assert found == {**FILES, **copies, "test/cat/1.png": b"second"}
    assert result.skipped == {
        "bad": "is a link to 'a\\x00b', which is no file name",
        "none": "is a link to '', which is no file name",
        "out": "is a link to '../x', which leads out of the archive",
    }
    assert result.notes == [
        "2 links within the archive are unpacked as copies of what they name (4 files)",
        "3 links in the archive are left out: 'bad' is a link to 'a\\x00b', which is no file name, ...",
    ]


def test_a_test_part_of_hard_links(tmp_path):
    """What Python's own tarfile and GNU tar make of a folder of which some files have two names."""
    root = tmp_path / "set"
    for name, data in pictures("train/").items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    for name in ("cat", "dog", "owl"):
        (root / "test" / name).mkdir(parents=True)
        os.link(root / "train" / name / "00.png", root / "test" / name / "00.png")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(root, "set")
        assert sum(info.islnk() for info in tar.getmembers()) == 3
    found = load(archive=str(tmp_path / "a.tar"), split={"source": "given", "validation": 0.25, "test": 0.2})
    assert len(found.files) == 15 and (found.split == 2).sum() == 3 and found.info["excluded"] == {}


def test_what_was_understood_reaches_the_plan(tmp_path):
    path = tarred(tmp_path / "a.tar", pictures(), special("cat/x.png", HARD, "dog/00.png"))
    load(archive=str(path))
    note = "1 link within the archive is unpacked as a copy of what it names"
    assert note in plugin.describe(params_of(archive=str(path))).understood


# What is not


@pytest.mark.parametrize(
    ("links", "left_out"),
    [
        ([("l", SYMBOLIC, "../../etc/passwd")], {"l": "leads out of the archive"}),
        ([("l", SYMBOLIC, "/etc/passwd")], {"l": "leads out of the archive"}),
        ([("l", SYMBOLIC, "C:/x")], {"l": "leads out of the archive"}),
        ([("l", HARD, "/etc/passwd")], {"l": "leads out of the archive"}),
        ([("l", HARD, "../down/train/cat/1.png")], {"l": "leads out of the archive"}),
        ([("train/l", SYMBOLIC, "../../down/train/cat/1.png")], {"train/l": "leads out of the archive"}),
        ([("a", SYMBOLIC, "b"), ("b", SYMBOLIC, "..")], dict.fromkeys("ab", "leads out of the archive")),
        ([("b", SYMBOLIC, ".."), ("a", SYMBOLIC, "b/down/train")], dict.fromkeys("ab", "leads out of the archive")),
        ([("s", SYMBOLIC, "/etc/passwd"), ("h", HARD, "s")], dict.fromkeys("sh", "leads out of the archive")),
        ([("l", SYMBOLIC, "train/cat/3.png")], {"l": "leads to nothing in the archive"}),
        ([("l", SYMBOLIC, "train/cat/1.png/more")], {"l": "leads to nothing in the archive"}),
        ([("l", SYMBOLIC, "x" * 300)], {"l": "leads to nothing in the archive"}),
        ([("l", SYMBOLIC, "train/" * 1000)], {"l": "is no file name"}),
        ([("l", HARD, "l")], {"l": "leads in a circle"}),
        ([("a", SYMBOLIC, "b"), ("b", SYMBOLIC, "c"), ("c", HARD, "a")], dict.fromkeys("abc", "leads in a circle")),
        ([("a", SYMBOLIC, "a/b")], {"a": "leads in a circle"}),
        ([("train/l", SYMBOLIC, ".")], {"train/l": "leads back to a folder above it"}),
        ([("train/cat/l", SYMBOLIC, "../..")], {"train/cat/l": "leads back to a folder above it"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["files first", "links first"])
def test_links_that_lead_elsewhere_are_left_out(tmp_path, links, left_out, order):
    entries = [*FILES.items(), *(special(*link) for link in links)]
    found, result = unpack(mixed(tmp_path / "a.tar", *(entries if order == "files first" else reversed(entries))))
    assert found == FILES
    assert {name: reason.rpartition(", which ")[2] for name, reason in result.skipped.items()} == left_out
    assert all(reason.startswith(("is a link to '", "is a hard link to '")) for reason in result.skipped.values())
    assert all(len(reason) < 200 for reason in result.skipped.values())


def test_odd_bytes_in_what_a_link_names(tmp_path):
    odd = os.fsdecode(b"caf\xe9\n")
    archive = mixed(tmp_path / "a.tar", (odd, b"1"), special("l", SYMBOLIC, odd), special("m", SYMBOLIC, odd + "?"))
    found, result = unpack(archive)
    assert found == {odd: b"1", "l": b"1"}
    assert result.skipped["m"].isprintable() and all(note.isprintable() for note in result.notes)


def test_folders_that_hold_links_to_each_other(tmp_path):
    entries = [("a/1", b"1"), ("b/2", b"2"), special("a/l", SYMBOLIC, "../b"), special("b/l", SYMBOLIC, "../a")]
    found, result = unpack(mixed(tmp_path / "a.tar", *entries))
    assert found == {"a/1": b"1", "b/2": b"2", "a/l/2": b"2", "b/l/1": b"1"}
    assert sorted(result.skipped) == ["a/l/l", "b/l/l"]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([("x", b"1"), ("y", b"2"), special("x", HARD, "y")], "holds 'x' twice, as a link and as a file"),
        ([special("x", SYMBOLIC, "/etc/passwd"), ("x", b"1")], "holds 'x' twice, as a link and as a file"),
        ([("x", b"1"), special("x", SYMBOLIC, "x")], "holds 'x' twice, as a link and as a file"),
        ([("r/1", b"1"), special("l", SYMBOLIC, "r"), ("l/2", b"2")], "holds 'l' twice, as a link and as a folder"),
        ([("x", b"1"), special("l", SYMBOLIC, "x"), ("l/2", b"2")], "holds 'l' twice, as a link and as a folder"),
        ([("x", b"1"), special("l", HARD, "x"), special("l/2", HARD, "x")], "holds 'l' twice"),
        ([("x", b"1"), special("x/l", HARD, "x")], "holds 'x' twice, as a file and as a folder"),
        ([("x", b"1"), ("y", b"2"), special("l", HARD, "x"), special("l", HARD, "y")], "as a link and as another link"),
        ([("x", b"1"), special("../l", HARD, "x")], "leads out of the folder"),
        ([("x", b"1"), special("/l", HARD, "x")], "is an absolute path"),
        ([("x", b"1"), special("n" * 300, HARD, "x")], "name that is too long"),
        ([("x", b"1"), special("pipe", tarfile.FIFOTYPE), special("l", HARD, "pipe")], "device or pipe"),
    ],
)  # fmt: skip
def test_links_that_could_mean_two_things_are_refused(tmp_path, entries, reason):
    with pytest.raises(UnpackError, match=reason):
        unpack(mixed(tmp_path / "a.tar", *entries))


def test_a_file_given_twice_to_tar_is_one(tmp_path):
    """GNU tar stores what was named twice on its command line as a hard link to itself."""
    again = [special("x", HARD, "./x"), special("l", HARD, "x"), special("l", HARD, "x")]
    found, result = unpack(mixed(tmp_path / "a.tar", ("x", b"1"), *again))
    assert found == {"x": b"1", "l": b"1"} and result.skipped == {}


def test_a_door_that_leads_out_is_no_door(tmp_path):
    entries = [special("door", SYMBOLIC, "../.."), ("door/x", b"!"), special("door/y", SYMBOLIC, "x")]
    found, result = unpack(mixed(tmp_path / "a.tar", *entries))
    assert found == {"door/x": b"!", "door/y": b"!"} and list(result.skipped) == ["door"]


# Bombs


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
    start = time.monotonic()
    with pytest.raises(
        UnpackError, match=r"holds more than 1,000 files|bomb of links: it unpacks to more than .* files"
    ):
        unpack(tarred(tmp_path / "a.tar", files, *links), limits)
    assert time.monotonic() - start < 20


def test_a_knot_of_folders_ends(tmp_path):
    """Each of thirty folders has links to all others: there are more ways through them than atoms."""
    links = [special(f"{a}/{b}", SYMBOLIC, f"../{b}") for a in range(30) for b in range(30)]
    with pytest.raises(UnpackError, match="holds more than 5,000 files"):
        unpack(tarred(tmp_path / "a.tar", {"0/x": b"1"}, *links), Limits(5000, 1 << 30))


@pytest.mark.parametrize("kind", [HARD, SYMBOLIC])
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("end", ["x", "9999"])
def test_very_long_chains(tmp_path, kind, forward, end):
    chain = [special(f"{n}", kind, f"{n - 1}" if n else end) for n in range(10_000)]
    start = time.monotonic()
    archive = mixed(tmp_path / "a.tar", ("x", b"1"), *(chain if forward else reversed(chain)))
    found, result = unpack(archive, Limits(20_000, 1 << 30))
    assert time.monotonic() - start < 60
    if end == "x":
        assert len(found) == 10_001 and set(found.values()) == {b"1"}
    else:
        assert found == {"x": b"1"} and len(result.skipped) == 10_000


@pytest.mark.slow
def test_many_links_from_one_file(tmp_path):
    """More names than a file may have on some disks."""
    links = [special(f"{n % 100}/{n}", HARD, "x") for n in range(70_000)]
    found, _ = unpack(mixed(tmp_path / "a.tar", ("x", b"1"), *links), Limits(80_000, 1 << 30))
    assert len(found) == 70_001


def test_a_disk_without_second_names(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_unpack.os, "link", refuse)
    found, _ = unpack(mixed(tmp_path / "a.tar", ("x", b"1"), special("l", HARD, "x"), special("m/n", HARD, "x")))
    assert found == {"x": b"1", "l": b"1", "m/n": b"1"}


# Against the operating system


def reachable(root: Path, below: str = "", above: frozenset[str] = frozenset()) -> Iterator[tuple[str, bytes]]:
    """All files below a folder of the disk, links followed within it, but never back into a folder above."""
    real = os.path.realpath(root / below)
    for name in sorted(os.listdir(real)):  # noqa: PTH208
        try:
            place = Path(os.path.realpath(root / below / name, strict=True))
        except OSError:
            continue
        if not place.is_relative_to(root) or str(place) in above | {real}:
            continue
        if place.is_dir():
            yield from reachable(root, f"{below}{name}/", above | {real})
        else:
            yield f"{below}{name}", place.read_bytes()


def drawn(rng: random.Random) -> list[tuple[str, str, str]]:
    """Files and links at random: path, kind, content or target; the first links name what may come later."""
    folders = ["", *(f"{a}/" for a in "abc"), *(f"{a}/{b}/" for a in "ab" for b in "de")]
    entries, taken = [(f"{folder}f", "file", f"{n}") for n, folder in enumerate(folders)], set()
    for number in range(rng.randint(1, 8)):
        path = f"{rng.choice(folders)}l{number}"
        ups = "../" * rng.randint(0, path.count("/"))
        ends = ["f", "d", "e", "a", "b", "a/d", "b/e/f", ".", *(f"l{n}" for n in range(8)), "d/../f", "l1/f", "l2/.."]
        taken.add(path)
        entries.append((path, "symbolic", ups + rng.choice(ends)))
    for number in range(rng.randint(0, 3)):
        path = f"{rng.choice(folders)}h{number}"
        entries.append((path, "hard", rng.choice([entry[0] for entry in entries])))
    return entries


@pytest.mark.parametrize("seed", range(150))
def test_an_archive_is_what_the_disk_shows(tmp_path, seed):
    rng = random.Random(seed)
    entries, root, specials = drawn(rng), tmp_path / "disk" / "root", []
    for path, kind, text in entries:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if kind == "file":
            (root / path).write_text(text)
            specials.append((path, text.encode()))
        elif kind == "symbolic":
            (root / path).symlink_to(text)
            specials.append(special(path, SYMBOLIC, text))
        else:
            os.link(root / text, root / path, follow_symlinks=False)
            specials.append(special(path, HARD, text))
    rng.shuffle(specials)
    found, result = unpack(mixed(tmp_path / "a.tar", *specials))
    assert found == dict(reachable(root))
    named = {path for path, kind, _ in entries if kind != "file"}
    made = {path for path in named if path in found or any(name.startswith(f"{path}/") for name in found)}
    assert named - made <= set(result.skipped), "nothing is lost unsaid"


# What older code unpacked


def older(archive: Path, skipped: dict[str, str], names: list[str]) -> Path:
    """A folder as the code before left it, with a marker that has no format."""
    place = paths.downloads() / "archives" / sha(archive)[:12]
    (place / "files").mkdir(parents=True)
    for name in names:
        (place / "files" / name).write_bytes(b"old")
    marker = {"checksum": f"sha256:{sha(archive)}", "entries": 1, "size": 3, "skipped": skipped}
    (place / "unpacked.json").write_text(json.dumps(marker))
    return place


@pytest.mark.parametrize(
    ("skipped", "names", "kept"),
    [
        ({}, ["x", "y.png"], True),
        ({}, ["x", "猫.png"], True),
        ({"l": "is a link"}, ["x"], False),
        ({}, ["x", "öL.png"], False),
    ],
)
def test_what_older_code_left_out_is_unpacked_again(tmp_path, skipped, names, kept):
    archive = mixed(tmp_path / "a.tar", ("x", b"new"), special("l", HARD, "x"))
    place = older(archive, skipped, names)
    known = f"sha256:{sha(archive)}"
    assert (_archives.found(known, paths.downloads()) is not None) == kept
    tree = _archives.from_file(archive, known, paths.downloads(), LIMITS)
    assert (tree.folder / "x").read_bytes() == (b"old" if kept else b"new")
    if not kept:
        assert (tree.folder / "l").read_bytes() == b"new" and json.loads((place / "unpacked.json").read_text())["notes"]
        assert _archives.found(known, paths.downloads()) == tree


def test_planning_says_that_it_has_to_be_unpacked_again(tmp_path):
    archive = tarred(tmp_path / "a.tar", pictures(), special("l", HARD, "cat/00.png"))
    older(archive, {"l": "is a link"}, ["x"])
    with pytest.raises(ConfigError, match=r"not unpacked yet.*backbench audit"):
        plugin.describe(params_of(archive=str(archive)))
