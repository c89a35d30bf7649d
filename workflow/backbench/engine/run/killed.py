"""Why a process that computed was killed, in words that say what to do; recorded with what it was computing."""

import contextlib
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backbench import machine, paths, slurm
from backbench.engine.run.jobs import Job
from backbench.wording import counted

MEMORY, TIME, NODE, CANCELLED, CRASH, UNKNOWN = "memory", "time", "node", "cancelled", "crash", "unknown"
# Not the fault of what was computed: it is tried again as before.
OUTSIDE = (NODE, CANCELLED)
STATES = {
    "OUT_OF_MEMORY": MEMORY,
    "TIMEOUT": TIME,
    "DEADLINE": TIME,
    "NODE_FAIL": NODE,
    "BOOT_FAIL": NODE,
    "PREEMPTED": NODE,
    "REVOKED": NODE,
    "CANCELLED": CANCELLED,
}
# What SLURM's daemon writes into the log of a job that it ends for memory, and for time.
WORDS = {
    MEMORY: re.compile(r"exceeded (job )?memory limit|oom[-_ ]?kill|Out Of Memory", re.IGNORECASE),
    TIME: re.compile(r"DUE TO TIME LIMIT"),
    NODE: re.compile(r"DUE TO (NODE FAILURE|PREEMPTION)"),
}
LOG_BYTES = 1 << 16
EXIT_OF_SIGNAL = 128


@dataclass(frozen=True)
class Killed:
    """The end of a process: `cause` is one of the words above, `reason` a sentence."""

    cause: str
    reason: str


def why(job: Job, number: int | None = None) -> Killed:
    """Why the process of a job record ended; `number` is the signal that ended it, None where nobody saw it.

    SLURM is asked where it ran the job.
    """
    if job.slurm_job is None:
        return _here(job, number)
    known = slurm.job(job.slurm_job)
    state = known.state if known and not known.alive else ""
    if known and not known.alive and number is None:
        number = known.signal or ((known.code or 0) - EXIT_OF_SIGNAL if (known.code or 0) > EXIT_OF_SIGNAL else None)
    cause = STATES.get(state) or _logged(job.slurm_job) or _by_signal(number)
    where = known.place if known and known.place else job.host
    return Killed(cause, f"{_slurm(job, state, number, where)}{_advice(cause, job)}")


def over(job: Job, used_mb: float) -> Killed:
    """What is said of a process that took more memory than its job asked for, and was ended before SLURM did it."""
    text = f"it took {used_mb:,.0f} MB in {_named(job)}, which asked for {_asked(job)}: out of memory"
    return Killed(MEMORY, f"{text}{_advice(MEMORY, job)}")


def _here(job: Job, number: int | None) -> Killed:
    cause = _by_signal(number)
    if number is None:
        text = f"its process {job.pid} on {job.host} was killed, or the machine went down"
    else:
        text = f"its process {job.pid} was killed by {_signal(number)}"
    return Killed(cause, f"{text}{_advice(cause, job)}")


def _by_signal(number: int | None) -> str:
    if number in (None, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        return UNKNOWN
    return MEMORY if number == signal.SIGKILL else CRASH


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return f"signal {number} ({signal.Signals(number).name})"
    return f"signal {number}"


def _slurm(job: Job, state: str, number: int | None, where: str) -> str:
    ended = state.lower().replace("_", " ") if state in STATES else _signal(number) if number else "no word of SLURM"
    return f"{_named(job)} was killed ({ended}) on {where}, having asked for {_asked(job)}"


def _named(job: Job) -> str:
    return f"SLURM job {job.slurm_job}"


def _asked(job: Job) -> str:
    asked = job.asked or {}
    parts = [f"{asked['mem_mb']:,} MB"] if "mem_mb" in asked else []
    parts += [counted(asked["minutes"], "minute")] if "minutes" in asked else []
    return ", ".join([*parts, counted(job.threads, "thread")])


def _advice(cause: str, job: Job) -> str:
    """What to do about it."""
    leave = "or leave it out (exclude=...)"
    if cause == MEMORY and job.slurm_job:
        return f"; give its jobs more memory (-- --set-resources compute_batch:mem_mb=...), {leave}"
    if cause == MEMORY:
        have = f"this machine has {machine.memory_mb():,} MB"
        return f", as happens when memory runs out ({have}); free some, use fewer --cores, {leave}"
    if cause == TIME:
        return f"; give its jobs more time (-- --set-resources compute_batch:runtime=MINUTES), {leave}"
    if cause == CRASH:
        return f": a library crashed; the same command tries it again; report it, {leave}"
    return "; the same command computes what is missing"


def _logged(slurm_job: str) -> str | None:
    """What the log of a SLURM job says of its end; SLURM's own state does not name memory on every cluster."""
    for path in _logs(slurm_job):
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
            for cause, pattern in WORDS.items():
                if pattern.search(text):
                    return cause
    return None


def _logs(slurm_job: str) -> Iterator[Path]:
    for folder in dict.fromkeys((paths.results(), paths.CHECKOUT)):
        yield from (folder / ".snakemake" / "slurm_logs").rglob(f"{slurm_job}.log")
