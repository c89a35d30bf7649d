"""`backbench status`: how a sweep stands, whatever of it was killed, half-written or taken away."""

import contextlib
import dataclasses
import io
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import sweeping

from backbench import cli, launch_record, paths, processes
from backbench.engine.plan import frozen
from backbench.engine.run import jobs
from backbench.engine.run.status import write_receipt
from backbench.schema import ConfigError
from backbench.slurm import Job
from backbench.store import Store
from backbench.sweeping import overview, overview_words

GRID = (
    "experiment=none",
    "backbone=pixels",
    "backbone.image.size=8",
    "clusterer=kmeans",
    "k=2,3",
    "classifier=knn,svm",
)


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """A sweep whose clusterings were computed, and its classifications were not, and the folder with its results."""
    folder = tmp_path_factory.mktemp("status")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        words = sweeping.collection(folder / "photos", ("a", "b"), each=10)
        return sweeping.computed(*GRID, *words, without=("classification",)), folder / "results"


@pytest.fixture
def plan(computed, tmp_path, monkeypatch):
    """That sweep in a results folder of the test."""
    shutil.copytree(computed[1], tmp_path / "results")
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    return computed[0]


@pytest.fixture
def launched(plan):
    """The record of a launch of that sweep, by this process."""
    return launch_record.begin("backbench sweep photos", plan=plan.hash, sweep=plan.sweep, computing=time.time())


@pytest.fixture
def child():
    """Another process, which a test may kill."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def dead(child) -> processes.Process:
    """A process that was killed."""
    process = processes.of(child.pid)
    child.kill()
    child.wait()
    return process


def kinds(view) -> dict[str, tuple[int, ...]]:
    """By kind: done, failed, running, queued, waiting."""
    names = ("done", "failed", "running", "queued", "waiting")
    return {kind.kind: tuple(getattr(kind, name) for name in names) for kind in view.kinds}


def shard_of(plan, kind: str):
    return next(shard for shard in plan.shards.values() if shard.kind == kind)


def recorded(plan, kind: str, process: processes.Process, **more) -> jobs.Job:
    """The record of a process that computes the results of a kind."""
    shard = shard_of(plan, kind)
    who = {"host": process.host, "boot": process.boot, "pid": process.pid, "started": process.started}
    job = jobs.Job(shard.id, shard.kind, shard.family, shard.members, began=time.time() - 90, **who, **more)
    jobs.Kept(job).write()
    return job


class TestALaunch:
    def test_that_runs(self, plan, launched):
        view = overview.look()
        assert (view.state, view.sweep, view.over) == ("running", plan.sweep, False)
        assert view.next == ("backbench status --watch",)
        assert f"by process {os.getpid()} of {launched.user}" in overview_words.text(view)

    def test_that_still_plans(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path))
        launch_record.begin("backbench sweep photos")
        view = overview.look()
        assert (view.state, view.plan, view.kinds) == ("running", None, ())
        assert "sweep: planning for" in overview_words.text(view)

    def test_that_was_killed(self, launched, dead):
        launch_record.write(dataclasses.replace(launched, launcher=dead))
        view = overview.look()
        assert (view.state, view.over) == ("killed", True)
        assert view.next == ("backbench sweep photos",)
        assert "was killed while planning; nothing of it runs any more" in overview_words.text(view)

    def test_whose_launcher_was_killed_while_its_snakemake_goes_on(self, launched, dead):
        with subprocess.Popen(["sleep", "600"], start_new_session=True) as worker:
            launch_record.write(dataclasses.replace(launched, launcher=dead, snakemake=processes.of(worker.pid)))
            view = overview.look()
            worker.kill()
        assert (view.state, view.over) == ("orphaned", False)
        assert "what it started goes on" in overview_words.text(view)
        assert overview.look().state == "killed"

    def test_on_another_machine_runs_while_it_is_heard_of(self, launched):
        elsewhere = dataclasses.replace(launched.launcher, host="elsewhere")
        launch_record.write(dataclasses.replace(launched, launcher=elsewhere))
        assert overview.look().state == "running"
        assert "on elsewhere, last heard of 0 s ago" in overview_words.text(overview.look())
        then = time.time() - 2 * launch_record.SILENT_SECONDS
        os.utime(launch_record.path(), (then, then))
        view = overview.look()
        assert (view.state, view.over) == ("silent", True)
        assert "was not heard of for 2 min: it was killed, or that machine is off" in overview_words.text(view)

    @pytest.mark.parametrize("outcome", [launch_record.FINISHED, launch_record.FAILED, launch_record.STOPPED])
    def test_that_ended_in_order(self, launched, outcome):
        launch_record.change(launched.id, ended=time.time(), outcome=outcome)
        assert overview.look().state == outcome

    def test_of_slurm_jobs_that_outlive_it(self, launched, dead):
        job = Job("7", "backbench-x", "me", "PENDING", "Resources")
        ended = dataclasses.replace(launched, launcher=dead)
        assert overview.state_of_launch(ended, [job]) == "orphaned"
        assert overview.state_of_launch(ended) == "killed"

    def test_that_nobody_recorded(self, plan):
        assert overview.look().state == "never"


class TestResults:
    def test_done_and_waiting(self, plan, launched):
        found = kinds(overview.look())
        assert found["clustering"] == (2, 0, 0, 0, 0)
        assert found["classification"] == (0, 0, 0, 0, 2)
        view = overview.look()
        assert (view.left_results, view.runs, view.runs_done) == (2, len(plan.runs), 0)

    def test_receipts_count_without_a_look_at_their_results(self, plan, launched):
        shard = shard_of(plan, "classification")
        write_receipt(shard, dict.fromkeys(shard.members, "current"))
        assert kinds(overview.look())["classification"] == (2, 0, 0, 0, 0)
        assert overview.look().runs_done == len(plan.runs)

    def test_a_living_process_runs_them(self, plan, launched, child):
        recorded(plan, "classification", processes.of(child.pid), asked={"mem_mb": 900, "minutes": 7}, attempt=2)
        progress = paths.results() / "progress" / f"classification-{shard_of(plan, 'classification').id[:12]}.json"
        progress.parent.mkdir(exist_ok=True)
        progress.write_text(json.dumps({"done": 1, "total": 2, "left": 3.0}))
        view = overview.look()
        assert kinds(view)["classification"] == (0, 0, 2, 0, 0)
        text = overview_words.text(view)
        assert f"process {child.pid}" in text and "1 of 2 fits, about 3 s left" in text
        assert "attempt 2" in text and "may have 900 MB and 7 min" in text

    def test_a_dead_process_runs_nothing(self, plan, launched, dead):
        recorded(plan, "classification", dead)
        view = overview.look()
        assert kinds(view)["classification"] == (0, 0, 0, 0, 2)
        assert view.working == () and [work.pid for work in view.killed] == [dead.pid]

    def test_a_process_of_another_machine_is_not_said_to_run(self, plan, launched):
        recorded(plan, "classification", dataclasses.replace(processes.me(), host="elsewhere"))
        view = overview.look()
        assert kinds(view)["classification"] == (0, 0, 0, 0, 2)
        assert [work.alive for work in view.working] == [None]
        assert "may still run on elsewhere" in overview_words.text(view)

    def test_failures_are_counted_by_their_reasons(self, plan, launched):
        launch_record.change(launched.id, ended=time.time(), outcome=launch_record.FAILED)
        store, shard = Store(paths.store()), shard_of(plan, "classification")
        for number, member in enumerate(shard.members):
            stage = plan.stages[member]
            record = {"status": "failed", "reason": f"killed in job {number}", "code": stage.code, "metrics": {}}
            store.write("classification", member, {**record, "info": {}, "notes": {}}, {})
        write_receipt(shard, dict.fromkeys(shard.members, "failed"))
        view = overview.look()
        assert kinds(view)["classification"] == (0, 2, 0, 0, 0)
        assert [(failure.results, failure.kinds) for failure in view.failed] == [(2, ("classification",))]
        assert "2 results (classification): killed in job" in overview_words.text(view)
        assert "backbench sweep photos" in view.next

    def test_jobs_in_the_queue_of_slurm(self, plan, launched):
        shard = shard_of(plan, "classification")
        job = Job("12", "x", "me", "PENDING", "PartitionConfig", comment=f"rule_fit_wildcards_knn_{shard.id[:12]}")
        view = overview._Looking(plan, launched, "running", [job], [job]).overview(overview.look())
        assert kinds(view)["classification"] == (0, 0, 0, 2, 0)
        assert "1 job (12): no node of the partition has that many CPUs" in overview_words.text(view)


class TestFiles:
    def test_nothing_is_written(self, plan, launched):
        before = snapshot(paths.results())
        overview.look()
        assert snapshot(paths.results()) == before

    @pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"hash": 3}', "\x00\x01"])
    def test_files_that_are_half_written(self, plan, launched, text):
        shard = shard_of(plan, "classification")
        places = (shard.receipt, jobs.path(shard), paths.results() / "progress" / "x.json", launch_record.path())
        member = Store(paths.store()).path("clustering", shard_of(plan, "clustering").members[0])
        for place in (*places, member):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        view = overview.look()
        assert kinds(view)["classification"] == (0, 0, 0, 0, 2)
        assert overview_words.text(view)

    def test_a_folder_without_its_store(self, plan, launched):
        paths.store().rename(paths.results() / "moved")
        assert {states[0] for states in kinds(overview.look()).values()} == {0}

    def test_a_plan_that_cannot_be_read_is_no_sweep(self, plan):
        plan.path.write_text(plan.path.read_text()[:1000])
        with pytest.raises(ConfigError, match="no sweeps here yet"):
            overview.look()


class TestWhich:
    def test_by_the_beginning_of_the_sweep_or_the_plan(self, plan):
        assert overview.look(plan.sweep[:6]).plan == overview.look(plan.hash[:6]).plan == plan.hash

    def test_the_newest_is_the_default(self, plan, launched):
        launch_record.change(launched.id, ended=time.time(), outcome=launch_record.FINISHED)
        other = dataclasses.replace(plan, hash="f" * 64)
        frozen.save(other)
        launch_record.begin("backbench sweep more", plan=other.hash, sweep=other.sweep)
        assert overview.look().plan == other.hash

    def test_an_unknown_one_is_refused(self, plan):
        with pytest.raises(ConfigError, match="no sweep here begins with 'zzz'"):
            overview.look("zzz")

    def test_a_folder_without_any(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "nothing"))
        with pytest.raises(ConfigError, match="no sweeps here yet"):
            overview.look()


class TestTheCommand:
    def test_json_has_the_keys_of_the_documentation(self, plan, launched, child):
        recorded(plan, "classification", processes.of(child.pid))
        body = json.loads(said("status", "--format", "json"))
        page = (Path(__file__).parents[1] / "docs" / "status.md").read_text()
        nested = (body["launch"], body["kinds"][0], body["working"][0])
        names = {*body, *(key for each in nested for key in each)}
        assert {name for name in names if f"`{name}`" not in page} == set()

    def test_it_watches_until_the_sweep_has_ended(self, plan, launched, monkeypatch):
        def ended(seconds):
            launch_record.change(launched.id, ended=time.time(), outcome=launch_record.FINISHED)

        monkeypatch.setattr(time, "sleep", ended)
        blocks = said("status", "--watch", "1", "--format", "json").splitlines()
        assert [json.loads(block)["state"] for block in blocks] == ["running", "finished"]

    def test_the_same_in_python(self, plan, launched):
        import backbench

        assert backbench.status(plan.sweep[:8]).state == "running"


def said(*words: str) -> str:
    """What a command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert cli.main(words) == 0
    return output.getvalue()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and its time of change."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}
