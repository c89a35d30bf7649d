"""Who writes to MLflow: the user, the machine and the process, as others are told (no mlflow)."""

import getpass
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.engine.run import jobs

NAMESPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True)
class Writer:
    """A process that records runs.

    `started` is its start in ticks since the boot `boot`, None where the system does not say; `namespace` tells process
    numbers of containers apart; `began` is in seconds since 1970, for people only.
    """

    user: str
    host: str
    boot: str
    namespace: str
    pid: int
    started: int | None
    began: float
    results: str


def here() -> Writer:
    """This process."""
    namespace = str(NAMESPACE.readlink()) if NAMESPACE.exists() else ""
    pid = os.getpid()
    return Writer(
        _user(), jobs.host(), jobs.boot(), namespace, pid, jobs.started(pid), time.time(), str(paths.results())
    )


def name(writer: Writer) -> str:
    """A writer in few words."""
    return f"{writer.user}@{writer.host} process {writer.pid}"


def described(writer: Writer) -> str:
    """A writer in one phrase, with its results folder and since when it writes."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(writer.began))
    return f"{name(writer)} (results in {writer.results}, since {since})"


def is_gone(writer: Writer) -> bool:
    """Whether a writer is known to be dead: its process was in this boot and container, and is no more."""
    ours = here()
    same = (writer.host, writer.boot, writer.namespace) == (ours.host, ours.boot, ours.namespace)
    if not (same and ours.boot and ours.started is not None) or jobs.hidden(writer.pid):
        return False
    return jobs.started(writer.pid) != writer.started


def packed(writer: Writer) -> dict[str, Any]:
    """A writer as plain JSON."""
    return asdict(writer)


def unpacked(body: Mapping[str, Any]) -> Writer:
    """The writer of plain JSON, what later versions add left out.

    Raises
    ------
    KeyError
        If something is missing.
    """
    return Writer(**{key: body[key] for key in Writer.__dataclass_fields__})


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
