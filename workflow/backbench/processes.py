"""Processes told apart beyond their number: a number is given again after a while, and each machine has its own
(standard library only)."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
BOOT = PROC / "sys/kernel/random/boot_id"
# Fields of /proc/PID/stat after the name of the program: state, parent, process group, session, and the start.
STATE, PARENT, GROUP, SESSION, START = 0, 1, 2, 3, 19
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
        """Whether it still runs; None where that cannot be seen from this machine."""
        if not self.here:
            return None
        if self.boot != boot():
            return False
        fields = _fields(self.pid)
        return fields is not None and fields[STATE] not in ENDED and int(fields[START]) == self.started


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


def of_session(session: int) -> list[Process]:
    """Living processes of a session of this machine, the leader of which may have ended."""
    host, since, members = socket.gethostname(), boot(), []
    for folder in PROC.iterdir() if PROC.is_dir() else ():
        fields = _fields(int(folder.name)) if folder.name.isdigit() else None
        if fields and int(fields[SESSION]) == session and fields[STATE] not in ENDED:
            members.append(Process(host, since, int(folder.name), int(fields[START])))
    return members


def _fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, which may hold spaces and brackets."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
