"""Groups of images and splits by time: no group in two parts, what is planned, stored and refused."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import FOLDER, GIVEN, RANDOM, digest_of, folder_describe, folder_load, scene
from sweeping import computed, rows_of

from backbench import paths, plugins
from backbench.datasets import TEST, TRAIN, VALIDATION, Split, _group_split, _groups, _split, _times
from backbench.evaluate import leaderboards
from backbench.schema import ConfigError
from backbench.store import Store

PATIENTS = 12


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Twelve patients of two classes with four pictures each, as files and in a table with dates."""
    root = tmp_path_factory.mktemp("patients")
    rows = []
    for number in range(4 * PATIENTS):
        patient, label = number // 4, "ab"[number // 4 % 2]
        path = root / "photos" / label / f"p{patient:02}_{number % 4}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(number, (24, 20)).save(path)
        rows.append((f"{label}/{path.name}", label, f"patient {patient}", f"20{10 + patient}-0{1 + number % 4}-15"))
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "patient", "taken"), *rows])
    return root


@pytest.fixture(autouse=True)
def results(own_results):
    """Results of its own."""


def table(root, **changes):
    return {"root": root / "photos", "csv": str(root / "table.csv"), **changes}


# Which part a group is in


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=6, max_size=30), st.integers(1, 4), st.integers(0, 1000), st.booleans())
def test_no_group_is_divided_and_every_class_is_trained_on(sizes, classes, seed, mixed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = rng.integers(0, classes, len(groups)) if mixed else rng.integers(0, classes, len(sizes))[groups]
    everything = np.zeros(len(groups), np.uint8)
    asked = {TEST: round(0.2 * len(groups)), VALIDATION: round(0.2 * len(groups))}
    split = _group_split.moved(everything, labels, groups, asked, (seed,))
    assert all(len(set(split[groups == group])) == 1 for group in range(len(sizes)))
    assert set(labels[split == TRAIN]) == set(labels)
    np.testing.assert_array_equal(split, _group_split.moved(everything, labels, groups, asked, (seed,)))
    if max(sizes) == 1:
        assert tuple(np.bincount(split, minlength=3)[1:]) == (asked[VALIDATION], asked[TEST])


def test_groups_of_one_image_are_stratified_exactly():
    labels, alone = np.repeat([0, 1], [60, 40]), np.arange(100)
    split = _split.sample_and_split(None, labels, 100, None, 3, Split("random", 0.2, 0.3), alone)[1]
    assert [np.bincount(labels[split == part]).tolist() for part in (TRAIN, VALIDATION, TEST)] == [
        [30, 20],
        [12, 8],
        [18, 12],
    ]


def test_groups_too_large_for_a_part_are_refused():
    groups = np.repeat([0, 1], 50)
    with pytest.raises(ConfigError, match=r"2 groups of 100 images, the largest of 50: none fits into the test split"):
        _split.sample_and_split(None, groups, 100, None, 0, Split("random", 0.2, 0.2), groups)


# A collection


@pytest.mark.parametrize("groups", ["patient", "Patient", "^(?P<group>p\\d+)_", "/(?P<group>p\\d+)_"])
def test_a_column_or_a_pattern_tells_the_groups(patients, groups):
    asked = table(patients, groups=groups)
    found, planned = folder_load(**asked), folder_describe(**asked)
    named = [path.split("/")[1].split("_")[0] for path in found.files]
    assert len(set(zip(named, found.split.tolist(), strict=True))) == PATIENTS == len(set(named))
    assert len(set(zip(named, found.groups.tolist(), strict=True))) == PATIENTS
    assert found.groups.dtype == np.int64
    assert tuple(np.bincount(found.split, minlength=3)) == planned.counts
    assert found.info["groups"] == {**found.info["groups"], "count": PATIENTS, "largest": 4, "across_parts": 0}
    assert f"{PATIENTS} groups from" in planned.understood[0]


def test_groups_count_for_the_digest(patients):
    plain, grouped = digest_of(**table(patients)), digest_of(**table(patients, groups="patient"))
    assert plain != grouped
    text = (patients / "table.csv").read_text()
    try:
        (patients / "table.csv").write_text(text.replace("patient 3", "patient 5"))
        assert digest_of(**table(patients, groups="patient")) != grouped
        assert digest_of(**table(patients)) == plain
    finally:
        (patients / "table.csv").write_text(text)


def test_near_duplicates_are_groups(tmp_path):
    for number in range(16):
        for copy, quality in enumerate((95, 60)):
            path = tmp_path / "ab"[number % 2] / f"{number}_{copy}.jpg"
            path.parent.mkdir(exist_ok=True)
            scene(number).save(path, quality=quality)
    assert folder_describe(tmp_path, groups="near_duplicates", near_distance=8).notice == _groups.UNKNOWN
    found = folder_load(tmp_path, groups="near_duplicates", near_distance=8)
    named = [path.split("_")[0] for path in found.files]
    assert len(set(zip(named, found.split.tolist(), strict=True))) == 16 == found.info["groups"]["count"]
    planned = folder_describe(tmp_path, groups="near_duplicates", near_distance=8)
    assert planned.notice is None and planned.counts == tuple(np.bincount(found.split, minlength=3))


def test_blank_images_are_near_duplicates_where_they_are_equal():
    phashes = np.array([0, 0, 7, 7, 0], np.uint64)
    assert _groups.of_looks(phashes, [b"a", b"b", b"c", b"d", b"a"], 0).tolist() == [0, 1, 2, 2, 0]


def test_images_without_a_group_are_alone(patients):
    found = folder_load(**table(patients, groups="(?P<group>p0[0-4])_"))
    assert found.info["groups"]["count"] == 5 + 4 * (PATIENTS - 5)
    assert (
        "28 images without one, each a group of its own"
        in folder_describe(**table(patients, groups="(?P<group>p0[0-4])_")).understood[0]
    )


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"groups": "pateint"}, r"dataset\.groups: received 'pateint'; allowed: path.*Did you mean 'patient'"),
        ({"groups": "(?P<group>zebra)"}, r"matches none of the 48 files"),
        ({"groups": "(?P<label>p)"}, r"has no group named group"),
        ({"groups": "(?P<group>p"}, r"is not a regular expression"),
        ({"groups": "(?P<group>p)"}, r"all 48 images have the group 'p', and a single group cannot be divided"),
        ({"groups": "patient", "csv": None}, r"received 'patient'; allowed: near_duplicates.*dataset\.csv=PATH"),
        ({"split": {**RANDOM, "source": "temporal"}}, r"'temporal'.*dataset\.columns\.time=COLUMN"),
        (
            {"split": {**RANDOM, "source": "temporal"}, "columns": {"time": "patient"}},
            r"column 'patient' holds 'patient 0' \(line 2\).*and 45 more; allowed: dates as",
        ),
        (
            {"split": {**RANDOM, "source": "temporal"}, "columns": {"time": "label"}, "csv": None},
            r"received time=label; these are columns of a table",
        ),
    ],
)
def test_what_makes_no_groups_or_times_is_refused(patients, changes, match):
    with pytest.raises(ConfigError, match=match):
        folder_describe(**table(patients, **changes))


def test_other_collections_have_no_times():
    with pytest.raises(ConfigError, match=r"received 'temporal', but the time of these images is not known"):
        _split.counts({(TRAIN, 0): 10}, None, Split("temporal", 0.2, 0.2))


def test_own_splits_that_divide_groups_are_reported_or_refused(tmp_path):
    for number in range(12):
        path = tmp_path / ("train" if number % 3 else "test") / "ab"[number % 2] / f"g{number // 6}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(number, (24, 20)).save(path)
    asked = {"groups": "^(?P<group>g\\d)_", "split": GIVEN | {"validation": 0.0}}
    found = folder_load(tmp_path, **asked)
    assert found.info["groups"]["across_parts"] == 2 and found.info["groups"]["count"] == 2
    with pytest.raises(ConfigError, match=r"2 groups have images in two splits: g0, g1 \(dataset\.leaks: fail\)"):
        folder_load(tmp_path, **asked, leaks="fail")


def test_groups_are_left_out_of_hashes_where_there_are_none():
    from backbench import schema

    hashed = schema.canonical(plugins.params("dataset", {**FOLDER, "root": "x", "groups": None}))
    assert "groups" not in hashed


# By time


def test_the_latest_are_tested(patients):
    asked = table(patients, split={**RANDOM, "source": "temporal"}, columns={"time": "taken"})
    found, planned = folder_load(**asked), folder_describe(**asked)
    years = np.array([int(path.split("/p")[1][:2]) for path in found.files])
    assert years[found.split == TRAIN].max() <= years[found.split == VALIDATION].min()
    assert years[found.split == VALIDATION].max() <= years[found.split == TEST].min()
    assert tuple(np.bincount(found.split, minlength=3)) == planned.counts == (28, 10, 10)


def test_equal_times_stay_together():
    times = [1.0] * 5 + [2.0] * 3 + [3.0] * 2
    assert _times.divided(times, 3, 3) == [TRAIN] * 5 + [VALIDATION] * 3 + [TEST] * 2
    assert _times.divided(list(range(10)), 2, 2) == [TRAIN] * 6 + [VALIDATION] * 2 + [TEST] * 2
    with pytest.raises(ConfigError, match="the validation split stays empty, since 2 different times"):
        _times.divided([1.0] * 5 + [2.0] * 5, 2, 2)


@pytest.mark.parametrize(
    "texts",
    [
        ("2023-12-31", "2024-01-01T00:00:00", "2024-01-01 00:00:01"),
        ("2024:05:31 17:20:08", "2024:05:31 17:20:09", "2024:06:01 00:00:00"),
        ("2024-01", "2024-02", "2024-11"),
        ("-1", "2.5", "1e3"),
        ("2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00+00:00", "2024-01-01T00:00:00"),
    ],
)
def test_dates_and_numbers_are_ordered(texts):
    from pathlib import Path

    from backbench.datasets._table_rows import Row, Table

    rows = [Row(line, (text,)) for line, text in enumerate(texts, 2)]
    found = _times.of_column(Table(Path("t.csv"), ("time",), rows, "utf-8"), 0)
    assert found == sorted(found)


# Intervals


def test_tables_resample_whole_groups(patients):
    plan = computed(
        *("experiment=none", "backbone=pixels", "classifier=lda,nearest_centroid", "k=3", "clustering.bootstraps=3"),
        *("dataset=folder", f"dataset.root={patients / 'photos'}", f"dataset.csv={patients / 'table.csv'}"),
        "dataset.groups=patient",
    )
    rows, store = rows_of(plan), Store(paths.store())
    groups = store.array("dataset", rows[0].stages["dataset"], "groups")
    classified, clustered, retrieved = leaderboards.leaderboards(rows, store)
    assert "groups of the validation images" in leaderboards.words(classified)
    assert f"{PATIENTS} groups of the queries" in leaderboards.words(retrieved)
    assert {entry.values["val_accuracy"].over for entry in classified.entries} == {"groups"}
    refits = store.array("clustering", rows[0].run.stages["clustering"], "refits")
    for fit in refits:
        drawn = {int(group): len(set((fit[groups == group] != -2).tolist())) for group in np.unique(groups)}
        assert set(drawn.values()) == {1}, "whole groups are drawn"
    assert clustered.entries[0].values["ami"].over == "refits"
