"""Transforms against scikit-learn and at their edges."""

import inspect
import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import linalg
from sklearn import decomposition, preprocessing

from backbench import compose, device, paths, plugins, schema
from backbench.stage import Context, Inputs, Member
from backbench.stages import matrix
from backbench.store import Store
from backbench.transforms import l2, pca, standardise, umap, whiten

NAMES = ("l2", "pca", "standardise", "whiten")
# Options that came later and are left out of a hash while they stand at their default.
ADDED = {"variance"}
# Chains of the configuration, without the empty one and the one that points to another.
# Chains that have a name of their own.
CALLED = {"pca95": "pca0.95", "pca50_whitened": "pca50w", "n2d": "umap10", "l2_n2d": "l2_umap10"}
# A name says how many dimensions UMAP makes; the number of neighbours is an option beside it.
CALLED |= {f"{stem}_n30": stem for stem in ("l2_umap10", "l2_umap50", "l2_pca100_umap10")}
OWN_STEPS = sorted({path.stem for path in (paths.conf() / "chain").glob("*.yaml")} - {"none", "shared"})


def options(name: str, **changed):
    values = yaml.safe_load((Path(paths.conf()) / "transform" / f"{name}.yaml").read_text())
    return plugins.params("transform", values | changed)


def rows(seed=0, n=80, d=12):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_width_type_and_determinism(self, name):
        module, x = plugins.load("transform", name), rows()
        params = options(name, n_components=5) if name == "pca" else options(name)
        before = x.copy()
        found = module.fit_transform(params, x[:50], x)
        assert found.dtype == np.float32
        assert found.shape == (80, module.width(params, 12))
        assert np.array_equal(found, module.fit_transform(params, x[:50], x))
        assert np.array_equal(x, before)
        assert isinstance(module.label(params), str)
        assert isinstance(module.FITTED, bool)

    def test_options_have_no_defaults(self, name):
        parameters = inspect.signature(plugins.load("transform", name).Params).parameters
        given = {key for key, parameter in parameters.items() if parameter.default is not inspect.Parameter.empty}
        assert given <= ADDED


class TestL2:
    def test_equals_scikit_learn_and_keeps_zeros(self):
        x = rows()
        x[3] = 0
        found = l2.fit_transform(options("l2"), x[:0], x)
        assert found == pytest.approx(preprocessing.normalize(x.astype(np.float64)), abs=1e-7)
        assert not found[3].any()

    def test_does_not_overflow(self):
        found = l2.fit_transform(options("l2"), rows(), np.full((1, 4), 1e30, dtype=np.float32))
        assert found == pytest.approx(np.full((1, 4), 0.5))


class TestStandardise:
    @pytest.mark.parametrize("with_mean", [True, False])
    @pytest.mark.parametrize("with_std", [True, False])
    def test_equals_scikit_learn(self, with_mean, with_std):
        x = rows()
        params = options("standardise", with_mean=with_mean, with_std=with_std)
        model = preprocessing.StandardScaler(with_mean=with_mean, with_std=with_std).fit(x[:60].astype(np.float64))
        assert standardise.fit_transform(params, x[:60], x) == pytest.approx(model.transform(x.astype(float)), abs=1e-5)

    def test_a_column_without_scale_becomes_zero(self):
        x = rows()
        x[:60, 2] = 0.1
        found = standardise.fit_transform(options("standardise"), x[:60], x)
        assert not found[:, 2].any()
        assert np.isfinite(found).all()

    def test_one_row(self):
        assert not standardise.fit_transform(options("standardise"), rows()[:1], rows()).any()


class TestPca:
    @pytest.mark.parametrize("solver", ["full", "covariance_eigh"])
    @pytest.mark.parametrize("whiten", [True, False])
    @pytest.mark.parametrize(("n", "d"), [(80, 12), (20, 50), (30, 30)])
    def test_equals_scikit_learn(self, solver, whiten, n, d):
        x = rows(n=n, d=d)
        params = options("pca", n_components=8, solver=solver, whiten=whiten)
        model = decomposition.PCA(8, svd_solver="full", whiten=whiten).fit(x.astype(np.float64))
        expected = model.transform(x.astype(np.float64))
        assert pca.fit_transform(params, x, x) == pytest.approx(expected, abs=1e-4 * np.abs(expected).max())
        with device.using("torch"):
            assert pca.fit_transform(params, x, x) == pytest.approx(expected, abs=1e-4 * np.abs(expected).max())

    @pytest.mark.parametrize("solver", ["full", "covariance_eigh"])
    @pytest.mark.parametrize("whiten", [True, False])
    def test_components_without_variance_are_zero(self, solver, whiten):
        flat = rows(d=3)
        x = np.concatenate([flat, flat], axis=1)
        found = pca.fit_transform(options("pca", n_components=6, solver=solver, whiten=whiten), x, x)
        assert found[:, 3:] == pytest.approx(np.zeros((80, 3)), abs=1e-4)

    def test_equal_rows(self):
        x = np.ones((10, 4), dtype=np.float32)
        assert not pca.fit_transform(options("pca", n_components=2, whiten=True), x, x).any()

    def test_problems_and_label(self):
        params = options("pca", n_components=13, whiten=True)
        assert "at most 12" in pca.problems(params, 80, 12)[0]
        assert "at most 5" in pca.problems(params, 5, 40)[0]
        assert pca.problems(params, 80, 13) == []
        assert pca.label(params) == "pca13w"
        with pytest.raises(ValueError, match="at most 12"):
            pca.fit_transform(params, rows(), rows())

    @pytest.mark.parametrize("solver", ["full", "covariance_eigh"])
    @pytest.mark.parametrize("variance", [0.05, 0.5, 0.9, 0.95, 0.999])
    @pytest.mark.parametrize(("n", "d"), [(80, 12), (20, 50)])
    def test_a_share_of_the_variance_equals_scikit_learn(self, solver, variance, n, d):
        x = rows(n=n, d=d)
        params = options("pca", n_components=None, variance=variance, solver=solver)
        expected = decomposition.PCA(variance, svd_solver="full").fit_transform(x.astype(np.float64))
        found = pca.fit_transform(params, x, x)
        assert found.shape == expected.shape
        assert found == pytest.approx(expected, abs=1e-4 * np.abs(expected).max())

    def test_a_share_of_the_variance_at_its_edges(self):
        flat = rows(d=3)
        x = np.concatenate([flat, flat], axis=1)
        whole = options("pca", n_components=None, variance=1.0)
        assert pca.fit_transform(whole, x, x).shape[1] == 3, "components of rounding alone hold nothing"
        even = np.concatenate([np.eye(4), -np.eye(4)]).astype(np.float32)
        half = options("pca", n_components=None, variance=0.5)
        assert pca.fit_transform(half, even, even).shape[1] == 2, "a share that is just reached is enough"
        assert pca.fit_transform(half, np.ones((5, 4), np.float32), x[:, :4]).shape[1] == 1

    def test_one_of_size_and_variance(self):
        params = options("pca", n_components=None, variance=0.95)
        assert pca.label(params) == "pca0.95"
        assert pca.width(params, 784) == 784
        assert pca.problems(params, 80, 12) == []
        for both in ({"n_components": None}, {"variance": 0.9}):
            assert "allowed: one of them" in pca.problems(options("pca", **both), 80, 12)[0]
        with pytest.raises(schema.ConfigError, match="variance"):
            options("pca", n_components=None, variance=1.5)

    def test_the_hash_of_a_size_knows_no_variance(self):
        assert schema.canonical(options("pca", n_components=50)) == {
            "n_components": 50,
            "whiten": False,
            "solver": "covariance_eigh",
        }


class TestWhiten:
    @pytest.mark.parametrize("epsilon", [0.0, 0.1])
    def test_equals_the_inverse_root_of_the_covariance(self, epsilon):
        x = rows()
        exact = x.astype(np.float64)
        covariance = np.cov(exact[:60], rowvar=False) + epsilon * np.eye(12)
        expected = (exact - exact[:60].mean(0)) @ linalg.inv(linalg.sqrtm(covariance))
        found = whiten.fit_transform(options("whiten", epsilon=epsilon), x[:60], x)
        assert found == pytest.approx(expected, abs=1e-4)

    def test_is_the_whitened_pca_turned_back(self):
        x = rows()
        model = decomposition.PCA(whiten=True).fit(x.astype(np.float64))
        expected = model.transform(x.astype(np.float64)) @ model.components_
        found = whiten.fit_transform(options("whiten", epsilon=0.0), x, x)
        assert found == pytest.approx(expected, abs=1e-4)
        assert np.cov(found, rowvar=False) == pytest.approx(np.eye(12), abs=1e-4)

    def test_directions_without_variance_become_zero(self):
        fitted, x = rows(n=6, d=20), rows(seed=1, n=30, d=20)
        found = whiten.fit_transform(options("whiten", epsilon=0.0), fitted, x)
        assert np.isfinite(found).all() and np.linalg.matrix_rank(found) == 5
        assert not whiten.fit_transform(options("whiten", epsilon=0.0), np.ones((5, 20), np.float32), x).any()

    def test_problems(self):
        assert "2 fitted rows" in whiten.problems(options("whiten"), 1, 5)[0]
        assert whiten.problems(options("whiten"), 2, 5) == []


class TestUmap:
    def test_problems_width_and_label(self):
        params = options("umap", n_components=3, n_neighbors=15)
        assert umap.problems(params, 16, 5) == []
        assert "at most 14" in umap.problems(params, 15, 5)[0]
        assert umap.width(params, 784) == 3 and umap.label(params) == "umap3"
        assert "above spread" in umap.problems(options("umap", min_dist=1.5), 100, 5)[0]
        assert "at most 18" in umap.problems(options("umap", n_components=19), 20, 50)[0]
        assert "at most 5" in umap.problems(options("umap", n_components=6, init="pca"), 20, 5)[0]
        with pytest.raises(ValueError, match="at most 14"):
            umap.fit_transform(params, rows(n=15), rows())

    @pytest.mark.slow
    def test_equals_umap_learn_and_repeats_itself(self):
        from sklearn.neighbors import NearestNeighbors
        from umap import UMAP

        x = np.concatenate([rows(seed=s, n=30, d=6) + 40 * s for s in range(3)])
        exact = x.astype(np.float64)
        lengths, near = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(exact).kneighbors(exact)
        lengths[:, 0] = 0
        graph = {"precomputed_knn": (near, lengths.astype(np.float32))}
        model = UMAP(
            n_components=2, n_neighbors=5, min_dist=0.0, n_epochs=50, random_state=3, transform_seed=3, **graph
        )
        params = options("umap", n_components=2, n_neighbors=5, n_epochs=50, seed=3)
        expected = model.fit_transform(x)
        found = umap.fit_transform(params, x, x)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found, umap.fit_transform(params, x, x))
        other = umap.fit_transform(options("umap", n_components=2, n_neighbors=5, n_epochs=50, seed=4), x, x)
        assert not np.array_equal(found, other)
        part = np.ascontiguousarray(x[::2])
        placed = umap.fit_transform(params, part, x)
        again = UMAP(n_components=2, n_neighbors=5, min_dist=0.0, n_epochs=50, random_state=3, transform_seed=3)
        np.testing.assert_array_equal(placed, again.fit(part).transform(x))
        np.testing.assert_array_equal(placed, umap.fit_transform(params, part, x))


class TestChains:
    """Every order works, each step fitted on what the one before it made of the fitted rows."""

    @pytest.mark.parametrize("names", list(itertools.permutations(["l2", "pca", "standardise", "whiten"])))
    def test_any_order(self, tmp_path, names):
        store = Store(tmp_path)
        x, split = rows(), np.repeat([0, 1, 2], [50, 10, 20]).astype(np.uint8)
        store.write("features", "f" * 64, {"info": {}}, {"features": x})
        store.write("dataset", "d" * 64, {"info": {}}, {"split": split})
        changed = {"pca": {"n_components": None, "variance": 0.9}}
        steps = [{"name": name, **schema.canonical(options(name, **changed.get(name, {})))} for name in names]
        members = [Member(fit[0] * 64, {"steps": steps, "fit": fit}) for fit in ("all", "train")]
        inputs = Inputs(store, {"features": ("features", "f" * 64), "dataset": ("dataset", "d" * 64)})
        for outcome, rows_of in zip(matrix.compute(members, inputs, Context()), (slice(None), slice(50)), strict=True):
            expected = x
            for name in names:
                module, params = plugins.load("transform", name), options(name, **changed.get(name, {}))
                expected = module.fit_transform(params, expected[rows_of], expected)
            assert outcome.failure is None
            np.testing.assert_array_equal(outcome.arrays["matrix"], expected)
            assert outcome.info["steps"][names.index("pca")] == "pca0.9"

    @pytest.mark.parametrize("stem", OWN_STEPS)
    def test_a_chain_in_the_configuration_says_what_its_name_says(self, stem):
        (found,) = compose.expand(["experiment=none", f"chain={stem}"]).cells
        steps = [step for _, step in sorted(found.config["chain"]["steps"].items())]
        labels = [plugins.load("transform", step["name"]).label(plugins.params("transform", step)) for step in steps]
        wanted = CALLED.get(stem, stem)
        assert "_".join(labels) == wanted
