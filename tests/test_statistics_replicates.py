"""Metrics under weight vectors against the same metrics of samples that are written out."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from backbench.metrics import external, supervised
from backbench.statistics import _cells, replicates, resampling

PREDICTED, AGREEMENT = tuple(replicates.PREDICTED), external.NAMES
OURS = {name: getattr(supervised, name) for name in PREDICTED}
THEIRS = {
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": reference.balanced_accuracy_score,
    "macro_f1": lambda truth, found: reference.f1_score(truth, found, average="macro", zero_division=0),
}


def spread(seed, n=120, classes=4, clusters=6, noise=0.15):
    """Classes, predicted classes and labels of n images."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < 0.6, truth, rng.integers(0, classes, n))
    labels = np.where(rng.random(n) < 0.5, truth % clusters, rng.integers(0, clusters, n))
    return truth, predicted, np.where(rng.random(n) < noise, -1, labels)


def written_out(metric, truth, found, weights):
    """The metric of each sample with its images repeated."""
    return np.array([metric(np.repeat(truth, own), np.repeat(found, own)) for own in weights])


class TestWeights:
    def test_are_bootstrap_counts(self):
        weights = resampling.weights(400, 500)
        assert weights.shape == (500, 400)
        assert weights.dtype == np.uint8
        assert (weights.sum(axis=1) == 400).all()
        # An image is drawn Binomial(400, 1/400) times: 1 on average, variance 1 - 1/400, not at all in 36.7 %.
        assert weights.var() == pytest.approx(1 - 1 / 400, abs=0.02)
        assert (weights == 0).mean() == pytest.approx((1 - 1 / 400) ** 400, abs=0.005)
        assert abs(np.corrcoef(weights[:2])[0, 1]) < 0.2

    def test_are_the_same_each_time_and_others_for_another_seed(self):
        assert np.array_equal(resampling.weights(50, 70), resampling.weights(50, 70))
        assert not np.array_equal(resampling.weights(50, 70), resampling.weights(50, 70, seed=1))
        assert np.array_equal(resampling.weights(50, 200)[:70], resampling.weights(50, 70))

    def test_one_image_and_counts_that_do_not_fit(self):
        assert resampling.weights(1, 3).tolist() == [[1], [1], [1]]
        assert resampling.narrow(np.array([255])).tolist() == [255]
        with pytest.raises(OverflowError, match="256 times"):
            resampling.narrow(np.array([0, 256]))

    @pytest.mark.parametrize("size", [(0, 10), (10, 0)])
    def test_nothing_to_draw(self, size):
        with pytest.raises(ValueError, match="at least one"):
            resampling.weights(*size)

    def test_memory_of_many_images(self):
        tracemalloc.start()
        weights = resampling.weights(60_000, 1000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert weights.nbytes == 60_000_000
        assert peak < 130e6


class TestAccuracyLike:
    @pytest.mark.parametrize("name", PREDICTED)
    @pytest.mark.parametrize(("seed", "n", "classes"), [(0, 120, 4), (1, 30, 12), (2, 500, 40), (3, 9, 9)])
    def test_equals_scikit_learn_on_samples_written_out(self, name, seed, n, classes):
        truth, predicted, _ = spread(seed, n, classes)
        weights = resampling.weights(n, 70)
        found = replicates.accuracy_like(name, truth, predicted, weights)
        assert found == pytest.approx(written_out(OURS[name], truth, predicted, weights), abs=1e-12)
        with warnings.catch_warnings():
            # A class that is predicted and not in the sample: scikit-learn says so and leaves it out, as we do.
            warnings.simplefilter("ignore")
            assert found == pytest.approx(written_out(THEIRS[name], truth, predicted, weights), abs=1e-12)

    @pytest.mark.parametrize("name", PREDICTED)
    def test_one_class_and_a_class_that_only_is_predicted(self, name):
        weights = resampling.weights(5, 20)
        one = np.zeros(5, dtype=int)
        assert (replicates.accuracy_like(name, one, one, weights) == 1).all()
        other = np.array([0, 0, 7, 0, 7])
        found = replicates.accuracy_like(name, one, other, weights)
        assert found == pytest.approx(written_out(OURS[name], one, other, weights))

    @pytest.mark.parametrize("name", PREDICTED)
    def test_weights_of_one_give_the_metric(self, name):
        truth, predicted, _ = spread(5)
        ones = np.ones((1, len(truth)), dtype=np.uint8)
        assert replicates.accuracy_like(name, truth, predicted, ones) == pytest.approx(
            OURS[name](truth, predicted), abs=1e-15
        )

    def test_a_sample_without_images_is_undefined(self):
        truth, predicted, labels = spread(6)
        none = np.zeros((1, len(truth)), dtype=np.uint8)
        for name in PREDICTED:
            assert np.isnan(replicates.accuracy_like(name, truth, predicted, none)).all()
        for name in AGREEMENT:
            assert np.isnan(replicates.agreement(name, truth, labels, none)).all()

    def test_unknown_metric_and_lengths(self):
        truth, predicted, _ = spread(7)
        weights = resampling.weights(len(truth), 3)
        with pytest.raises(ValueError, match=r"'recall'.*accuracy, balanced_accuracy, macro_f1"):
            replicates.accuracy_like("recall", truth, predicted, weights)
        with pytest.raises(ValueError, match=r"120 and 119 values and weights of 120.*weights\(120\)"):
            replicates.accuracy_like("accuracy", truth, predicted[1:], weights)


class TestAgreement:
    @pytest.mark.parametrize("name", AGREEMENT)
    @pytest.mark.parametrize("noise", [0.0, 0.15, 1.0])
    @pytest.mark.parametrize(("seed", "n", "classes", "clusters"), [(0, 120, 4, 6), (1, 60, 15, 3), (2, 80, 1, 5)])
    def test_equals_the_metric_of_samples_written_out(self, name, noise, seed, n, classes, clusters):
        truth, _, labels = spread(seed, n, classes, clusters, noise)
        weights = resampling.weights(n, 70)
        found = replicates.agreement(name, truth, labels, weights)
        written = written_out(getattr(external, name), truth, labels, weights)
        assert found == pytest.approx(written, abs=1e-12, nan_ok=True)

    @pytest.mark.parametrize(
        ("name", "theirs"),
        [
            ("ami", reference.adjusted_mutual_info_score),
            ("nmi", reference.normalized_mutual_info_score),
            ("ari", reference.adjusted_rand_score),
        ],
    )
    def test_equals_scikit_learn_without_noise(self, name, theirs):
        truth, _, labels = spread(3, 200, 7, 9, noise=0.0)
        weights = resampling.weights(200, 30)
        found = replicates.agreement(name, truth, labels, weights)
        assert found == pytest.approx(written_out(theirs, truth, labels, weights), abs=1e-12)

    def test_each_copy_of_a_noise_point_is_a_cluster_of_its_own(self):
        truth, labels = np.array([0, 0, 1, 1]), np.array([0, 0, 1, -1])
        weights = np.array([[1, 1, 1, 1], [1, 1, 1, 3]], dtype=np.uint8)
        written = [np.array([0, 0, 1, 2]), np.array([0, 0, 1, 2, 3, 4])]
        for name, theirs in (("ari", reference.adjusted_rand_score), ("nmi", reference.normalized_mutual_info_score)):
            found = replicates.agreement(name, truth, labels, weights)
            assert found == pytest.approx([theirs(truth, written[0]), theirs([0, 0, 1, 1, 1, 1], written[1])])

    @given(st.integers(0, 10_000), st.integers(2, 25), st.integers(1, 5), st.integers(1, 6), st.floats(0, 1))
    @settings(max_examples=60, deadline=None)
    def test_weights_of_one_give_the_metric(self, seed, n, classes, clusters, noise):
        truth, _, labels = spread(seed, n, classes, clusters, noise)
        ones = np.ones((2, n), dtype=np.uint8)
        for name in AGREEMENT:
            found = replicates.agreement(name, truth, labels, ones)
            assert found == pytest.approx([getattr(external, name)(truth, labels)] * 2, abs=1e-12, nan_ok=True)

    def test_blocks_change_nothing(self):
        # 3,000 cells and more than one block of samples; what one sample gives does not depend on its company.
        truth, _, labels = spread(4, 3000, 60, 90)
        weights = resampling.weights(3000, 150)
        for name in AGREEMENT:
            found = replicates.agreement(name, truth, labels, weights)
            alone = replicates.agreement(name, truth, labels, weights[140:141])
            assert found[140] == pytest.approx(alone[0], abs=1e-13)

    def test_several_metrics_are_those_by_themselves(self):
        truth, _, labels = spread(5, 400, 6, 9, noise=0.1)
        weights = resampling.weights(400, 130)
        together = replicates.agreements(AGREEMENT, truth, labels, weights)
        assert list(together) == list(AGREEMENT)
        for name, values in together.items():
            assert np.array_equal(values, replicates.agreement(name, truth, labels, weights), equal_nan=True)

    def test_blocks_are_kept_as_long_as_weights_that_cannot_change(self):
        truth, _, labels = spread(6, 300, 4, 5)
        weights = resampling.weights(300, 70)
        before = len(_cells._kept)
        first = replicates.agreement("ari", truth, labels, weights)
        assert len(_cells._kept) == before + 1
        assert np.array_equal(replicates.agreement("ari", truth, labels, weights), first)
        changing = weights.copy()
        assert np.array_equal(replicates.agreement("ari", truth, labels, changing), first)
        changing[:] = changing[::-1]
        assert np.array_equal(replicates.agreement("ari", truth, labels, changing), first[::-1])
        del weights
        assert len(_cells._kept) == before

    def test_no_sample(self):
        truth, _, labels = spread(7, 50, 3, 4)
        none = np.empty((0, 50), dtype=np.uint8)
        for name in AGREEMENT:
            assert replicates.agreement(name, truth, labels, none).shape == (0,)
        assert replicates.accuracy_like("accuracy", truth, truth, none).shape == (0,)
        assert replicates.mean(truth.astype(float), none).shape == (0,)

    def test_more_images_than_are_looked_up(self, monkeypatch):
        truth, _, labels = spread(9, 500, 3, 4)
        weights = resampling.weights(500, 20)
        looked_up = {name: replicates.agreement(name, truth, labels, weights) for name in ("ami", "nmi")}
        monkeypatch.setattr(external, "LOOKED_UP", 10)
        for name, values in looked_up.items():
            assert np.array_equal(replicates.agreement(name, truth, labels, weights), values)

    def test_labels_far_apart_and_plain_layout(self):
        truth, _, labels = spread(8)
        far = np.where(labels < 0, labels, labels * 10_000_000)
        weights = resampling.weights(len(truth), 20)
        plain = np.ascontiguousarray(weights).astype(np.int64)
        for name in AGREEMENT:
            expected = replicates.agreement(name, truth, labels, weights)
            assert np.array_equal(replicates.agreement(name, truth, far, plain), expected, equal_nan=True)

    def test_unknown_metric(self):
        with pytest.raises(ValueError, match=r"'silhouette'.*nmi, ari, purity"):
            replicates.agreement("silhouette", np.zeros(2, int), np.zeros(2, int), np.ones((1, 2), np.uint8))


class TestMean:
    def test_equals_the_mean_of_samples_written_out(self):
        values = np.random.default_rng(0).random(200)
        weights = resampling.weights(200, 90)
        expected = [np.repeat(values, own).mean() for own in weights]
        assert replicates.mean(values, weights) == pytest.approx(expected, abs=1e-12)

    def test_queries_without_a_value_are_left_out(self):
        values = np.array([0.5, np.nan, 1.0])
        weights = np.array([[1, 1, 1], [2, 1, 0], [0, 3, 0]], dtype=np.uint8)
        assert replicates.mean(values, weights) == pytest.approx([0.75, 0.5, np.nan], nan_ok=True)

    def test_accuracy_is_the_mean_of_what_is_right(self):
        truth, predicted, _ = spread(9)
        weights = resampling.weights(len(truth), 40)
        right = replicates.mean((truth == predicted).astype(float), weights)
        assert right == pytest.approx(replicates.accuracy_like("accuracy", truth, predicted, weights), abs=1e-12)


def test_values_are_those_of_earlier_releases_to_the_bit():
    """Without logarithms, whose last bit differs from machine to machine."""
    i = np.arange(997)
    truth, labels = i * i % 23, (i * 7 + i // 13) % 31 - 1
    known = {
        "cluster_accuracy": ("0x1.23b0ea2cad93ap-3", "0x1.6fb1f11b7973dp-3", "0x1.77e9677a7abc8p-3"),
        "purity": ("0x1.69885854387d5p-2", "0x1.8d7afe33de1b3p-2", "0x1.864a76a0bcfbap-2"),
        "mean_majority_share": ("0x1.75f7a00a24ab4p-2", "0x1.9a433b0f04a2cp-2", "0x1.949e7fd7c919bp-2"),
        "ari": ("0x1.7b373f0760f82p-4", "0x1.c1227e7c73327p-4", "0x1.c01d5e5f3687bp-4"),
    }
    weights = resampling.weights(997, 2)
    for name, (whole, *drawn) in known.items():
        assert getattr(external, name)(truth, labels) == float.fromhex(whole)
        assert replicates.agreement(name, truth, labels, weights).tolist() == list(map(float.fromhex, drawn))
    assert external.nmi(truth, labels) == pytest.approx(float.fromhex("0x1.7cbf182ae52cfp-2"), rel=1e-14)
