"""Sweeps on a SLURM of one node: the results of this machine, whatever becomes of the jobs and of who launched them."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import needs_slurm, slurm  # noqa: F401 (a fixture)
from workbench import COMMON, GRID, Bench, Finished, copy_checkout, end_all, tracked, wait_until

from backbench import slurm as asking

pytestmark = [needs_slurm, pytest.mark.usefixtures("slurm")]

# A clusterer that waits while a file is there, so that a job can be met while it runs.
HELD = '''
"""Clusters by the number of a row, once the file that the variable HOLD names is gone."""
import os
import time
from dataclasses import dataclass
from pathlib import Path

AXES = frozenset({"k"})


@dataclass(frozen=True)
class Params:
    pass


def problems(params, n, d, k):
    return []


def memory_mb(params, n, d, count):
    return 1.0


def prepare(x, members, near):
    return None


def fit(shared, x, task):
    import numpy as np

    while Path(os.environ["HOLD"]).exists():
        time.sleep(0.1)
    return np.arange(len(x)) % task.k, {}
'''
HELD_GRID = (*COMMON, "clusterer=kmeans,held", "k=2,3", "classifier=knn", "retrieval=none", "selection=published")
HELD_RUNS = 4


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the clusterer that can be held."""
    checkout = copy_checkout(tmp_path_factory.mktemp("holding") / "checkout")
    (checkout / "workflow" / "backbench" / "clusterers" / "held.py").write_text(HELD)
    (checkout / "conf" / "clusterer" / "held.yaml").write_text("# Waits, for tests.\nname: held\n")
    return checkout


class Held:
    """A sweep on SLURM, one of whose jobs waits until it is let go."""

    def __init__(self, bench: Bench, hold: Path):
        self.bench, self.hold = bench, hold

    def start(self) -> subprocess.Popen:
        return self.bench.start("sweep", "--cores", "8", *HELD_GRID, *on_slurm(self.bench))

    def jobs(self, *states: str) -> dict[str, str]:
        """State of each job that was submitted for this results folder, in the order of submission."""
        known = {job["JobId"]: job["JobState"] for job in all_jobs() if job["WorkDir"] == str(self.bench.results)}
        return {number: state for number, state in known.items() if not states or state in states}

    def waiting(self) -> str:
        """SLURM's number of the job in which the clusterer waits; empty while there is none."""
        running = self.jobs("RUNNING")
        records = (read(record) for record in (self.bench.results / "jobs").glob("clustering-*.json"))
        return next((number for record in records if (number := record.get("slurm_job")) in running), "")


@pytest.fixture
def held(holding: Path, images: Path, tmp_path: Path) -> Iterator[Held]:
    hold = tmp_path / "hold"
    hold.touch()
    sweep = Held(Bench(holding, tmp_path / "results", {"HOLD": str(hold)}), hold)
    yield sweep
    end_all(tmp_path / "results")
    asking.cancel(sweep.jobs("RUNNING", "PENDING"))


def on_slurm(bench: Bench) -> tuple[str, ...]:
    return ("--", "--workflow-profile", str(bench.checkout / "profiles" / "slurm"))


def all_jobs() -> list[dict[str, str]]:
    """What SLURM knows of every job that it remembers."""
    shown = subprocess.run(["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True, check=True)
    return [asking.pairs(line) for line in shown.stdout.splitlines() if line.startswith("JobId=")]


def read(record: Path) -> dict:
    """A record of a job that may end at any moment."""
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return {}


def administer(*words: str) -> None:
    subprocess.run(["scontrol", "update", *words], check=True)


def test_a_sweep_gives_the_results_of_this_machine_in_few_jobs(finished: Finished, images: Path, tmp_path: Path):
    bench = Bench(finished.bench.checkout, tmp_path / "results")
    bench.run("sweep", "--cores", "8", *GRID, *on_slurm(bench), check=0)
    here, there = tracked(finished.bench.database), tracked(bench.database)
    assert {key: run.results for key, run in here.items()} == {key: run.results for key, run in there.items()}
    assert {run.status for run in there.values()} == {"FINISHED"}
    assert bench.arrays() == finished.bench.arrays()
    jobs = [job for job in all_jobs() if job["WorkDir"] == str(bench.results)]
    assert 1 <= len(jobs) <= 2 and {job["JobState"] for job in jobs} == {"COMPLETED"}


def test_a_drained_node_a_cancelled_job_and_one_out_of_time_lose_nothing(held: Held):
    node = os.uname().nodename.partition(".")[0]
    administer(f"nodename={node}", "state=drain", "reason=test")
    try:
        launcher = held.start()
        assert wait_until(lambda: held.jobs("PENDING"), 120), "no job was submitted"
        second = held.bench.run("sweep", "--cores", "8", *HELD_GRID, *on_slurm(held.bench))
        assert second.returncode == 2 and f"process {launcher.pid}" in second.stderr
    finally:
        administer(f"nodename={node}", "state=resume")
    assert wait_until(held.waiting, 120), "the job did not start when the node came back"
    cancelled = held.waiting()
    asking.cancel([cancelled])
    assert wait_until(lambda: held.waiting() not in ("", cancelled), 120), "it was not submitted again"
    late = held.waiting()
    administer(f"JobId={late}", "EndTime=now")
    assert wait_until(lambda: held.waiting() not in ("", cancelled, late), 180), "it was not submitted again"
    held.hold.unlink()
    assert launcher.wait(180) == 0
    states = held.jobs()
    assert (states[cancelled], states[late]) == ("CANCELLED", "TIMEOUT")
    runs = tracked(held.bench.database)
    assert len(runs) == HELD_RUNS and {run.status for run in runs.values()} == {"FINISHED"}
