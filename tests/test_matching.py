"""Names of a table beside names of images: one rule for all, the right row or none."""

import unicodedata

import numpy as np
import pytest

from backbench.arrays import matching

FILES = ["train/cat/0.png", "train/cat/1.JPG", "train/dog/0.png", "val/dog/7.png", "été.png"]


def matched(names, files=FILES):
    """The row of each image where the names fit, else None."""
    match = matching.match(names, files)
    return match.rows if match is not None and match.fits else None


WAYS = {
    "as they are": lambda name: name,
    "full": lambda name: f"/data/my pets/{name}",
    "of another machine": lambda name: f"C:/data/pets/{name}".replace("/", "\\"),
    "relative with a dot": lambda name: f"./{name}",
    "with blanks": lambda name: f" {name}\t",
    "from an address": lambda name: f"s3://bucket/pets/{name}",
    "without extension": lambda name: name.rpartition(".")[0],
    "full without extension": lambda name: f"/data/{name}".rpartition(".")[0],
    "extension in capitals": lambda name: name.rpartition(".")[0] + "." + name.rpartition(".")[2].upper(),
    "another extension": lambda name: name.rpartition(".")[0] + ".npy",
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "without the first folder": lambda name: name.partition("/")[2] or name,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_every_way_of_writing_names(way, seed):
    files = FILES
    if way == "without the first folder":
        files = [name for name in FILES if name != "train/dog/0.png"]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(files))
    names = [WAYS[way](files[place]) for place in order]
    assert matched(names, files) == np.argsort(order).tolist()
    assert matched([*names, WAYS[way]("elsewhere/99.png")], files) == np.argsort(order).tolist(), "rows too many"


def test_base_names_where_they_are_unique():
    files = ["a/0.png", "b/1.png", "c/v1.5.png"]
    assert matched(["1.png", "v1.5.png", "0.png"], files) == [2, 0, 1]
    assert matched(["x/1", "y/v1.5", "z/0"], files) == [2, 0, 1], "a dot in a name is no extension"
    assert matched(["0.png", "1.png", "0.png", "7.png", "été.png"]) is None, "two images are 0.png"


def test_loose_images_beside_a_folder_of_the_same_names():
    assert matched(["/d/cat/0.png", "/d/0.png"], ["0.png", "cat/0.png"]) == [1, 0]


def test_numbers():
    assert matched(["12", "3", "1"], ["a/0001.png", "a/003.png", "b/12.png"]) == [2, 1, 0]


@pytest.mark.parametrize(
    "names",
    [
        FILES[:-1],  # one has none
        ["train/cat/0.png", *FILES],  # one has two
        ["x/0.png", "y/0.png", *FILES[1:]],
    ],
)
def test_a_match_in_part(names):
    match = matching.match(names, FILES)
    assert match is not None and not match.fits and 0 < match.count < len(FILES)


def test_several_rows_or_images_of_a_name():
    match = matching.match(["0.png", "1.png"], ["a/0.png", "b/0.png", "b/1.png"])
    assert match is not None and match.rows == [matching.SEVERAL, matching.SEVERAL, 1]


def test_text_that_names_nothing():
    assert matching.match(["a cat", "a dog", ""], FILES) is None


def test_rules_that_differ_are_none():
    """Base names with their extensions say one thing, relative paths without them another."""
    names, files = ["x/0.png", "x/1.png", "a/0", "a/1"], ["a/0.png", "a/1.png"]
    assert matched(names, files) is None
    assert matched(names[:2], files) == [0, 1]


@pytest.mark.parametrize("seed", range(60))
def test_any_names_are_right_or_refused(seed):
    """Trees of random depth; names written in any way, shuffled, with rows of other images among them."""
    rng = np.random.default_rng(seed)
    folders = ["", "cat/", "dog/", "train/cat/", "train/dog/", "val/cat/"]
    files = sorted({f"{rng.choice(folders)}{rng.integers(0, 12)}.{rng.choice(['png', 'jpg'])}" for _ in range(20)})
    others = [f"other/{number}.png" for number in range(int(rng.integers(0, 4)))]
    written = list(WAYS.values())[int(rng.integers(len(WAYS)))]
    order = rng.permutation(len(files) + len(others))
    every = [*files, *others]
    rows = matched([written(every[place]) for place in order], files)
    truth = np.argsort(order)[: len(files)].tolist()
    assert rows in (None, truth)
    if written in (WAYS["as they are"], WAYS["relative with a dot"], WAYS["with blanks"]):
        assert rows == truth
    sample = rng.choice(len(files), max(1, len(files) // 2), replace=False)
    if rows is not None:
        drawn = matched([written(every[place]) for place in order], [files[place] for place in sample])
        assert drawn in (None, [truth[place] for place in sample]), "a draw never changes the row of an image"
