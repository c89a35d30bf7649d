"""A collection that grew: the new images alone are computed, and the features are those of a whole extraction."""

import json
import shutil

import numpy as np
import pytest
from extracting import extracted
from opens import opened
from pictures import paint, scene
from sweeping import computed

from backbench import cli, paths, planning
from backbench.datasets import _registry
from backbench.images import cache

pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def root(tmp_path):
    """Twenty photographs in two classes."""
    for number in range(20):
        path = tmp_path / "in" / ("cat" if number % 2 else "dog") / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(number).save(path, quality=90)
    return tmp_path / "in"


def grow(root):
    """Three images are new, two are gone, two have another name and one another class; returns the new ones."""
    new = [root / "cat" / "new0.jpg", root / "dog" / "00a.png", root / "dog" / "zz.jpg"]
    for number, path in enumerate(new):
        scene(100 + number).save(path)
    for name in ("cat/03.jpg", "dog/18.jpg"):
        (root / name).unlink()
    (root / "cat" / "05.jpg").rename(root / "cat" / "a first one.jpg")
    (root / "dog" / "06.jpg").rename(root / "dog" / "zzz.jpg")
    (root / "cat" / "07.jpg").rename(root / "dog" / "07.jpg")
    return [path.relative_to(root).as_posix() for path in new]


def prepared() -> int:
    """How many images are in the caches of prepared pixels."""
    indices = (paths.store() / cache.FOLDER).glob("*/*.index")
    return sum(json.loads(line)["count"] for path in indices for line in path.read_text().splitlines())


def elsewhere(monkeypatch, tmp_path):
    """From now on, everything is made in an empty place."""
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "empty"))


def test_of_a_collection_that_grew_the_new_images_alone_are_computed(root, tmp_path, monkeypatch):
    overrides = ("dataset=folder", f"dataset.root={root}")
    first = extracted(*overrides)
    assert (first.computed, first.known, prepared()) == (20, 0, 20)
    new = grow(root)
    with opened(root) as names:
        grown = extracted(*overrides)
    assert (grown.computed, grown.known) == (3, 18) and prepared() == 23, "three more are decoded"
    assert len(names) == 6 and set(new) < set(names), "what has another name is read, and known by its bytes"
    elsewhere(monkeypatch, tmp_path)
    whole = extracted(*overrides)
    assert (whole.computed, whole.known) == (21, 0) and whole.names == grown.names
    np.testing.assert_array_equal(grown.features, whole.features)
    assert len(np.unique(whole.features, axis=0)) == 21, "no two images have the same features"


def test_without_the_prepared_pixels_the_new_images_alone_are_opened_again(root, tmp_path, monkeypatch):
    overrides = ("dataset=folder", f"dataset.root={root}")
    extracted(*overrides)
    new = grow(root)
    planning.make(overrides)
    shutil.rmtree(paths.store() / cache.FOLDER)
    with opened(root) as names:
        grown = extracted(*overrides)
    assert sorted(names) == sorted(new) and grown.computed == 3
    elsewhere(monkeypatch, tmp_path)
    np.testing.assert_array_equal(grown.features, extracted(*overrides).features)


def test_after_an_audit_the_first_backbone_decodes_for_the_next(root):
    overrides = ("dataset=folder", f"dataset.root={root}", "backbone.weights=random")
    planning.make(overrides, prepare=False)
    for seed, decoded in ((1, 20), (2, 0)):
        with opened(root) as names:
            extracted(*overrides, f"backbone.weights_seed={seed}")
        assert len(names) == decoded and prepared() == 20


def test_of_a_collection_that_shrank_nothing_is_computed(root):
    overrides = ("dataset=folder", f"dataset.root={root}")
    first = extracted(*overrides)
    (root / "cat" / "03.jpg").unlink()
    second = extracted(*overrides)
    assert (second.computed, second.known) == (0, 19)
    rows = [first.names.index(name) for name in second.names]
    np.testing.assert_array_equal(second.features, first.features[rows])
    assert second.outcome.info["images_per_second"] is None


def test_another_collection_of_some_of_the_images_knows_them(root, tmp_path):
    first = extracted("dataset=folder", f"dataset.root={root}")
    other = tmp_path / "other"
    other.mkdir()
    for number, path in enumerate(sorted(root.rglob("*.jpg"))[:12]):
        shutil.copy(path, other / f"image {number}.jpg")
    for number in range(3):
        paint(other / f"{number}.png", number)
    second = extracted("dataset=folder", f"dataset.root={other}")
    assert (second.computed, second.known) == (3, 12)
    row = second.names.index("image 0.jpg")
    np.testing.assert_array_equal(second.features[row], first.features[first.names.index("cat/01.jpg")])


def test_of_equal_files_one_is_computed(root, tmp_path, monkeypatch):
    for number in range(3):
        shutil.copy(root / "cat" / "01.jpg", root / "dog" / f"copy{number}.jpg")
    overrides = ("dataset=folder", f"dataset.root={root}")
    first = extracted(*overrides)
    assert (first.computed, first.known, len(first.features)) == (20, 0, 23)
    same = [name == "cat/01.jpg" or "copy" in name for name in first.names]
    assert sum(same) == 4 and len(np.unique(first.features[same], axis=0)) == 1
    shutil.copy(root / "dog" / "02.jpg", root / "cat" / "copy.jpg")
    second = extracted(*overrides)
    assert (second.computed, second.known) == (0, 24)
    elsewhere(monkeypatch, tmp_path)
    np.testing.assert_array_equal(second.features, extracted(*overrides).features)


def test_a_draw_and_another_split_know_their_images(root):
    overrides = ("dataset=folder", f"dataset.root={root}")
    drawn = extracted(*overrides, "dataset.sample=10")
    assert (drawn.computed, drawn.known) == (10, 0)
    whole = extracted(*overrides, "dataset.split.test=0.4")
    assert (whole.computed, whole.known) == (10, 10)
    assert extracted(*overrides, "dataset.seed=3").computed == 0


def test_a_larger_sample_of_an_array(tmp_path, monkeypatch):
    small = extracted("dataset=fashion_mnist", "dataset.sample=100")
    large = extracted("dataset=fashion_mnist", "dataset.sample=150")
    both = set(small.names) & set(large.names)
    assert both and (large.known, large.computed) == (len(both), 150 - len(both))
    elsewhere(monkeypatch, tmp_path)
    whole = extracted("dataset=fashion_mnist", "dataset.sample=150")
    assert whole.computed == 150 and whole.names == large.names
    np.testing.assert_array_equal(large.features, whole.features)


# What is said of it

GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=16", "clusterer=kmeans", "classifier=none")


def planned(capsys, root, *more) -> str:
    """What the command says of a plan."""
    capsys.readouterr()
    assert cli.main(["plan", *GRID, "dataset=folder", f"dataset.root={root}", *more]) == cli.OK
    return capsys.readouterr().err


def test_the_plan_says_how_many_images_are_known(root, capsys):
    assert "known" not in planned(capsys, root)
    computed(*GRID, "dataset=folder", f"dataset.root={root}")
    assert "known" not in planned(capsys, root), "nothing is left to do"
    grow(root)
    planning.make([*GRID, "dataset=folder", f"dataset.root={root}"])
    assert "features of pixels: 18 of 21 images are cached" in planned(capsys, root)
    assert "known" not in planned(capsys, root, "backbone.image.size=20")


def test_who_was_read_by_an_older_version_is_told_that_hashes_change(root, capsys):
    planning.make(["experiment=none", "backbone=pixels", "dataset=folder", f"dataset.root={root}"])
    assert planning.OLDER not in planned(capsys, root)
    path = _registry._path(root)
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    said = planned(capsys, root)
    assert planning.OLDER in said and "20 files not read yet" in said
    lines = []
    planning.make(["experiment=none", "backbone=pixels", "dataset=folder", f"dataset.root={root}"], tell=lines.append)
    assert planning.OLDER in lines and planning.OLDER not in planned(capsys, root), "it is said once"
