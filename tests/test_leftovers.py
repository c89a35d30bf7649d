"""What a killed launch left running is found, and ended in order."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backbench import launch_record, lock, processes, slurm_reasons
from backbench.engine.run import leftovers
from backbench.slurm import Job
from backbench.sweeping import signals, taking

# A Snakemake as its processes look: it leads a session, and its job goes on without it.
WORKER = "import subprocess, sys; job = subprocess.Popen(sys.argv[1:]); print(flush=True); job.wait()"
STUBBORN = (sys.executable, "-c", "import signal, time; signal.signal(2, signal.SIG_IGN); print(); time.sleep(600)")


@pytest.fixture
def dead(own_results):
    """The record of a launch whose launcher was killed, and whose Snakemake is started by a test."""
    child = subprocess.Popen(["sleep", "600"])
    launcher = processes.of(child.pid)
    child.kill()
    child.wait()
    launch = launch_record.begin("backbench sweep photos", plan="p", folder="/nowhere", executor="local")
    workers = []

    def left(*job: str) -> launch_record.Launch:
        command = [sys.executable, "-c", WORKER, *job]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        workers.append(worker)
        worker.stdout.readline()
        changed = dataclasses.replace(launch, launcher=launcher, snakemake=processes.of(worker.pid))
        launch_record.write(changed)
        return changed

    yield left
    for worker in workers:
        for process in processes.tree(processes.of(worker.pid)):
            process.send(signal.SIGKILL)
        worker.kill()
        worker.stdout.close()
        worker.wait()


def reaped(launch: launch_record.Launch) -> bool:
    return launch.snakemake.alive is False


def test_its_snakemake_with_what_that_computes(dead):
    launch = dead("sleep", "600")
    found = leftovers.find(launch)
    assert found.snakemake == launch.snakemake and len(found.processes) == 1
    assert found.text == f"its Snakemake (process {launch.snakemake.pid})"


def test_what_its_killed_snakemake_started(dead):
    launch = dead("sleep", "600")
    launch.snakemake.send(signal.SIGKILL)
    while launch.snakemake.alive:
        time.sleep(0.01)
    found = leftovers.find(launch)
    assert found.snakemake is None and found.text == "1 process on this machine"


@pytest.mark.parametrize("job", [("sleep", "600"), STUBBORN])
def test_all_of_it_is_ended(dead, job, monkeypatch):
    monkeypatch.setattr(leftovers, "PATIENCE", ((signal.SIGINT, 0.5), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)))
    launch = dead(*job)
    assert leftovers.end(launch, print) == []
    assert reaped(launch) and leftovers.find(launch) is None


def test_nothing_is_left_of_a_launch_that_finished(dead):
    launch = dead("sleep", "600")
    assert leftovers.find(dataclasses.replace(launch, ended=1.0, outcome=launch_record.FINISHED)) is None
    assert leftovers.find(None) is None


def test_a_snakemake_of_another_machine_is_there_while_it_is_heard_of(dead, monkeypatch):
    launch = dead("sleep", "600")
    distant = dataclasses.replace(launch, snakemake=dataclasses.replace(launch.snakemake, host="elsewhere"))
    assert leftovers.find(distant).text == f"its Snakemake (process {launch.snakemake.pid} on elsewhere)"
    monkeypatch.setattr(launch_record, "SILENT_SECONDS", -1.0)
    assert leftovers.find(distant) is None


@pytest.mark.timeout(60)
def test_jobs_that_outlived_their_login_node_are_waited_for_no_longer_than_they_run(own_results, monkeypatch):
    """Who waits beats for the launch; that is no sign of life of the machine that is gone."""
    gone = processes.Process("elsewhere", "boot", 1, 1)
    launch = launch_record.begin("backbench sweep photos", folder="/nowhere", executor="slurm")
    launch = dataclasses.replace(launch, launcher=gone, snakemake=gone)
    launch_record.write(launch)
    os.utime(launch_record.path(), (time.time() - 2 * launch_record.SILENT_SECONDS,) * 2)
    queue = [[Job("1", "n", "me", "RUNNING")], []]
    monkeypatch.setattr(leftovers, "jobs_of", lambda launch, seconds=0: queue.pop(0) if len(queue) > 1 else queue[0])
    monkeypatch.setattr(taking, "SLURM_SECONDS", 0.1)
    left = leftovers.find(launch)
    assert left.jobs and not left.distant
    taking._adopt(left)
    assert launch_record.current().snakemake == gone, "the record says where it ran"


def test_nothing_is_ended_while_slurm_does_not_answer(own_results, monkeypatch):
    launch = launch_record.begin("backbench sweep photos", executor="slurm")
    monkeypatch.setattr(leftovers, "jobs_of", lambda launch, seconds=0: None)
    left = leftovers.find(dataclasses.replace(launch, ended=time.time(), outcome=launch_record.STOPPED))
    assert left.silent
    with pytest.raises(lock.Busy, match="SLURM does not answer"):
        taking._end(left)


def test_its_slurm_jobs_by_their_name_and_else_by_their_folder(own_results):
    launch = launch_record.begin("snakemake", folder="/results", executor="slurm")
    now = launch.began + 5
    ours = Job("1", "8a3f", "me", "RUNNING", folder="/results", comment="rule_compute_batch", submitted=now)
    others = [
        dataclasses.replace(ours, id="2", folder="/elsewhere"),
        dataclasses.replace(ours, id="3", comment="mine"),
        dataclasses.replace(ours, id="4", submitted=launch.began - 3600),
        dataclasses.replace(ours, id="5", name="backbench-1_77"),
    ]
    assert [job.id for job in leftovers.among([ours, *others], launch)] == ["1", "5"]
    named = dataclasses.replace(launch, slurm_name="backbench-1")
    assert [job.id for job in leftovers.among([ours, *others], named)] == ["5"]


class TestReasons:
    def test_in_words(self):
        words = slurm_reasons.words
        assert words("Resources") == "no node has enough free cores or memory now"
        assert "lower max-threads" in words("PartitionConfig")
        assert words("QOSMaxCpuPerUserLimit") == "all CPUs of the QOS that may be in use at once are in use"
        assert words("AssocGrpMemLimit") == "all memory of the account that may be in use at once are in use"
        assert words("SomethingNew") == "SomethingNew"
        assert "down, drained or reserved" in words("ReqNodeNotAvail, UnavailableNodes:n[1-3]")

    def test_as_one_sentence(self):
        waiting = [
            Job(str(n), "x", "me", "PENDING", reason) for n, reason in enumerate(["Priority"] * 2 + ["Resources"])
        ]
        assert slurm_reasons.sentence(waiting) == (
            "3 SLURM jobs queued: other jobs go first (Priority, 2) and "
            "no node has enough free cores or memory now (Resources, 1)"
        )
        assert slurm_reasons.sentence([Job("1", "x", "me", "RUNNING")]) == ""

    def test_that_never_pass(self):
        assert slurm_reasons.hopeless(Job("1", "x", "me", "PENDING", "PartitionConfig"))
        assert not slurm_reasons.hopeless(Job("1", "x", "me", "PENDING", "Resources"))
        assert not slurm_reasons.hopeless(Job("1", "x", "me", "RUNNING", "PartitionConfig"))


class TestSignals:
    @pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
    def test_end_a_command_at_any_moment(self, own_results, number, status):
        """Here while it waits for the lock, which the test holds."""
        held = lock.acquire()
        code = (
            "import sys; from backbench import cli, lock; print('here', flush=True); sys.exit(cli.main(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", code, "sweep", "experiment=none", "--wait"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with signals.interruptible_children():
            child = subprocess.Popen(command, **streams)
        with child as process:
            assert process.stdout.readline() == "here\n"
            while not catches(process.pid):
                time.sleep(0.05)
            process.send_signal(number)
            _, stderr = process.communicate(timeout=60)
        held.release()
        assert process.returncode == status
        assert "the same command continues from there" in stderr

    def test_that_are_ignored_stay_ignored(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with signals.raised():
                assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGHUP, before)

    @pytest.mark.parametrize(
        ("number", "broken"), [(signal.SIGHUP, True), (signal.SIGHUP, False), (signal.SIGTERM, False)]
    )
    def test_come_through_and_leave_the_handlers_as_they_were(self, number, broken):
        """Also through the error of a terminal that is gone; in a process of its own, which the signal would end."""
        done = subprocess.run(
            [sys.executable, "-c", RAISED, str(int(number)), str(int(broken))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"{int(number)} True\n"), done.stderr


RAISED = """
import signal, sys
from backbench.sweeping import signals

number, broken = int(sys.argv[1]), sys.argv[2] == "1"
before = signal.getsignal(number)
try:
    with signals.raised():
        try:
            signal.raise_signal(number)
        finally:
            if broken:
                raise OSError(5, "Input/output error")
except signals.Stopped as stopped:
    print(stopped.number, signal.getsignal(number) is before)
"""


def catches(pid: int) -> bool:
    """Whether a process has handlers of its own for SIGTERM by now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught & 1 << (signal.SIGTERM - 1))
