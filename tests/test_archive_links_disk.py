"""Links in archives against the operating system, and against what older code left of them."""

import json
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packing import LIMITS, mixed, params_of, pictures, sha, special, tarred, unpack

from backbench import paths
from backbench.datasets import _archives
from backbench.datasets import archive as plugin
from backbench.schema import ConfigError

HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))


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
    made, result = unpack(mixed(tmp_path / "a.tar", *specials))
    assert made == dict(reachable(root))
    named = {path for path, kind, _ in entries if kind != "file"}
    made = {path for path in named if path in made or any(name.startswith(f"{path}/") for name in made)}
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
    assert (_archives.existing(known, paths.downloads()) is not None) == kept
    tree = _archives.from_file(archive, known, paths.downloads(), LIMITS)
    assert (tree.folder / "x").read_bytes() == (b"old" if kept else b"new")
    if not kept:
        assert (tree.folder / "l").read_bytes() == b"new" and json.loads((place / "unpacked.json").read_text())["notes"]
        assert _archives.existing(known, paths.downloads()) == tree


def test_planning_says_that_it_has_to_be_unpacked_again(tmp_path):
    archive = tarred(tmp_path / "a.tar", pictures(), special("l", HARD, "cat/00.png"))
    older(archive, {"l": "is a link"}, ["x"])
    with pytest.raises(ConfigError, match=r"not unpacked yet.*backbench audit"):
        plugin.describe(params_of(archive=str(archive)))
