"""Draws and splits: stratified, planned exactly, the same for ever."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backbench.datasets import TEST, TRAIN, VALIDATION, Split, _split
from backbench.schema import ConfigError


def test_shares_by_the_largest_remainder():
    assert _split.allocate([6000] * 2 + [1000] * 2, 300) == [129, 129, 21, 21]
    assert _split.allocate([5, 3, 1], 4) == [2, 1, 1]
    assert _split.allocate([1, 1, 1], 1) == [1, 0, 0]
    assert _split.allocate([10, 1], 11, [3, 1]) == [3, 1]
    assert _split.allocate([], 5) == []


@pytest.mark.parametrize(("n", "share", "count"), [(10, 0.25, 3), (14, 0.25, 4), (10, 0.24, 2), (10, 0.26, 3)])
def test_half_an_image_counts_as_one(n, share, count):
    assert _split.counts({(TRAIN, 0): n}, None, Split("random", 0.0, share)) == (n - count, 0, count)


sizes = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@settings(deadline=None)
@given(sizes, st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 10**6), st.booleans())
@example([1, 1, 1, 1, 1, 5], 0.0, 0.25, 0, False)
def test_splits_are_stratified_and_planned_exactly(sizes, validation, test, seed, sampled):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n, split = len(labels), Split("random", validation, test)
    sample = max(1, n // 2) if sampled else None
    rows, parts = _split.sample_and_split(None, labels, n, sample, seed, split)
    planned = _split.counts(Counter((TRAIN, label) for label in labels.tolist()), sample, split)
    assert planned == tuple(np.bincount(parts, minlength=3))
    assert len(rows) == (sample or n) and np.all(np.diff(rows) > 0)
    drawn = np.bincount(labels[rows], minlength=len(sizes))
    assert np.all(np.abs(drawn - np.array(sizes) * len(rows) / n) < 1)
    found = {part: np.bincount(labels[rows][parts == part], minlength=len(sizes)) for part in (TRAIN, VALIDATION, TEST)}
    assert np.all((found[TRAIN] > 0) | (drawn == 0))
    room = np.maximum(drawn - 1, 0)
    for part, share in ((TEST, test), (VALIDATION, validation)):
        # Classes that are too small for their share leave it to the others.
        left = np.maximum(share * drawn - room, 0).sum()
        assert np.all(found[part] <= share * drawn + 1.5 + left)
        room -= found[part]


def test_a_draw_depends_on_the_seed_and_nests():
    labels = np.arange(1000) % 7
    split = Split("random", 0.2, 0.2)
    draw = {(m, s): _split.sample_and_split(None, labels, 1000, m, s, split) for m in (100, 400) for s in (0, 1)}
    again = _split.sample_and_split(None, labels, 1000, 100, 0, split)
    np.testing.assert_array_equal(draw[100, 0], again)
    assert set(draw[100, 0][0]) < set(draw[400, 0][0])
    assert set(draw[100, 0][0]) != set(draw[100, 1][0])
    # Pinned: neither a release of NumPy nor one of ours may move a split.
    assert draw[100, 0][0][:8].tolist() == PINNED_ROWS
    assert draw[100, 0][1][:20].tolist() == PINNED_PARTS


PINNED_ROWS = [14, 17, 20, 21, 24, 40, 43, 48]
PINNED_PARTS = [0, 0, 2, 0, 0, 1, 1, 0, 1, 2, 2, 0, 0, 0, 0, 0, 0, 2, 0, 2]


def test_a_given_split_stays():
    parts = np.repeat(np.array([TRAIN, TEST], np.uint8), [80, 20])
    labels = np.arange(100) % 5
    rows, split = _split.sample_and_split(parts, labels, 100, None, 3, Split("given", 0.25, 0.5))
    np.testing.assert_array_equal(rows, np.arange(100))
    np.testing.assert_array_equal(split == TEST, parts == TEST)
    assert np.bincount(labels[split == VALIDATION]).tolist() == [4] * 5
    with_validation = parts.copy()
    with_validation[:10] = VALIDATION
    _, split = _split.sample_and_split(with_validation, labels, 100, None, 3, Split("given", 0.25, 0.5))
    np.testing.assert_array_equal(split, with_validation)


@pytest.mark.parametrize(
    ("sample", "split", "reason"),
    [
        (41, Split("random", 0.2, 0.2), "sample: received 41; allowed: 1 to 40"),
        (None, Split("random", 0.5, 0.5), "leave nothing to train on"),
    ],
)
def test_impossible_splits_are_refused(sample, split, reason):
    with pytest.raises(ConfigError, match=reason):
        _split.counts({(TRAIN, 0): 40}, sample, split)


def test_a_class_of_one_stays_in_training():
    _, split = _split.sample_and_split(None, np.array([0] * 20 + [1]), 21, None, 0, Split("random", 0.3, 0.3))
    assert split[20] == TRAIN
