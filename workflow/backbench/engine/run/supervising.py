"""Shards computed by a child process, and what is done when it is killed.

What memory, a crashing library or a user ends by a signal is the child: its parent remains, says why, and tries the
results that shared the child apart, each in a process of its own. Results that fail so are recorded with the reason,
and the others are there. Where the parent is killed as well, by SLURM or with its node, the record that is left behind
tells the next attempt.
"""

import argparse
import contextlib
import ctypes
import logging
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from backbench import paths
from backbench.engine.grid import HEADS
from backbench.engine.plan.batches import BESIDE_MB
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run import jobs, killed, runner
from backbench.engine.run.killed import Killed
from backbench.engine.run.runner import INTERRUPTED, KILLED
from backbench.engine.run.status import CURRENT, state_of, write_receipt
from backbench.files import make_folder
from backbench.stage import SCORES
from backbench.store import DONE, FAILED, Store

WAITING, BUSY, APART, BLOCKED = "waiting", "busy", "apart", "blocked"
# By number, as they are kept in the memory that parent and child share.
STATES = (WAITING, BUSY, APART, DONE, FAILED, INTERRUPTED, BLOCKED)
ENDED = (DONE, FAILED, INTERRUPTED, BLOCKED)
# How a child ends that has become too large for what is left to do.
TOO_LARGE = 75
# Of the memory of a job: what a child may hold on to before it is replaced, and what a result alone may take.
HELD_ON, ALONE = 0.4, 0.93
LOOK_SECONDS = 0.1
STOPPED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main(kind: str, arguments: Sequence[str] | None = None) -> int:
    """Entry point of the stage scripts. Returns the exit status."""
    args = runner.parser(kind).parse_args(arguments)
    plan = runner.start(args)
    shard = (plan.scoring if kind == SCORES else plan.shards)[args.shard]
    return 0 if computed(plan, Store(paths.store()), [shard], args) == [DONE] else 1


def computed(plan: Plan, store: Store, shards: Sequence[Shard], args: argparse.Namespace) -> list[str]:
    """Compute shards one after the other, each after those that it reads; returns how each came out."""
    with _ending_with_children():
        return _Shards(plan, store, shards, args).computed()


class _Shards:
    """Shards of a job and how far they are; `states` is memory that the child writes and its parent reads."""

    def __init__(self, plan: Plan, store: Store, shards: Sequence[Shard], args: argparse.Namespace):
        self.plan, self.store, self.shards, self.args = plan, plan.own(store), shards, args
        self.states = mmap.mmap(-1, len(shards))
        self.killed: set[str] = set()
        self.place = {shard.id: number for number, shard in enumerate(shards)}

    def computed(self) -> list[str]:
        for number, shard in enumerate(self.shards):
            earlier = jobs.left(shard)
            if earlier and killed.why(earlier).cause not in killed.OUTSIDE:
                self._set(number, APART)
        while True:
            before = bytes(self.states)
            status = in_child(self._in_order)
            self._look_after(status)
            self._next_apart()
            if bytes(self.states) == before:
                break
        return [self._state(number) for number in range(len(self.shards))]

    def _state(self, number: int) -> str:
        return STATES[self.states[number]]

    def _set(self, number: int, state: str) -> None:
        self.states[number] = STATES.index(state)

    def _in_order(self) -> int:
        """What a child does: every shard whose parents are there, until it has become too large."""
        for number, shard in enumerate(self.shards):
            if self._state(number) != WAITING or not self._ready(number):
                continue
            if not self.args.alone and self._sharing_is_unwise(shard):
                self._set(number, APART)
                continue
            self._set(number, BUSY)
            with _logged(shard, self.args):
                self._set(number, runner.tried(self.plan, shard, self.store, self.args))
            if self._too_large() and WAITING in map(self._state, range(number + 1, len(self.shards))):
                return TOO_LARGE
        return 0

    def _ready(self, number: int) -> bool:
        """Whether the shards before one have come out; where one has not and will not, neither does this."""
        if self.args.batch is None:  # the workflow has seen to that
            return True
        if self.shards[number].receipt.is_file():
            self._set(number, DONE)
            return False
        for parent in self.plan.parents(self.shards[number]):
            if parent.receipt.is_file():
                continue
            if self._state(self.place[parent.id]) in ENDED if parent.id in self.place else True:
                self._set(number, BLOCKED)
            return False
        return True

    def _sharing_is_unwise(self, shard: Shard) -> bool:
        """Whether a member was killed by an earlier launch and others are to be computed with it."""
        missing = runner.missing_of(self.plan, shard, self.store, self.args.since) if shard.kind != SCORES else []
        records = (self.store.read(shard.kind, key) for key in missing)
        ends = {record["info"].get(KILLED) for record in records if record}
        return len(missing) > 1 and bool(ends - {None, *killed.OUTSIDE})

    def _too_large(self) -> bool:
        asked = (self.args.asked or {}).get("mem_mb")
        return asked is not None and resident_mb(os.getpid()) > HELD_ON * asked

    def _look_after(self, status: int) -> None:
        """Deal with the shard that a child had in hand when it ended."""
        for number, shard in enumerate(self.shards):
            if self._state(number) != BUSY:
                continue
            if -status in STOPPED:
                sys.exit(128 - status)
            if status >= 0:
                self._set(number, INTERRUPTED)
                continue
            earlier = jobs.left(shard) or jobs.here(shard, threads=self.args.threads)
            missing = runner.missing_of(self.plan, shard, self.store, self.args.since)
            jobs.path(shard).unlink(missing_ok=True)
            self._set(number, APART)
            if shard.kind != SCORES and len(missing) == 1:  # it was alone already
                self._killed(replace(shard, members=tuple(missing)), killed.why(earlier, -status))

    def _next_apart(self) -> None:
        """Compute the members of the first shard that is ready and to be tried apart."""
        number = next((n for n in range(len(self.shards)) if self._state(n) == APART), None)
        if number is None or not self._ready(number):
            return
        shard = self.shards[number]
        earlier = jobs.read(jobs.path(shard))
        last = set(earlier.members_in_progress) if earlier and earlier.alone else set()
        missing = runner.missing_of(self.plan, shard, self.store, self.args.since)
        members = shard.members if shard.kind == SCORES else missing
        order = sorted(set(members) - self.killed, key=lambda key: (key in last, key))
        ends = {self._alone(replace(shard, members=(member,))) for member in order}
        scored = True
        if shard.kind in HEADS:  # fits that were there before have no scores yet
            scored = self._alone(replace(shard, members=self._current(shard))) == DONE
        elif shard.kind == SCORES:
            scored = ends <= {DONE}
        jobs.path(shard).unlink(missing_ok=True)
        again = INTERRUPTED in ends or not scored
        self._set(number, INTERRUPTED if again else self._closed(shard))

    def _current(self, shard: Shard) -> tuple[str, ...]:
        """The members of a shard that are done."""
        stages = ((key, self.plan.stages[key], self.store.read(shard.kind, key)) for key in shard.members)
        return tuple(key for key, stage, record in stages if state_of(stage, record, self.store) == CURRENT)

    def _alone(self, single: Shard) -> str:
        """Compute some members of a shard, as a rule one, in a process of their own; returns how it ended.

        That is DONE, also where a member failed by itself, KILLED or INTERRUPTED.
        """
        args = argparse.Namespace(**{**vars(self.args), "alone": True})

        def work() -> int:
            with _logged(single, args):
                return 0 if runner.tried(self.plan, single, self.store, args) == DONE else 1

        child = _Child(work)
        over = child.watched((self.args.asked or {}).get("mem_mb"))
        if -child.status in STOPPED and not over:
            sys.exit(128 - child.status)
        if child.status < 0:
            job = jobs.left(single) or jobs.here(single, threads=args.threads, asked=args.asked)
            self._killed(single, killed.over(job, over) if over else killed.why(job, -child.status))
            return KILLED
        return INTERRUPTED if child.status else DONE

    def _killed(self, shard: Shard, end: Killed) -> None:
        """Record the members of a shard whose process was killed, as a rule one, with the reason."""
        self.killed |= set(shard.members)
        runner.log.error("%s %s: %s", shard.kind, shard.family, end.reason)
        runner.record_failure(self.plan, shard, self.store, self.args, end.reason, {KILLED: end.cause})

    def _closed(self, shard: Shard) -> str:
        """The state of a shard whose members have been tried apart and came out, or were killed, each by itself.

        Its receipt is written where nothing is left.
        """
        if shard.kind == SCORES:
            write_receipt(shard, dict.fromkeys(shard.members, DONE))
            return DONE
        records = {key: self.store.read(shard.kind, key) for key in shard.members}
        states = {key: state_of(self.plan.stages[key], record, self.store) for key, record in records.items()}
        missing = [key for key, state in states.items() if state != CURRENT]
        if any((records[key] or {}).get("info", {}).get(KILLED) for key in missing) and not self.args.last:
            return INTERRUPTED  # the next attempt has more memory and more time
        if missing and shard.kind not in runner.STOPS_NOBODY:
            return INTERRUPTED
        write_receipt(shard, states)
        return DONE


# ------------------------------------------------------------------------------------------------ processes


class _Child:
    """A child process that does `work`; `status` is its exit status, or the number of a signal below zero."""

    def __init__(self, work: Callable[[], int]):
        self.status = 0
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            for number in STOPPED:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            _die_with(parent)
            sys.exit(work())
        _CHILDREN.add(self.pid)

    def watched(self, asked_mb: int | None = None) -> float:
        """Wait for the end; a child that takes more than its job asked for is ended before its job is.

        Returns the MB that it took where that happened, else 0.
        """
        limit = ALONE * asked_mb - BESIDE_MB - resident_mb(os.getpid()) if asked_mb else None
        over = 0.0
        while limit is not None and not self._ended(os.WNOHANG):
            used = resident_mb(self.pid)
            if used > limit:
                over = used
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
                limit = None
            time.sleep(LOOK_SECONDS)
        if self.pid in _CHILDREN:
            self._ended(0)
        return over

    def _ended(self, options: int) -> bool:
        pid, status = os.waitpid(self.pid, options)
        if pid:
            _CHILDREN.discard(self.pid)
            self.status = os.waitstatus_to_exitcode(status)
        return bool(pid)


_CHILDREN: set[int] = set()


def in_child(work: Callable[[], int]) -> int:
    """Exit status of `work`, done by a child process; of one that a signal ended, the number below zero."""
    child = _Child(work)
    child.watched()
    return child.status


def resident_mb(pid: int) -> float:
    """MB that a process and its children hold, as far as the system says it."""
    total = 0.0
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        total = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if int(child) not in _CHILDREN:
                total += resident_mb(int(child))
    return total


def _die_with(parent: int) -> None:
    """Let this process end with its parent, where the system can see to that (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def _ending_with_children() -> Iterator[None]:
    """End the children in order where the user ends the job; SLURM's end is told to the next attempt by the record."""

    def end(number: int, frame: FrameType | None) -> None:
        for pid in tuple(_CHILDREN):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        sys.exit(128 + number)

    if os.environ.get("SLURM_JOB_ID"):
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _logged(shard: Shard, args: argparse.Namespace) -> Iterator[None]:
    """In a batch: let the log of the shard say what is done of it."""
    if args.batch is None:
        yield
        return
    make_folder(shard.log.parent)
    handler = logging.FileHandler(shard.log, mode="a" if args.alone or args.attempt > 1 else "w")
    handler.setFormatter(logging.Formatter(runner.LOG_FORMAT))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
