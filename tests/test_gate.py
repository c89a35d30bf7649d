"""The gate: images that are there twice are left out, refused or counted, and planning knows it."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import GIVEN, RANDOM, digest_of, folder_describe, folder_load, scene

from backbench.datasets import PARTS
from backbench.schema import ConfigError

pytestmark = pytest.mark.usefixtures("own_results")


def test_twins_in_two_parts_are_counted(folder):
    for number in range(30):
        shutil.copy(
            folder / f"class{number % 3}" / f"{number:02}.png", folder / f"class{number % 3}" / f"x{number}.png"
        )
    info = folder_load(folder).info
    assert info["duplicates"] == 30 and 0 < info["duplicates_across_parts"] <= 60


# Policies


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


@pytest.fixture
def twins(tmp_path):
    """Twelve scenes in two classes; one is there three times, another once more at a lower quality."""
    root = tmp_path / "twins"
    for number in range(12):
        save(scene(number), root / f"c{number % 2}" / f"{number:02}.png")
    save(scene(2), root / "c0" / "copy.png", compress_level=1)
    save(scene(2), root / "c1" / "wrong class.png")
    save(scene(3), root / "c1" / "small.jpg", quality=70)
    return root


def test_equal_images_are_left_out(twins):
    found = folder_load(twins, duplicates="exclude")
    assert found.info["excluded"] == {
        "c0/copy.png": "the same image as c0/02.png",
        "c1/wrong class.png": "the same image as c0/02.png (another class)",
    }
    assert len(found.files) == 13 and found.info["duplicates"] == 0
    everything = folder_load(twins)
    assert found.digest == everything.digest, "the digest is that of the source"
    assert [everything.files[row] for row in found.rows] == list(found.files), "places in the source's own order"
    np.testing.assert_array_equal(everything.phashes[found.rows], found.phashes)


def test_near_images_are_left_out(twins):
    found = folder_load(twins, near_duplicates="exclude")
    assert found.info["excluded"] == {
        "c0/copy.png": "nearly the same image as c0/02.png",
        "c1/small.jpg": "nearly the same image as c1/03.png",
        "c1/wrong class.png": "nearly the same image as c0/02.png (another class)",
    }
    assert folder_load(twins, duplicates="exclude", near_duplicates="exclude").files == found.files


def test_the_distance_decides_what_is_near(twins):
    hashes = folder_load(twins).phashes
    row = folder_load(twins).files.index("c1/small.jpg")
    apart = (int(hashes[row]) ^ int(hashes[folder_load(twins).files.index("c1/03.png")])).bit_count()
    at = folder_load(twins, near_duplicates="exclude", near_distance=apart)
    assert "c1/small.jpg" in at.info["excluded"]
    if apart:
        below = folder_load(twins, near_duplicates="exclude", near_distance=apart - 1)
        assert "c1/small.jpg" not in below.info["excluded"]


def test_a_policy_of_fail_names_the_first_pairs(twins):
    with pytest.raises(
        ConfigError, match=r"2 duplicates: c0/copy\.png is the same image as c0/02\.png, .*duplicates: fail"
    ):
        folder_load(twins, duplicates="fail")
    with pytest.raises(
        ConfigError, match=r"c1/small\.jpg is nearly the same image as c1/03\.png.*near_duplicates: fail"
    ):
        digest_of(twins, near_duplicates="fail", duplicates="exclude")
    digest_of(twins)
    with pytest.raises(ConfigError, match=r"dataset\.duplicates: fail"):
        folder_describe(twins, duplicates="fail")


def test_of_a_group_the_test_image_stays(tmp_path):
    root = tmp_path / "own"
    for number in range(16):
        save(scene(number), root / ("test" if number < 6 else "train") / f"c{number % 2}" / f"{number:02}.png")
    for number, place in ((0, "train/c0/a.png"), (1, "val/c1/b.png"), (7, "val/c1/c.png"), (9, "train/c1/d.png")):
        save(scene(number), root / place)
    assert folder_load(root, split=GIVEN, duplicates="exclude").info["excluded"] == {
        "train/c0/a.png": "the same image as test/c0/00.png",
        "val/c1/b.png": "the same image as test/c1/01.png",
        "train/c1/07.png": "the same image as val/c1/c.png",
        "train/c1/d.png": "the same image as train/c1/09.png",
    }
    with pytest.raises(
        ConfigError, match=r"in two splits: test/c0/00\.png \(test\) and train/c0/a\.png \(train\), .*leaks: fail"
    ):
        folder_describe_after(root, split=GIVEN, leaks="fail")
    assert folder_describe_after(root, split=GIVEN, leaks="fail", duplicates="exclude").n == 16


def folder_describe_after(root, **changes):
    digest_of(root)
    return folder_describe(root, **changes)


def test_leaks_are_of_the_drawn_split(tmp_path):
    """The same twins leak under one seed and not under another; near ones count as well."""
    root = tmp_path / "leaky"
    for number in range(20):
        save(scene(number), root / f"{number:02}.png")
    save(scene(3), root / "03 again.jpg", quality=70)
    outcomes = set()
    for seed in range(12):
        found = folder_load(root, seed=seed)
        split = dict(zip(found.files, found.split.tolist(), strict=True))
        leaks = split["03.png"] != split["03 again.jpg"]
        outcomes.add(leaks)
        if leaks:
            with pytest.raises(ConfigError, match=r"in two splits: 03 again\.jpg \(\w+\) and 03\.png"):
                folder_describe(root, seed=seed, leaks="fail")
        else:
            assert folder_describe(root, seed=seed, leaks="fail").n == 21
    assert outcomes == {True, False}


def test_blank_images_are_no_near_twins(tmp_path):
    from PIL import Image

    for number in range(8):
        save(Image.new("RGB", (30, 30), (number, number, number)), tmp_path / "in" / f"{number}.png")
    found = folder_load(tmp_path / "in", near_duplicates="exclude", duplicates="exclude", near_distance=16)
    assert len(found.files) == 8 and not found.phashes.any() and found.info["excluded"] == {}


# What planning knows

POLICIES = ["keep", "exclude"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Sixty images in parts and classes, of 25 scenes; every third at a lower quality."""
    root = tmp_path_factory.mktemp("crowd") / "crowd"
    rng = np.random.default_rng(0)
    for number in range(60):
        part, label = ("train", "train", "val", "test")[number % 4], f"c{rng.integers(3)}"
        kind, options = (".jpg", {"quality": 60}) if number % 3 == 0 else (".png", {})
        save(scene(int(rng.integers(25))), root / part / label / f"{number:02}{kind}", **options)
    return root


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(POLICIES),
    st.sampled_from(POLICIES),
    st.integers(0, 16),
    st.sampled_from(["keep", "fail"]),
    st.sampled_from([GIVEN, RANDOM]),
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(5, 30)),
)
def test_planning_knows_what_load_gives(crowd, duplicates, near, distance, leaks, split, seed, sample):
    options = {"duplicates": duplicates, "near_duplicates": near, "near_distance": distance, "leaks": leaks}
    options |= {"split": split, "seed": seed, "sample": sample}
    results = []
    for ask in (digest_of, folder_describe, folder_load):
        try:
            results.append(ask(crowd, **options))
        except ConfigError as error:
            results.append(str(error))
    digest, about, found = results
    if isinstance(found, str):
        assert results == [found] * 3
        return
    assert (about.digest, about.n, about.classes) == (digest, len(found.split), len(found.names))
    assert about.counts == tuple(np.bincount(found.split, minlength=len(PARTS)))
    assert found.digest == digest and not set(found.files) & set(found.info["excluded"])
    if duplicates == "exclude":
        assert len({row.tobytes() for row in found.file_digests}) == len(found.files)
