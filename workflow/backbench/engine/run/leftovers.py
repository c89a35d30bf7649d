"""What a launch whose launcher is gone left running: its Snakemake, processes that this started, jobs in SLURM."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backbench import launch_record, processes, slurm, slurm_reasons
from backbench.engine.run import jobs
from backbench.launch_record import Launch
from backbench.processes import Process
from backbench.slurm import Job
from backbench.wording import counted, listed

POLL_SECONDS = 0.2
# How long processes have to end after each signal; Snakemake cancels its jobs meanwhile.
PATIENCE = ((signal.SIGINT, 10.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
CANCEL_SECONDS = 60.0
SUBMITTED_BEFORE = 60.0


@dataclass(frozen=True)
class Remains:
    """What still runs of a launch.

    `snakemake` is its living Snakemake, `processes` are those that compute on this machine, `jobs` those of SLURM.
    `distant` says that something works on another machine; `silent` that SLURM, which would know, does not answer.
    """

    launch: Launch
    snakemake: Process | None = None
    processes: Sequence[Process] = ()
    jobs: Sequence[Job] = ()
    distant: bool = False
    silent: bool = False

    def __bool__(self) -> bool:
        return bool(self.snakemake or self.processes or self.jobs or self.distant or self.silent)

    @property
    def text(self) -> str:
        """What still runs, in words: ``its Snakemake (process 12) and 3 SLURM jobs (2 running, 1 queued)``."""
        parts = [f"its Snakemake (process {self.snakemake.pid})"] if self.snakemake else []
        if self.distant and self.launch.snakemake:
            parts.append(f"its Snakemake (process {self.launch.snakemake.pid} on {self.launch.snakemake.host})")
        if self.processes and not self.snakemake:
            parts.append(f"{counted(len(self.processes), 'process')} on this machine")
        if self.jobs:
            queued = sum(job.waiting for job in self.jobs)
            counts = [f"{len(self.jobs) - queued} running", f"{queued} queued"]
            parts.append(f"{counted(len(self.jobs), 'SLURM job')} ({', '.join(counts)})")
        if self.silent:
            parts.append("maybe SLURM jobs (SLURM does not answer)")
        return listed(parts)


def find(launch: Launch | None) -> Remains | None:
    """What still runs of a launch; None where nothing does, or there was none."""
    if launch is None or launch.outcome == launch_record.FINISHED:
        return None
    worker = launch.snakemake
    snakemake = worker if worker and worker.alive else None
    queued = jobs_of(launch)
    remains = Remains(
        launch,
        snakemake,
        _processes(launch),
        queued or (),
        bool(
            worker and not worker.here and not launch.ended and launch_record.silence() < launch_record.SILENT_SECONDS
        ),
        queued is None and launch.executor == "slurm",
    )
    return remains or None


def here(launch: Launch) -> bool:
    """Whether processes of a launch run on this machine."""
    return bool(launch.snakemake and launch.snakemake.alive) or bool(_processes(launch))


def jobs_of(launch: Launch, seconds: float = slurm.SECONDS) -> list[Job] | None:
    """Jobs of a launch in SLURM's queue; None where SLURM does not answer, an empty list where there is none."""
    if launch.executor not in (None, "slurm") or not slurm.present():
        return []
    queue = slurm.queue(user=launch.user, seconds=seconds)
    return None if queue is None else among(queue, launch)


def among(queue: Sequence[Job], launch: Launch) -> list[Job]:
    """The jobs of a launch in a queue."""
    if launch.slurm_name:
        return [job for job in queue if job.name.startswith(launch.slurm_name)]
    since = launch.began - SUBMITTED_BEFORE
    ours = [job for job in queue if job.folder == launch.folder and job.comment.startswith("rule_")]
    return [job for job in ours if (job.submitted or 0.0) >= since]


def _processes(launch: Launch) -> list[Process]:
    """Processes of this machine that compute for a launch, Snakemake itself left out."""
    if launch.snakemake is None:
        return []
    below = processes.tree(launch.snakemake)
    recorded = (job for job in jobs.everything() if job.slurm_job is None and jobs.alive(job) == jobs.ALIVE)
    more = [Process(job.host, job.boot, job.pid, job.started or 0) for job in recorded if job.began >= launch.began]
    return list(dict.fromkeys([*below, *more]))


def end(launch: Launch, tell: Callable[[str], None]) -> list[Job]:
    """End what still runs in order: Snakemake, which cancels its jobs, then what is left of those.

    A second Ctrl-C, or another signal that ends this process, kills what is left at once. The SLURM jobs are returned
    that take too long to end.
    """
    hurried: KeyboardInterrupt | None = None
    try:
        end_processes(launch, PATIENCE)
    except KeyboardInterrupt as again:
        hurried = again
        end_processes(launch, PATIENCE[-1:])
    left = end_jobs(launch)
    if left:
        ids = listed([job.id for job in left], 5)
        tell(f"SLURM has not ended {counted(len(left), 'job')} yet ({ids}): see squeue; scancel ends them")
    if hurried:
        raise hurried
    return left


def end_processes(launch: Launch, patience: Sequence[tuple[int, float]]) -> None:
    """Send one signal after another to a Snakemake and what it started, until all of them have ended."""
    worker = launch.snakemake
    if worker is None:
        return

    def ended() -> bool:
        return not worker.alive and not _processes(launch)

    for number, seconds in patience:
        if ended():
            break
        # On SIGTERM Snakemake would wait for its jobs; it has had its SIGINT.
        leader = [] if number == signal.SIGTERM else [worker]
        for process in (*_processes(launch), *leader):
            process.send(number)
        _until(ended, seconds)
    _forget(lambda job: job.slurm_job is None and jobs.alive(job) == jobs.DEAD and job.began >= launch.began)


def end_jobs(launch: Launch) -> list[Job]:
    """Cancel the SLURM jobs of a launch; those that are left where SLURM takes too long, or does not answer."""
    left = jobs_of(launch) or []
    ids = {job.id for job in left}

    def ended() -> bool:
        nonlocal left
        now = jobs_of(launch)
        left = left if now is None else now
        return not left

    if left:
        slurm.cancel(sorted(ids))
        _until(ended, CANCEL_SECONDS, 1.0)
        _forget(lambda job: job.slurm_job in ids - {job.id for job in left})
    return left


def cancel_hopeless(remains: Remains) -> Sequence[Job]:
    """Cancel waiting jobs that can never start as they are; returns them."""
    never = [job for job in remains.jobs if slurm_reasons.hopeless(job)]
    slurm.cancel(job.id for job in never)
    return never


def _forget(ended: Callable[[jobs.Job], bool]) -> None:
    """Remove the records of jobs that were ended on purpose: they were not killed for what they did."""
    for job in filter(ended, jobs.everything()):
        job.path.unlink(missing_ok=True)


def _until(condition: Callable[[], bool], seconds: float, every: float = POLL_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(every)
