"""Repeats and folds of a data set: which images are where, what is planned, computed and told of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeping import collection, computed, rows_of

from backbench import paths, planning
from backbench.compose import splits
from backbench.datasets import TEST, TRAIN, VALIDATION, Split, _resplit, _split
from backbench.evaluate import comparison, configurations, leaderboards
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store

RANDOM = Split("random", 0.2, 0.2)
DATASET = {"seed": 0, "split": {"source": "random", "validation": 0.2, "test": 0.2}}
GRID = ("experiment=none", "backbone=pixels", "k=3", "retrieval=cosine", "retrieval.protocol=test_against_train")


# Which images are where


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 1000), st.integers(0, 9))
def test_a_repeat_has_as_many_images_of_each_class_in_each_part(sizes, seed, repeat):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    first = _split.sample_and_split(None, labels, len(labels), None, seed, RANDOM)[1]
    again = _split.again(labels, None, seed, RANDOM, repeat)
    for part in (TRAIN, VALIDATION, TEST):
        np.testing.assert_array_equal(np.bincount(labels[first == part]), np.bincount(labels[again == part]))


def test_repeats_are_independent_of_each_other_and_of_the_first_split():
    labels = np.arange(500) % 5
    splits_ = [_split.sample_and_split(None, labels, 500, None, 0, RANDOM)[1]]
    splits_ += [_split.again(labels, None, 0, RANDOM, repeat) for repeat in range(1, 4)]
    for i, one in enumerate(splits_):
        for other in splits_[:i]:
            both = ((one == TEST) & (other == TEST)).sum()
            assert 8 <= both <= 34, "a fifth of a fifth of 500, give or take three standard deviations"
    np.testing.assert_array_equal(splits_[2], _split.again(labels, None, 0, RANDOM, 2))


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("folds", [2, 5])
def test_each_image_is_tested_in_one_fold_of_a_partition(folds, grouped):
    labels = np.repeat([0, 1, 2], [40, 23, 11])
    groups = np.arange(74) // 3 if grouped else None
    for partition in range(2):
        found = [_split.fold(labels, groups, 7, RANDOM, partition * folds + at, folds) for at in range(folds)]
        tested = np.stack([split == TEST for split in found])
        assert (tested.sum(axis=0) == 1).all()
        for at, split in enumerate(found):
            assert set(np.unique(labels[split == TRAIN])) == {0, 1, 2}
            counts = np.bincount(labels[split == TEST], minlength=3)
            assert (np.abs(counts - np.array([40, 23, 11]) / folds) <= (3 if grouped else 1)).all()
            if grouped:
                assert not set(groups[split == TEST]) & set(groups[split != TEST])
            else:
                planned = _split.fold_counts(74, RANDOM, partition * folds + at, folds)
                assert tuple(np.bincount(split, minlength=3)) == planned
    assert (
        _split.fold(labels, groups, 7, RANDOM, 0, folds) != _split.fold(labels, groups, 7, RANDOM, folds, folds)
    ).any()


def test_the_default_is_the_split_of_the_dataset():
    split = np.array([0, 1, 2], np.uint8)
    assert _resplit.parsed({"repeat": 0, "folds": None}) == {}
    assert _resplit.divided({}, {"seed": 0, "split": {"source": "given"}}, split, None, None) is split


@pytest.mark.parametrize(
    ("options", "dataset", "match"),
    [
        ({"repeat": 1}, {"split": {"source": "given"}}, r"source=given keeps.*dataset\.split\.source=random"),
        ({"repeat": 1}, {"split": {"source": "temporal"}}, r"source=temporal divides the images by time"),
        ({"folds": 31}, DATASET, r"split\.folds: received 31; allowed: 2 to 30"),
        ({"folds": 2}, {"split": DATASET["split"] | {"validation": 0.5}}, r"leave nothing to train on"),
    ],
)
def test_what_cannot_be_divided_again_is_refused_with_the_way_out(options, dataset, match):
    with pytest.raises(ConfigError, match=match):
        _resplit.counts(options, (18, 6, 6), dataset)


# What is typed


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        (["k=3"], ["k=3"]),
        (["split.repeats=3"], ["split.repeat=0,1,2"]),
        (["split.folds=3"], ["split.folds=3", "split.repeat=0,1,2"]),
        (["split.folds=2", "split.repeats=2"], ["split.folds=2", "split.repeat=0,1,2,3"]),
        (["split.folds=5", "split.repeat=1"], ["split.folds=5", "split.repeat=1"]),
        (["split.folds=null"], ["split.folds=null"]),
    ],
)
def test_short_forms_are_written_out(typed, written):
    assert splits.written_out(typed) == written


@pytest.mark.parametrize(
    "typed",
    [
        ["split.repeats=1"],
        ["split.repeats=2,3"],
        ["split.folds=1"],
        ["split.repeats=2", "split.repeat=0"],
        ["split.folds=x"],
    ],
)
def test_other_short_forms_are_refused(typed):
    with pytest.raises(ConfigError, match="received"):
        splits.written_out(typed)


# A sweep


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep over three splits, its rows and its store."""
    folder = tmp_path_factory.mktemp("resplits")
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        patch.delenv("BACKBENCH_STORE", raising=False)
        grid = (*GRID, "classifier=lda,nearest_centroid", "chain=none,standardise", "split.repeats=3")
        plan = computed(*grid, "clustering.scope=train", *collection(folder / "photos", ("a", "b"), 20))
        yield plan, rows_of(plan), Store(paths.store())


def test_every_stage_of_a_run_reads_the_same_split(swept):
    _, rows, store = swept
    assert len(rows) == 12 and {row.status for row in rows} == {"finished"}
    found = set()
    for row in rows:
        source = Source(row, store)
        np.testing.assert_array_equal(source.predictions == -2, source.split == TRAIN)
        np.testing.assert_array_equal(source.labels >= 0, source.split == TRAIN)
        np.testing.assert_array_equal(source.queries, np.flatnonzero(source.split == TEST))
        assert len(source.neighbours) == len(source.queries)
        assert np.isin(source.neighbours, np.flatnonzero(source.split == TRAIN)).all()
        right = (source.predictions == source.truth)[source.split == TEST].mean()
        assert row.metrics["accuracy"] == pytest.approx(right)
        if row.chain("classification") == "standardise":
            features, matrix = source.stored("features", "features"), source.matrix("classification")
            fitted = features[source.split == TRAIN].mean(axis=0)
            np.testing.assert_allclose((features - fitted)[:, 0].mean() > 0, matrix[:, 0].mean() > 0)
            np.testing.assert_allclose(matrix[source.split == TRAIN].mean(axis=0), 0, atol=1e-4)
        found.add((configurations.repeat(row, "classification"), source.split.tobytes()))
    assert sorted(repeat for repeat, _ in found) == [0, 1, 2]


def test_the_first_repeat_is_what_was_planned_without_repeats(swept, tmp_path):
    plan, rows, _ = swept
    plain = planning.make([text for text in plan.request["overrides"] if not text.startswith("split.")]).plan
    assert set(plain.runs) == {row.config_hash for row in rows if not row.division()}
    assert {stage.kind for key, stage in plan.stages.items() if key not in plain.stages} == {
        *("matrix", "classification", "clustering", "retrieval")
    }, "no features are computed again"


def test_tables_have_the_mean_over_the_splits_and_their_number(swept):
    _, rows, store = swept
    tables = leaderboards.leaderboards(rows, store)
    for table in tables:
        for entry in table.entries:
            values = [row.metrics[table.spec.rank] for row in entry.rows]
            assert len(values) == 3 and entry.values[table.spec.rank].mean == pytest.approx(np.mean(values))
            assert configurations.counted(entry.rows, table.spec.head) == (1, 3)
            assert entry.values[table.spec.rank].over in ("repeats", None) and entry.tested
        assert "the 3 repeated splits" in leaderboards.words(table) or not any(
            e.values[table.spec.rank].over for e in table.entries
        )


def test_comparisons_are_over_the_splits_that_both_have(swept):
    _, rows, store = swept
    a, b = (
        next(
            row
            for row in rows
            if not row.division() and row.params["classifier.name"] == name and row.chain("classification") == "none"
        )
        for name in ("lda", "nearest_centroid")
    )
    found, _ = comparison.compare([a, b], rows, store, metrics=["accuracy"])
    assert [one.over for one in found] == ["repeats"] and found[0].test.n == 3
    found, _ = comparison.compare([a, b], rows, store, "images", ["accuracy"])
    assert [one.over for one in found] == ["images"]


def test_a_network_that_learned_from_one_split_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"learns from the training images of one split.*backbone\.fit=all"):
        planning.make(
            ["experiment=none", "backbone=autoencoder", "split.repeats=2", *collection(tmp_path / "photos", ("a", "b"))]
        )


def test_repeats_that_nothing_reads_are_told(tmp_path):
    grid = ("experiment=none", "backbone=pixels", "k=3", "classifier=none", "split.repeats=3")
    planned = planning.make([*grid, *collection(tmp_path / "photos", ("a", "b"))])
    assert len(planned.plan.runs) == 1
    assert any("split.repeat makes no difference" in notice for notice in planned.notices), planned.notices
