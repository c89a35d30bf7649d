"""Processes told apart beyond their number: a number is given again after a while, and each machine has its own
(standard library only)."""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
BOOT = PROC / "sys/kernel/random/boot_id"
# Fields of /proc/PID/stat after the name of the program: state, parent, session and start.
STATE, PARENT, SESSION, START = 0, 1, 3, 19
# How much what follows the answer gives way (`os.nice`) to the launcher, which computes the answer at that time.
AFTER_ANSWER = 5
ENDED = ("Z", "X", "x")


@dataclass(frozen=True)
class Process:
    """A process of a machine since its last boot; `started` is in clock ticks after that boot (0 if not known)."""

    host: str
    boot: str
    pid: int
    started: int

    @property
    def here(self) -> bool:
        """Whether it is a process of this machine, as far as its name tells."""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool | None:
        """Whether it still runs; None where that cannot be seen from this machine, or by this user."""
        if not self.here:
            return None
        if self.boot != boot():
            return False
        fields = _fields(self.pid)
        if fields is None and not self.started:  # a system without /proc
            return exists(self.pid)
        if fields is None and exists(self.pid):  # of another user, where /proc hides these
            return None
        return fields is not None and fields[STATE] not in ENDED and int(fields[START]) == self.started

    def send(self, signal: int) -> None:
        """Send it a signal, if it is a living process of this machine and of this user."""
        if self.alive:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal)


def of(pid: int) -> Process:
    """A process of this machine as it is now."""
    fields = _fields(pid)
    return Process(socket.gethostname(), boot(), pid, int(fields[START]) if fields else 0)


def me() -> Process:
    """This process."""
    return of(os.getpid())


def read(values: Mapping[str, Any]) -> Process | None:
    """A process from the fields of a record, None where they are not those of one."""
    try:
        return Process(str(values["host"]), str(values["boot"]), int(values["pid"]), int(values["started"]))
    except (KeyError, TypeError, ValueError):
        return None


def boot() -> str:
    """What tells this boot of this machine from every other; empty where the system does not say."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def tree(root: Process) -> list[Process]:
    """Living processes that descend from `root`, which may have ended, or are of the session that it leads.

    `root` itself is not among them.
    """
    if not root.here or root.boot != boot():
        return []
    living = {pid: fields for pid, fields in _everything() if fields[STATE] not in ENDED}
    below: set[int] = set()
    if root.alive:
        children: dict[int, list[int]] = {}
        for pid, fields in living.items():
            children.setdefault(int(fields[PARENT]), []).append(pid)
        waiting = [root.pid]
        while waiting:
            waiting += (added := [pid for pid in children.get(waiting.pop(), ()) if pid not in below])
            below.update(added)
    below |= {pid for pid, fields in living.items() if int(fields[SESSION]) == root.pid}
    members = [pid for pid in below if pid != root.pid and int(living[pid][START]) >= root.started]
    return [Process(root.host, root.boot, pid, int(living[pid][START])) for pid in sorted(members)]


def _everything() -> Iterator[tuple[int, list[str]]]:
    """Every process of this machine with its fields."""
    for folder in PROC.iterdir() if PROC.is_dir() else ():
        fields = _fields(int(folder.name)) if folder.name.isdigit() else None
        if fields:
            yield int(folder.name), fields


def exists(pid: int) -> bool:
    """Whether there is a process of this number, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, which may hold spaces and brackets."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
