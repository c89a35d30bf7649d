"""The shared pass of internal metrics: against scikit-learn at the edges, bits, samples, devices, memory."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from sklearn.metrics import silhouette_samples

from backbench import device, threads
from backbench.metrics import _cells, _cloud, _spread, _widths, distances, internal, labels

DEVICES = ("cpu", "torch", *(["cuda"] if torch.cuda.is_available() else []))


@pytest.fixture(params=DEVICES)
def anywhere(request):
    with device.using(request.param):
        yield request.param


def blobs(seed=0, n=300, d=6, k=5, spread=2.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    return (rng.normal(size=(n, d)) + spread * rng.normal(size=(k, d))[truth]).astype(np.float32), truth


def score(x, part, rows=None):
    return internal.scores(x, [np.asarray(part)], rows)[0]


def _offset():
    x, part = blobs(1, spread=0.5)
    return (x + np.float32(20_000)).astype(np.float32), part


def _duplicates():
    x, part = blobs(2, n=100)
    return np.repeat(x, 4, axis=0), np.repeat(part, 4)


def _mostly_duplicates():
    x, part = blobs(3, n=400)
    x[:380] = x[0]
    return x, np.where(np.arange(400) % 3 == 0, part, 5)


def _constant_features():
    x, part = blobs(4)
    x[:, ::2] = 1e6
    return x, part


def _tiny_clusters():
    x, _ = blobs(5)
    return x, np.where(np.arange(300) < 290, 0, np.arange(300) - 289)


def _near_duplicates():
    x, part = blobs(6, n=200)
    rng = np.random.default_rng(0)
    return np.concatenate([x, x * (1 + 1e-6 * rng.normal(size=x.shape).astype(np.float32))]), np.tile(part, 2)


def _outlier():
    x, part = blobs(7)
    x[0] = 1e4
    return x, part


def _unlike_scales():
    x, part = blobs(8)
    return x * np.float32([1e-4, 1e4, 1, 1, 1e-2, 1e3]), part


EDGES = {
    name.__name__[1:]: name
    for name in (
        _offset,
        _duplicates,
        _mostly_duplicates,
        _constant_features,
        _tiny_clusters,
        _near_duplicates,
        _outlier,
        _unlike_scales,
    )
}


def expected(x, part):
    """Scikit-learn's values on rows whose mean it need not carry along, noise left out; scaled to lose no digit."""
    kept = part >= 0
    wide = x.astype(np.float64)[kept]
    wide -= wide.mean(axis=0)
    part = part[kept]
    centres = np.stack([wide[part == name].mean(axis=0) for name in np.unique(part)])
    codes = np.unique(part, return_inverse=True)[1]
    return {
        "silhouette": reference.silhouette_score(wide, part),
        "davies_bouldin": reference.davies_bouldin_score(wide, part),
        "calinski_harabasz": reference.calinski_harabasz_score(wide, part),
        "inertia": float(((wide - centres[codes]) ** 2).sum()),
    }


def twin_centres(x, part):
    """Whether two clusters have one centroid, of which scikit-learn's Davies-Bouldin leaves the pair out."""
    centres = np.stack([x[part == name].mean(axis=0, dtype=np.float64) for name in np.unique(part[part >= 0])])
    return len(np.unique(centres, axis=0)) < len(centres)


class TestEdges:
    @pytest.mark.parametrize("edge", EDGES)
    def test_equals_scikit_learn(self, edge, anywhere):
        x, part = EDGES[edge]()
        rng = np.random.default_rng(0)
        for own in (part, np.where(rng.random(len(x)) < 0.2, -1, part), rng.integers(0, len(x) // 2, len(x))):
            found = score(x, own)
            for name, value in expected(x, own).items():
                if name == "davies_bouldin" and twin_centres(x, own):
                    assert "coincide" in found.notes[name]
                else:
                    assert found.values[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name

    @pytest.mark.parametrize("edge", EDGES)
    def test_widths_are_those_of_scikit_learn(self, edge, anywhere):
        x, part = EDGES[edge]()
        part = np.where(np.arange(len(x)) % 7 == 3, -1, part)
        kept = part >= 0
        found = score(x, part).widths
        wide = x.astype(np.float64)[kept]
        assert found.dtype == np.float32
        assert np.isnan(found[~kept]).all()
        assert found[kept] == pytest.approx(
            reference.silhouette_samples(wide - wide.mean(axis=0), part[kept]), abs=1e-5
        )

    def test_near_duplicates_keep_their_digits(self, anywhere):
        """Pairs of clusters that are 1e-5 of the spread apart, where a product of rows keeps half of the digits."""
        rng = np.random.default_rng(0)
        centres = np.repeat(rng.normal(size=(30, 4)), 4, axis=0)
        x = centres + 1e-5 * rng.normal(size=centres.shape)
        part = np.arange(120) // 2
        apart = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
        assert score(x, part).values["silhouette"] == pytest.approx(
            reference.silhouette_score(apart, part, metric="precomputed"), abs=1e-7
        )

    @pytest.mark.parametrize("k", [150, 299])
    def test_many_clusters(self, k, anywhere):
        x, _ = blobs(9)
        part = np.minimum(np.arange(300), k - 1) if k == 299 else np.arange(300) % k
        found = score(x, part).values
        assert {name: found[name] for name in expected(x, part)} == pytest.approx(expected(x, part), rel=1e-6)

    def test_inertia_of_every_labeling(self):
        x, truth = blobs(10)
        parts = [np.zeros(300, int), np.full(300, -1), np.arange(300), truth, np.where(truth == 0, -1, truth)]
        one, none, each, some, fewer = (found.values["inertia"] for found in internal.scores(x, parts))
        assert one == pytest.approx(((x - x.mean(axis=0)) ** 2).sum(), rel=1e-6)
        assert none == each == 0.0
        assert 0 < fewer < some < one

    def test_inertia_is_in_the_units_of_the_matrix(self):
        x, truth = blobs(11)
        assert score(x * 8, truth).values["inertia"] == 64 * score(x, truth).values["inertia"]

    def test_no_widths_where_there_is_no_silhouette(self):
        x, _ = blobs()
        assert all(found.widths is None for found in internal.scores(x, [np.zeros(300), np.full(300, -1)]))


def labelings(n, seed=0):
    rng = np.random.default_rng(seed)
    nested = np.arange(n) * 12 // n
    noisy = np.where(rng.random(n) < 0.3, -1, rng.integers(0, 4, n))
    return [nested, nested // 2, nested // 4, rng.integers(0, 5, n), noisy, rng.integers(0, n // 2, n), nested // 3]


class TestBits:
    @pytest.mark.parametrize("rows", [None, 70])
    @pytest.mark.parametrize("n", [90, 1100])
    def test_company_order_and_threads_do_not_count(self, n, rows, anywhere):
        x, _ = blobs(n=n, d=17)
        parts = labelings(n)
        with threads.one_core_each(1):
            alone = [score(x, part, rows) for part in parts]
        for count in (1, 3):
            with threads.one_core_each(count):
                for some in (parts, parts[::-1]):
                    together = internal.scores(x, some, rows)
                    for found, own in zip(together[:: 1 if some is parts else -1], alone, strict=True):
                        assert found.values == own.values
                        assert found.widths is own.widths is None or np.array_equal(
                            found.widths, own.widths, equal_nan=True
                        )

    def test_chunks_and_batches_do_not_count(self, monkeypatch):
        x, _ = blobs(n=500)
        together = internal.scores(x, labelings(500))
        monkeypatch.setattr(_widths, "HELD_BYTES", 1)
        monkeypatch.setattr(_spread, "HELD_BYTES", 1)
        monkeypatch.setattr(_widths, "_chunk", lambda n: 130)
        assert internal.scores(x, labelings(500)) == together

    def test_sums_of_distances_are_exact(self):
        x, _ = blobs(n=777, d=30)
        far = _cloud.Cloud(x).lengths(np.arange(777), 0, 777)
        assert [math.fsum(column) for column in far.T] == far.sum(axis=0).tolist() == far[::-1].cumsum(0)[-1].tolist()


class TestCells:
    def test_nested_labelings_are_one_group_of_as_many_cells_as_the_finest(self):
        nested = [labels.canonical(np.arange(240) // size) for size in (10, 20, 40, 120)]
        (group,) = _cells.groups(nested)
        assert group.cells == 24
        assert sorted(group.members) == [0, 1, 2, 3]

    def test_cells_know_the_cluster_in_each_labeling(self):
        parts = [labels.canonical(part) for part in labelings(600)]
        found = _cells.groups(parts)
        assert sorted(i for group in found for i in group.members) == list(range(len(parts)))
        for group in found:
            for i, own in zip(group.members, group.clusters or [], strict=False):
                assert np.array_equal(own[group.codes], parts[i])

    def test_cells_do_not_become_as_many_as_the_rows(self):
        rng = np.random.default_rng(0)
        found = _cells.groups([labels.canonical(rng.integers(0, 9, 500)) for _ in range(12)])
        assert len(found) > 1
        assert all(group.cells <= 250 for group in found)


class TestSample:
    def test_of_all_rows_is_exact(self, anywhere):
        x, truth = blobs()
        noisy = np.where(np.arange(300) % 5 == 0, -1, truth)
        for rows, part in ((300, truth), (10_000, truth), (240, noisy)):
            found = score(x, part, rows)
            assert found.values["silhouette_sampled"] == score(x, part).values["silhouette"]
            assert found.values["silhouette_sampled_se"] == 0.0
            assert found.widths is None
            assert "silhouette" not in found.values

    def test_is_the_mean_of_exact_widths_of_drawn_rows(self, anywhere):
        x, truth = blobs()
        part = np.where(np.arange(300) % 5 == 0, -1, truth)
        order = np.random.default_rng(internal.SAMPLE_SEED).permutation(300)
        own = score(x, part).widths[order[part[order] >= 0][:50]].astype(float)
        found = score(x, part, 50).values
        assert found["silhouette_sampled"] == pytest.approx(own.mean(), abs=1e-6)
        error = own.std(ddof=1) / math.sqrt(50) * math.sqrt(1 - 50 / 240)
        assert found["silhouette_sampled_se"] == pytest.approx(error, rel=1e-5)
        plain = score(x, part).values
        for name in ("davies_bouldin", "calinski_harabasz", "inertia"):
            assert found[name] == plain[name]

    @pytest.mark.parametrize("far", [1.0, 1e4])
    def test_float32_is_close_with_and_without_rows_far_outside(self, far):
        x, truth = blobs()
        x[:3] *= np.float32(far)
        order = np.random.default_rng(internal.SAMPLE_SEED).permutation(300)[:100]
        widths = silhouette_samples(x.astype(float), truth)[order]
        assert score(x, truth, 100).values["silhouette_sampled"] == pytest.approx(widths.mean(), abs=1e-6)

    def test_is_unbiased_and_its_error_is_honest(self, monkeypatch):
        x, truth = blobs(n=250, spread=1.0)
        exact = score(x, truth).values["silhouette"]
        found = []
        for seed in range(200):
            monkeypatch.setattr(internal, "SAMPLE_SEED", seed)
            values = score(x, truth, 40).values
            found.append((values["silhouette_sampled"], values["silhouette_sampled_se"]))
        mean, error = np.array(found).T
        assert abs(mean.mean() - exact) < 3 * mean.std() / math.sqrt(200)
        assert error.mean() == pytest.approx(mean.std(), rel=0.2)
        assert np.mean(np.abs(mean - exact) < 2 * error) > 0.88

    def test_more_rows_have_a_smaller_error(self):
        x, truth = blobs(n=600)
        errors = [score(x, truth, rows).values["silhouette_sampled_se"] for rows in (20, 100, 400, 600)]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] == 0.0

    def test_undefined_and_one_row(self):
        x, truth = blobs()
        for part in (np.zeros(300), np.full(300, -1)):
            found = score(x, part, 10)
            assert set(internal.SAMPLED) <= set(found.notes)
            assert math.isnan(found.values["silhouette_sampled"])
        one = score(x, truth, 1)
        assert math.isnan(one.values["silhouette_sampled_se"])
        assert "one drawn row" in one.notes["silhouette_sampled_se"]


class TestMemory:
    @pytest.mark.parametrize("clusters", [8, 2000])
    def test_peak_is_far_below_all_distances(self, clusters):
        n = 4000
        rng = np.random.default_rng(0)
        x = rng.normal(size=(n, 6)).astype(np.float32)
        parts = [rng.integers(0, clusters, n) for _ in range(2)]
        internal.scores(x[:50], [parts[0][:50]])
        tracemalloc.start()
        internal.scores(x, parts)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * n * n / 4


class TestTwins:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_each_row_names_the_first_like_it(self, dtype):
        x = np.random.default_rng(0).integers(-1, 2, (300, 3)).astype(dtype)
        x[5] = -0.0 * x[5]
        first: dict = {}
        expected = [first.setdefault((row + 0.0).tobytes(), i) for i, row in enumerate(x)]
        assert distances.twins(x).tolist() == expected

    def test_none_where_all_differ(self):
        assert distances.twins(np.random.default_rng(0).normal(size=(300, 3))) is None

    def test_rows_of_one_hash_are_told_apart(self, monkeypatch):
        monkeypatch.setattr(distances, "row_hashes", lambda words: np.zeros(len(words), np.uint64))
        assert distances.twins(np.float32([[1], [2], [1], [3]])).tolist() == [0, 1, 0, 3]
        assert distances.twins(np.float32([[1], [2], [3]])) is None
