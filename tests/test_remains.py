"""What killed processes leave behind becomes the reason of failed results, when the launch has ended."""

import subprocess
import sys
from dataclasses import replace

import pytest
from sweeping import GRID, POLICY, collection

from backbench import paths, planning
from backbench.engine.plan import frozen
from backbench.engine.run import jobs, remains, status, supervising
from backbench.engine.run.runner import KILLED, common
from backbench.store import FAILED, Store

pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def plan(tmp_path):
    made = planning.make([*collection(tmp_path / "pictures", ("a", "b"), 6), *GRID, POLICY, "plots=none"]).plan
    frozen.save(made)
    return made


def shard_of(plan, kind):
    return next(shard for shard in plan.shards.values() if shard.kind == kind)


def left_behind(shard, **changes):
    """The record of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    job = replace(jobs.here(shard, threads=2), pid=process.pid, started=1, **changes)
    jobs.Kept(job).write()
    return job


def test_results_in_progress_are_recorded_with_the_reason_and_the_others_stay_pending(plan):
    shard, store = shard_of(plan, "clustering"), Store(paths.store())
    left_behind(shard, members_in_progress=shard.members[:2])
    (sentence,) = remains.settle(plan)
    assert sentence.startswith(f"clustering {shard.family}: its process ")
    states = status.inspect(plan, store).states
    assert [states[key] for key in shard.members[:3]] == [FAILED, FAILED, status.ABSENT]
    record = store.read("clustering", shard.members[0])
    assert (record["reason"], record["info"]) == (sentence.partition(": ")[2], {KILLED: "unknown"})
    assert jobs.everything() == []
    assert remains.settle(plan) == []


def test_processes_that_run_and_those_of_other_plans_are_left_alone(plan):
    shard = shard_of(plan, "clustering")
    mine = jobs.here(shard)
    jobs.Kept(mine).write()
    other = replace(left_behind(shard_of(plan, "dataset")), shard="0" * 64)
    jobs.Kept(other).write()
    jobs.path(shard_of(plan, "dataset")).unlink()
    assert remains.settle(plan) == []
    assert sorted(job.shard for job in jobs.everything()) == sorted([other.shard, mine.shard])


def test_a_job_of_another_machine_is_left_alone_unless_slurm_knows_that_it_ended(plan, monkeypatch):
    shard = shard_of(plan, "dataset")
    left_behind(shard, host="node7")
    assert remains.settle(plan) == []
    left_behind(shard, host="node7", slurm_job="99999999", asked={"mem_mb": 900, "minutes": 6})
    (sentence,) = remains.settle(plan)
    assert "SLURM job 99999999 was killed (no word of SLURM) on node7, having asked for 900 MB, 6 minutes" in sentence


def test_genuine_failures_of_an_earlier_attempt_are_not_tried_again(plan):
    shard, store = shard_of(plan, "dataset"), Store(paths.store())
    args = common("").parse_args(["--plan", str(plan.path)])
    supervising.runner.record_failure(plan, shard, store, args, "the disk is upside down", {})
    missing = supervising.runner.missing_of
    assert missing(plan, shard, store, None) == list(shard.members)
    assert missing(plan, shard, store, 0.0) == []
    supervising.runner.record_failure(plan, shard, store, args, "it was killed", {KILLED: "memory"})
    assert missing(plan, shard, store, 0.0) == list(shard.members)
