"""A sweep from its plan to its records: Snakemake on what is missing, the results joined, MLflow brought up to date."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from backbench import hashing, launch_record, launching, lock, machine, paths, planning, processes, threads, tracking
from backbench.engine.plan.frozen import Plan, save
from backbench.engine.results.joined_run import Records, Row
from backbench.engine.run import leftovers, remains, status
from backbench.engine.run.status import Status
from backbench.engine.time import estimate, launches
from backbench.engine.time.clusters import Cluster
from backbench.engine.time.launches import Announced
from backbench.evaluate.answer import SweepAnswer
from backbench.files import WriteError
from backbench.store import Store
from backbench.sweeping import cluster, executors, fetching, panel, signals
from backbench.sweeping.answering import Answering, Show
from backbench.sweeping.describing import cores, describe, say
from backbench.tracking import sweeps
from backbench.wording import counted

PROFILE = paths.CHECKOUT / "profiles" / "default"
TAIL_LINES = 3
ELSEWHERE = ("--workflow-profile", "--executor", "-e", "--resources", "--res")


@dataclass(frozen=True)
class Launch:
    """How a sweep is computed: `cores` is ``all`` or a number as text; `snakemake` are options passed on to it.

    With `accept_code`, results of older code are kept, and say so.
    """

    cores: str = "all"
    accept_code: bool = False
    snakemake: Sequence[str] = ()

    @cached_property
    def cluster(self) -> Cluster | None:
        """Where the jobs go; None where they run here."""
        return executors.cluster(_options(self)) if executors.named(self.snakemake) else None


@dataclass(frozen=True)
class Swept:
    """A sweep whose jobs have ended, joined. `failed` is 1 where Snakemake ended with an error, else 0.

    `computed` counts the results and scores that were missing at the start, and `announced` says how long the launch
    was to take; `started` is on the clock of `time.monotonic`.
    """

    plan: Plan
    store: Store
    records: Records
    answer: SweepAnswer
    failed: int
    computed: int
    announced: Announced
    started: float

    @property
    def rows(self) -> Sequence[Row]:
        return self.answer.rows

    @property
    def taken(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def planned_for(overrides: Sequence[str]) -> planning.Planned:
    """The plan of the overrides, its collections read where they are not known yet."""
    return planning.make(overrides, progress=panel.counting("reading the images"), tell=say)


def rehearse(planned: planning.Planned, launch: Launch) -> int:
    """Describe a plan and let Snakemake say what it would do; returns its exit status. Nothing of it stays."""
    with _unrecorded(planned.plan):
        _prepared(planned, launch)
        with _snakemake(planned, launch) as process:
            return process.wait()


@contextlib.contextmanager
def _unrecorded(plan: Plan) -> Iterator[None]:
    """Leave the plan files as they were: a sweep that was not started has no pending runs, and is not the newest."""
    before = plan.path.stat() if plan.path.exists() else None
    try:
        yield
    finally:
        if before is None:
            plan.path.unlink(missing_ok=True)
        else:
            os.utime(plan.path, ns=(before.st_atime_ns, before.st_mtime_ns))


def compute(planned: planning.Planned, launch: Launch, started: float, show: Show | None = None) -> Swept:
    """Describe a plan, compute what is missing, join what there is and write its report.

    `show` is called once, with the answer: as soon as the runs are joined, while MLflow, pictures and report follow.

    Raises
    ------
    ConfigError
        If the jobs could not run on the cluster that they are meant for.
    """
    options = cluster.mended(launch.snakemake)
    launch = replace(launch, snakemake=options, cores=cluster.cores(launch.cores, options))
    plan, fresh = planned.plan, not planned.plan.path.exists()
    _note(plan=plan.hash, sweep=plan.sweep, cores=launch.cores)
    if launch.cluster:
        save(plan)
        fetching.fetch(plan, launching.prepare(plan))
    state, announced = _prepared(planned, launch)
    due = state.due or launching.undrawn(plan)
    if due:
        launches.keep(plan, announced)
    store = Store(paths.store())
    answering = Answering(plan, store, show, announced.drawing + launches.after(plan), again=state.due)
    with answering.interruptible():
        failed = _compute(planned, state, launch, answering) if due else 0
    _note(phase=launch_record.RECORDING, progress="", **({"outcome": launch_record.FAILED} if failed else {}))
    if failed and fresh and not _begun(plan, started):
        plan.path.unlink(missing_ok=True)
    missing = len(state.needed) + len(state.unscored)
    with threads.beside(min(machine.cores(), cores(launch.cores))):
        records, answer = answering.last()
    return Swept(plan, store, records, answer, failed, missing, announced, started)


def _prepared(planned: planning.Planned, launch: Launch) -> tuple[Status, Announced]:
    """Save and describe a plan; returns what is done of it, and how long the rest will take."""
    plan, store, n_cores = planned.plan, Store(paths.store()), cores(launch.cores)
    save(plan)
    if launch.accept_code:
        results, scores = status.accept_code(plan, store, status.inspect(plan, store))
        more = f" and the scores of {counted(scores, 'fit')}" if scores else ""
        say(f"kept {counted(results, 'result')}{more} of older code, as each of them now says")
    state = planning.with_known(planned, launching.prepare(plan), store)
    return state, describe(planned, state, n_cores, launch.cluster)


def _begun(plan: Plan, started: float) -> bool:
    """Whether a job of this launch has begun; `started` is on the clock of `time.monotonic`."""
    since = time.time() - (time.monotonic() - started) - 1
    shards = (*plan.shards.values(), *plan.scoring.values())
    logs = (shard.log for shard in shards if shard.log.exists())
    return any(log.stat().st_mtime >= since for log in logs)


def _compute(planned: planning.Planned, state: Status, launch: Launch, answering: Answering) -> int:
    """Run Snakemake under the panel, and show the answer meanwhile; returns its exit status."""
    plan = planned.plan
    log = paths.logs() / f"snakemake-{hashing.short(plan.hash)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    expected = estimate.members(plan, state, cores(launch.cores))
    launched = time.time() - 1
    with log.open("w") as output, _snakemake(planned, launch, output) as process:
        answering.prepare()
        panel.watch(process, plan, state, expected, cores(launch.cores), launch.cluster, answering)
    if process.returncode < 0:
        _tell_of_death(-process.returncode)
    killed = remains.settle(plan)
    if process.returncode:
        say(f"Snakemake ended with status {process.returncode}; its log: {shown(log)}")
        say("\n".join(killed)) if killed else _explain(plan, launched)
    return 1 if process.returncode else 0


@contextlib.contextmanager
def _snakemake(
    planned: planning.Planned, launch: Launch, output: IO[str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Snakemake in a session of its own, which only its launcher can interrupt; it ends where this block is left."""
    names = _slurm_name(launch)
    command = [*_command(planned, launch), *(["--slurm-jobname-prefix", names] if names else [])]
    # Snakemake tells jobs where it was started by PWD, which a caller may have left at another folder.
    environment = {**os.environ, "PWD": str(Path.cwd())}
    with signals.interruptible_children():
        process = subprocess.Popen(
            command, stdout=output or sys.stderr, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    worker = processes.of(process.pid)
    about = {"executor": launch.cluster.executor if launch.cluster else "local", "slurm_name": names}
    about |= {"folder": os.path.realpath(paths.results())}  # as SLURM knows it
    try:
        _note(snakemake=worker, phase=launch_record.COMPUTING, computing=time.time(), **about)
        yield process
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            say("stopping: Snakemake is ending its jobs (press Ctrl-C again to kill them)")
        now = launch_record.Launch("", processes.me(), launch_record.user(), "", time.time() - 1e9, snakemake=worker)
        leftovers.end(_current() or now, say)
        process.wait()
        raise


def _command(planned: planning.Planned, launch: Launch) -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(paths.CHECKOUT / "Snakefile")]
    command += ["--directory", str(paths.results())]
    command += [] if _elsewhere(launch.snakemake) else ["--resources", f"mem_mb={planned.memory_mb}"]
    return [*command, "--config", f"plan={planned.plan.path}", *_options(launch)]


def _slurm_name(launch: Launch) -> str | None:
    """What the names of the SLURM jobs begin with; None where there are none, or the user has his own names."""
    held = os.environ.get(lock.HELD)
    named = launch.cluster and launch.cluster.executor == "slurm" and not launch.cluster.prefix
    return f"{launch_record.NAMES}{held}" if named and held else None


def _tell_of_death(number: int) -> None:
    """End what a killed Snakemake left on this machine, and say what of it goes on in SLURM."""
    current = _current()
    say(f"Snakemake was killed by {signal.Signals(number).name}")
    left = leftovers.find(current) if current else None
    if current and left:
        leftovers.end_processes(current, leftovers.PATIENCE)
        if left.jobs:
            say(f"{counted(len(left.jobs), 'SLURM job')} of it go on; the same command waits for them and continues")


def _current() -> launch_record.Launch | None:
    """The record of the launch that this process is."""
    current = launch_record.current()
    return current if current and current.id == os.environ.get(lock.HELD) else None


def _note(**changes: Any) -> None:
    """Say in the record of the launch what it does now; where that cannot be written, the launch goes on."""
    with contextlib.suppress(OSError, WriteError):
        launch_record.change(os.environ.get(lock.HELD, ""), **changes)


def _options(launch: Launch) -> list[str]:
    """Options of Snakemake that say where and on how many cores it runs jobs: ours, and then those passed on to it."""
    bound = [] if _own_cores(launch.snakemake) else ["--cores", launch.cores]
    return ["--workflow-profile", str(PROFILE), *bound, *launch.snakemake]


def _own_cores(options: Sequence[str]) -> bool:
    return any(option.split("=")[0] in ("--cores", "-c", "--jobs", "-j") for option in options)


def _elsewhere(options: Sequence[str]) -> bool:
    """Whether the jobs run on other machines, or the caller says himself what they may have."""
    return any(option.split("=")[0] in ELSEWHERE for option in options)


def _explain(plan: Plan, launched: float) -> None:
    """The last words of the jobs of this launch that left no receipt."""
    for shard in (*plan.shards.values(), *plan.scoring.values()):
        if not shard.receipt.exists() and shard.log.exists() and shard.log.stat().st_mtime >= launched:
            words = shard.log.read_text(errors="replace").strip().splitlines()[-TAIL_LINES:]
            if words:
                say("\n".join([f"{shard.kind} {shard.family} ({shown(shard.log)}):", *(f"  {w}" for w in words)]))


def track(swept: Swept) -> int:
    """Record a sweep in MLflow; returns 1 where that does not answer, else 0."""
    try:
        report = sweeps.record(swept.answer, progress=panel.counting("recording in MLflow"))
    except tracking.TrackingUnavailable as error:
        say(str(error))
        return 1
    changed = report.created + report.updated
    say(
        f"MLflow: {counted(changed, 'run')} written, {report.unchanged:,} unchanged"
        if changed
        else "MLflow holds all runs"
    )
    return 0


def shown(path: Path) -> str:
    """A path relative to where the user stands, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
