"""Linear discriminants by products of columns against scikit-learn's solver svd."""

import numpy as np
import pytest
from classifying import options, predictions
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from backbench import classifiers, plugins
from backbench.classifiers import _discriminants

TOL = 1e-4


def mixed(seed: int, n: int = 400, d: int = 20, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Correlated rows (n, d) float64 of columns that differ in scale, with classes (n,)."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    turned = random.normal(size=(n, d)) @ random.normal(size=(d, d)) + random.normal(size=(classes, d))[y]
    return (turned + 5) * np.logspace(-3, 3, d), y.astype(np.int64)


def assert_equal(x: np.ndarray, y: np.ndarray, tol: float = TOL) -> None:
    """The discriminants are those of scikit-learn, in all their digits but the last."""
    ours, theirs = _discriminants.of(x, y, tol), LinearDiscriminantAnalysis(tol=tol).fit(x, y)
    assert ours is not None
    prediction = ours.predict(x)
    assert np.array_equal(prediction.classes, theirs.predict(x))
    assert np.allclose(prediction.probabilities, theirs.predict_proba(x), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 3, 6])
class TestOf:
    def test_equals_scikit_learn(self, seed, classes):
        assert_equal(*mixed(seed, classes=classes))

    def test_leaves_columns_out_that_are_constant_in_each_class(self, seed, classes):
        x, y = mixed(seed, classes=classes)
        x[:, 3], x[:, 7] = 0.0, y
        assert_equal(x, y)

    def test_of_a_class_of_one_row(self, seed, classes):
        x, y = mixed(seed, classes=classes)
        y[0] = classes
        assert_equal(x, y)


class TestDirections:
    def test_in_which_the_means_hardly_differ_are_left_out(self):
        x, y = mixed(0, d=4, classes=3)
        means = np.stack([x[y == c].mean(axis=0) for c in range(3)])
        moved = means.copy()
        moved[2] = means[1] + 1e-3 * (means[2] - means[1])
        x += (moved - means)[y]
        for tol in (1e-6, 1e-2):
            assert_equal(x, y, tol)
        few, all_ = (_discriminants.of(x, y, tol).slopes for tol in (1e-2, 1e-6))
        assert np.linalg.matrix_rank(few - few[0], tol=1e-9 * abs(few).max()) == 1
        assert np.linalg.matrix_rank(all_ - all_[0], tol=1e-9 * abs(all_).max()) == 2


class TestWithoutInverse:
    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    @pytest.mark.parametrize("change", ["collinear", "nearly collinear", "few rows", "large tol"])
    def test_scikit_learn_decides(self, change, kind):
        x, y = mixed(1)
        x, tol = x.astype(kind), TOL
        if change == "collinear":
            x[:, 5] = x[:, 6] + x[:, 7]
        elif change == "nearly collinear":
            x[:, 5] = x[:, 6] + 1e-6 * x[:, 6].std() * np.random.default_rng(0).normal(size=len(x))
        elif change == "few rows":
            x, y = x[:15], y[:15]
        else:
            tol = 0.5
        assert _discriminants.of(x.astype(np.float64), y, tol) is None
        task = classifiers.Task(options("lda", tol=tol))
        (prediction,) = predictions(plugins.load("classifier", "lda"), (x, y, x), [task])
        model = LinearDiscriminantAnalysis(tol=tol).fit(x.astype(np.float64), y)
        assert np.array_equal(prediction.classes, model.predict(x.astype(np.float64)))
        assert np.array_equal(prediction.probabilities, model.predict_proba(x.astype(np.float64)))
