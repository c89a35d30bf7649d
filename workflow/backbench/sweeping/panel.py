"""Progress of a launch: one live panel on a terminal, plain lines elsewhere."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from backbench import hashing, launch_record, lock, paths, slurm_reasons
from backbench.engine.cost import training
from backbench.engine.plan.frozen import Plan
from backbench.engine.run import leftovers, scored
from backbench.engine.run.status import Status
from backbench.engine.time import launches
from backbench.engine.time.clusters import Cluster
from backbench.files import WriteError
from backbench.pictures import drawing
from backbench.stage import SCORES
from backbench.store import FAILED, Store
from backbench.sweeping.describing import announce, say
from backbench.wording import counted, duration

POLL_SECONDS = 0.5
LINE_SECONDS = 10.0
# Between two questions to SLURM, and how long its answer is waited for.
QUEUE_SECONDS, QUEUE_PATIENCE = 15.0, 5.0
# What the stages count that report their own progress; the others count images.
UNITS = dict.fromkeys(("matrix", "neighbours", "clustering", "classification", "retrieval"), "fits")
UNITS["pictures"] = "drawn"


class Polled(Protocol):
    """A process that can be asked whether it has ended."""

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""


class Above(Protocol):
    """What is printed once above the panel while it goes on."""

    @property
    def ready(self) -> bool:
        """Whether it is to be printed now."""

    def early(self) -> None:
        """Print it."""


class Queue:
    """Why SLURM jobs of the launch wait, asked for now and then."""

    def __init__(self) -> None:
        self.asked = -QUEUE_SECONDS
        self.text = ""

    def why(self) -> str:
        """A sentence on the jobs that wait; empty where none does, or SLURM does not answer."""
        if time.monotonic() - self.asked >= QUEUE_SECONDS:
            launch = launch_record.current()
            jobs = leftovers.jobs_of(launch, QUEUE_PATIENCE) if launch and launch.executor == "slurm" else None
            self.text, self.asked = slurm_reasons.sentence(jobs or ()), time.monotonic()
        return self.text


@dataclass
class Progress:
    """Progress of the needed members of a plan, as seen in the store.

    `announced` is the estimate of the launch in seconds; `after` is the part of it that follows the last member.
    """

    plan: Plan
    waiting: dict[str, Path]
    expected: Mapping[str, float]
    since: float
    shards: int
    announced: float = 0.0
    after: float = 0.0
    unscored: frozenset[str] = frozenset()
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    finished: float = 0.0
    ended: float = 0.0
    noted: float = 0.0
    queue: Queue = field(default_factory=Queue)

    def look(self, store: Store) -> None:
        for member, path in list(self.waiting.items()):
            if _changed(path) < self.since:
                continue
            record = store.opened(path)
            if record:
                (self.failed if record["status"] == FAILED else self.done).add(member)
                del self.waiting[member]

    def note(self) -> None:
        """Say in the record of the launch how far it is, now and then."""
        if time.monotonic() - self.noted >= LINE_SECONDS / 2:
            self.noted = time.monotonic()
            done = len(self.done) + len(self.failed)
            words = f"{done:,} of {counted(len(self.expected), 'result')}" if self.expected else ""
            with contextlib.suppress(OSError, WriteError):
                launch_record.change(os.environ.get(lock.HELD, ""), progress=words)

    @property
    def shards_done(self) -> int:
        """Number of shards of which no member is waiting any more."""
        return self.shards - len({self._shard(member) for member in self.waiting})

    def _shard(self, member: str) -> str:
        owner = self.plan.scoring_of if member in self.unscored else self.plan.shard_of
        return owner(member).id

    @property
    def runs_done(self) -> int:
        waiting = self.waiting
        return sum(not any(member in waiting for member in run.stages.values()) for run in self.plan.runs.values())

    def eta(self, elapsed: float) -> float | None:
        """Seconds remaining: the expected time of what is waiting, and what comes after.

        The pace is that of what has ended, by its share of all, and that which was announced, by the share of the rest.

        Until members that matter have ended, this is the rest of the announced time; None if that has passed.
        Between two ends it counts down, because a long member in progress does not mean a slower pace.
        """
        finished = sum(self.expected[member] for member in self.done | self.failed)
        waiting = sum(self.expected[member] for member in self.waiting)
        if finished != self.finished:
            self.finished, self.ended = finished, elapsed
        if not finished or finished < 0.05 * (finished + waiting):
            return self.announced - elapsed if self.announced - elapsed > 1 else None
        share = finished / (finished + waiting) if self.announced else 1.0
        planned = (self.announced - self.after) / (finished + waiting)
        pace = share * self.ended / finished + (1 - share) * planned
        seconds = waiting * pace - (elapsed - self.ended)
        return seconds + self.after if seconds > 1 else None


def watch(
    process: Polled,
    plan: Plan,
    state: Status,
    expected: Mapping[str, float],
    cores: int,
    cluster: Cluster | None = None,
    above: Above | None = None,
) -> None:
    """Show progress until `process` ends, and once it is ready what goes `above` it."""
    store = Store(paths.store())
    waiting = {key: store.path(plan.stages[key].kind, key, plan.stages[key].code) for key in state.needed}
    scores = {key: scored.place(state.records[key]) for key in state.unscored}
    waiting |= {key: store.path(SCORES, place, plan.stages[key].scoring) for key, place in scores.items()}
    shards = sum(state.pending(shard) for shard in (*plan.shards.values(), *plan.scoring.values()))
    announced = announce(plan, state, cores, cluster)
    after = announced.drawing + launches.after(plan)
    progress = Progress(plan, waiting, expected, time.time() - 1, shards, announced.seconds, after, state.unscored)
    (_live if sys.stderr.isatty() else _plain)(process, progress, store, above)


def _plain(process: Polled, progress: Progress, store: Store, above: Above | None) -> None:
    started = last = time.monotonic()
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
        if above and above.ready:
            above.early()
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            progress.look(store)
            say("  ".join([_line(progress, last - started), *_partial(progress.plan)]))
            progress.note()
    progress.look(store)
    say(_line(progress, time.monotonic() - started))


def _live(process: Polled, progress: Progress, store: Store, above: Above | None) -> None:
    from rich.console import Console
    from rich.live import Live

    started, console = time.monotonic(), Console(stderr=True)
    ready = True
    while ready:
        with Live(console=console, refresh_per_second=4) as live:
            ready = False
            while process.poll() is None and not ready:
                progress.look(store)
                progress.note()
                live.update(_panel(progress, time.monotonic() - started))
                time.sleep(POLL_SECONDS)
                ready = above is not None and above.ready
            progress.look(store)
            live.update(_panel(progress, time.monotonic() - started))
            live.transient = ready  # it goes on below
        if above and ready:
            above.early()


def _panel(progress: Progress, elapsed: float) -> Any:
    from rich.console import Group
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar

    total = len(progress.expected)
    bar = ProgressBar(total=total or 1, completed=total - len(progress.waiting))
    return Panel(
        Group(_line(progress, elapsed), *_partial(progress.plan), bar), title="backbench sweep", title_align="left"
    )


def _line(progress: Progress, elapsed: float) -> str:
    remaining = progress.eta(elapsed)
    jobs = f"jobs {progress.shards_done}/{progress.shards}"
    results = f"results {len(progress.done)}/{len(progress.expected)}"
    runs = f"runs {progress.runs_done}/{len(progress.plan.runs)}"
    parts = [jobs, results, runs] if progress.expected else []
    parts += [f"{len(progress.failed)} failed"] if progress.failed else []
    queued = progress.queue.why()
    ending = (
        f"about {duration(remaining)} remaining" if remaining else "" if queued else "estimating the remaining time"
    )
    ending = ending if progress.waiting else _after(progress.plan)
    return "  ".join(filter(None, [*parts, f"{duration(elapsed)} elapsed", ending, queued]))


def _after(plan: Plan) -> str:
    """What is being done once all results are computed."""
    if not plan.tracked.exists():
        return "recording the runs"
    drawing_them = drawing.wanted(plan) and not drawing.receipt(plan).exists()
    return f"all runs are recorded; {'drawing pictures' if drawing_them else 'writing the report'}"


def _partial(plan: Plan) -> list[str]:
    """A line for each stage that reports its own progress, such as an extraction."""
    lines = []
    shards = {f"{shard.kind}-{hashing.short(shard.id)}": shard for shard in plan.shards.values()}
    for path in sorted((paths.results() / "progress").glob("*.json")):
        try:
            state = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if time.time() - _changed(path) < 30:
            shard, remaining = shards.get(path.stem), state.get("left")
            options = plan.stages[shard.members[0]].config if shard else {}
            if shard and training.trained(options) and state["total"] == options["epochs"]:
                lines.append(_training(shard.family, state["done"], options, remaining))
                continue
            kind = path.stem.split("-")[0]
            ending = f", about {duration(remaining)} remaining" if remaining else ""
            lines.append(f"{kind}: {state['done']:,} of {state['total']:,} {UNITS.get(kind, 'images')}{ending}")
    return lines


def _training(family: str, done: int, options: Mapping[str, Any], remaining: float | None) -> str:
    """Progress of a training, which may end before the last epoch if it has a patience."""
    most, about = ("at most ", "at most") if options["patience"] else ("", "about")
    ending = f", {about} {duration(remaining)} remaining" if remaining else ""
    return f"training {family}: epoch {done:,} of {most}{options['epochs']:,}{ending}"


def counting(what: str) -> Callable[[int, int], None]:
    """A progress function that prints a line now and then, with the time remaining."""
    started = last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal started, last
        now = time.monotonic()
        started = started or now
        last = last or now
        if done and now - last >= LINE_SECONDS / 2:
            last = now
            remaining = (now - started) * (total - done) / done
            say(f"{what}: {done:,} of {total:,}, about {duration(remaining)} remaining")

    return progress


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0
