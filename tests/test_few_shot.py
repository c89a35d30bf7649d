"""Few labels: which images are drawn, what is planned and computed of them, and what tables and the answer say."""

import json

import numpy as np
import pytest
from answering import CLASSIFIED, of
from classifying import NAMES
from sharing import once
from stored import Stored, mixed, planned
from sweeping import collection, computed, rows_of
from test_small_collections import made, refusal
from test_stages import classified, compute, rows, world

from backbench import hashing, paths, threads
from backbench.answers import facts, words
from backbench.datasets import TRAIN, _shots
from backbench.engine.results import ledger
from backbench.evaluate import configurations, leaderboards, learning_curves
from backbench.exports import pipeline
from backbench.inference import fitting
from backbench.metrics.catalogue import CLASSIFICATION
from backbench.pictures.overview import learning_curve
from backbench.pictures.source import Source, Sweep
from backbench.schema import ConfigError
from backbench.stages import classification
from backbench.statistics import replicates, resampling
from backbench.store import Store

__all__ = ["world"]
LABELS = np.array([0, 1, 1, 2, 0, 1, 2, 0, 0, 1, 1, 0])


class TestDraws:
    def test_a_draw_is_nested_and_takes_no_more_than_it_may(self):
        every = np.arange(len(LABELS))
        for draw in range(4):
            few, more = (_shots.drawn(every, LABELS, shots, draw) for shots in (2, 4))
            assert set(few) < set(more) and (np.diff(more) > 0).all()
            assert np.bincount(LABELS[few]).tolist() == [2, 2, 2]
            # The third class has two images and gives both.
            assert np.bincount(LABELS[more]).tolist() == [4, 4, 2]

    def test_draws_never_change(self):
        """These rows are part of what a hash means."""
        every = np.arange(len(LABELS))
        drawn = [_shots.drawn(every, LABELS, 1, draw).tolist() for draw in range(3)]
        assert drawn == EXPECTED

    def test_another_class_changes_nothing(self):
        without = np.flatnonzero(LABELS != 1)
        kept = _shots.drawn(without, LABELS, 2, 3)
        whole = _shots.drawn(np.arange(len(LABELS)), LABELS, 2, 3)
        assert kept.tolist() == [row for row in whole.tolist() if LABELS[row] != 1]

    def test_draws_are_equally_likely_to_take_each_image(self):
        labels = np.zeros(10, np.int64)
        taken = np.concatenate([_shots.drawn(np.arange(10), labels, 2, draw) for draw in range(2000)])
        assert np.abs(np.bincount(taken, minlength=10) - 400).max() < 5 * np.sqrt(400)

    def test_without_shots_all_are_taken(self):
        split = np.array([0, 0, 1, 2, 0, 0, 0, 1, 2, 0, 0, 0])
        assert _shots.learnt({}, split, LABELS).tolist() == np.flatnonzero(split == TRAIN).tolist()


LEARNERS = (classified("knn", n_neighbors=1), classified("nearest_centroid"))
CONFIGS = [{**config, **few} for config in LEARNERS for few in ({}, {"shots": 1, "draw": 0}, {"shots": 4, "draw": 1})]


class TestStage:
    def test_alone_and_in_company_are_bit_equal(self, world):
        inputs = world(*rows())

        def digests(outcomes):
            return [[hashing.array_digest(array) for _, array in sorted(each.arrays.items())] for each in outcomes]

        together = digests(compute(classification, CONFIGS, inputs))
        assert digests(compute(classification, CONFIGS[::-1], inputs))[::-1] == together
        assert [digests(compute(classification, [config], inputs))[0] for config in CONFIGS] == together

    def test_it_learns_from_the_drawn_rows_alone(self, world):
        """The same as if there were no other training rows; those that are not drawn are no test rows."""
        x, truth, split = rows()
        drawn = _shots.learnt({"shots": 4, "draw": 1}, split, truth)
        config = {**classified("nearest_centroid"), "shots": 4, "draw": 1}
        (few,) = compute(classification, [config], world(x, truth, split))
        kept = np.union1d(drawn, np.flatnonzero(split != TRAIN))
        (alone,) = compute(classification, [classified("nearest_centroid")], world(x[kept], truth[kept], split[kept]))
        assert few.arrays["predictions"][kept].tolist() == alone.arrays["predictions"].tolist()
        assert (few.arrays["predictions"][split == TRAIN] == -2).all() and few.info["training_rows"] == len(drawn) == 12
        assert few.metrics == alone.metrics and "training_rows" not in alone.info


@pytest.fixture
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.mark.usefixtures("results")
class TestPlan:
    SMALL = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "clusterer=none", "retrieval=none")

    def photos(self, folder, *words):
        return (*self.SMALL, "dataset=folder", f"dataset.root={folder}", *words)

    def test_the_draw_counts_where_labels_are_few(self, folder):
        """20 of 30 pictures are for training, 6 or 7 of each class."""
        asked = self.photos(folder, "classifier=nearest_centroid", "classification.draw=0,1,2")
        assert "or give classification.shots=N" in refusal(*asked)
        few = made(*asked, "classification.shots=1,2,null").plan
        configs = [stage.config for stage in few.stages.values() if stage.kind == "classification"]
        assert len(few.runs) == 7 and sum("shots" in config for config in configs) == 6
        assert {stage.about["n"] for stage in few.stages.values() if stage.kind == "classification"} == {3, 6, 18}

    def test_more_than_there_are_is_refused_with_the_most(self, folder):
        text = refusal(*self.photos(folder, "classifier=nearest_centroid", "classification.shots=2,16"))
        assert "received 16; the largest class has 6 training images" in text and "classification.shots=6" in text

    def test_zero_is_refused(self, folder):
        assert "allowed: a whole number or null >= 1" in refusal(*self.photos(folder, "classification.shots=0"))

    def test_the_experiment_leaves_out_what_there_is_not(self, folder):
        asked = [word for word in self.photos(folder) if word.partition("=")[0] != "experiment"]
        planned = made(*asked, "experiment=fewshot")
        stages = [stage for stage in planned.plan.stages.values() if stage.kind == "classification"]
        # Three classifiers, 1, 2 and 4 images in five draws, and all of them.
        assert len(stages) == 3 * (3 * 5 + 1)
        assert [line for line in planned.notices if "shots = 8, 16" in line and "at most 6" in line]

    def test_a_smaller_class_gives_all_it_has(self, folder):
        for path in sorted((folder / "class2").iterdir())[:5]:
            path.unlink()
        planned = made(*self.photos(folder, "classifier=nearest_centroid", "classification.shots=4"))
        assert [line for line in planned.notices if line.startswith("4 images a class: 1 of 3 classes have fewer")]
        (stage,) = (stage for stage in planned.plan.stages.values() if stage.kind == "classification")
        assert stage.about["n"] == 4 + 4 + 3

    def test_more_neighbours_than_labels_are_left_out_or_refused(self, folder):
        asked = self.photos(folder, "classifier=knn,nearest_centroid", "classification.shots=1,4")
        notices = made(*asked).notices
        assert [line for line in notices if "knn with n_neighbors = 5" in line and "at most 3" in line]
        assert "classifier.n_neighbors=3" in refusal(*asked, "classifier.n_neighbors=4")
        assert "What works: classifier.n_neighbors=3" in refusal(*asked, "classification.shots=1")


def swept(folder) -> list[str]:
    """Every classifier on one image of each class, and a few on more, behind a fitted chain."""
    words = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "clusterer=none", "retrieval=none")
    own = collection(folder / "photos", ("bush", "cat", "shoe"), each=16)
    small = {
        "random_forest": ["classifier.n_estimators=8"],
        "knn": ["classifier.n_neighbors=1"],
        "mlp": ["classifier.epochs=3"],
        "gradient_boosting": ["classifier.max_iter=4", "classifier.min_samples_leaf=2"],
    }
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plans = []
        for name in NAMES:
            asked = (*words, *own, "chain=standardise", f"classifier={name}", *small.get(name, ()))
            try:
                plan = computed(*asked, "classification.shots=1,4", "classification.draw=1")
            except ConfigError:  # refused when planned, before any job
                continue
            plans.append(plan.hash)
        return plans


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder, _ = once(tmp_path_factory, "few-shot", swept)
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        patch.delenv("BACKBENCH_STORE", raising=False)
        store = Store(paths.store())
        yield [Source(row, store) for row in ledger.all_rows(store)]


class TestRuns:
    def test_every_classifier_learns_from_four_images_or_is_refused_when_planned(self, runs):
        assert [source.row.reason for source in runs] == [None] * len(runs)
        names = {source.row.params["classifier.name"] for source in runs if configurations.shots(source.row) == 4}
        assert names >= {"knn", "logistic_regression", "nearest_centroid", "svm", "random_forest"}

    def test_a_model_and_a_pipeline_learn_from_the_drawn_images(self, runs):
        for source in runs:
            held = np.flatnonzero(source.split != TRAIN)
            features = np.asarray(source.stored("features", "features"))[held]
            said = fitting.fit(source).classify(features).classes
            assert said.tolist() == source.predictions[held].tolist(), source.row.name
        source = next(each for each in runs if each.row.params["classifier.name"] == "logistic_regression")
        with threads.one_core_each(1):
            agreed = pipeline.agreement(pipeline.fit(source), source)
        assert agreed and not sum(part["differs"] for part in agreed.values())


FEW = ("classifier=knn,svm", "classification.shots=1,4,null", "classification.draw=0,1,2", *CLASSIFIED)
QUALITY = {1: 0.5, 4: 0.7, None: 0.9}


def few(better=0.0, levels=QUALITY, **options):
    """Rows of k-NN and an SVM, which is better, by how few labels they have."""

    def predictions(stage, truth):
        share = levels[stage.config.get("shots")] + better * (stage.family == "svm")
        return mixed(truth, share, 7 + stage.config.get("draw", 9))

    return Stored(predictions=predictions, **options).rows(*FEW)


@pytest.mark.usefixtures("results")
class TestTables:
    def test_a_row_is_a_mean_over_draws(self):
        most, fewer = leaderboards.leaderboards(few(0.05), Store(paths.store()))
        assert (most.title, len(most.entries)) == ("Classifiers, ranked by accuracy on validation", 2)
        assert fewer.title == "Classifiers with fewer labels, ranked by accuracy on validation"
        assert [entry.params["classification.shots"] for entry in fewer.entries] == [4, 4, 1, 1]
        first = fewer.entries[0]
        values = [row.metrics["val_accuracy"] for row in first.rows]
        estimate = first.values["val_accuracy"]
        assert configurations.draws(first.rows, CLASSIFICATION) == 3 and not leaderboards.drawn(most)
        assert (estimate.mean, estimate.over) == (pytest.approx(np.mean(values)), "images and draws")
        assert "over the 300 validation images and the draws of training images" in leaderboards.words(fewer)

    def test_few_labels_are_never_recommended_over_all(self):
        """Even where those with few labels happen to score higher."""
        found = of(few(0.02, {1: 0.95, 4: 0.93, None: 0.7}))
        (verdict,) = found.verdicts
        assert configurations.shots(verdict.row) is None and verdict.others == 1
        assert all(configurations.shots(row) is None for row in (verdict.row, *verdict.tied))

    def test_without_all_the_most_labels_are_recommended(self):
        rows_ = [row for row in few(0.05) if configurations.shots(row) is not None]
        (verdict,) = of(rows_).verdicts
        assert configurations.shots(verdict.row) == 4 and len(verdict.rows) == 3
        (spoken,) = words.answer(of(rows_)).verdicts
        assert spoken.text.headline.startswith("Use SVM (4 images a class) on raw pixels")

    def test_the_answer_says_how_many_labels_are_needed(self):
        found = of(few(0.05))
        (spoken,) = words.answer(found).verdicts
        asked, gained = spoken.text.details[-2:]
        assert asked.startswith("How many labels do I need? With 1 image a class it gets 5")
        assert "with all 150 a class 9" in asked and asked.endswith("with fewer than all, means over 3 draws.")
        assert gained.startswith("From 1 to 4 images a class it gains 2") and "; from 4 to all it gains 2" in gained
        plain = json.loads(json.dumps(facts.plain(found)))["learning_curves"]
        assert [point["shots"] for point in plain[0]["points"]] == [1, 4, None]
        assert plain[0]["title"] == "SVM on raw pixels" and plain[0]["gains"][0]["over"] == "images and draws"

    def test_no_gain_is_claimed_where_none_shows(self):
        (spoken,) = words.answer(of(few(0.0, {1: 0.7, 4: 0.7, None: 0.7}))).verdicts
        assert "it gains" not in spoken.text.details[-1] and "no difference shows" in spoken.text.details[-1]


@pytest.mark.usefixtures("results")
class TestCurves:
    def test_points_and_gains_are_those_of_the_results(self):
        rows_ = few(0.05)
        best, other = learning_curves.curves(rows_, Store(paths.store()))
        assert best.row.params["classifier.name"] == "svm" and other.row.params["classifier.name"] == "knn"
        points = [(point.shots, point.images, point.draws) for point in best.points]
        assert points == [(1, 1, 3), (4, 4, 3), (None, 150, 1)]
        by = {}
        for row in rows_:
            if row.params["classifier.name"] == "svm":
                by.setdefault(configurations.shots(row), []).append(row.metrics["accuracy"])
        means = [np.mean(by[shots]) for shots in (1, 4, None)]
        assert [point.estimate.mean for point in best.points] == pytest.approx(means)
        assert [gain.estimate.mean for gain in best.gains] == pytest.approx(np.diff(means))
        assert [point.estimate.over for point in best.points] == ["images and draws"] * 2 + ["images"]

    def test_without_arrays_intervals_are_over_draws(self):
        best, _ = learning_curves.curves(few(0.05, arrays=False), Store(paths.store()))
        assert [point.estimate.over for point in best.points] == ["draws"] * 2 + [None]

    def test_numbers_without_a_draw_in_common_have_no_gain(self):
        kept = {(1, 0), (4, 1), (None, None)}
        rows_ = [row for row in few(0.05) if (configurations.shots(row), row.params.get("classification.draw")) in kept]
        best, _ = learning_curves.curves(rows_, Store(paths.store()))
        assert [(gain.before, gain.after) for gain in best.gains] == [(4, None)]
        (spoken,) = words.answer(of(rows_)).verdicts
        assert spoken.text.details[-2].endswith("with fewer than all, one draw each, and others may differ.")
        assert spoken.text.details[-1].startswith("From 4 images a class to all it gains")

    def test_a_picture_has_a_line_for_each_classifier(self):
        rows_ = few(0.05)
        sweep = Sweep(rows_[0].plan, rows_, Store(paths.store()))
        assert learning_curve.lacks(sweep) is None
        picture = learning_curve.draw(sweep)
        (axes,) = picture.figure.axes
        assert [line.get_gid() for line in axes.lines].count("few") == 2
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "4", "all\n(150)"]
        assert picture.data["shots"] == [1, 4, "all"] * 2 and "3 draws" in picture.caption

    def test_a_sweep_with_one_number_of_labels_lacks_it(self):
        plan = planned("classifier=knn", "classification.shots=4", *CLASSIFIED)
        sweep = Sweep(plan, rows_of(plan), Store(paths.store()))
        assert "classification.shots=" in learning_curve.lacks(sweep)


def test_intervals_hold_the_truth_over_draws_and_images():
    """Draws differ, images are hard or easy for all: the mean over both is known."""
    rng, held, times, n, draws = np.random.default_rng(3), 0, 200, 80, 5
    for _ in range(times):
        levels, hard = 0.7 + 0.06 * rng.normal(size=draws), rng.normal(size=n) * 0.25
        right = [(rng.random(n) < np.clip(level + hard, 0, 1)).astype(np.int64) for level in levels]
        ones, drawn = np.ones(n, np.int64), resampling.weights(n, 200)
        side = {
            draw: (float(each.mean()), replicates.accuracy_like("accuracy", ones, each, drawn), n)
            for draw, each in enumerate(right)
        }
        level = {draw: (0.0, np.zeros(200), n) for draw in range(draws)}
        estimate = learning_curves.gain(level, side)
        held += estimate.low <= TRUTH <= estimate.high
    assert held >= 0.92 * times


# The mean of the clipped chances above.
TRUTH = float(np.clip(0.7 + np.hypot(0.06, 0.25) * np.random.default_rng(0).normal(size=400_000), 0, 1).mean())
EXPECTED = [[2, 3, 4], [0, 2, 3], [2, 6, 7]]
