"""Metrics against answers worked out by hand, and against scikit-learn."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from sklearn import metrics as reference

from backbench import threads
from backbench.metrics import _chance, distances, external, internal, labels, supervised
from backbench.statistics import replicates, resampling

# Two clusters of two points on a line: 0, 2 | 10, 12.
LINE = np.array([[0.0], [2.0], [10.0], [12.0]], dtype=np.float32)
HALVES = np.array([0, 0, 1, 1])

partition = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        arrays.arrays(np.int64, n, elements=st.integers(0, 4)), arrays.arrays(np.int64, n, elements=st.integers(-1, 4))
    )
)


def blobs(seed, n=200, d=5, k=4, shift=0.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    return (rng.normal(size=(n, d)) + 3 * rng.normal(size=(k, d))[truth] + shift).astype(np.float32), truth


def drawn(n, classes, clusters, evenness, noise):
    """Classes of unequal sizes, and clusters that agree with them in some of the images."""
    rng = np.random.default_rng(n + clusters)
    truth = rng.choice(classes, n, p=rng.dirichlet(np.full(classes, evenness)))
    found = np.where(rng.random(n) < 0.4, truth % clusters, rng.integers(0, clusters, n))
    return truth, np.where(rng.random(n) < noise, -1, found)


def apart(found):
    """Labels with a cluster of its own for each noise point."""
    return np.where(found < 0, found.max() + 1 + np.arange(len(found)), found)


def score(x, part):
    return internal.scores(x, [np.asarray(part)])[0]


class TestInternal:
    def test_known_answers(self):
        found = score(LINE, HALVES).values
        # Point 0: a = 2, b = (10 + 12) / 2 = 11; point 2: a = 2, b = 9; the other half mirrors them.
        assert found["silhouette"] == pytest.approx((9 / 11 + 7 / 9) / 2)
        # Radii 1 and 1, centroids 1 and 11.
        assert found["davies_bouldin"] == pytest.approx(0.2)
        # Between 4 * 5^2 = 100 over 1, within 4 over 2.
        assert found["calinski_harabasz"] == pytest.approx(50.0)
        assert found["noise_fraction"] == 0.0
        assert found["clusters"] == 2.0
        assert found["largest_share"] == 0.5

    @pytest.mark.parametrize(
        ("part", "share"),
        [
            ([0, 0, 0, 1], 0.75),
            ([-1, 2, 2, 5], 0.5),
            ([-1, -1, -1, -1], 0.0),
            ([3, 3, 3, 3], 1.0),
            ([-1, -1, -1, 7], 0.25),
        ],
    )
    def test_the_largest_cluster_is_a_share_of_all_images_and_noise_is_none(self, part, share):
        assert score(LINE, part).values["largest_share"] == share

    def test_a_point_alone_has_width_zero(self):
        x = np.array([[0.0], [2.0], [10.0]])
        # Points 0 and 2: 1 - 2/10, 1 - 2/8; the third is alone.
        assert score(x, [0, 0, 1]).values["silhouette"] == pytest.approx((0.8 + 0.75 + 0.0) / 3)

    @pytest.mark.parametrize("shift", [0.0, 1e3])
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_scikit_learn(self, seed, shift):
        x, truth = blobs(seed, n=[60, 200, 700, 1100][seed], d=[2, 5, 30, 200][seed], shift=shift)
        rng = np.random.default_rng(seed)
        for part in (truth, rng.integers(0, 7, len(x)), np.minimum(np.arange(len(x)), 3)):
            found = score(x, part).values
            wide = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
            assert found["silhouette"] == pytest.approx(reference.silhouette_score(wide, part), abs=1e-6)
            assert found["davies_bouldin"] == pytest.approx(reference.davies_bouldin_score(wide, part), rel=1e-6)
            assert found["calinski_harabasz"] == pytest.approx(reference.calinski_harabasz_score(wide, part), rel=1e-6)

    def test_noise_is_left_out(self):
        x, truth = blobs(1)
        part = np.where(np.arange(len(x)) % 5 == 0, -1, truth)
        kept = part >= 0
        found, clean = score(x, part).values, score(x[kept], part[kept]).values
        assert found["noise_fraction"] == pytest.approx(0.2)
        for name in internal.NAMES:
            assert found[name] == pytest.approx(clean[name], rel=1e-9)

    @pytest.mark.parametrize(
        ("part", "reason"),
        [
            ([0, 0, 0, 0], "one cluster"),
            ([-1, 0, 0, -1], "one cluster"),
            ([-1, -1, -1, -1], "all points are noise"),
            ([0, 1, 2, 3], "one point only"),
            ([0, 1, -1, 2], "one point only"),
        ],
    )
    def test_undefined_says_why(self, part, reason):
        found = score(LINE, part)
        for name in internal.NAMES:
            assert math.isnan(found.values[name])
            assert reason in found.notes[name]
        assert not math.isnan(found.values["noise_fraction"])

    def test_coinciding_centroids_and_no_spread(self):
        crossed = score(np.array([[0.0], [4.0], [1.0], [3.0]]), [0, 0, 1, 1])
        assert math.isnan(crossed.values["davies_bouldin"])
        assert "coincide" in crossed.notes["davies_bouldin"]
        tight = score(np.array([[0.1], [0.1], [0.7], [0.7]]), [0, 0, 1, 1])
        assert math.isnan(tight.values["calinski_harabasz"])
        assert tight.values["silhouette"] == 1.0
        assert tight.values["davies_bouldin"] == 0.0

    def test_bits_do_not_depend_on_company_order_or_threads(self):
        x, truth = blobs(2, n=900, d=20)
        rng = np.random.default_rng(0)
        parts = [truth, *(rng.integers(-1, k, len(x)) for k in (2, 3, 9, 30)), truth]
        with threads.one_core_each(1):
            alone = [score(x, part).values for part in parts]
            assert [one.values for one in internal.scores(x, parts)] == alone
            assert [one.values for one in internal.scores(x, parts[::-1])][::-1] == alone
        with threads.one_core_each(3):
            assert [one.values for one in internal.scores(x, parts)] == alone

    def test_names_of_clusters_do_not_count(self):
        x, truth = blobs(3)
        assert score(x, truth) == score(x, (truth + 1) % 4)


class TestExternal:
    def test_known_answers(self):
        truth = np.array([0, 0, 0, 1, 1, 2])
        found = np.array([5, 5, 7, 7, 7, 7])
        values, notes = external.scores(truth, found)
        # Cluster 5: two of class 0. Cluster 7: one of class 0, two of class 1, one of class 2.
        assert values["cluster_accuracy"] == pytest.approx(4 / 6)
        assert values["purity"] == pytest.approx(4 / 6)
        assert values["mean_majority_share"] == pytest.approx((1 + 2 / 4) / 2)
        assert notes == {}

    def test_the_match_is_one_to_one(self):
        truth, found = np.zeros(4, dtype=int), np.array([0, 0, 0, 1])
        assert external.cluster_accuracy(truth, found) == 0.75
        assert external.purity(truth, found) == 1.0

    def test_noise_is_wrong_or_alone(self):
        truth, found = np.array([0, 0, 1, 1]), np.array([0, 0, -1, -1])
        values, _ = external.scores(truth, found)
        assert values["cluster_accuracy"] == 0.5
        assert values["purity"] == 0.5
        assert values["mean_majority_share"] == 1.0
        apart = np.array([0, 0, 1, 2])
        assert values["ami"] == pytest.approx(reference.adjusted_mutual_info_score(truth, apart))
        assert values["nmi"] == pytest.approx(reference.normalized_mutual_info_score(truth, apart))
        assert values["ari"] == pytest.approx(reference.adjusted_rand_score(truth, apart))

    def test_all_noise(self):
        values, notes = external.scores(np.array([0, 1, 1]), np.full(3, -1))
        assert values["cluster_accuracy"] == values["purity"] == 0.0
        assert math.isnan(values["mean_majority_share"])
        assert notes == {"mean_majority_share": "all points are noise"}

    @given(partition)
    @settings(max_examples=200, deadline=None)
    def test_equals_scikit_learn(self, pair):
        truth, found = pair
        apart = np.where(found < 0, 10 + np.arange(len(found)), found)
        assert external.nmi(truth, found) == pytest.approx(
            reference.normalized_mutual_info_score(truth, apart), abs=1e-9
        )
        assert external.ari(truth, found) == pytest.approx(reference.adjusted_rand_score(truth, apart), abs=1e-9)

    @given(partition)
    @settings(max_examples=100, deadline=None)
    def test_bounds_and_renaming(self, pair):
        truth, found = pair
        values, _ = external.scores(truth, found)
        renamed, _ = external.scores(truth, np.where(found < 0, found, 4 - found))
        assert values == pytest.approx(renamed, nan_ok=True)
        assert 0 <= values["cluster_accuracy"] <= values["purity"] <= 1
        assert 0 <= values["nmi"] <= 1 + 1e-12
        assert -1 <= values["ami"] <= 1 + 1e-12


class TestAdjustedMutualInformation:
    def test_known_answers(self):
        truth = np.array([0, 0, 1, 1])
        # Each of the four cells holds two images with chance 1/6, and x log x is then log 4.
        expected = 4 / 6 * math.log(4)
        assert external.ami(truth, np.array([0, 1, 0, 1])) == pytest.approx(-expected / (2 * math.log(4) - expected))
        assert external.ami(truth, np.array([3, 3, 1, 1])) == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("truth", "found", "value"),
        [
            ([0, 0, 0], [4, 4, 4], 1.0),
            ([0, 0, 0], [0, 1, 1], 0.0),
            ([0, 1, 1], [0, 0, 0], 0.0),
            ([0, 0, 0], [-1, -1, -1], 0.0),
            ([0, 1, 1], [-1, -1, -1], 0.0),
            ([0, 1, 2], [-1, 5, -1], 1.0),
            ([0], [-1], 1.0),
        ],
    )
    def test_one_cluster_one_class_and_points_alone(self, truth, found, value):
        assert external.ami(np.array(truth), np.array(found)) == value

    def test_no_samples(self):
        assert math.isnan(external.ami(np.empty(0, dtype=int), np.empty(0, dtype=int)))

    @given(
        st.integers(0, 10_000), st.integers(2, 2000), st.integers(2, 40), st.integers(1, 60), st.floats(0.05, 5),
        st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    )  # fmt: skip
    @example(0, 2000, 10, 1, 1.0, 0.0, 0.0)
    @example(1, 2000, 10, 10, 0.05, 0.5, 0.6)
    @example(2, 2000, 40, 60, 0.05, 0.0, 1.0)
    @settings(max_examples=100, deadline=None)
    def test_equals_scikit_learn(self, seed, n, classes, clusters, evenness, right, noise):
        rng = np.random.default_rng(seed)
        truth = rng.choice(classes, n, p=rng.dirichlet(np.full(classes, evenness)))
        found = np.where(rng.random(n) < right, truth % clusters, rng.integers(0, clusters, n))
        found = np.where(rng.random(n) < noise, -1, found)
        apart = np.where(found < 0, clusters + np.arange(n), found)
        expected = reference.adjusted_mutual_info_score(truth, apart)
        assert external.ami(truth, found) == pytest.approx(expected, abs=1e-10)

    @pytest.mark.parametrize(
        ("classes", "clusters", "evenness", "noise"),
        [(10, 10, 100, 0.0), (10, 50, 0.1, 0.3), (100, 1000, 1.0, 0.0), (10, 10_000, 1.0, 0.0), (10, 2, 0.1, 0.99)],
        ids=["equal", "unequal with noise", "many clusters", "nearly all alone", "nearly all noise"],
    )
    def test_equals_scikit_learn_on_many_images(self, classes, clusters, evenness, noise):
        truth, found = drawn(10_000, classes, clusters, evenness, noise)
        expected = reference.adjusted_mutual_info_score(truth, apart(found))
        assert external.ami(truth, found) == pytest.approx(expected, abs=1e-10)

    @pytest.mark.parametrize(
        ("n", "classes", "clusters", "evenness", "noise"),
        [(90, 4, 8, 1, 0.1), (700, 5, 15, 0.1, 0.3), (10_000, 100, 1000, 1, 0.1), (10_000, 3, 2, 0.05, 0.0)],
    )
    def test_samples_equal_scikit_learn(self, n, classes, clusters, evenness, noise):
        """Their expected values are interpolated."""
        truth, found = drawn(n, classes, clusters, evenness, noise)
        weights = resampling.weights(n, _chance.ALIKE, seed=1)
        values = replicates.agreement("ami", truth, found, weights)
        for weight, value in zip(weights, values, strict=True):
            rows = np.repeat(np.arange(n), weight)
            expected = reference.adjusted_mutual_info_score(truth[rows], apart(found[rows]))
            assert value == pytest.approx(expected, abs=1e-10)

    @pytest.mark.parametrize("total", [1, 2, 97, 300, 10_000, 400_000])
    def test_interpolated_sums_equal_the_sums(self, total):
        rng = np.random.default_rng(total)
        sizes, classes = (
            np.rint(total * rng.dirichlet(np.full(m, evenness), 8)).T for m, evenness in ((12, 0.2), (7, 0.5))
        )
        sizes[:, 0] = classes[:, 0] = 0
        sizes[0, 0] = classes[0, 0] = total
        whole = np.full(8, float(total))
        expected = [_chance.expected_logs(sizes[:, [at]], classes[:, [at]], whole[:1])[0] for at in range(8)]
        values = _chance.expected_logs(sizes, classes, whole)
        assert values == pytest.approx(expected, rel=1e-12, abs=1e-12)

    @pytest.mark.parametrize("n", [2, 60, 5000, 400_000])
    def test_expected_cells_of_any_size(self, n):
        for rows, columns in ((2, 2), (n // 3, 2), (n // 2, n // 2), (n // 10, n // 30), (n - 1, n - 1), (n, n // 2)):
            if min(rows, columns) < 2:
                continue
            x = np.arange(1, min(rows, columns) + 1)
            expected = (stats.hypergeom(n, rows, columns).pmf(x) * x * np.log(x)).sum()
            margins = (np.array([[float(size)]]) for size in (rows, columns))
            assert _chance.expected_logs(*margins, np.array([float(n)])) == pytest.approx([expected], rel=1e-8)

    def test_chance_gives_nothing_whatever_the_noise_and_the_number_of_clusters(self):
        rng = np.random.default_rng(0)
        for clusters, noise in ((2, 0.0), (50, 0.0), (50, 0.9), (500, 0.0)):
            values = []
            for _ in range(60):
                found = np.where(rng.random(300) < noise, -1, rng.integers(0, clusters, 300))
                values.append(external.ami(np.arange(300) % 10, found))
            assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(60)

    def test_samples_of_different_sizes_do_not_mix(self):
        sizes, classes = np.array([[30.0, 3, 0], [10, 3, 7]]), np.array([[25.0, 4, 3], [15, 4, 6]])
        total = np.array([40.0, 8, 9])
        alone = [
            _chance.expected_logs(*(part[..., at : at + 1] for part in (sizes, classes, total))) for at in range(3)
        ]
        assert np.array_equal(_chance.expected_logs(sizes, classes, total), np.concatenate(alone))

    def test_noise_of_many_points_costs_no_memory(self):
        truth, found = np.arange(200_000) % 200, np.full(200_000, -1)
        found[:1000] = np.arange(1000) % 20
        tracemalloc.start()
        external.ami(truth, found)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60e6


class TestLabels:
    def test_canonical_by_first_appearance(self):
        assert labels.canonical(np.array([7, -1, 3, 7, -2, 0])).tolist() == [0, -1, 1, 0, -2, 2]

    def test_digest_ignores_names_only(self):
        one = np.array([0, 0, 1, -1])
        assert labels.digest(one) == labels.digest(np.array([4, 4, 2, -1], dtype=np.int64))
        assert labels.digest(one) != labels.digest(np.array([0, 1, 1, -1]))
        assert labels.named_digest(one) != labels.named_digest(np.array([1, 1, 0, -1]))


class TestSupervised:
    def test_known_answers(self):
        truth, found = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
        assert supervised.accuracy(truth, found) == 0.75
        assert supervised.balanced_accuracy(truth, found) == pytest.approx((2 / 3 + 1) / 2)
        assert supervised.macro_f1(truth, found) == pytest.approx((0.8 + 2 / 3) / 2)
        table = supervised.per_class(truth, found, ["cat", "dog", "owl"])
        assert table["dog"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
        assert table["owl"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}

    def test_no_samples(self):
        none = np.empty(0, dtype=np.int64)
        assert all(math.isnan(value) for value in supervised.scores(none, none).values())

    @pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label")
    @given(partition)
    @settings(max_examples=100, deadline=None)
    def test_equals_scikit_learn(self, pair):
        truth, found = pair[0], np.abs(pair[1])
        values = supervised.scores(truth, found)
        assert values["accuracy"] == pytest.approx(reference.accuracy_score(truth, found))
        assert values["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, found))
        assert values["macro_f1"] == pytest.approx(
            reference.f1_score(truth, found, average="macro", zero_division=0), abs=1e-12
        )


class TestDistances:
    def test_identical_rows_are_at_zero(self):
        x = np.tile(np.random.default_rng(0).normal(size=(30, 40)) * 1e3, (3, 1)).astype(np.float32)
        points = distances.Points(x, centred=True)
        found = np.concatenate([block for _, _, block in points.blocks()])
        same = np.arange(90)[:, None] % 30 == np.arange(90)[None, :] % 30
        assert np.all(found[same] == 0)
        assert np.all(found[~same] > 0)

    def test_no_block_is_as_large_as_n_by_n(self):
        for n in (1, 16, 1000, 20_000, 200_000):
            spans = distances.spans(n, n)
            assert spans[0][0] == 0
            assert spans[-1][1] == n
            assert max(stop - start for start, stop in spans) * n * 8 <= max(distances.BLOCK_BYTES, 16 * n * 8)
