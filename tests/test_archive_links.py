"""Links in archives: copies of their targets within the archive, left out and named where they lead elsewhere."""

import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from packing import load, mixed, params_of, pictures, special, tarred, unpack, zipped

from backbench.datasets import archive as plugin
from backbench.datasets._unpack import UnpackError

HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE
FILES = {"train/cat/1.png": b"first", "train/cat/2.png": b"second", "train/dog/1.png": b"third"}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


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
    made, result = unpack(archive)
    assert made == {**FILES, **copies} and result.skipped == {}
    assert result.size == sum(map(len, made.values())), "a copy counts in full"
    start = "1 link within the archive is unpacked as a copy of its target"
    if len(links) > 1:
        start = f"{len(links)} links within the archive are unpacked as copies of their targets"
    assert result.notes == [start + (f" ({len(copies)} files)" if len(copies) != len(links) else "")]


def test_symbolic_links_in_a_zip(tmp_path):
    links = {"test/cat/1.png": b"../../train/cat/2.png", "val": b"train", "bad": b"a\0b", "none": b"", "out": b"../x"}
    made, result = unpack(zipped_links(tmp_path / "a.zip", FILES, links))
    copies = {name.replace("train", "val"): data for name, data in FILES.items()}
    assert made == {**FILES, **copies, "test/cat/1.png": b"second"}
    assert result.skipped == {
        "bad": "is a link to 'a\\x00b', which is not a file name",
        "none": "is a link to '', which is not a file name",
        "out": "is a link to '../x', which points outside the archive",
    }
    assert result.notes == [
        "2 links within the archive are unpacked as copies of their targets (4 files)",
        "3 links in the archive are left out: 'bad' is a link to 'a\\x00b', which is not a file name, ...",
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
    made = load(archive=str(tmp_path / "a.tar"), split={"source": "given", "validation": 0.25, "test": 0.2})
    assert len(made.files) == 15 and (made.split == 2).sum() == 3 and made.info["excluded"] == {}


def test_what_was_understood_reaches_the_plan(tmp_path):
    path = tarred(tmp_path / "a.tar", pictures(), special("cat/x.png", HARD, "dog/00.png"))
    load(archive=str(path))
    note = "1 link within the archive is unpacked as a copy of its target"
    assert note in plugin.describe(params_of(archive=str(path))).understood


# What is not


@pytest.mark.parametrize(
    ("links", "left_out"),
    [
        ([("l", SYMBOLIC, "../../etc/passwd")], {"l": "points outside the archive"}),
        ([("l", SYMBOLIC, "/etc/passwd")], {"l": "points outside the archive"}),
        ([("l", SYMBOLIC, "C:/x")], {"l": "points outside the archive"}),
        ([("l", HARD, "/etc/passwd")], {"l": "points outside the archive"}),
        ([("l", HARD, "../down/train/cat/1.png")], {"l": "points outside the archive"}),
        ([("train/l", SYMBOLIC, "../../down/train/cat/1.png")], {"train/l": "points outside the archive"}),
        ([("a", SYMBOLIC, "b"), ("b", SYMBOLIC, "..")], dict.fromkeys("ab", "points outside the archive")),
        ([("b", SYMBOLIC, ".."), ("a", SYMBOLIC, "b/down/train")], dict.fromkeys("ab", "points outside the archive")),
        ([("s", SYMBOLIC, "/etc/passwd"), ("h", HARD, "s")], dict.fromkeys("sh", "points outside the archive")),
        ([("l", SYMBOLIC, "train/cat/3.png")], {"l": "points to nothing in the archive"}),
        ([("l", SYMBOLIC, "train/cat/1.png/more")], {"l": "points to nothing in the archive"}),
        ([("l", SYMBOLIC, "x" * 300)], {"l": "points to nothing in the archive"}),
        ([("l", SYMBOLIC, "train/" * 1000)], {"l": "is not a file name"}),
        ([("l", HARD, "l")], {"l": "points in a circle"}),
        ([("a", SYMBOLIC, "b"), ("b", SYMBOLIC, "c"), ("c", HARD, "a")], dict.fromkeys("abc", "points in a circle")),
        ([("a", SYMBOLIC, "a/b")], {"a": "points in a circle"}),
        ([("train/l", SYMBOLIC, ".")], {"train/l": "points back to a folder above it"}),
        ([("train/cat/l", SYMBOLIC, "../..")], {"train/cat/l": "points back to a folder above it"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["files first", "links first"])
def test_links_that_lead_elsewhere_are_left_out(tmp_path, links, left_out, order):
    entries = [*FILES.items(), *(special(*link) for link in links)]
    made, result = unpack(mixed(tmp_path / "a.tar", *(entries if order == "files first" else reversed(entries))))
    assert made == FILES
    assert {name: reason.rpartition(", which ")[2] for name, reason in result.skipped.items()} == left_out
    assert all(reason.startswith(("is a link to '", "is a hard link to '")) for reason in result.skipped.values())
    assert all(len(reason) < 200 for reason in result.skipped.values())


def test_odd_bytes_in_what_a_link_names(tmp_path):
    odd = os.fsdecode(b"caf\xe9\n")
    archive = mixed(tmp_path / "a.tar", (odd, b"1"), special("l", SYMBOLIC, odd), special("m", SYMBOLIC, odd + "?"))
    made, result = unpack(archive)
    assert made == {odd: b"1", "l": b"1"}
    assert result.skipped["m"].isprintable() and all(note.isprintable() for note in result.notes)


def test_folders_that_hold_links_to_each_other(tmp_path):
    entries = [("a/1", b"1"), ("b/2", b"2"), special("a/l", SYMBOLIC, "../b"), special("b/l", SYMBOLIC, "../a")]
    made, result = unpack(mixed(tmp_path / "a.tar", *entries))
    assert made == {"a/1": b"1", "b/2": b"2", "a/l/2": b"2", "b/l/1": b"1"}
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
    made, result = unpack(mixed(tmp_path / "a.tar", ("x", b"1"), *again))
    assert made == {"x": b"1", "l": b"1"} and result.skipped == {}


def test_a_door_that_leads_out_is_no_door(tmp_path):
    entries = [special("door", SYMBOLIC, "../.."), ("door/x", b"!"), special("door/y", SYMBOLIC, "x")]
    made, result = unpack(mixed(tmp_path / "a.tar", *entries))
    assert made == {"door/x": b"!", "door/y": b"!"} and list(result.skipped) == ["door"]
