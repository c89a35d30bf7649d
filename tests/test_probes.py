"""Nearest centroid, LDA, gradient boosting and the MLP against plain scikit-learn; what is made once for several."""

import warnings
from dataclasses import asdict

import numpy as np
import pytest
from classifying import VARIANTS, answers, digits, options, predict
from sklearn import discriminant_analysis, ensemble, neighbors, neural_network

from backbench import classifiers, plugins, threads
from backbench.classifiers._prefixes import Prefixes


def blobs(seed: int, classes: int, n: int = 160, d: int = 6):
    """Overlapping clouds; no column of them is constant, so every solver works."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    x = (rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[y]).astype(np.float32)
    return x[: n // 2], y[: n // 2], x[n // 2 :]


@pytest.mark.parametrize("seed", range(3))
class TestAgainstScikitLearn:
    def test_nearest_centroid(self, seed):
        tasks = [classifiers.Task(options("nearest_centroid", **each)) for each in VARIANTS["nearest_centroid"]]
        for data in (digits(seed)[:3], blobs(seed, 2), blobs(seed, 5)):
            rows, asked = data[0].astype(np.float64), data[2].astype(np.float64)
            for task, (found, _) in answers("nearest_centroid", data, tasks):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    model = neighbors.NearestCentroid(**asdict(task.params)).fit(rows, data[1])
                assert np.array_equal(found, model.predict(asked))

    @pytest.mark.parametrize("classes", [2, 4])
    @pytest.mark.parametrize("solver", ["svd", "lsqr", "eigen"])
    def test_lda(self, seed, solver, classes):
        shrinkages = [None] if solver == "svd" else [None, 0.0, 1e-3, 0.3, 1.0, "auto"]
        data = blobs(seed, classes)
        rows, asked = data[0].astype(np.float64), data[2].astype(np.float64)
        tasks = [classifiers.Task(options("lda", solver=solver, shrinkage=shrinkage)) for shrinkage in shrinkages]
        for task, (found, _) in answers("lda", data, tasks):
            model = discriminant_analysis.LinearDiscriminantAnalysis(**asdict(task.params)).fit(rows, data[1])
            assert np.array_equal(found, model.predict(asked))

    @pytest.mark.filterwarnings("ignore:Only one sample available")
    def test_lda_with_constant_columns_and_fewer_rows_than_columns(self, seed):
        train_x, train_y, queries, _ = digits(seed, n_train=50)
        tasks = [classifiers.Task(options("lda", **each)) for each in VARIANTS["lda"]]
        for task, (found, _) in answers("lda", (train_x, train_y, queries), tasks):
            model = discriminant_analysis.LinearDiscriminantAnalysis(**asdict(task.params))
            model.fit(train_x.astype(np.float64), train_y)
            assert np.array_equal(found, model.predict(queries.astype(np.float64)))

    @pytest.mark.parametrize("classes", [2, 4])
    def test_gradient_boosting(self, seed, classes):
        each = [*VARIANTS["gradient_boosting"], {"max_iter": 3, "max_features": 0.3, "random_state": 7}]
        data = blobs(seed, classes)
        tasks = [classifiers.Task(options("gradient_boosting", **changed)) for changed in each]
        for task, (found, _) in answers("gradient_boosting", data, tasks):
            with threads.one_core_each(1):
                model = ensemble.HistGradientBoostingClassifier(**asdict(task.params), early_stopping=False)
                assert np.array_equal(found, model.fit(*data[:2]).predict(data[2]))

    def test_mlp(self, seed):
        data = digits(seed)[:3]
        tasks = [classifiers.Task(options("mlp", **each), seed) for each in VARIANTS["mlp"]]
        for task, (found, info) in answers("mlp", data, tasks):
            p = task.params
            model = neural_network.MLPClassifier(
                p.hidden, p.activation, alpha=p.alpha, batch_size=p.batch_size, random_state=seed
            ).set_params(learning_rate_init=p.learning_rate_init)
            with threads.one_core_each(1):
                for _ in range(p.epochs):
                    model.partial_fit(*data[:2], classes=np.unique(data[1]))
                assert np.array_equal(found, model.predict(data[2]))
            assert info["loss"] == model.loss_


class TestNearestCentroid:
    def test_columns_without_spread_do_not_spoil_shrunken_centroids(self):
        x = np.array([[0, 1], [0, 1], [5, 1], [5, 1]], dtype=np.float32)
        data = x, np.array([0, 0, 1, 1]), x
        task = classifiers.Task(options("nearest_centroid", shrink_threshold=2.0))
        (found, _) = predict(plugins.load("classifier", "nearest_centroid"), data, [task])[0]
        assert found.tolist() == [0, 0, 1, 1]

    def test_as_many_rows_as_classes(self):
        module, params = plugins.load("classifier", "nearest_centroid"), options("nearest_centroid")
        assert module.problems(params, 3, 2, 3) == []
        assert "3 of 3" in module.problems(options("nearest_centroid", shrink_threshold=0.5), 3, 2, 3)[0]


class TestLda:
    @pytest.mark.parametrize(
        ("changed", "shape", "said"),
        [
            ({"shrinkage": 0.1}, (50, 5, 3), "svd does not shrink"),
            ({"shrinkage": "auto"}, (50, 5, 3), "svd does not shrink"),
            ({"solver": "eigen"}, (50, 48, 3), "needs 51 training rows"),
            ({}, (3, 5, 3), "more training rows than classes"),
        ],
    )
    def test_problems(self, changed, shape, said):
        module = plugins.load("classifier", "lda")
        (problem,) = module.problems(options("lda", **changed), *shape)
        assert said in problem

    def test_a_number_of_shrinkage_is_a_share(self):
        with pytest.raises(ValueError, match="shrinkage"):
            options("lda", solver="lsqr", shrinkage=1.5)

    def test_one_decomposition_for_all_numbers(self, monkeypatch):
        module, data, made = plugins.load("classifier", "lda"), digits()[:3], []
        scatter = module._scatter
        monkeypatch.setattr(module, "_scatter", lambda *given: made.append(1) or scatter(*given))
        pairs = [("lsqr", 0.1), ("lsqr", 0.5), ("eigen", 0.2), ("lsqr", None)]
        tasks = [classifiers.Task(options("lda", solver=solver, shrinkage=s)) for solver, s in pairs]
        predict(module, data, tasks)
        assert made == [1]


class TestMlp:
    def test_batches_larger_than_the_training_rows_are_the_training_rows(self):
        module, data = plugins.load("classifier", "mlp"), digits(n_train=60)[:3]
        tasks = [classifiers.Task(options("mlp", batch_size=size), 0) for size in (60, 1000)]
        whole, more = predict(module, data, tasks)
        assert np.array_equal(whole[0], more[0])

    def test_a_loss_that_still_falls_is_no_failure(self):
        module, data = plugins.load("classifier", "mlp"), digits()[:3]
        tasks = [classifiers.Task(options("mlp", epochs=epochs), 0) for epochs in (1, 4)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            first, later = predict(module, data, tasks)
        assert later[1]["loss"] < first[1]["loss"]


class TestPrefixes:
    @staticmethod
    def members():
        sizes = {"a": (4, 2), "b": (3,)}
        kinds = {"a": 0.1, "b": 0.2}
        return {
            kind: [classifiers.Task(options("gradient_boosting", max_iter=n, learning_rate=kinds[kind])) for n in each]
            for kind, each in sizes.items()
        }

    def test_each_kind_is_made_once_at_all_its_sizes(self):
        members, made = self.members(), []

        def make(task, sizes):
            made.append((task.params.learning_rate, sizes))
            return {size: (size, {}) for size in sizes}

        shared = Prefixes([*members["a"], *members["b"]], "max_iter", make)
        assert [task.params.learning_rate for task in shared.ahead()] == [0.1]
        assert [shared.answer(task)[0] for task in (*members["a"], *members["b"])] == [4, 2, 3]
        assert made == [(0.1, {2, 4}), (0.2, {3})]

    def test_few_kinds_are_made_ahead(self):
        members = self.members()
        shared = Prefixes([*members["a"], *members["b"]], "max_iter", dict)
        with threads.beside(3):
            assert len(shared.ahead()) == 2

    def test_an_error_is_that_of_every_member_of_its_kind(self):
        members = self.members()

        def make(task, sizes):
            if task.params.learning_rate == 0.1:
                raise ValueError("too steep")
            return {size: (size, {}) for size in sizes}

        shared = Prefixes([*members["a"], *members["b"]], "max_iter", make)
        for task in members["a"]:
            with pytest.raises(ValueError, match="too steep"):
                shared.answer(task)
        assert shared.answer(members["b"][0])[0] == 3
