"""Transforms against scikit-learn and at their edges."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn import decomposition, preprocessing

from backbench import paths, plugins
from backbench.transforms import l2, pca, standardise

NAMES = ("l2", "pca", "standardise")


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
        parameters = inspect.signature(plugins.load("transform", name).Params).parameters.values()
        assert all(parameter.default is inspect.Parameter.empty for parameter in parameters)


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
