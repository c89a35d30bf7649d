"""Records of the processes that compute shards: one file each while it runs, left behind where it is killed.

A record says what is computed, where, since when and with what. It is removed when the shard has ended in order, so
one whose process is gone tells the next attempt, and the launcher, that the process was killed.
"""

import contextlib
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from backbench import hashing, paths, processes
from backbench.engine.plan.shards import Shard
from backbench.files import write_text

ALIVE, DEAD, UNKNOWN = "yes", "no", "unknown"
BOOT = Path("/proc/sys/kernel/random/boot_id")
# A file is written no more often than this.
WRITE_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """What a process says of itself.

    `started` is the start of the process in ticks since the boot `boot`, None where the system does not say; `began` is
    in seconds since 1970. `asked` holds the `mem_mb` and `minutes` that the job asked for, None where nobody limits it.
    `alone` says that each of `members_in_progress` is computed by a process of its own.
    """

    shard: str
    kind: str
    family: str
    members_in_progress: tuple[str, ...] = ()
    batch: str | None = None
    host: str = ""
    boot: str = ""
    pid: int = 0
    started: int | None = None
    began: float = 0.0
    threads: int = 1
    device: str = "auto"
    slurm_job: str | None = None
    asked: Mapping[str, int] | None = None
    attempt: int = 1
    alone: bool = False

    @property
    def path(self) -> Path:
        return folder() / f"{self.kind}-{hashing.short(self.shard)}.json"


def folder() -> Path:
    """Folder of the records."""
    return paths.results() / "jobs"


def path(shard: Shard) -> Path:
    """Where the record of the process that computes a shard lies."""
    return folder() / f"{shard.kind}-{hashing.short(shard.id)}.json"


def here(shard: Shard, **more: Any) -> Job:
    """The record of this process as it begins a shard."""
    job = Job(shard.id, shard.kind, shard.family, began=time.time(), slurm_job=os.environ.get("SLURM_JOB_ID"))
    return replace(job, host=host(), boot=boot(), pid=os.getpid(), started=started(os.getpid()), **more)


class Kept:
    """The record of a shard in progress, kept up to date in its file."""

    def __init__(self, job: Job):
        self.job = job
        self.last = 0.0

    def computing(self, members: Sequence[str], **changes: Any) -> None:
        """Say what is in progress; written at most once a second, or at once with `changes`."""
        self.job = replace(self.job, members_in_progress=tuple(members), **changes)
        if changes or time.monotonic() - self.last > WRITE_SECONDS:
            self.write()

    def ended(self, member: str) -> None:
        """Say that a member has come out, one way or the other."""
        self.computing([key for key in self.job.members_in_progress if key != member])

    def write(self) -> None:
        self.last = time.monotonic()
        with contextlib.suppress(OSError):  # what is only said of a job does not stop it
            write_text(self.job.path, json.dumps(asdict(self.job), indent=1, sort_keys=True))

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.job.path.unlink(missing_ok=True)


@contextlib.contextmanager
def kept(job: Job) -> Iterator[Kept]:
    """Keep the record of a job while it runs; whatever ends in order, errors and Ctrl-C included, removes it."""
    record = Kept(job)
    record.write()
    try:
        yield record
    finally:
        record.remove()


def read(place: Path) -> Job | None:
    """The record in a file, or None where there is none that can be read."""
    try:
        body = json.loads(place.read_bytes())
        return Job(**{**body, "members_in_progress": tuple(body["members_in_progress"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def left(shard: Shard) -> Job | None:
    """The record of an earlier process that computed this shard and was killed meanwhile."""
    job = read(path(shard))
    return job if job and alive(job) != ALIVE else None


def everything() -> list[Job]:
    """All records, those of processes that are gone among them, by their beginning."""
    jobs = filter(None, map(read, folder().glob("*.json")))
    return sorted(jobs, key=lambda job: (job.began, job.shard))


def alive(job: Job, slurm_jobs: Collection[str] | None = None) -> str:
    """Whether the process of a record is there: ``yes``, ``no`` or ``unknown``.

    Of another machine only SLURM knows: `slurm_jobs` are the ids of the jobs that it runs, None where nobody asked it.
    """
    if job.host == host():
        if job.boot == boot() and job.started == started(job.pid) and processes.exists(job.pid):
            return ALIVE
        return UNKNOWN if job.boot == boot() and hidden(job.pid) else DEAD
    if job.slurm_job is not None and slurm_jobs is not None:
        return ALIVE if job.slurm_job in slurm_jobs else DEAD
    return UNKNOWN


def host() -> str:
    """The name of this machine."""
    return os.uname().nodename


@cache
def boot() -> str:
    """What tells this start of the machine from others; empty where the system does not say."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def started(pid: int) -> int | None:
    """When a process started, in ticks since the boot: no other process of this boot has both.

    None where there is no such process, or the system does not say.
    """
    try:
        state, *words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else int(words[18])


def hidden(pid: int) -> bool:
    """Whether there is a process of which this user sees nothing else, as where /proc is mounted with ``hidepid``."""
    try:
        Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return Path("/proc/self/stat").exists() and processes.exists(pid)
    return False
