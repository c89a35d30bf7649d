"""The answer of a sweep: each part computed once, whoever asks for it."""

import io
from collections import Counter

import pytest
import sweeping

from backbench.cli import answer as printed
from backbench.cli import leaderboard
from backbench.derived import Derived
from backbench.evaluate import agreement, candidates, leaderboards, recommendations
from backbench.reports import sweep as page
from backbench.tracking import sweeps

CLASSES = ("red", "green", "blue")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def calls(monkeypatch):
    """How often each part of an answer is computed or read from the cache."""
    counts = Counter()

    def counted(place, name):
        function = getattr(place, name)

        def count(*args, **options):
            counts[name] += 1
            return function(*args, **options)

        monkeypatch.setattr(place, name, count)

    for place, name in (
        (candidates, "representations"),
        (leaderboards, "of_dataset"),
        (agreement, "agreements"),
        (recommendations, "recorded"),
        (Derived, "ensure"),
    ):
        counted(place, name)
    return counts


@pytest.fixture
def plan(tmp_path):
    return sweeping.computed(*sweeping.GRID, *sweeping.collection(tmp_path / "pictures", CLASSES, each=15))


def test_a_sweep_computes_and_reads_each_part_once(plan, calls):
    found = sweeping.answer_of(plan)
    for _ in range(2):
        found.write()
        page.write(found)
        sweeps.summary(found, "pictures", "")
        leaderboard.show(found.datasets, 5, io.StringIO())
        printed.show(found.datasets.values(), io.StringIO())
    assert calls.pop("ensure") == 3 + 1, "a leaderboard for each task, and the selection"
    assert calls == {"representations": 1, "of_dataset": 1, "agreements": 1, "recorded": 1}


def test_nothing_is_computed_that_nobody_asks_for(plan, calls):
    found = sweeping.answer_of(plan)
    assert list(found.datasets) and not calls
    assert found.named("another") == [] and found.selection["representations"]
    assert calls == {"representations": 1, "recorded": 1, "ensure": 1}


def test_the_decisions_are_written_beside_the_results_and_a_changed_file_is_mended(plan):
    path = sweeping.answer_of(plan).write()
    text = path.read_text()
    assert path == plan.folder / "selection.json" and '"of"' in text
    path.write_text("{}")
    assert sweeping.answer_of(plan).write().read_text() == text
