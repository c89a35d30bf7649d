"""Random forests by oneDAL: refused in plain words where it cannot work, and the same forest wherever it can."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import threading
from pathlib import Path

import networks
import numpy as np
import pytest
from classifying import digits, options
from sklearn.ensemble import RandomForestClassifier
from sweeping import GRID, collection, computed

from backbench import classifiers, paths, planning, plugins, threads
from backbench.datasets import TEST
from backbench.engine.results import ledger
from backbench.inference import fitting
from backbench.inference.known import Known
from backbench.inference.predicting import Predictor
from backbench.metrics.near import Near
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store

ROOT = Path(__file__).parents[1]
MODULE = plugins.load("classifier", "random_forest")
needs_onedal = pytest.mark.skipif(
    not importlib.util.find_spec("sklearnex"), reason="the extra intelex is not installed"
)
FOREST = ("classifier=random_forest", "classifier.engine=onedal", "classifier.n_estimators=9", "chain=none")


def tasks() -> list[classifiers.Task]:
    """Forests that share trees, that share none, and single ones: more kinds than threads."""
    sizes = [{"n_estimators": n} for n in (5, 20, 12)]
    changed = [*sizes, {"bootstrap": False, "n_estimators": 6}, {"max_features": 0.5, "n_estimators": 6}]
    params = [options("random_forest", engine="onedal", **each) for each in changed]
    return [classifiers.Task(each, seed) for each in params for seed in (0, 1)]


def same(some: list[classifiers.Prediction], others: list[classifiers.Prediction]) -> bool:
    pairs = list(zip(some, others, strict=True))
    bits = all(np.array_equal(a.probabilities, b.probabilities) for a, b in pairs)
    return bits and all(np.array_equal(a.classes, b.classes) and a.info == b.info for a, b in pairs)


def predictions(members: list[classifiers.Task], cores: int) -> list[classifiers.Prediction]:
    data = digits()[:3]
    with threads.one_core_each(cores):
        shared = MODULE.prepare(*data, members, Near(data[0], data[2]))
        return [MODULE.predict(shared, *data, member) for member in members]


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "problem"),
        [
            ({"criterion": "entropy"}, "received criterion = entropy; allowed with engine = onedal: gini"),
            ({"n_estimators": 6025}, "received n_estimators = 6025; allowed with engine = onedal: up to 6024"),
        ],
    )
    def test_what_it_does_not_have_is_refused(self, changed, problem):
        assert problem in MODULE.problems(options("random_forest", engine="onedal", **changed), 100, 5, 2)
        assert not MODULE.problems(options("random_forest", **changed), 100, 5, 2)

    def test_without_the_package_a_plan_says_what_to_install(self, monkeypatch, tmp_path):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        asked = (*GRID[:2], *collection(tmp_path), "clusterer=none", "retrieval=none", *FOREST)
        with pytest.raises(ConfigError, match=r"scikit-learn-intelex.*: pip install \"backbench\[intelex\]\""):
            planning.make(asked, fingerprint=False)


@needs_onedal
class TestForests:
    def test_they_are_the_same_alone_in_company_in_any_order_and_by_any_number_of_threads(self):
        every = predictions(tasks(), 1)
        alone = [predictions([member], 2)[0] for member in tasks()]
        assert same(every, alone)
        assert same(every, predictions(tasks(), 2))
        assert same(every, predictions(tasks()[::-1], 2)[::-1])

    def test_a_process_that_has_opened_openvino_can_grow_them(self):
        networks.needs_engine("openvino")
        program = "from backbench.backbones import _openvino; import sklearnex.ensemble"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_openvino_is_imported_by_the_module_alone_that_lets_it_share_a_library_with_them(self):
        plain = re.compile(r'^ *(import|from) openvino\b|import(orskip|_module)\("openvino"', re.MULTILINE)
        files = [file for folder in ("workflow", "tests", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
        assert [file.name for file in files if plain.search(file.read_text())] == ["_openvino.py"]

    def test_they_are_the_same_outside_the_main_thread(self, recwarn):
        answers: list[list[classifiers.Prediction]] = []
        worker = threading.Thread(target=lambda: answers.append(predictions(tasks()[:2], 2)))
        worker.start()
        worker.join()
        assert same(answers[0], predictions(tasks()[:2], 2))
        assert not recwarn.list

    def test_settings_of_the_process_are_changed_by_one_caller_at_a_time(self):
        import daal4py

        from backbench.classifiers import _onedal

        before, entered = daal4py.num_threads(), threading.Event()

        def other() -> None:
            with _onedal._all_threads():
                entered.set()

        worker = threading.Thread(target=other)
        with _onedal._all_threads():
            worker.start()
            assert not entered.wait(0.2)
        worker.join()
        assert entered.is_set() and daal4py.num_threads() == before

    def test_trees_are_those_of_scikit_learn_and_vote_as_they_do(self):
        train_x, train_y, queries, truth = digits()
        params = options("random_forest", engine="onedal", n_estimators=30)
        (prediction,) = predictions([classifiers.Task(params, 0)], 1)
        forest = MODULE.grown(params, 0, train_x, train_y)
        assert type(forest) is RandomForestClassifier
        assert np.array_equal(forest.predict_proba(queries), prediction.probabilities)
        assert prediction.info["deepest_tree"] == max(tree.get_depth() for tree in forest.estimators_)
        plain = RandomForestClassifier(30, random_state=0).fit(train_x, train_y)
        assert forest.score(queries, truth) == pytest.approx(plain.score(queries, truth), abs=0.05)

    def test_a_model_of_a_run_says_what_the_store_holds(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
        grid = (*GRID[:2], *collection(tmp_path / "photos"), "clusterer=none", "retrieval=none")
        computed(*grid, *FOREST)
        (row,) = ledger.all_rows(Store(paths.store()))
        source = Source(row, Store(paths.store()))
        versions = row.records[row.stages["classification"]]["provenance"]["versions"]
        assert versions["scikit-learn-intelex"] == importlib.metadata.version("scikit-learn-intelex")
        asked, known = np.flatnonzero(source.split == TEST), Known(source)
        answers = Predictor(fitting.fit(source), None).files([known.path(number) for number in asked.tolist()])
        assert [answer.label for answer in answers] == [source.names[label] for label in source.predictions[asked]]
