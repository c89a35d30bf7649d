"""What a refused or rehearsed sweep leaves behind: no plan, and so no pending runs; and which sweep is the newest."""

import json

import pytest
from grids import photos
from sweeping import NO_PICTURES, computed

from backbench import cli, launching, paths, planning
from backbench.cli import report
from backbench.engine.plan import frozen
from backbench.engine.results import ledger


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@pytest.fixture
def words(tmp_path):
    root = photos(tmp_path / "photos", count=10)
    folder = ["dataset=folder", f"dataset.root={root}", "experiment=none", "backbone=pixels"]
    return [*folder, "k=2", "classifier=none", "retrieval=none", NO_PICTURES]


def runs(capfd) -> list:
    capfd.readouterr()
    assert cli.main(["runs", "--format", "json"]) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["--cores", "0"], 2),
        (["clusterer.max_iter=0"], 2),
        (["execution.memory_mb=1"], 2),
        (["--", "-n"], 0),
        (["--", "--no-such-option"], 1),
    ],
    ids=["cores", "option", "memory", "rehearsed", "snakemake"],
)
def test_a_sweep_that_was_not_started_leaves_no_pending_runs(words, more, status, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{paths.results()}/mlflow.db")
    assert cli.main(["sweep", *words, *more]) == status
    assert list(paths.plans().glob("*.json")) == [] and runs(capfd) == []


def test_a_rehearsal_does_not_make_an_older_sweep_the_newest(words, capfd):
    first = computed(*words)
    before = first.path.stat().st_mtime_ns
    assert cli.main(["sweep", *words, "--", "-n"]) == 0
    assert first.path.stat().st_mtime_ns == before


def test_the_newest_sweep_is_the_newest_with_results(words, capfd):
    done = computed(*words)
    pending = planning.make([*words, "k=3"]).plan
    frozen.save(pending)
    assert [saved.sweep for saved in ledger.saved_plans()] == [done.sweep, pending.sweep]
    assert cli.main(["report"]) == 0
    assert capfd.readouterr().out.strip() == str(launching.page(done))


def test_where_nothing_has_results_the_newest_says_so(words, capfd):
    frozen.save(planning.make(words).plan)
    assert cli.main(["report"]) == 2
    assert "has no results yet; run the same `backbench sweep` again to compute them" in capfd.readouterr().err


def test_the_newest_of_none_is_refused():
    with pytest.raises(planning.ConfigError, match="there are no sweeps"):
        report.find(None, [])
