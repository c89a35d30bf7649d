"""Launchers that are killed or asked to end while jobs run, here and on a SLURM: nothing is lost or done twice."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import needs_slurm, slurm  # noqa: F401 (a fixture)
from test_slurm_sweeps import HELD_GRID, HELD_RUNS, Held, held, holding, on_slurm  # noqa: F401 (fixtures)
from workbench import Bench, end_all, kill_alone, processes, tracked, wait_until

GRID = (*HELD_GRID, "--cores", "2")


@pytest.fixture
def local(holding: Path, images: Path, tmp_path: Path) -> Iterator[Held]:  # noqa: F811
    """A sweep of this machine, one of whose jobs waits until it is let go."""
    hold = tmp_path / "hold"
    hold.touch()
    yield Held(Bench(holding, tmp_path / "results", {"HOLD": str(hold)}), hold)
    end_all(tmp_path / "results")


def status(bench: Bench) -> dict:
    return json.loads(bench.run("status", "--format", "json", check=0).stdout)


def output(bench: Bench) -> str:
    return (bench.results.parent / "launches.log").read_text()


def clustering(bench: Bench) -> bool:
    """Whether a process clusters and has something left to do."""
    return any((bench.results / "jobs").glob("clustering-*.json"))


def ended_well(bench: Bench) -> None:
    runs = tracked(bench.database)
    assert len(runs) == HELD_RUNS and {run.status for run in runs.values()} == {"FINISHED"}
    assert wait_until(lambda: not processes(bench.results)), "something still runs"
    assert status(bench)["state"] == "finished"


@pytest.mark.timeout(600)
def test_a_launcher_that_is_asked_to_end_and_one_that_is_killed(local: Held):
    """SIGTERM ends its processes; after kill -9 the next launch waits for them, and then does what is left."""
    bench = local.bench
    first = bench.start("sweep", *GRID)
    assert wait_until(lambda: clustering(bench), 120)
    view = status(bench)
    assert view["state"] == "running" and view["launch"]["pid"] == first.pid
    assert "clustering" in [work["kind"] for work in view["working"]]
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 128 + signal.SIGTERM
    assert processes(bench.results) == []
    assert "interrupted by SIGTERM; finished results are kept" in output(bench)
    view = status(bench)
    assert view["state"] == "stopped" and view["working"] == view["killed"] == []

    second = bench.start("sweep", *GRID)
    assert wait_until(lambda: clustering(bench), 120)
    kill_alone(second)
    view = status(bench)
    assert view["state"] == "orphaned" and view["working"]
    rehearsal = bench.run("sweep", *GRID, "--", "-n", check=2)
    assert "was killed; still running: its Snakemake (process" in rehearsal.stderr
    third = bench.start("sweep", *GRID)
    assert wait_until(lambda: "waiting for it, so that nothing is computed twice" in output(bench))
    assert status(bench)["launch"]["pid"] == third.pid
    before = bench.finished_members()
    local.hold.unlink()
    assert third.wait(180) == 0
    assert {name: stat for name, stat in bench.finished_members().items() if name in before} == before
    assert len(bench.log_of_snakemake()) == 2, "a Snakemake was started for what the killed one was doing"
    ended_well(bench)


@pytest.mark.timeout(600)
def test_a_snakemake_that_is_killed_leaves_no_processes(local: Held):
    launcher = local.bench.start("sweep", *GRID)
    assert wait_until(lambda: clustering(local.bench), 120)
    worker = status(local.bench)["launch"]["snakemake"]
    os.kill(worker, signal.SIGKILL)
    assert launcher.wait(60) == 1
    assert processes(local.bench.results) == []
    assert "Snakemake was killed by SIGKILL" in output(local.bench)
    assert status(local.bench)["state"] == "failed"


@needs_slurm
@pytest.mark.usefixtures("slurm")
@pytest.mark.timeout(600)
def test_jobs_of_a_cluster_whose_launcher_ends(held: Held):  # noqa: F811
    """SIGTERM cancels them. After kill -9 of the launcher and its Snakemake they are found by the next launch."""
    bench = held.bench
    first = held.start()
    assert wait_until(held.waiting, 120), "no job runs"
    first.send_signal(signal.SIGTERM)
    assert first.wait(120) == 128 + signal.SIGTERM
    assert held.jobs("RUNNING", "PENDING", "COMPLETING") == {}
    assert processes(bench.results) == []
    cancelled = held.jobs()

    second = held.start()
    assert wait_until(held.waiting, 120), "no job runs"
    view = status(bench)
    assert view["state"] == "running" and view["slurm_answers"]
    assert held.waiting() in [work["slurm_job"] for work in view["working"]]
    kill_alone(second)
    os.kill(view["launch"]["snakemake"], signal.SIGKILL)
    assert status(bench)["state"] == "orphaned"
    third = held.start()
    assert wait_until(lambda: "waiting for it, so that nothing is computed twice" in output(bench))
    assert "still running: 1 SLURM job (1 running, 0 queued)" in output(bench)
    held.hold.unlink()
    assert third.wait(180) == 0
    jobs = {number: state for number, state in held.jobs().items() if number not in cancelled}
    assert len(jobs) == 1 and set(jobs.values()) == {"COMPLETED"}
    ended_well(bench)
