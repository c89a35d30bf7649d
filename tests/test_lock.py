"""One sweep at a time: who holds the folder is said, and what launches say of themselves is read back."""

import dataclasses
import os
import socket
import subprocess
import sys
import time

import pytest

from backbench import launch_record, lock, paths, processes
from backbench.lock import Busy

HOLD = "from backbench import launch_record, lock; held = lock.acquire(); print(flush=True); input()"


@pytest.fixture
def holder(own_results):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_the_refusal_says_who_where_since_when_and_how_far(holder):
    launcher = processes.of(holder.pid)
    launch = launch_record.begin("backbench sweep")
    launch_record.write(dataclasses.replace(launch, launcher=launcher, phase="computing", progress="3 of 9 results"))
    with pytest.raises(Busy) as refused:
        lock.acquire()
    words = (
        f"process {holder.pid} of ",
        f" on {socket.gethostname()}, since ",
        "(computing, 3 of 9 results)",
        "--wait",
    )
    assert [text for text in (*words, "backbench status") if text not in str(refused.value)] == []
    assert lock.owner() == launcher


def test_the_record_of_another_launch_says_nothing_of_the_owner(holder):
    launch_record.begin("backbench sweep", progress="3 of 9 results")
    with pytest.raises(Busy) as refused:
        lock.acquire()
    assert "3 of 9" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "process 12, since yesterday", "[1]", '{"pid": "x"}'])
def test_an_owner_that_cannot_be_read(holder, text):
    (paths.results() / ".lock.owner").write_text(text)
    with pytest.raises(Busy, match="process unknown"):
        lock.acquire()
    assert lock.owner() is None


def test_the_lock_of_a_killed_process_is_free(holder):
    holder.kill()
    holder.wait()
    lock.acquire().release()
    assert lock.owner() == processes.me()


class TestTheRecord:
    def test_is_read_as_it_was_written(self, own_results):
        worker = processes.of(os.getppid())
        launch = launch_record.begin("backbench sweep photos", plan="p", sweep="s" * 64, slurm_name="backbench-1")
        launch = launch_record.change(launch.id, snakemake=worker, executor="slurm", progress="1 of 2 results")
        assert launch_record.current() == launch
        assert (launch.launcher, launch.snakemake) == (processes.me(), worker)

    def test_of_a_sweep_outlives_the_next_launch(self, own_results):
        first = launch_record.begin("backbench sweep a", plan="p", sweep="a" * 64)
        second = launch_record.begin("backbench sweep b", plan="q", sweep="b" * 64)
        assert launch_record.of_sweep("a" * 64) == first
        assert launch_record.of_sweep("b" * 64) == second == launch_record.current()
        assert launch_record.of_sweep("c" * 64) is None

    def test_of_a_launch_that_is_over_is_not_changed_any_more(self, own_results):
        first = launch_record.begin("backbench sweep a")
        second = launch_record.begin("backbench sweep b")
        assert launch_record.change(first.id, outcome="finished") is None
        assert launch_record.current() == second

    def test_beats(self, own_results, monkeypatch):
        monkeypatch.setattr(launch_record, "BEAT_SECONDS", 0.01)
        launch = launch_record.begin("backbench sweep")
        os.utime(launch_record.path(), (0, 0))
        with launch_record.beating(launch.id):
            deadline = time.monotonic() + 30
            while launch_record.silence() > 1000 and time.monotonic() < deadline:
                time.sleep(0.01)
        assert launch_record.silence() < 1000

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"pid": 1}', '{"host": "a", "boot": "b", "pid": 1, "started": 2}']
    )
    def test_half_written_is_none(self, own_results, text):
        launch_record.path().parent.mkdir(parents=True)
        launch_record.path().write_text(text)
        assert launch_record.current() is None
        assert launch_record.begin("backbench sweep") == launch_record.current()
