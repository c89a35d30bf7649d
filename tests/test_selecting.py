"""Classifiers that choose by validation rows, and the votes of neighbours in papers, each against a reference."""

import numpy as np
import pytest
from classifying import digits, options, predictions
from drawn import HEADING, artists, unreadable
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from backbench import classifiers, device, plugins, threads
from backbench.classifiers import _choice, _heads, _softmax
from backbench.classifiers.logistic_sweep import Search
from backbench.metrics.near import Near
from backbench.plots import choice as drawing

NAMES = ("linear_probe", "logistic_sweep")
HELD = 120
TRIED = {"all columns": [0.5, 0.9, None], "first 3 columns": [0.4, 0.6, 0.7]}
EXACT = {"tol": 1e-10, "max_iter": 500, "solver": "newton-cg"}


def selected(name, data, held_y, **changed):
    """The prediction of a plugin that is told the classes of the first queries."""
    module, task = plugins.load("classifier", name), classifiers.Task(options(name, **changed), 0)
    with threads.one_core_each(1):
        return module.select(None, *data, held_y, task)


def refit(name, data, held, **changed):
    with threads.one_core_each(1):
        return plugins.load("classifier", name).final(options(name, **changed), 0, *data, held)


def exact(strength, rows, classes):
    return linear_model.LogisticRegression(C=strength, **EXACT).fit(rows.astype(np.float64), classes)


@pytest.mark.parametrize("k", [10, 20, 100, 200])
def test_neighbours_vote_as_in_dino(k):
    """Written out: cosines of unit rows, the k largest, exp(cosine / T) summed by class."""
    train_x, train_y, queries, _ = digits(n_train=300, n_query=60)
    rows, asked = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (train_x.astype(float), queries.astype(float)))
    cosines = asked @ rows.T
    votes = np.zeros((len(queries), 10))
    for query, row in enumerate(cosines):
        for near in np.argsort(-row)[:k]:
            votes[query, train_y[near]] += np.exp(row[near] / 0.07)
    params = options("knn", n_neighbors=k, metric="cosine", weights="exponential")
    (made,) = predictions(plugins.load("classifier", "knn"), (train_x, train_y, queries), [classifiers.Task(params)])
    assert np.array_equal(made.classes, votes.argmax(axis=1))
    assert made.probabilities == pytest.approx(votes / votes.sum(axis=1, keepdims=True), abs=1e-9)


def test_weights_of_a_low_temperature_are_finite_and_those_of_lengths_are_refused():
    module, data = plugins.load("classifier", "knn"), digits(n_train=80, n_query=20)[:3]
    given = {"metric": "cosine", "weights": "exponential", "n_neighbors": 9}
    cold, nearest = (
        predictions(module, data, [classifiers.Task(options("knn", **each))])[0]
        for each in (given | {"temperature": 1e-5}, given | {"n_neighbors": 1})
    )
    assert np.array_equal(cold.classes, nearest.classes)
    assert "classifier.metric=cosine" in module.problems(options("knn", weights="exponential"), 10**9, 4, 2)[0]
    assert "temperature" not in plugins.schema.canonical(options("knn"))


class TestSelecting:
    @pytest.mark.parametrize("name", NAMES)
    def test_the_choice_and_what_follows_from_it(self, name):
        """The chosen candidate says the validation rows, its refit the others, and this is the final model."""
        train_x, train_y, queries, expected = digits(1)
        made = selected(name, (train_x, train_y, queries), expected[:HELD], refit=True)
        choice = made.info["choice"]
        best = max(max(values) for values in choice["accuracy"].values())
        assert best == (made.classes[:HELD] == expected[:HELD]).mean() > 0.85
        assert choice["accuracy"][choice["series"]][choice["values"].index(choice["value"])] == best
        held = classifiers.Held(queries[:HELD], expected[:HELD])
        for info in ({}, made.info):
            model = refit(name, (train_x, train_y), classifiers.Held(held.rows, held.classes, True, info), refit=True)
            assert np.array_equal(made.classes[HELD:], model.predict(queries[HELD:].astype(float)))
            assert np.array_equal(made.probabilities[HELD:], model.predict_proba(queries[HELD:].astype(float)))
        plain = selected(name, (train_x, train_y, queries), expected[:HELD], refit=False)
        assert np.array_equal(plain.probabilities[:HELD], made.probabilities[:HELD])
        assert not np.array_equal(plain.probabilities[HELD:], made.probabilities[HELD:])
        assert plain.info["choice"] == {**choice, "refit": False}

    @pytest.mark.parametrize("name", NAMES)
    def test_validation_rows_that_do_not_teach_choose_alone(self, name):
        """Of few shots: what predicts has seen the shots, whatever `refit` says."""
        train_x, train_y, queries, expected = digits(1)
        module = plugins.load("classifier", name)
        with threads.one_core_each(1):
            task = classifiers.Task(options(name, refit=True), 0, teaches=False)
            made = module.select(None, train_x, train_y, queries, expected[:HELD], task)
            held = classifiers.Held(queries[:HELD], expected[:HELD], False, made.info)
            model = module.final(task.params, 0, train_x, train_y, held)
        plain = selected(name, (train_x, train_y, queries), expected[:HELD], refit=False)
        assert made.info == plain.info and np.array_equal(made.probabilities, plain.probabilities)
        assert made.probabilities == pytest.approx(model.predict_proba(queries.astype(float)), abs=1e-12)

    @pytest.mark.parametrize("name", NAMES)
    def test_without_validation_rows_training_rows_choose(self, name):
        train_x, train_y, queries, _ = digits(1)
        back = _choice.held_back(train_y)
        task = classifiers.Task(options(name, refit=False), 0)
        (made,) = predictions(plugins.load("classifier", name), (train_x, train_y, queries), [task])
        asked = np.concatenate([train_x[back], queries])
        same = selected(name, (train_x[~back], train_y[~back], asked), train_y[back], refit=False)
        assert np.array_equal(made.probabilities, same.probabilities[back.sum() :])
        assert made.info["choice"]["on"] == _choice.HELD_BACK
        none = classifiers.Held(queries[:0], train_y[:0])
        for refitted in (False, True):
            model = refit(name, (train_x, train_y), none, refit=refitted)
            task = classifiers.Task(options(name, refit=refitted), 0)
            (made,) = predictions(plugins.load("classifier", name), (train_x, train_y, queries), [task])
            assert np.array_equal(made.probabilities, model.predict_proba(queries.astype(float)))

    def test_a_tenth_of_each_class_is_held_back(self):
        classes = np.repeat([3, 5, 8, 9], [40, 7, 1, 2])
        back = _choice.held_back(classes)
        assert [int(back[classes == name].sum()) for name in (3, 5, 8, 9)] == [4, 1, 0, 1]
        with pytest.raises(ValueError, match=r"no class has two training images.*dataset\.split\.validation"):
            _choice.held_back(np.arange(5))

    def test_a_validation_class_without_training_rows_is_left_out_of_the_refit(self):
        train_x, train_y, queries, expected = digits(1)
        kept = train_y != 4
        made = selected("logistic_sweep", (train_x[kept], train_y[kept], queries), expected[:HELD])
        assert made.probabilities.shape == (len(queries), 9) and 4 not in made.classes

    def test_the_first_of_equals_is_chosen_and_an_end_is_said(self):
        class Fixed:
            refit = False

            def candidates(self, rows, classes, held):
                models = [linear_model.LogisticRegression().fit(rows, classes)] * 4
                return _choice.Candidates("C", (1, 2, 3, 4), {"C": self.right}, {"C": models})

        rows, classes = np.eye(4), np.array([0, 1, 0, 1])
        for right, value, note in (
            ([0.5, 0.9, 0.9, np.nan], 2.0, "1 of 4 candidates came to no finite or converged fit."),
            ([0.9, 0.9, 0.1, 0.1], 1.0, "the best C, 1, is the smallest that was tried: a smaller one may be better."),
            ([0.2, 0.1, 0.1, 0.3], 4.0, "the best C, 4, is the largest that was tried: a larger one may be better."),
        ):
            Fixed.right = right
            choice = _choice.select(Fixed(), rows, classes, rows, classes[:2]).info["choice"]
            assert (choice["value"], choice["note"]) == (value, note)
            assert choice["accuracy"]["C"] == [None if np.isnan(each) else each for each in right]
        Fixed.right = [np.nan] * 4
        with pytest.raises(ValueError, match=r"no C of 1 to 4 leads to a finite fit"):
            _choice.select(Fixed(), rows, classes, rows, classes[:2])


class TestLogisticSweep:
    @pytest.mark.parametrize("wide", [False, True], ids=["rows", "columns"])
    @pytest.mark.parametrize("classes", [2, 10])
    def test_every_candidate_is_scikit_learns(self, classes, wide):
        """Of more rows than columns and the other way round, at every C of a coarse path."""
        train_x, train_y, queries, expected = digits(2, n_train=40 * classes if wide else 400)
        kept, asked = train_y < classes, expected < classes
        rows, names = train_x[kept], train_y[kept]
        if wide:
            rows, names = rows[:50], names[:50]
        held = classifiers.Held(queries[asked], expected[asked])
        params = options("logistic_sweep", tol=1e-8)
        tried = Search(params).candidates(rows, names, held)
        for strength, model, right in zip(tried.values, tried.models["C"], tried.accuracy["C"], strict=True):
            same = exact(strength, rows, names)
            chance = same.predict_proba(held.rows.astype(float))
            assert model.predict_proba(held.rows.astype(float)) == pytest.approx(chance, abs=1e-5)
            assert right == pytest.approx((same.predict(held.rows.astype(float)) == held.classes).mean(), abs=0.01)
            assert model.coef_.shape == same.coef_.shape

    def test_the_refit_is_scikit_learns_on_all_rows(self):
        train_x, train_y, queries, expected = digits(1)
        made = selected("logistic_sweep", (train_x, train_y, queries), expected[:HELD], tol=1e-8)
        every = np.concatenate([train_x, queries[:HELD]]), np.concatenate([train_y, expected[:HELD]])
        same = exact(made.info["choice"]["value"], *every)
        assert made.probabilities[HELD:] == pytest.approx(same.predict_proba(queries[HELD:].astype(float)), abs=1e-5)

    def test_the_scale_of_the_data_and_the_order_of_the_rows_do_not_count(self):
        train_x, train_y, queries, expected = digits(3)
        first = selected("logistic_sweep", (train_x, train_y, queries), expected[:HELD])
        order = np.random.default_rng(0).permutation(len(train_x))
        for scale in (1e-3, 1.0, 1e3):
            ends = {"lowest": 1e-3 / scale**2, "highest": 1e3 / scale**2}
            data = (train_x[order] * np.float32(scale), train_y[order], queries * np.float32(scale))
            other = selected("logistic_sweep", data, expected[:HELD], **ends)
            assert np.array_equal(first.classes, other.classes)
            assert first.probabilities == pytest.approx(other.probabilities, abs=1e-4)

    def test_a_fit_that_does_not_converge_is_none_or_says_so(self):
        train_x, train_y, queries, expected = digits()
        with pytest.raises(ValueError, match=r"no C of 0\.001 to 1000 leads to a finite fit"):
            selected("logistic_sweep", (train_x, train_y, queries), expected[:HELD], tol=1e-30)
        search, choice = Search(options("logistic_sweep", max_iter=1)), {"value": 1.0}
        with pytest.raises(
            ConvergenceWarning, match=r"chosen C, 1, is .* from its end after 1 steps.* classifier\.max_iter"
        ):
            search.again(train_x, train_y, choice)

    def test_rows_that_are_all_alike(self):
        turned = _softmax.axes(np.ones((6, 3)))
        fit = _softmax.single(turned, np.array([0, 1, 1, 0, 1, 1]), 1.0, 1e-9, 50)
        chance = _softmax.model(turned, fit, np.array([4, 7]), 1.0).predict_proba(np.ones((1, 3)))
        assert chance == pytest.approx(np.array([[1 / 3, 2 / 3]]), abs=1e-6)

    def test_ends_in_the_wrong_order_are_refused(self):
        module = plugins.load("classifier", "logistic_sweep")
        assert (
            "lowest = 10 must be below highest = 1"
            in module.problems(options("logistic_sweep", lowest=10.0, highest=1.0), 10**9, 4, 2)[0]
        )


class TestLinearProbe:
    SCHEDULE = _heads.Schedule(3, 32, 0.9, 1e-3)
    HEADS = ((0.05, 64), (0.5, 64), (0.5, 20))

    @pytest.mark.parametrize("where", ["cpu", "torch"])
    def test_heads_are_those_of_torch(self, where):
        """Each by itself: a linear layer, cross-entropy, SGD with momentum, a cosine schedule, the same batches."""
        import torch

        rows, classes, *_ = digits(n_train=100)
        with device.using(where), threads.one_core_each(1):
            trained = _heads.train(rows, classes, self.HEADS, self.SCHEDULE, 7)
        draw, steps = np.random.default_rng(7), round(3 * 100 / 32)
        first = draw.normal(0.0, 0.01, (64, 3, 10))
        batches = list(_heads._batches(draw, 100, 32, steps))
        assert sorted(np.concatenate([batch for batch, _ in batches])[:100]) == list(range(100))
        for at, (rate, columns) in enumerate(self.HEADS):
            layer = torch.nn.Linear(columns, 10)
            with torch.no_grad():
                layer.weight.copy_(torch.tensor(first[:columns, at].T))
                layer.bias.zero_()
            how = {"lr": rate * 32 / 256, "momentum": 0.9, "weight_decay": 1e-3}
            optimizer = torch.optim.SGD(layer.parameters(), **how)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=0)
            for batch, _ in batches:
                loss = torch.nn.CrossEntropyLoss()(
                    layer(torch.tensor(rows[batch, :columns])), torch.tensor(classes[batch])
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            coef, intercept = trained[at]
            assert coef[:, :columns] == pytest.approx(layer.weight.detach().numpy(), abs=1e-5)
            assert intercept == pytest.approx(layer.bias.detach().numpy(), abs=1e-5)
            assert not coef[:, columns:].any()

    def test_threads_and_other_fits_do_not_count(self):
        module, data = plugins.load("classifier", "linear_probe"), digits()[:3]
        tasks = [classifiers.Task(options("linear_probe", epochs=n), seed) for n in (3, 6) for seed in (0, 1)]
        alone = [predictions(module, data, [task])[0].probabilities for task in tasks]
        with threads.one_core_each(2):
            shared = module.prepare(*data, tasks, Near(data[0], data[2]))
            beside = threads.as_done(lambda at: (at, module.predict(shared, *data, tasks[at])), range(len(tasks)))
            assert all(np.array_equal(alone[at], made.probabilities) for at, made in beside)
        assert not np.array_equal(alone[0], alone[1])

    def test_a_rate_that_diverges_is_none(self):
        train_x, train_y, queries, expected = digits()
        data = (train_x * 1e6, train_y, queries * 1e6)
        made = selected("linear_probe", data, expected[:HELD], learning_rates=[1e-9, 1e30])
        choice = made.info["choice"]
        assert choice["value"] == 1e-9 and choice["accuracy"]["all columns"][1] is None
        with pytest.raises(ValueError, match="no learning rate of 1e\\+30"):
            selected("linear_probe", data, expected[:HELD], learning_rates=[1e30])

    def test_first_columns_are_tried_beside_the_whole_row(self):
        """Of rows whose later columns mislead on the validation rows, the first are chosen."""
        train_x, train_y, queries, expected = digits(n_train=300)
        clue = np.eye(10, dtype=np.float32)
        late = np.vstack([clue[train_y], clue[(expected + 1) % 10]]) * 5
        wide = np.hstack([np.vstack([train_x, queries]), late])
        made = selected("linear_probe", (wide[:300], train_y, wide[300:]), expected[:HELD], first_columns=[64])
        assert made.info["choice"]["series"] == "first 64 columns"
        assert (made.classes == expected).mean() > 0.8

    def test_problems(self):
        module = plugins.load("classifier", "linear_probe")
        assert "learning_rates is empty" in module.problems(options("linear_probe", learning_rates=[]), 9, 9, 2)[0]
        assert (
            "first_columns = 9 of rows of 9" in module.problems(options("linear_probe", first_columns=[9]), 9, 9, 2)[0]
        )


class TestPicture:
    def test_a_curve_for_each_series_and_a_ring_around_the_choice(self):
        picture = drawing.draw(HEADING, "learning rate", [0.1, 1.0, 10.0], TRIED, ("all columns", 1.0))
        curves = {line.get_label(): line.get_ydata().tolist() for line in artists(picture, "curve")}
        assert curves["first 3 columns"] == [0.4, 0.6, 0.7] and np.isnan(curves["all columns"][2])
        rule, ring = artists(picture, "best")
        assert rule.get_xdata()[0] == 1.0 and ring.get_xydata().tolist() == [[1.0, 0.9]]
        assert picture.data == {"learning rate": [0.1, 1.0, 10.0], **TRIED}
        picture.figure.draw_without_rendering()
        assert [text.get_text() for text in picture.figure.axes[0].get_xticklabels()][1:-1] == ["0.1", "1", "10"]
        assert "ring marks the chosen one of all columns, 1 (0.9000)" in picture.caption
        assert "1 of them came to no finite" in picture.caption and "end of the range" not in picture.caption
        assert not unreadable(picture)

    def test_the_end_of_the_range_is_said(self):
        picture = drawing.draw(HEADING, "C", [1e-6, 1e5], {"C": [0.5, 0.9]}, ("C", 1e5))
        assert "end of the range: a larger one may be better" in picture.caption
