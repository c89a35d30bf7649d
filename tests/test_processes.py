"""Processes told apart beyond their number."""

import dataclasses
import signal
import subprocess
import sys

from backbench import processes


def test_this_process_is_alive_and_survives_a_record():
    me = processes.me()
    assert me.alive is True
    assert processes.read(dataclasses.asdict(me)) == me


def test_a_process_with_spaces_and_brackets_in_its_name_is_found(tmp_path):
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "60"], start_new_session=True)
    process = processes.of(child.pid)
    assert process.alive is True
    assert process in processes.tree(processes.me())
    child.kill()
    child.wait()
    assert process.alive is False
    assert process not in processes.tree(processes.me())


def test_a_process_that_ended_and_was_not_waited_for_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = processes.of(child.pid)
    child.kill()
    child.stdin.close()
    while processes.of(child.pid).alive:
        pass
    assert process.alive is False
    child.wait()


def test_a_number_that_was_given_again_is_another_process():
    me = processes.me()
    assert dataclasses.replace(me, started=me.started - 1).alive is False
    assert dataclasses.replace(me, boot="another").alive is False


def test_a_process_of_another_machine_cannot_be_seen():
    assert dataclasses.replace(processes.me(), host="elsewhere").alive is None


def test_a_record_that_is_none():
    assert processes.read({"host": "here", "pid": None}) is None
    assert processes.read({}) is None


def test_what_a_process_started_is_known_after_its_end():
    """By the session that it led: its children have another parent by then."""
    script = "import subprocess; subprocess.Popen(['sleep', '60']); print(flush=True); input()"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    parent = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, **streams)
    parent.stdout.readline()
    root = processes.of(parent.pid)
    (child,) = processes.tree(root)
    assert child in processes.tree(processes.me())
    parent.kill()
    parent.wait()
    assert root.alive is False
    assert processes.tree(root) == [child]
    child.send(signal.SIGKILL)
    while child.alive:
        pass
    assert processes.tree(root) == []
