"""What the clustering stage stores of the shared pass: widths, samples, and metrics that the clusterer tells."""

import math

import numpy as np
import pytest
from scoring import computed
from sklearn import metrics as reference

from backbench import hashing
from backbench.metrics import internal, labels
from backbench.stage import Inputs, Member
from backbench.stages import clustering
from backbench.store import Store


@pytest.fixture
def outcomes(tmp_path):
    """A function that clusters rows by members of the given configurations."""

    def compute(configs, x, split=None):
        store = Store(tmp_path / "store")
        split = np.zeros(len(x), dtype=np.uint8) if split is None else split
        store.write("dataset", "d" * 64, {"info": {"n": len(x), "classes": None}}, {"split": split})
        store.write("features", "f" * 64, {"info": {}}, {"features": x})
        refs = dict.fromkeys(("features", "matrix"), ("features", "f" * 64))
        members = [Member(hashing.digest(config), config) for config in configs]
        inputs = Inputs(store, {"dataset": ("dataset", "d" * 64), **refs})
        found = computed(clustering, members, inputs, clustering.Context())
        return [found[member.hash] for member in members]

    return compute


def blobs(n=150):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, n)
    split = rng.choice([0, 1, 2], n, p=[0.6, 0.2, 0.2]).astype(np.uint8)
    return (rng.normal(size=(n, 5)) + 3 * rng.normal(size=(3, 5))[truth]).astype(np.float32), split


def ward(k=3, scope="all", **more):
    params = {"name": "agglomerative", "linkage": "ward", "metric": "euclidean"}
    return {"clusterer": params, "k": k, "scope": scope, **more}


def dbscan(eps):
    return {
        "clusterer": {"name": "dbscan", "eps": eps, "eps_quantile": None, "min_samples": 5, "metric": "euclidean"},
        "scope": "all",
    }


class TestWidths:
    def test_equal_scikit_learn_and_leave_noise_out(self, outcomes):
        x, _ = blobs()
        for found in outcomes([ward(), dbscan(1.5)], x):
            part, widths = found.arrays["labels"], found.arrays["silhouettes"]
            kept = part >= 0
            assert widths.dtype == np.float32
            assert widths.shape == part.shape
            assert np.isnan(widths[~kept]).all()
            assert widths[kept] == pytest.approx(reference.silhouette_samples(x[kept], part[kept]), abs=1e-5)
            assert widths[kept].mean(dtype=float) == pytest.approx(found.metrics["silhouette"], abs=1e-6)

    def test_rows_out_of_scope_have_none(self, outcomes):
        x, split = blobs()
        train, apart = outcomes([ward(scope="train"), ward(scope="per_split")], x, split)
        assert np.array_equal(np.isnan(train.arrays["silhouettes"]), train.arrays["labels"] == labels.OUTSIDE)
        widths = apart.arrays["silhouettes"]
        assert not np.isnan(widths).any()
        assert widths[split == 2].mean(dtype=float) == pytest.approx(apart.metrics["silhouette"], abs=1e-6)

    def test_absent_where_undefined(self, outcomes):
        one, noise = outcomes([ward(1), dbscan(1e-9)], blobs()[0])
        assert set(one.arrays) == set(noise.arrays) == {"labels"}
        assert noise.metrics["inertia"] == 0.0


class TestSample:
    def test_stands_in_place_of_the_silhouette(self, outcomes):
        x, _ = blobs()
        exact, sampled, whole = outcomes([ward(), ward(silhouette_rows=60), ward(silhouette_rows=1000)], x)
        assert set(sampled.metrics) == set(exact.metrics) - {"silhouette"} | set(internal.SAMPLED)
        assert set(sampled.arrays) == {"labels"}
        error = sampled.metrics["silhouette_sampled_se"]
        assert abs(sampled.metrics["silhouette_sampled"] - exact.metrics["silhouette"]) < 4 * error
        assert whole.metrics["silhouette_sampled"] == exact.metrics["silhouette"]
        assert whole.metrics["silhouette_sampled_se"] == 0.0

    def test_members_that_ask_for_other_numbers_do_not_count(self, outcomes):
        x, split = blobs()
        configs = [ward(k, scope, **more) for k in (2, 4) for scope in ("all", "per_split") for more in SIZES]
        together = outcomes(configs, x, split)
        for config, found in zip(configs, together, strict=True):
            (alone,) = outcomes([config], x, split)
            assert alone.metrics == found.metrics
            assert alone.info == found.info


SIZES = ({}, {"silhouette_rows": 5}, {"silhouette_rows": 20})


class TestFromInfo:
    def test_bic_is_a_metric_and_inertia_is_that_of_the_labels(self, outcomes, monkeypatch):
        from backbench.clusterers import agglomerative

        plain = agglomerative.fit

        def fit(shared, x, task):
            found, info = plain(shared, x, task)
            return found, {**info, "bic": 7, "inertia": -1.0}

        monkeypatch.setattr(agglomerative, "fit", fit)
        x, _ = blobs()
        (found,) = outcomes([ward()], x)
        assert found.metrics["bic"] == 7.0
        assert type(found.metrics["bic"]) is float
        assert found.metrics["inertia"] > 0
        assert found.info["inertia"] == -1.0
        (none,) = outcomes([ward(scope="per_split")], x)
        assert math.isnan(none.metrics["bic"])
        assert none.notes["bic"] == "there are no test rows"
