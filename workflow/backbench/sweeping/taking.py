"""Taking a results folder for a launch: one at a time, after what an earlier launch left running there has ended."""

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from backbench import launch_record, lock, paths, processes, slurm_reasons
from backbench.engine.plan import frozen
from backbench.engine.plan.frozen import Plan
from backbench.engine.run import leftovers, status
from backbench.engine.run.leftovers import Remains
from backbench.engine.time import estimate
from backbench.lock import HELD, Busy
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel, signals
from backbench.sweeping.describing import cores, say
from backbench.wording import counted, listed

# Between two looks at what an earlier launch left; SLURM is asked less often.
LOOK_SECONDS, SLURM_SECONDS = 1.0, 10.0
# How long a launch that is asked to end may take for it.
ENDING_SECONDS = 120.0


@contextlib.contextmanager
def results_folder(command: str, wait: bool = False, cancel: bool = False, rehearsal: bool = False) -> Iterator[None]:
    """Hold the results folder for a launch, and keep its record; SIGTERM and SIGHUP end it in order.

    Parameters
    ----------
    wait
        Whether to wait for another sweep that runs there.
    cancel
        Whether another sweep that runs there, and what an earlier one left running, are ended first; what was left
        running is otherwise waited for.
    rehearsal
        Whether nothing is computed: what still runs is left alone then.

    Raises
    ------
    Busy
        If another sweep runs there, or anything of an earlier one at a rehearsal.
    """
    with signals.raised():
        if cancel:
            _end_other()
        with lock.sweep_lock(wait):
            _clear(cancel, rehearsal)
            lock.clear_snakemake_lock(paths.results())
            with contextlib.nullcontext() if rehearsal else _recorded(command):
                yield


@contextlib.contextmanager
def _recorded(command: str) -> Iterator[None]:
    """Keep the record of a launch from its beginning to its end, however that comes."""
    launch = launch_record.begin(command)
    os.environ[HELD] = launch.id
    outcome = launch_record.FAILED
    try:
        with launch_record.beating(launch.id):
            yield
        outcome = launch_record.FINISHED
    except KeyboardInterrupt:
        outcome = launch_record.STOPPED
        raise
    finally:
        last = launch_record.current()
        failed = last is not None and last.id == launch.id and last.outcome is not None
        launch_record.change(launch.id, ended=time.time(), **({} if failed else {"outcome": outcome}))


def _end_other() -> None:
    """Ask the launcher that holds the folder to end, and wait until it has."""
    try:
        lock.acquire().release()
        return
    except Busy as busy:
        other = lock.owner()
        if other is None or not other.alive:
            raise Busy(f"{busy} It cannot be ended from here: end it where it runs.") from None
    say(f"ending the sweep that runs: process {other.pid}")
    other.send(signal.SIGTERM)
    lock.acquire(seconds=ENDING_SECONDS).release()


def _clear(cancel: bool, rehearsal: bool) -> None:
    """Wait for what an earlier launch left running, or end it."""
    left = leftovers.find(launch_record.current())
    if left is None:
        return
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(left.launch.began))
    sentence = f"the launch of {began} ({left.launch.where}) was killed; still running: {left.text}"
    if rehearsal:
        raise Busy(f"{sentence}. Look at it with `backbench status`; the next `backbench sweep` waits for it.")
    if cancel:
        say(f"{sentence}; ending it")
        _end(left)
    else:
        say(f"{sentence}; waiting for it, so that nothing is computed twice (--cancel-running ends it instead)")
        _adopt(left)
    launch_record.change(left.launch.id, ended=time.time(), outcome=launch_record.STOPPED)


def _end(left: Remains) -> None:
    if left.distant and left.launch.snakemake:
        worker = left.launch.snakemake
        raise Busy(f"a Snakemake of this folder runs on {worker.host}: end it there (kill -INT {worker.pid}).")
    if left.silent:
        raise Busy("SLURM does not answer, so that its jobs cannot be ended; try again when it does.")
    if leftovers.end(left.launch, say):
        raise Busy("try again when they have ended, so that nothing is computed twice.")


def _adopt(left: Remains) -> None:
    """Wait for what is left with the usual progress; whatever ends this process ends it as well."""
    never = leftovers.cancel_hopeless(left)
    if never:
        ids, reasons = listed([job.id for job in never], 5), sorted({job.reason for job in never})
        why = listed([slurm_reasons.words(reason) for reason in reasons])
        say(f"cancelled {counted(len(never), 'SLURM job')} ({ids}) that would never start: {why}")
    if left.distant:  # its heartbeat says when it ends
        _watch(left)
        return
    launch_record.change(left.launch.id, launcher=processes.me())
    if left.launch.snakemake and not left.launch.snakemake.here:
        # It has not been heard of; from now on the heartbeat is ours, and says nothing of it.
        left = replace(left, launch=replace(left.launch, snakemake=None))
    try:
        with launch_record.beating(left.launch.id):
            _watch(left)
    except KeyboardInterrupt:
        say("stopping: what the earlier launch left running is being ended")
        leftovers.end(left.launch, say)
        raise


def _watch(left: Remains) -> None:
    plan, work = _plan(left), Leftover(left)
    if plan is None:
        while work.poll() is None:
            time.sleep(LOOK_SECONDS)
        return
    state = status.inspect(plan, Store(paths.store()))
    n_cores = cores(left.launch.cores or "all")
    panel.watch(work, plan, state, estimate.members(plan, state, n_cores), n_cores)


def _plan(left: Remains) -> Plan | None:
    try:
        return frozen.load(paths.plans() / f"{left.launch.plan}.json") if left.launch.plan else None
    except ConfigError:
        return None


class Leftover:
    """What an earlier launch left running, as a process that can be asked whether it has ended."""

    def __init__(self, left: Remains):
        self.left: Remains | None = left
        self.looked = time.monotonic()

    def poll(self) -> int | None:
        """0 once nothing runs any more, else None; it looks now and then only."""
        if self.left is None:
            return 0
        every = SLURM_SECONDS if self.left.jobs and not self.left.snakemake else LOOK_SECONDS
        if time.monotonic() - self.looked >= every:
            self.left = leftovers.find(self.left.launch)
            self.looked = time.monotonic()
        return 0 if self.left is None else None


def typed(words: Sequence[str] = ()) -> str:
    """The command line of this process, as it was typed."""
    return shlex.join(["backbench", *(words or sys.argv[1:])])
