"""Folders of images: every layout, every source of labels, every file accounted for."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pictures import FOLDER, GIVEN, digest_of, folder_describe, folder_load, folder_params, paint, params_of

from backbench import plugins
from backbench.datasets import TEST, TRAIN, VALIDATION, _registry
from backbench.schema import ConfigError, canonical

pytestmark = pytest.mark.usefixtures("own_results")


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
    assert found.info == {
        "excluded": {},
        "modes": [["RGB", "PNG", 30]],
        "duplicates": 0,
        "duplicates_across_parts": 0,
    }
    assert found.rows.tolist() == list(range(30)) and found.modes == ["RGB"] * 30
    assert found.sizes.tolist() == [[20, 16]] * 30 and len(set(found.phashes.tolist())) == 30


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


@pytest.mark.parametrize(
    ("make", "changes", "reason"),
    [
        (lambda root: None, {}, "is not a folder"),
        (lambda root: root.mkdir(), {}, "holds no files"),
        (lambda root: paint(root / "a" / "1.png", 1), {"split": GIVEN}, "needs train and test folders"),
        (lambda root: [paint(root / p, 1) for p in ("train/a/1.png", "test/1.png")], {}, "test has no classes"),
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


# Layouts


def test_nested_folders_belong_to_their_class(tmp_path):
    for number, place in enumerate(("cat/2020/a.png", "cat/b.png", "dog/x/y/z/c.png")):
        paint(tmp_path / "in" / place, number)
    found = folder_load(tmp_path / "in")
    assert [found.names[label] for label in found.labels] == ["cat", "cat", "dog"]


def test_links_to_folders_are_followed_but_not_back(tmp_path):
    for number in range(4):
        paint(tmp_path / "elsewhere" / f"{number}.png", number)
    paint(tmp_path / "in" / "cat" / "a.png", 9)
    (tmp_path / "in" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "cat" / "again").symlink_to(tmp_path / "in")
    found = folder_load(tmp_path / "in")
    assert found.files == ["cat/a.png", *(f"dog/{number}.png" for number in range(4))]
    assert found.info["excluded"] == {"cat/again/": "a link back to a folder above it"}


def test_a_given_split_has_one_hash(tmp_path):
    """The fraction `test` has no effect there, and is not told apart."""
    same = {str(canonical(folder_params("x", split={**GIVEN, "test": test}))) for test in (0.0, 0.2, 0.9)}
    assert len(same) == 1
    assert canonical(folder_params("x", near_distance=9)) == canonical(folder_params("x"))
    assert canonical(folder_params("x", near_distance=9, leaks="fail"))["near_distance"] == 9
    assert "duplicates" not in canonical(folder_params("x")), "an option at its default leaves old hashes alone"


def test_nothing_to_train_on_is_refused_at_planning(folder):
    split = {"source": "random", "validation": 0.6, "test": 0.4}
    with pytest.raises(ConfigError, match="leave nothing to train on"):
        folder_describe(folder, split=split)


# Labels from names


def flat(root, names):
    for number, name in enumerate(names):
        paint(root / name, number)
    return root


ANIMALS = [f"{animal}_{number:03}.png" for animal in ("lion", "tiger") for number in range(10)]


def test_labels_from_the_names_of_files(tmp_path):
    root = flat(tmp_path / "in", [*ANIMALS, "2020.png"])
    found = folder_load(root, label_pattern=r"^(?P<label>[a-z]+)_\d+")
    assert found.names == ["lion", "tiger"] and Counter(found.labels.tolist()) == {0: 10, 1: 10}
    assert found.info["excluded"] == {"2020.png": "label_pattern does not match"}
    about = folder_describe(root, label_pattern=r"^(?P<label>[a-z]+)_\d+")
    assert (about.n, about.classes, about.digest) == (20, 2, found.digest)
    assert folder_load(root).digest != found.digest, "labels are content"


def test_labels_from_the_path(tmp_path):
    root = flat(tmp_path / "in", [f"cam{number % 2}/{animal}/{number}.png" for animal in "ab" for number in range(4)])
    assert folder_load(root, label_pattern="[0-9]/(?P<label>.*)/").names == ["a", "b"]
    assert folder_load(root, label_pattern="^(?P<label>[0-9])").names == ["0", "1", "2", "3"]


def test_labels_from_names_keep_the_parts(tmp_path):
    root = flat(tmp_path / "in", [f"{part}/{name}" for part in ("train", "test") for name in ANIMALS])
    found = folder_load(root, label_pattern="^(?P<label>[a-z]+)_", split=GIVEN)
    assert np.bincount(found.split).tolist() == [16, 4, 20]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?P<label>", "is not a regular expression"),
        ("^([a-z]+)_", "has no group named label; write it as"),
        ("(?P<label>xyz)", "matches none of the 20 files"),
    ],
)
def test_patterns_that_cannot_be_used(tmp_path, pattern, reason):
    with pytest.raises(ConfigError, match=reason):
        folder_describe(flat(tmp_path / "in", ANIMALS), label_pattern=pattern)


# Labels from a table


@pytest.fixture
def table(tmp_path):
    """A function that writes a table beside a flat folder of twenty images."""
    flat(tmp_path / "in", ANIMALS)

    def write(text, where=tmp_path / "labels.csv"):
        where.write_bytes(text.encode("utf-8", "surrogateescape"))
        return {"root": str(tmp_path / "in"), "csv": str(where)}

    return write


ROWS = [f"{name},{'big' if number % 2 else 'small'}" for number, name in enumerate(ANIMALS)]


def test_labels_from_a_table(table):
    options = table("path,label\n" + "\n".join(ROWS[:12]))
    found = folder_load(**options)
    assert found.files == ANIMALS[:12] and found.names == ["big", "small"]
    assert found.info["excluded"] == dict.fromkeys(ANIMALS[12:], "not in the table")
    assert folder_load(**options, unreadable="fail").files == found.files, "nothing is wrong with the others"
    assert [found.names[label] for label in found.labels] == ["small", "big"] * 6
    about = folder_describe(**options)
    assert (about.n, about.classes, about.digest) == (12, 2, found.digest)


def test_tables_may_look_otherwise(table, tmp_path):
    expected = folder_load(**table("path,label\n" + "\n".join(ROWS))).digest
    rows = [row.split(",") for row in ROWS]
    for text in (
        "\ufeffLabel;Note;Path\r\n" + "".join(f" {label} ;x;{path}\r\n" for path, label in rows),
        "path\tlabel\n\n" + "\n".join(f'"{path}"\t{label}' for path, label in reversed(rows)),
        "path,label\n" + "\n".join(f"in/./{path},{label}" for path, label in rows),
        "path,label\n" + "\n".join(f"{tmp_path}/in/{path},{label}" for path, label in rows),
    ):
        assert folder_load(**table(text)).digest == expected


def test_a_table_alone_gives_the_root(table, tmp_path):
    table("path,label\n" + "\n".join(ROWS), tmp_path / "in" / "labels.csv")
    module = plugins.load("dataset", "folder")
    alone = module.describe(params_of(FOLDER, csv=str(tmp_path / "in" / "labels.csv")))
    assert alone.n == 20
    assert folder_describe(tmp_path / "in", csv="labels.csv").n == 20


def test_a_table_with_parts(table):
    words = ["train"] * 12 + ["Val"] * 3 + ["test"] * 5
    options = table("path,label,split\n" + "\n".join(f"{row},{word}" for row, word in zip(ROWS, words, strict=True)))
    found = folder_load(**options, split=GIVEN)
    assert found.split.tolist() == [TRAIN] * 12 + [VALIDATION] * 3 + [TEST] * 5
    other = folder_load(**table("path,label\n" + "\n".join(ROWS)))
    assert found.digest != other.digest, "the parts are content where the paths do not tell them"
    with pytest.raises(ConfigError, match=r"or a column split in dataset\.csv"):
        folder_load(**options | table("path,label\n" + "\n".join(ROWS)), split=GIVEN)


def test_a_table_without_labels(table):
    assert folder_load(**table("path,label\n" + "".join(f"{name},\n" for name in ANIMALS))).labels is None


def test_files_that_a_table_names_and_that_are_not_there(table):
    found = folder_load(**table("path,label\ngone.png,big\n" + "\n".join(ROWS)))
    assert len(found.files) == 20 and found.info["excluded"] == {"gone.png": "No such file or directory"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column path; received the header ''"),
        ("path,label\n", "has no rows"),
        ("width,label\n9,b\n", "no column path; received the header 'width,label'"),
        (
            "path,kind\nlion_000.png,b\n",
            r"no column label; .* dataset\.columns\.label=TITLE, if it is one of kind",
        ),
        ("path,label\nlion_000.png,a\nlion_000.png,a\n", "line 3: 'lion_000.png' occurs twice; it is also in line 2"),
        ("path,label\nlion_000.png,a\n./lion_000.png,b\n", "occurs twice"),
        ("path,label\n../labels.csv,a\n", r"line 2: received the path '\.\./labels\.csv'; allowed: files below"),
        ("path,label\n/etc/hostname,a\n", "allowed: files below dataset.root"),
        ("path,label\n,a\n", "received the path ''"),
        ("path,label\nlion_000.png,a\nlion_001.png,\n", "line 3: no label, while other rows have one"),
        ("path,label,split\nlion_000.png,a,tset\n", "split: received 'tset'; allowed: .*Did you mean 'test'"),
        ("path,label,split\nlion_000.png,a,train\nlion_001.png,a,\n", "no split, while other rows"),
        ('path,label\n"lion_000.png,a\n', "the file is not a valid table"),
    ],
)
def test_tables_that_cannot_be_used(table, text, reason):
    with pytest.raises(ConfigError, match=reason):
        folder_describe(**table(text))


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"labels\.csv: No such file or directory; give a table"):
        folder_describe(flat(tmp_path / "in", ANIMALS), csv="labels.csv")
    with pytest.raises(ConfigError, match="the labels come from one of them"):
        folder_describe(tmp_path / "in", csv="labels.csv", label_pattern="(?P<label>a)")


def test_folders_that_are_listed_in_several_ways_share_what_was_found(table, monkeypatch):
    options = table("path,label\n" + "\n".join(ROWS[:12]))
    first = digest_of(options["root"])
    second = digest_of(**options)
    monkeypatch.setattr("backbench.images.decoding.decode", lambda path: pytest.fail(f"decoded {path} again"))
    assert (digest_of(options["root"]), digest_of(**options)) == (first, second) and first != second
    assert {Path(place) for place in _located(first, second)} == {Path(options["root"])}


def _located(*digests):
    return [_registry.locate(digest, [], [Path("/gone")]) for digest in digests]
