"""One sweep at a time per results folder. The lock dies with its process, however that ends."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from backbench import files, paths, sharing

HELD = "BACKBENCH_LOCK_HELD"
POLL_SECONDS = 0.5


class Busy(RuntimeError):
    """Another sweep holds the lock."""


@contextlib.contextmanager
def sweep_lock(wait: bool = False) -> Iterator[None]:
    """Hold the lock of the results folder; a Snakemake lock that a killed run left behind is cleared.

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


def acquire(wait: bool = False) -> filelock.BaseFileLock:
    """Take the lock and keep it until it is released or this process ends."""
    folder = paths.results()
    sharing.prepare()
    held = files.locked(folder / ".lock")
    owner = folder / ".lock.owner"
    try:
        held.acquire(timeout=-1 if wait else 0, poll_interval=POLL_SECONDS)
    except filelock.Timeout:
        raise Busy(
            f"another sweep runs on {folder}: {_owner(owner)}. Wait for it (`backbench sweep --wait`), "
            "or use a results folder of its own (BACKBENCH_RESULTS=...)."
        ) from None
    files.write_text(owner, f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
    clear_snakemake_lock(folder)
    return held


def _owner(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return "process unknown"


def clear_snakemake_lock(folder: Path) -> None:
    """Remove Snakemake's own lock below `folder`: every Snakemake there runs under ours, so it has no owner."""
    for stale in (folder / ".snakemake" / "locks").glob("*"):
        stale.unlink(missing_ok=True)
