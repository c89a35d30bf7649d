"""One sweep at a time per results folder. The lock dies with its process, however that ends."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock

from backbench import files, launch_record, paths, processes, sharing
from backbench.processes import Process
from backbench.wording import duration

HELD = "BACKBENCH_LOCK_HELD"
POLL_SECONDS = 0.5


class Busy(RuntimeError):
    """Another sweep holds the lock."""


@contextlib.contextmanager
def sweep_lock(wait: bool = False) -> Iterator[None]:
    """Hold the lock of the results folder; a Snakemake that is started meanwhile works under it.

    Raises
    ------
    Busy
        If another sweep runs here and `wait` is False.
    WriteError
        If the store, the downloads or the results may not be written by this user.
    """
    held = acquire(wait)
    os.environ[HELD] = "1"
    try:
        yield
    finally:
        os.environ.pop(HELD, None)
        held.release()


def acquire(wait: bool = False, seconds: float = 0.0) -> filelock.BaseFileLock:
    """Take the lock and keep it until it is released or this process ends.

    Parameters
    ----------
    seconds
        How long it is waited for at most, without `wait`.

    Raises
    ------
    Busy
        If another sweep runs here then.
    """
    folder = paths.results()
    sharing.prepare()
    held = files.locked(folder / ".lock")
    try:
        held.acquire(timeout=-1 if wait else seconds, poll_interval=POLL_SECONDS)
    except filelock.Timeout:
        raise Busy(
            f"another sweep runs on {folder}: {_owner_in_words()}. Look at it (`backbench status`), wait for it "
            "(`backbench sweep --wait`), or use a results folder of its own (BACKBENCH_RESULTS=...)."
        ) from None
    with contextlib.suppress(OSError, files.WriteError):  # what is only said of the lock does not stop its owner
        body = {**asdict(processes.me()), "user": launch_record.user(), "since": time.time()}
        files.write_text(_owner_file(), json.dumps(body))
    return held


def owner() -> Process | None:
    """The process that took the lock last."""
    return processes.read(_owner())


def _owner_in_words() -> str:
    """Who holds the lock, where, since when, and how far it is: ``process 123 of anna on login1, since ...``."""
    values, launch = _owner(), launch_record.current()
    process = processes.read(values)
    if process is None:
        return "process unknown"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(values.get("since", 0))))
    text = f"process {process.pid} of {values.get('user', 'unknown')} on {process.host}, since {since}"
    if launch is None or launch.launcher != process or launch.ended:
        return text
    doing = f"{launch.phase}, {launch.progress}" if launch.progress else launch.phase
    elsewhere = "" if process.here else f", last heard of {duration(launch_record.silence())} ago"
    return f"{text} ({doing}{elsewhere})"


def _owner() -> dict[str, Any]:
    try:
        values = json.loads(_owner_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _owner_file() -> Path:
    return paths.results() / ".lock.owner"


def clear_snakemake_lock(folder: Path) -> None:
    """Remove Snakemake's own lock below `folder`, when none of the Snakemakes that worked there is alive."""
    for stale in (folder / ".snakemake" / "locks").glob("*"):
        stale.unlink(missing_ok=True)
