"""Records of the processes that compute: there while one runs, gone when it has ended in order, left by a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from sweeping import collection

from backbench import paths, planning
from backbench.engine.plan import frozen
from backbench.engine.run import jobs

SLOW = (
    "import time\n"
    "from backbench.engine.run import runner, supervising\n"
    "runner.compute = lambda *args: time.sleep(600)\n"
    "supervising.main('dataset')\n"
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path


@pytest.fixture
def shard(place):
    grid = ("experiment=none", "backbone=pixels", "clusterer=none", "classifier=none", "retrieval=none", "plots=none")
    plan = planning.make([*collection(place / "pictures", ("a", "b"), 4), *grid]).plan
    frozen.save(plan)
    return next(shard for shard in plan.shards.values() if shard.kind == "dataset"), plan


def run(shard, plan, *program):
    words = ["--plan", str(plan.path), "--shard", shard.id, "--threads", "1"]
    return subprocess.Popen([sys.executable, *program, *words])


def waited(shard):
    deadline = time.monotonic() + 60
    while not jobs.path(shard).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return jobs.read(jobs.path(shard))


def test_a_record_is_there_while_the_shard_is_computed_and_is_left_by_a_kill(shard):
    shard, plan = shard
    process = run(shard, plan, "-c", SLOW)
    job = waited(shard)
    assert (job.shard, job.kind, job.family) == (shard.id, "dataset", "folder")
    assert jobs.alive(job) == jobs.ALIVE
    assert jobs.left(shard) is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60  # what computes ends with the process that was killed
    while jobs.alive(job) == jobs.ALIVE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert jobs.left(shard) == jobs.read(jobs.path(shard))
    assert jobs.alive(job) == jobs.DEAD


def test_a_shard_that_ended_in_order_leaves_no_record(shard):
    shard, plan = shard
    script = paths.CHECKOUT / "scripts" / "fetch_dataset.py"
    assert run(shard, plan, str(script)).wait() == 0
    assert shard.receipt.exists()
    assert jobs.folder().is_dir()
    assert jobs.everything() == []


def test_a_process_is_told_from_a_later_one_with_its_number_and_from_those_elsewhere(shard):
    mine = jobs.here(shard[0])
    assert jobs.alive(mine) == jobs.ALIVE
    assert jobs.alive(replace(mine, started=1)) == jobs.DEAD
    assert jobs.alive(replace(mine, boot="another")) == jobs.DEAD
    assert jobs.alive(replace(mine, host="node7")) == jobs.UNKNOWN
    elsewhere = replace(mine, host="node7", slurm_job="12")
    assert jobs.alive(elsewhere, {"12"}) == jobs.ALIVE
    assert jobs.alive(elsewhere, {"13"}) == jobs.DEAD


def test_a_record_says_what_is_in_progress(shard):
    with jobs.kept(jobs.here(shard[0])) as record:
        record.computing(("a", "b"), device="cpu")
        record.ended("a")
        record.write()
        job = jobs.read(jobs.path(shard[0]))
        assert job.members_in_progress == ("b",)
        assert (job.pid, job.device) == (os.getpid(), "cpu")
    assert not jobs.path(shard[0]).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"shard": "a", "other": 1})])
def test_a_file_that_is_no_record_counts_as_none(shard, text):
    jobs.folder().mkdir(parents=True)
    jobs.path(shard[0]).write_text(text)
    assert jobs.left(shard[0]) is None
    assert jobs.everything() == []
