"""``dataset.classes``: some classes of a collection, as if it held no others."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from grids import cell, changed, run_hash
from pictures import (
    FOLDER,
    GIVEN,
    digest_of,
    folder_describe,
    folder_load,
    folder_params,
    paint,
    params_of,
)

from backbench import plugins
from backbench.datasets import caltech101, flowers102, food101
from backbench.schema import ConfigError, canonical
from backbench.stage import Context

pytestmark = pytest.mark.usefixtures("own_results")

CLASSES = ("Leopards", "elephant", "emu", "7")
SOME = ["elephant", "Leopards"]


@pytest.fixture
def animals(tmp_path) -> Path:
    for number in range(40):
        paint(tmp_path / "animals" / CLASSES[number % 4] / f"{number:02}.png", number)
    return tmp_path / "animals"


def collection(name: str, **changes):
    """A known collection of files, with the options of its YAML that differ."""
    return params_of({**cell(f"dataset={name}")["dataset"]}, **changes)


# What is chosen


def test_the_chosen_classes_are_all_there_is(animals, tmp_path):
    (tmp_path / "some").mkdir()
    for name in SOME:
        (tmp_path / "some" / name).symlink_to(animals / name)
    found, alone = folder_load(animals, classes=SOME), folder_load(tmp_path / "some")
    assert found.names == ["Leopards", "elephant"] and found.total == len(found.files) == 20
    assert (found.digest, found.files) == (alone.digest, alone.files)
    assert (found.split.tolist(), found.labels.tolist()) == (alone.split.tolist(), alone.labels.tolist())
    assert found.info["excluded"] == {}


def test_a_choice_is_described_before_and_after_its_fingerprint(animals):
    before = folder_describe(animals, classes=SOME)
    assert (before.n, before.classes, before.digest, before.counts) == (20, 2, None, (12, 4, 4))
    digest = digest_of(animals, classes=SOME)
    after = folder_describe(animals, classes=SOME, digest=digest)
    assert (after.digest, after.counts) == (digest, before.counts) and digest != digest_of(animals)


def test_files_of_other_classes_are_not_opened(animals):
    (animals / "emu" / "broken.png").write_bytes(b"no picture")
    assert folder_load(animals, classes=SOME, unreadable="fail").total == 20
    with pytest.raises(ConfigError, match="1 unreadable file: emu/broken"):
        folder_load(animals, unreadable="fail")


def test_a_draw_is_from_the_chosen_classes(animals):
    found = folder_load(animals, classes=SOME, sample=6)
    assert np.bincount(found.labels).tolist() == [3, 3]
    with pytest.raises(ConfigError, match="allowed: 1 to 20"):
        folder_load(animals, classes=SOME, sample=21)


def test_names_that_read_as_numbers(animals):
    assert folder_load(animals, classes=[7, "emu"]).names == ["7", "emu"]


def test_a_single_class(animals):
    found = folder_load(animals, classes=["emu"])
    assert found.names == ["emu"] and found.labels.tolist() == [0] * 10


def test_twins_are_sought_among_the_chosen_classes(animals):
    paint(animals / "emu" / "copy.png", 1)  # of an elephant
    assert folder_load(animals, classes=SOME, duplicates="fail").total == 20
    excluded = folder_load(animals, classes=["elephant", "emu"], duplicates="exclude").info["excluded"]
    assert excluded == {"emu/copy.png": "the same image as elephant/01.png (another class)"}


def test_labels_from_a_table_and_from_names(tmp_path):
    for number, name in enumerate(("ant_1", "ant_2", "bee_1", "bee_2", "cat_1", "cat_2")):
        paint(tmp_path / "flat" / f"{name}.png", number)
    pattern = "^(?P<label>[a-z]+)_"
    assert folder_load(tmp_path / "flat", label_pattern=pattern, classes=["bee", "cat"]).names == ["bee", "cat"]
    rows = "\n".join(
        f"{name}.png,{name[:3]},{'test' if name[-1] == '2' else 'train'}" for name in ("ant_1", "bee_1", "bee_2")
    )
    (tmp_path / "flat" / "table.csv").write_text(f"path,label,split\n{rows}\n")
    table = {"csv": str(tmp_path / "flat" / "table.csv"), "split": {**GIVEN, "validation": 0.0}}
    found = folder_load(tmp_path / "flat", classes=["bee"], **table)
    assert (found.files, found.split.tolist()) == (["bee_1.png", "bee_2.png"], [0, 2])


def test_the_parts_of_a_given_split_stay(tmp_path):
    for number in range(24):
        part = "test" if number < 6 else "train"
        paint(tmp_path / "own" / part / f"c{number % 3}" / f"{number:02}.png", number)
    found = folder_load(tmp_path / "own", classes=["c0", "c2"], split={**GIVEN, "validation": 0.0})
    assert found.names == ["c0", "c2"] and np.bincount(found.split).tolist() == [12, 0, 4]


def test_an_archive(animals, tmp_path):
    with zipfile.ZipFile(tmp_path / "animals.zip", "w") as archive:
        for path in animals.rglob("*.png"):
            archive.write(path, path.relative_to(animals))
    module, params = (
        plugins.load("dataset", "archive"),
        collection("archive", archive=str(tmp_path / "animals.zip"), classes=SOME),
    )
    assert module.load(params, Context(downloads=tmp_path / "downloads")).digest == digest_of(animals, classes=SOME)


# Known collections


def test_caltech101_by_its_official_counts():
    about = caltech101.describe(collection("caltech101", classes=SOME))
    assert (about.n, about.classes) == (264, 2)
    with pytest.raises(ConfigError, match=r"'leopards'; the collection has 101 classes: .*Did you mean 'Leopards'\?"):
        caltech101.describe(collection("caltech101", classes=["elephant", "leopards"]))


def test_the_files_of_caltech101(tmp_path, monkeypatch):
    monkeypatch.setattr(caltech101, "FIRST_50", "accordion:3 bonsai:4")
    monkeypatch.setattr(caltech101, "OTHERS", "yin_yang:2")
    for number, (name, count) in enumerate({"accordion": 3, "bonsai": 4, "yin_yang": 2}.items()):
        for image in range(1, count + 1):
            path = tmp_path / "101_ObjectCategories" / name / f"image_{image:04}.jpg"
            paint(path.with_suffix(".png"), 10 * number + image)
            path.with_suffix(".png").rename(path)
    params = collection("caltech101", root=str(tmp_path), classes=["yin_yang", "accordion"])
    found = caltech101.load(params, Context())
    assert found.names == ["accordion", "yin_yang"] and np.bincount(found.labels).tolist() == [3, 2]
    (tmp_path / "101_ObjectCategories" / "bonsai" / "image_0001.jpg").unlink()
    with pytest.raises(ConfigError, match="bonsai has 3 images, not 4"):
        caltech101.load(params, Context())


def test_counts_of_collections_that_are_not_here():
    """Of flowers the names are known and the images of each only about; of dishes the files alone tell the names."""
    flowers = flowers102.describe(collection("flowers102", classes=["rose", "pink primrose"]))
    assert flowers.classes == 2 and flowers.counts[0] == 20
    with pytest.raises(ConfigError, match="102 classes"):
        flowers102.describe(collection("flowers102", classes=["rows"]))
    dishes = food101.describe(collection("food101", classes=["pizza", "sushi"], split={**GIVEN, "validation": 0.0}))
    assert (dishes.classes, dishes.counts) == (2, (1500, 0, 500))
    with pytest.raises(ConfigError, match="received 102 names; the collection has 101 classes"):
        food101.describe(collection("food101", classes=[f"dish {number}" for number in range(102)]))


@pytest.mark.parametrize("name", ["archive", "caltech101", "flowers102", "folder", "food101", "oxford_iiit_pet"])
def test_every_collection_of_files_has_the_option(name):
    assert "classes" not in canonical(collection(name)), "an option at its default leaves old hashes alone"
    assert canonical(collection(name, classes=["b", "a"]))["classes"] == ["a", "b"]


# What is refused


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (["emu", "leopards"], r"received 'leopards'; the collection has 4 classes: 7, Leopards, .*mean 'Leopards'\?"),
        (["elefant", "emo"], r"mean 'elephant', 'emu'\?"),
        (["zzz"], r"elephant, emu\.$"),
        ([], "received an empty list; name at least one class, or give null"),
        (["emu", "emu"], "'emu' is listed twice"),
        (["7", 7], "'7' is listed twice"),
        ("emu", "allowed: a list of text"),
        ([True], "allowed: a list of text"),
    ],
)
def test_lists_that_cannot_be(animals, classes, reason):
    with pytest.raises(ConfigError, match=reason):
        folder_describe(animals, classes=classes)


def test_images_without_classes(tmp_path):
    for number in range(4):
        paint(tmp_path / "flat" / f"{number}.png", number)
    with pytest.raises(ConfigError, match=r"received emu; the images of .* have no classes\. Give null, or"):
        folder_describe(tmp_path / "flat", classes=["emu"])


def test_a_class_without_a_usable_image(animals):
    (animals / "gnu").mkdir()
    (animals / "gnu" / "broken.png").write_bytes(b"no picture")
    assert "gnu" not in folder_load(animals).names
    with pytest.raises(ConfigError, match=r"no image of 'gnu' in .* can be used"):
        folder_load(animals, classes=["emu", "gnu"])


# Identity


def test_the_order_of_the_list_makes_no_difference(animals):
    assert canonical(folder_params(animals, classes=SOME)) == canonical(folder_params(animals, classes=SOME[::-1]))
    config = changed(cell("k=3"), "dataset", {**FOLDER, "root": str(animals)})

    def hashed(classes):
        return run_hash(changed(config, "dataset.classes", classes), digest=digest_of(animals, classes=classes))

    assert hashed(SOME) == hashed(SOME[::-1])
    assert len({hashed(SOME), hashed(["elephant", "emu"]), hashed(None)}) == 3
