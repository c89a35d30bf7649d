"""What SLURM is asked and what its answers are read as: the real one on loopback, and machines without any."""

import os
import subprocess
import time
import uuid

import pytest
from clusters import CPUS, MEMORY_MB, needs_slurm, slurm

from backbench import slurm as cluster

__all__ = ["slurm"]

NAME = f"backbench-{uuid.uuid4().hex}"


@pytest.fixture
def submit(slurm, tmp_path):
    """Submit a job of this test and return its id; what still runs is cancelled afterwards."""
    ids = []

    def submitted(script: str, *options: str) -> str:
        command = ["sbatch", "--parsable", "--output", str(tmp_path / "%j.log"), "--job-name", NAME, *options]
        shown = subprocess.run([*command, "--wrap", script], capture_output=True, text=True, check=True, cwd=tmp_path)
        ids.append(shown.stdout.strip())
        return ids[-1]

    yield submitted
    cluster.cancel(ids)


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.1)


@needs_slurm
def test_a_running_job_is_in_the_queue_with_what_it_asked_for(submit, tmp_path):
    options = ("--comment", "rule_compute wildcards a=b", "--cpus-per-task", "2", "--mem", "300M", "--time", "7")
    id = submit("sleep 60", *options)
    until(lambda: [job.state for job in cluster.queue(ids=[id])] == ["RUNNING"])
    (job,) = cluster.queue(prefix=NAME, user="root")
    assert (job.id, job.name, job.user, job.alive, job.waiting) == (id, NAME, "root", True, False)
    assert (job.cpus, job.memory_mb, job.minutes, job.partition) == (2, 300, 7, "main")
    assert job.comment == "rule_compute wildcards a=b"
    assert job.folder == str(tmp_path)
    assert job.place and abs(job.began - time.time()) < 60
    assert cluster.queue(prefix=f"not-{NAME}") == []
    shown = cluster.job(id)
    assert (shown.state, shown.cpus, shown.memory_mb, shown.minutes) == ("RUNNING", 2, 300, 7)
    assert (shown.place, shown.comment) == (job.place, job.comment)


@needs_slurm
def test_a_job_that_waits_says_why(submit):
    id = submit("true", "--hold")
    (job,) = cluster.queue(ids=[id])
    assert (job.state, job.reason, job.place) == ("PENDING", "JobHeldUser", "")
    assert job.waiting and job.alive


@needs_slurm
def test_a_cancelled_job_leaves_the_queue_and_is_still_known(submit):
    id = submit("sleep 60")
    assert cluster.cancel([id]) is True
    until(lambda: cluster.queue(ids=[id]) == [])
    job = cluster.job(id)
    assert (job.state, job.alive) == ("CANCELLED", False)
    assert cluster.cancel([]) is True


@needs_slurm
def test_a_job_that_failed_shows_its_status(submit):
    id = submit("exit 3")
    until(lambda: not cluster.job(id).alive)
    job = cluster.job(id)
    assert (job.state, job.reason, job.code, job.signal) == ("FAILED", "NonZeroExitCode", 3, 0)
    assert job.ended is not None


@needs_slurm
def test_the_nodes_and_settings_of_the_cluster(slurm):
    (node,) = cluster.nodes()
    assert (node.cpus, node.memory_mb, node.gpus, node.partition, node.default) == (CPUS, MEMORY_MB, 0, "main", True)
    assert node.minutes is None and node.state in ("idle", "mixed", "allocated")
    assert cluster.settings()["ClusterName"] == "test"


@needs_slurm
def test_accounting_that_is_switched_off_does_not_answer(slurm):
    assert cluster.accounting() is False


@needs_slurm
def test_a_users_own_filters_hide_nothing(submit, monkeypatch):
    id = submit("sleep 60")
    monkeypatch.setenv("SQUEUE_STATES", "SUSPENDED")
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    assert [job.id for job in cluster.queue(ids=[id])] == [id]


@needs_slurm
def test_a_job_that_slurm_never_had(slurm):
    assert cluster.job("99999999") is None
    assert cluster.queue(ids=["99999999"]) == []


def program(folder, name: str, script: str):
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_slurm_there_is_no_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not cluster.present()
    answers = [cluster.queue(), cluster.job("1"), cluster.nodes(), cluster.settings(), cluster.cancel(["1"])]
    assert answers == [None] * 5
    assert cluster.accounting() is None


def test_a_slurm_that_does_not_answer_is_not_waited_for(monkeypatch, tmp_path):
    for name in ("squeue", "sacct", "scontrol"):
        program(tmp_path, name, "exec sleep 100")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert cluster.queue(seconds=0.2) is None
    assert cluster.job("1", seconds=0.2) is None
    assert cluster.accounting(seconds=0.2) is False


def test_nodes_of_a_larger_cluster(monkeypatch, tmp_path):
    lines = (
        "n1 |mixed*|64|512000|gpu:a100:4(S:0-1)|gpu|2-00:00:00|none",
        "n2|drained|128+|1000000+|(null)|long*|infinite|bad disk",
    )
    program(tmp_path, "sinfo", "\n".join(f"echo '{line.replace('|', cluster.BETWEEN)}'" for line in lines))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gpu, long = cluster.nodes()
    assert gpu == cluster.Node("n1", "mixed", 64, 512000, 4, "gpu", False, 2880, "")
    assert long == cluster.Node("n2", "drained", 128, 1000000, 0, "long", True, None, "bad disk")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500M", 500), ("1.50G", 1536), ("62.5Gn", 64000), ("4000Mc", 4000), ("0", None), ("", None), ("2T", 2 * 1024**2)],
)
def test_memory_as_slurm_writes_it(text, expected):
    assert cluster.megabytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10:00", 10), ("1:30:30", 90.5), ("2-01:30:00", 2970), ("UNLIMITED", None), ("INVALID", None), ("0:30", 0.5)],
)
def test_time_limits_as_slurm_writes_them(text, expected):
    assert cluster.minutes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("(null)", 0), ("gpu:2", 2), ("gpu:a100:4(S:0-1),shard:8", 4), ("gpu:a100:4,gpu:h100:2", 6), ("tmp:900G", 0)],
)
def test_gpus_of_a_node(text, expected):
    assert cluster.gpus(text) == expected
