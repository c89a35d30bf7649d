"""Classifiers: one contract for all, and each against plain scikit-learn."""

import gc
import inspect
import json
import warnings
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from classifying import NAMES, VARIANTS, conf, digits, options, predict, predictions, shard
from sklearn import ensemble, linear_model, neighbors, svm
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise

from backbench import classifiers, paths, plugins, threads
from backbench.classifiers import _kernels, _pairs
from backbench.metrics import distances
from backbench.metrics.near import Near

# Options that were added later, with the default that older results have.
LATER = {"logistic_regression": {"solver"}, "knn": {"temperature"}, "random_forest": {"engine"}}


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_every_option_is_spelled_out_once(self, name):
        parameters = inspect.signature(plugins.load("classifier", name).Params).parameters
        assert set(conf(name)) == {"name", *parameters}
        given = {key for key, parameter in parameters.items() if parameter.default is not inspect.Parameter.empty}
        assert given == LATER.get(name, set())
        assert (Path(paths.conf()) / "classifier" / f"{name}.yaml").read_text().startswith("# ")
        assert {"seed"} >= plugins.load("classifier", name).AXES

    def test_learns(self, name):
        *data, expected = digits(n_train=900)
        task = classifiers.Task(options(name), 0)
        found, info = predict(plugins.load("classifier", name), data, [task])[0]
        assert found.dtype == np.int64
        assert (found == expected).mean() > 0.9
        assert all(type(value) in (int, float, str) for key, value in info.items() if key != "choice")
        assert json.loads(json.dumps(info, allow_nan=False)) == info

    def test_alone_in_a_shard_and_reversed_are_bit_equal(self, name):
        module, data, tasks = plugins.load("classifier", name), digits()[:3], shard(name)
        together = predict(module, data, tasks)
        backwards = predict(module, data, tasks[::-1])[::-1]
        alone = [predict(module, data, [task])[0] for task in tasks]
        for found, other, single in zip(together, backwards, alone, strict=True):
            assert np.array_equal(found[0], other[0])
            assert np.array_equal(found[0], single[0])
            assert found[1] == other[1] == single[1]

    def test_threads_do_not_count(self, name):
        module, data, tasks = plugins.load("classifier", name), digits(1)[:3], shard(name)
        few = predict(module, data, tasks)
        with threads.one_core_each(6):
            shared = module.prepare(*data, tasks, Near(data[0], data[2]))
            run = threads.as_done(lambda i: (i, module.predict(shared, *data, tasks[i])), range(len(tasks)))
            for i, found in run:
                assert np.array_equal(found.classes, few[i][0])

    def test_no_queries(self, name):
        train_x, train_y, queries, _ = digits(n_train=60)
        found, _ = predict(plugins.load("classifier", name), (train_x, train_y, queries[:0]), [shard(name)[0]])[0]
        assert found.shape == (0,)

    def test_classes_with_gaps(self, name):
        train_x, train_y, queries, _ = digits()
        kept = (train_y != 0) & (train_y != 5)
        found, _ = predict(plugins.load("classifier", name), (train_x[kept], train_y[kept], queries), [shard(name)[0]])[
            0
        ]
        assert set(found) <= set(train_y[kept])

    def test_two_classes_duplicates_and_constant_columns(self, name):
        train_x, train_y, queries, expected = digits(n_train=600)
        two, asked = np.isin(train_y, (0, 4)), np.isin(expected, (0, 4))
        train_x, queries = (np.hstack([x, np.ones((len(x), 1), np.float32)]) for x in (train_x[two], queries[asked]))
        data = np.repeat(train_x, 2, axis=0), np.repeat(train_y[two], 2), queries
        for found, _ in predict(plugins.load("classifier", name), data, shard(name)):
            assert (found == expected[asked]).mean() > 0.85

    def test_a_class_of_one_row(self, name):
        train_x, train_y, queries, _ = digits()
        kept = train_y != 3
        kept[np.flatnonzero(~kept)[0]] = True
        found, _ = predict(plugins.load("classifier", name), (train_x[kept], train_y[kept], queries), shard(name)[:1])[
            0
        ]
        assert set(found) <= set(train_y)

    def test_memory_grows(self, name):
        module, params = plugins.load("classifier", name), options(name)
        sizes = [module.memory_mb(params, *shape) for shape in ((100, 50, 5, 1), (5000, 50, 5, 1), (5000, 900, 500, 4))]
        assert 0 < sizes[0] < sizes[1] < sizes[2]


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("seed", range(3))
    def test_knn(self, seed):
        data = digits(seed)[:3]
        every = [classifiers.Task(options("knn", **each)) for each in VARIANTS["knn"]]
        tasks = [task for task in every if task.params.weights != "exponential"]
        for task, (found, _) in zip(tasks, predict(plugins.load("classifier", "knn"), data, tasks), strict=True):
            p = task.params
            model = neighbors.KNeighborsClassifier(
                p.n_neighbors, metric=p.metric, weights=p.weights, algorithm="brute"
            ).fit(*data[:2])
            assert np.array_equal(found, model.predict(data[2]))

    def test_knn_ties(self):
        x = np.array([[0.0], [2.0], [1.0], [9.0]], dtype=np.float32)
        y = np.array([3, 1, 2, 0])
        module = plugins.load("classifier", "knn")
        asked = np.array([[1.0]], dtype=np.float32)
        vote = {
            k: predict(module, (x, y, asked), [classifiers.Task(options("knn", n_neighbors=k))])[0][0] for k in (2, 3)
        }
        # Rows 0 and 1 are equally far: the lower index counts; a tied vote goes to the first class.
        assert vote == {2: [2], 3: [1]}
        near = classifiers.Task(options("knn", n_neighbors=3, weights="distance"))
        assert predict(module, (x, y, asked), [near])[0][0] == [2]

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("kernel_bytes", [1 << 30, 0])
    def test_svm(self, seed, kernel_bytes, monkeypatch):
        module = plugins.load("classifier", "svm")
        monkeypatch.setattr(module, "KERNEL_BYTES", kernel_bytes)
        data = digits(seed)[:3]
        tasks = [classifiers.Task(options("svm", **each)) for each in VARIANTS["svm"]]
        for task, (found, info) in zip(tasks, predict(module, data, tasks), strict=True):
            p = task.params
            model = svm.SVC(kernel=p.kernel, C=p.C, gamma=p.gamma).fit(data[0].astype(np.float64), data[1])
            assert np.array_equal(found, model.predict(data[2].astype(np.float64)))
            assert info["support_vectors"] == model.n_support_.sum()

    @pytest.mark.parametrize("seed", range(2))
    def test_random_forest(self, seed):
        data = digits(seed)[:3]
        tasks = [classifiers.Task(options("random_forest", **each), seed) for each in VARIANTS["random_forest"]]
        module = plugins.load("classifier", "random_forest")
        for task, (found, _) in zip(tasks, predict(module, data, tasks), strict=True):
            p = task.params
            model = ensemble.RandomForestClassifier(
                p.n_estimators, max_features=p.max_features, bootstrap=p.bootstrap, random_state=seed
            ).fit(*data[:2])
            assert np.array_equal(found, model.predict(data[2]))

    @pytest.mark.parametrize("seed", range(2))
    @pytest.mark.parametrize("solver", ["newton-cg", "lbfgs"])
    def test_logistic_regression(self, seed, solver):
        """Equal to scikit-learn's with the same options, and to its most exact solver."""
        train_x, train_y, queries, _ = digits(seed)
        for c in (0.1, 10.0):
            task = classifiers.Task(options("logistic_regression", C=c, solver=solver, tol=1e-7))
            (made,) = predictions(
                plugins.load("classifier", "logistic_regression"), (train_x, train_y, queries), [task]
            )
            rows, asked = train_x.astype(np.float64), queries.astype(np.float64)
            same = linear_model.LogisticRegression(C=c, max_iter=2000, tol=1e-7, solver=solver).fit(rows, train_y)
            assert np.array_equal(made.probabilities, same.predict_proba(asked))
            exact = linear_model.LogisticRegression(C=c, tol=1e-12, solver="newton-cholesky").fit(rows, train_y)
            assert np.array_equal(made.classes, exact.predict(asked))
            assert made.probabilities == pytest.approx(exact.predict_proba(asked), abs=1e-4)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"knn"}))
def test_one_class_is_refused_at_planning_time(name):
    module = plugins.load("classifier", name)
    assert "two classes" in module.problems(options(name), 10, 4, 1)[0]
    assert module.problems(options(name), 10, 4, 2) == []


class TestKernels:
    def test_one_for_every_c_and_none_is_kept(self, monkeypatch):
        module, data, made = plugins.load("classifier", "svm"), digits()[:3], []
        among_rows = _kernels.Kernel.among_rows

        def counted(kernel):
            made.append(weakref.ref(values := among_rows(kernel)))
            return values

        monkeypatch.setattr(_kernels.Kernel, "among_rows", counted)
        tasks = [classifiers.Task(options("svm", C=c, gamma=gamma)) for c in (1.0, 2.0) for gamma in (0.1, 0.2)]
        predict(module, data, tasks)
        gc.collect()
        assert [kernel() for kernel in made] == [None, None]

    def test_one_that_cannot_be_made_is_the_fault_of_its_members(self, monkeypatch):
        module, data = plugins.load("classifier", "svm"), digits()[:3]
        among_rows = _kernels.Kernel.among_rows

        def full(kernel):
            if kernel.gamma is None:
                raise MemoryError("full")
            return among_rows(kernel)

        monkeypatch.setattr(_kernels.Kernel, "among_rows", full)
        tasks = [classifiers.Task(options("svm", kernel=kernel)) for kernel in ("linear", "rbf")]
        shared = module.prepare(*data, tasks, Near(data[0], data[2]))
        with pytest.raises(MemoryError, match="full"):
            module.predict(shared, *data, tasks[0])
        assert len(module.predict(shared, *data, tasks[1]).classes) == len(data[2])

    @pytest.mark.parametrize("gamma", [None, 0.05])
    @pytest.mark.parametrize("fewest", [16, 512])
    def test_of_all_pairs_is_scikit_learns(self, gamma, fewest, monkeypatch):
        monkeypatch.setattr(distances, "MOST", fewest)
        rows, _, asked, _ = digits()
        rows, asked = rows.astype(np.float64), asked.astype(np.float64)
        kernel = _kernels.Kernel(rows, gamma)
        expected = partial(pairwise.rbf_kernel, gamma=gamma) if gamma else pairwise.linear_kernel
        among = kernel.among_rows()
        assert np.array_equal(among, among.T)
        assert among == pytest.approx(expected(rows), rel=1e-12)
        assert kernel.of(asked) == pytest.approx(expected(asked, rows), rel=1e-12)

    @pytest.mark.parametrize("classes", [2, 3, 10])
    def test_a_machine_decides_as_libsvm_does(self, classes):
        train_x, train_y, queries, _ = digits(n_train=600)
        kept = np.flatnonzero(train_y < classes)
        # The last class has a single row
        kept = kept[(train_y[kept] != classes - 1) | (kept == kept[train_y[kept] == classes - 1][0])]
        order = kept[np.argsort(train_y[kept], kind="stable")]
        rows, labels = train_x[order].astype(np.float64), train_y[order]
        kernel = _kernels.Kernel(rows, 0.1)
        model = svm.SVC(kernel="precomputed", decision_function_shape="ovo").fit(kernel.among_rows(), labels)
        asked = kernel.of(queries.astype(np.float64))
        codes, scores = _pairs.Machine(model, np.bincount(labels)).decided(asked)
        expected = _pairs.prediction(model, asked)
        assert np.array_equal(model.classes_[codes], model.predict(asked))
        assert scores == pytest.approx(expected.decision, rel=1e-6)


def test_too_many_neighbours_are_refused_at_planning_time():
    module = plugins.load("classifier", "knn")
    assert "of 5 training rows" in module.problems(options("knn", n_neighbors=6), 5, 4, 2)[0]


class TestLogisticRegression:
    PLUGIN = plugins.load("classifier", "logistic_regression")

    def test_the_gradient_of_the_loss(self):
        """By central differences of the loss, at a model that is far from converged."""
        rows, classes, *_ = digits(n_train=60)
        rows = rows.astype(np.float64)
        for kept in (classes >= 0, classes < 2):
            x, y = rows[kept], classes[kept]
            model = linear_model.LogisticRegression(C=0.7, max_iter=2).fit(x, y)
            slope, coef, h = self.PLUGIN.gradient(model, x, y), model.coef_.copy(), 1e-6
            slopes = []
            for place in np.ndindex(coef.shape):
                ends = []
                for step in (h, -h):
                    model.coef_ = coef.copy()
                    model.coef_[place] += step
                    chance = model.predict_proba(x)[np.arange(len(x)), np.searchsorted(model.classes_, y)]
                    ends.append(-np.log(chance).mean() + (model.coef_**2).sum() / (2 * 0.7 * len(x)))
                slopes.append(abs(ends[0] - ends[1]) / (2 * h))
            assert slope >= max(slopes) - 1e-6
            model.coef_ = coef
            bias = np.abs((model.predict_proba(x) - (y[:, None] == model.classes_)).mean(axis=0)).max()
            assert slope == pytest.approx(max(*slopes, bias), rel=1e-4)

    @pytest.mark.parametrize("whole", [1e-3, 1.0, 1e3])
    def test_rounding_does_not_decide(self, whole):
        """Columns of very different scales, and rows in another order: another order of every sum."""
        train_x, train_y, queries, _ = digits(2, n_train=600)
        scale = np.geomspace(0.03, 30, train_x.shape[1]).astype(np.float32) * np.float32(whole)
        order = np.random.default_rng(0).permutation(len(train_x))
        task = classifiers.Task(options("logistic_regression"))
        first, second = (
            predictions(self.PLUGIN, (train_x[rows] * scale, train_y[rows], queries * scale), [task])[0]
            for rows in (np.arange(len(train_x)), order)
        )
        assert np.array_equal(first.classes, second.classes)
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-4 if whole <= 1 else 1e-2)
        assert first.info["gradient"] <= 1e-6

    def test_a_fit_that_does_not_converge_says_so(self):
        train_x, train_y, queries, _ = digits()
        for changes, words in (
            ({"max_iter": 1}, "newton-cg failed to converge"),
            ({"tol": 1e-30}, "above tol = 1e-30"),
        ):
            task = classifiers.Task(options("logistic_regression", **changes))
            with warnings.catch_warnings(), pytest.raises(ConvergenceWarning, match=words):
                warnings.simplefilter("error", ConvergenceWarning)
                predictions(self.PLUGIN, (train_x, train_y, queries), [task])
