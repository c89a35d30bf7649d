"""How a sweep stands, from its files and from SLURM, while it runs and after a crash; nothing is locked or written.

What a process says of itself is believed only while that process is alive: nothing is called running that is dead.
"""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backbench import hashing, launch_record, paths, slurm, slurm_reasons
from backbench.engine.plan import batches, frozen
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run import jobs, leftovers, scored
from backbench.engine.run.status import ABSENT, CURRENT, STALE, state_of
from backbench.engine.time import launches
from backbench.launch_record import Launch
from backbench.schema import ConfigError
from backbench.stage import KINDS, RECIPE, SCORES
from backbench.store import FAILED, Store

VERSION = 1
SLURM_SECONDS = 5.0
DONE, WAITING, QUEUED, RUNNING = "done", "waiting", "queued", "running"
# States of a launch; one that ended in order has its outcome: finished, failed or stopped.
ORPHANED, SILENT, KILLED, NEVER = "orphaned", "silent", "killed", "never"
NUMBER = re.compile(r"\d+")
# Below this share of the work its pace says little.
TELLING = 0.05


@dataclass(frozen=True)
class Kind:
    """How many results of a kind of stage are in which state; `total` is their sum."""

    kind: str
    total: int
    done: int
    failed: int
    running: int
    queued: int
    waiting: int


@dataclass(frozen=True)
class Work:
    """A process that computes `results` results of a shard, since `since` (in seconds since 1970).

    `alive` is None where that cannot be seen from this machine. `done` of `total` and the seconds `left` are what the
    stage says of its progress, and `asked` what the job may have (`mem_mb`, `minutes`); None where nothing is said.
    """

    kind: str
    family: str
    results: int
    host: str
    pid: int
    slurm_job: str | None
    since: float
    alive: bool | None
    attempt: int = 1
    done: int | None = None
    total: int | None = None
    left: float | None = None
    asked: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Queued:
    """SLURM jobs that wait for one reason, in SLURM's word and in ours; `hopeless` says that they never start so."""

    reason: str
    words: str
    jobs: tuple[str, ...]
    hopeless: bool


@dataclass(frozen=True)
class Failure:
    """Results that failed for one reason."""

    reason: str
    results: int
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """How a sweep stands at `at` (seconds since 1970).

    `state` is running, orphaned (the launcher was killed, and what it started goes on), silent (on another machine, and
    not heard of for a minute), killed, finished, failed, stopped, or never (not launched here). `working` are the
    processes that compute, `killed` those that were killed meanwhile. `left_seconds` is None where there is no
    estimate, `slurm_answers` None where SLURM was not asked.
    """

    at: float
    state: str
    launch: Launch | None
    heard: float | None
    plan: str | None = None
    sweep: str | None = None
    experiment: str | None = None
    runs: int = 0
    runs_done: int = 0
    runs_failed: int = 0
    kinds: tuple[Kind, ...] = ()
    working: tuple[Work, ...] = ()
    killed: tuple[Work, ...] = ()
    queued: tuple[Queued, ...] = ()
    slurm_jobs: tuple[str, ...] = ()
    slurm_answers: bool | None = None
    failed: tuple[Failure, ...] = ()
    left_results: int = 0
    left_seconds: float | None = None
    next: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing of it works any more."""
        return self.state not in (RUNNING, ORPHANED)

    def to_json(self) -> str:
        """All of it as one JSON object; docs/status.md says what its keys mean."""
        body = {"version": VERSION, **asdict(self)}
        launch = body.pop("launch")
        if launch:
            launch |= launch.pop("launcher")
            launch["snakemake"] = launch["snakemake"]["pid"] if launch["snakemake"] else None
        return json.dumps({**body, "launch": launch}, sort_keys=True, allow_nan=False)


def look(sweep: str | None = None) -> Overview:
    """How a sweep stands.

    Parameters
    ----------
    sweep
        Hash of a sweep or of a plan, or a prefix of it; by default the launch that runs, else the newest sweep.

    Raises
    ------
    ConfigError
        If there is no such sweep, or none at all.
    """
    launch, plan = _chosen(sweep)
    queue = _queue(launch)
    ours = leftovers.among(queue, launch) if queue and launch else []
    state = state_of_launch(launch, ours)
    heard = None if launch is None or launch.ended or math.isinf(_silence(launch)) else _silence(launch)
    asked = None if queue is None and not _asks(launch) else queue is not None
    base = Overview(time.time(), state, launch, heard, slurm_answers=asked)
    if plan is None:
        return base
    return _Looking(plan, launch, state, queue, ours).overview(base)


def state_of_launch(launch: Launch | None, queued: Sequence[slurm.Job] = ()) -> str:
    """What became of a launch; `queued` are its jobs in SLURM's queue."""
    if launch is None:
        return NEVER
    if launch.ended:
        return ORPHANED if queued else launch.outcome or launch_record.STOPPED
    alive = launch.launcher.alive
    if alive or (alive is None and _silence(launch) < launch_record.SILENT_SECONDS):
        return RUNNING
    if queued or leftovers.here(launch):
        return ORPHANED
    return SILENT if alive is None else KILLED


def _silence(launch: Launch) -> float:
    """Seconds since a launch was last heard of; endless where another one has begun since."""
    current = launch_record.current()
    return launch_record.silence() if current and current.id == launch.id else float("inf")


# -------------------------------------------------------------------------------------------------- what to look at


def _chosen(asked: str | None) -> tuple[Launch | None, Plan | None]:
    """The launch and the plan to look at; no plan where the launch has not made its own yet."""
    current = launch_record.current()
    if asked is None and current and (current.plan or not current.ended):
        plan = _load(paths.plans() / f"{current.plan}.json") if current.plan else None
        if plan or (not current.plan and current.launcher.alive is not False):
            return current, plan
    files = sorted(paths.plans().glob("*.json"), key=_changed, reverse=True)
    for file in files:
        if asked and not file.stem.startswith(asked) and asked not in _sweep_of(file)[: len(asked)]:
            continue
        plan = _load(file)
        if plan:
            return launch_record.of_sweep(plan.sweep), plan
    if asked is None:
        raise ConfigError("there are no sweeps here yet; run `backbench sweep` first.")
    raise ConfigError(f"no sweep here begins with {asked!r}; `backbench status` without a hash shows the newest.")


def _sweep_of(file: Path) -> str:
    """The hash of the sweep of a plan, which stands at the end of its file."""
    try:
        with file.open("rb") as text:
            text.seek(max(0, file.stat().st_size - 200))
            match = re.search(rb'"sweep": "([0-9a-f]{64})"', text.read())
    except OSError:
        return ""
    return match[1].decode() if match else getattr(_load(file), "sweep", "")


def _load(file: Path) -> Plan | None:
    try:
        return frozen.load(file)
    except ConfigError:
        return None


def _asks(launch: Launch | None) -> bool:
    return launch is not None and launch.executor == "slurm" and slurm.present()


def _queue(launch: Launch | None) -> list[slurm.Job] | None:
    """All jobs of the launch's user; None where SLURM was not asked or does not answer."""
    return slurm.queue(user=launch.user, seconds=SLURM_SECONDS) if launch and _asks(launch) else None


# ----------------------------------------------------------------------------------------------------- how it stands


class _Looking:
    """One look at a plan."""

    def __init__(
        self,
        plan: Plan,
        launch: Launch | None,
        state: str,
        queue: Sequence[slurm.Job] | None,
        ours: Sequence[slurm.Job],
    ):
        self.plan, self.launch, self.state, self.ours = plan, launch, state, ours
        self.store = plan.seen(Store(paths.store()))
        self.running = None if queue is None else {job.id for job in queue if not job.waiting}
        self.reasons: dict[str, str] = {}
        self.states = self._states()

    def overview(self, base: Overview) -> Overview:
        """`base` with how the plan stands."""
        works = [self._work(job) for job in jobs.everything() if self._shard(job.shard)]
        working = tuple(work for work in works if work.alive is not False)
        killed = tuple(work for work in works if work.alive is False)
        kinds = tuple(self._kinds())
        left = sum(kind.total - kind.done - kind.failed for kind in kinds)
        done, failed = self._runs()
        request = self.plan.request.get("experiment")
        values = {"plan": self.plan.hash, "sweep": self.plan.sweep, "experiment": request}
        values |= {"runs": len(self.plan.runs), "runs_done": done, "runs_failed": failed, "kinds": kinds}
        values |= {
            "working": working,
            "killed": killed,
            "queued": tuple(_queued(self.ours)),
            "failed": self._failures(),
        }
        values |= {"slurm_jobs": tuple(job.id for job in self.ours if not job.waiting), "left_results": left}
        values |= {"left_seconds": self._left() if left else 0.0, "next": tuple(self._next(left, failed))}
        return Overview(**{**{name: getattr(base, name) for name in base.__dataclass_fields__}, **values})

    def _states(self) -> dict[str, str]:
        """State of every result; what only the last launch did not need counts as done."""
        states: dict[str, str] = {}
        for shard in self.plan.shards.values():
            receipt = _json(shard.receipt).get("members")
            if isinstance(receipt, dict):
                names = {FAILED: FAILED, CURRENT: DONE, STALE: DONE, ABSENT: DONE}
                states |= {member: names.get(receipt.get(member, ABSENT), WAITING) for member in shard.members}
            else:
                states |= {member: self._stored(shard, member) for member in shard.members}
        for batch in self._queued_shards():
            states |= {member: QUEUED for member in batch.members if states.get(member) == WAITING}
        for job in jobs.everything():
            if jobs.alive(job, self.running) == jobs.ALIVE:
                states |= {key: RUNNING for key in job.members_in_progress if states.get(key) in (WAITING, QUEUED)}
        return states

    def _stored(self, shard: Shard, member: str) -> str:
        """State of a result of a shard that has not ended; a failure of an earlier launch is tried again."""
        stage = self.plan.stages[member]
        record = scored.read(shard.kind, member, self.store)
        state = state_of(stage, record, self.store) if record else ABSENT
        again = self.state in (RUNNING, ORPHANED) and self.launch
        if state == FAILED and again and _changed(self.store.path(shard.kind, member, stage.code)) < again.began:
            return WAITING
        if record and state == FAILED:
            self.reasons[member] = str(record["reason"])
        return {CURRENT: DONE, FAILED: FAILED}.get(state, WAITING)

    def _queued_shards(self) -> Iterable[Shard]:
        """The shards that SLURM jobs in the queue are to compute: their comments end with the id of batch or shard."""
        ids = {job.comment.rpartition("_")[2] for job in self.ours if job.waiting}
        if not ids:
            return
        by_id = batches.load(self.plan).by_id
        members = {shard for id in ids if id in by_id for shard in by_id[id].shards}
        for shard in self.plan.shards.values():
            if shard.id in members or hashing.short(shard.id) in ids:
                yield shard

    def _kinds(self) -> Iterable[Kind]:
        counts: dict[str, Counter[str]] = {}
        for member, state in self.states.items():
            counts.setdefault(self.plan.stages[member].kind, Counter())[state] += 1
        rescoring = self._rescoring()
        if rescoring:
            counts[SCORES] = rescoring
        for kind in (*KINDS, SCORES):
            if kind != RECIPE and kind in counts:
                each = counts[kind]
                numbers = (each[name] for name in (DONE, FAILED, RUNNING, QUEUED, WAITING))
                yield Kind(kind, sum(each.values()), *numbers)

    def _rescoring(self) -> Counter[str]:
        """States of the scores that the last launch was asked to compute apart from their fits."""
        states: Counter[str] = Counter()
        for request in (paths.receipts() / SCORES).glob("*.request.json"):
            shard = self.plan.scoring.get(str(_json(request).get("shard")))
            if shard:
                states[DONE if shard.receipt.exists() else WAITING] += len(_json(request).get("members", ()))
        return states

    def _shard(self, id: str) -> Shard | None:
        return self.plan.shards.get(id) or (self.plan.scoring.get(id) if self._scores_asked else None)

    @property
    def _scores_asked(self) -> bool:
        return any((paths.receipts() / SCORES).glob("*.request.json"))

    def _work(self, job: jobs.Job) -> Work:
        alive = {jobs.ALIVE: True, jobs.DEAD: False}.get(jobs.alive(job, self.running))
        if alive is None and self.running is None and self.state in (SILENT, *_ENDED):
            alive = None if self.state == SILENT else False
        file = paths.results() / "progress" / f"{job.kind}-{hashing.short(job.shard)}.json"
        progress = _json(file) if alive and _changed(file) >= job.began else {}
        done, total, left = (progress.get(name) for name in ("done", "total", "left"))
        place = (job.host, job.pid, job.slurm_job, job.began, alive, job.attempt)
        return Work(job.kind, job.family, len(job.members_in_progress), *place, done, total, left, job.asked)

    def _runs(self) -> tuple[int, int]:
        """How many runs are done, and how many failed."""
        done = failed = 0
        for run in self.plan.runs.values():
            states = {self.states.get(member, DONE) for member in run.stages.values()}
            failed += FAILED in states
            done += states == {DONE}
        return done, failed

    def _failures(self) -> tuple[Failure, ...]:
        """The reasons of failed results, the most common first; numbers in them do not tell reasons apart."""
        groups: dict[str, list[str]] = {}
        for member in (member for member, state in self.states.items() if state == FAILED):
            reason = self.reasons.get(member) or self._reason(member)
            groups.setdefault(NUMBER.sub("#", reason), []).append(member)
            self.reasons[member] = reason
        failures = [
            Failure(
                self.reasons[members[0]],
                len(members),
                tuple(sorted({self.plan.stages[member].kind for member in members})),
            )
            for members in groups.values()
        ]
        return tuple(sorted(failures, key=lambda failure: -failure.results))

    def _reason(self, member: str) -> str:
        record = scored.read(self.plan.stages[member].kind, member, self.store) or {}
        return str(record.get("reason") or "no reason was recorded")

    def _left(self) -> float | None:
        """Seconds that the rest takes: as announced, at the pace of this launch once that says something."""
        announced = launches.kept(self.plan)
        if announced is None or not announced.seconds:
            return None
        expected = _expected(announced)
        waiting = sum(seconds for key, seconds in expected.items() if self.states.get(key) not in (DONE, FAILED))
        everything = sum(expected.values()) or 1.0
        ended = everything - waiting
        since = self.launch.computing if self.launch else None
        if self.state == RUNNING and since:
            elapsed = time.time() - since
            if ended < TELLING * everything:
                return announced.seconds - elapsed if announced.seconds - elapsed > 1 else None
            return waiting * elapsed / ended + launches.after(self.plan)
        return announced.seconds * waiting / everything

    def _next(self, left: int, failed: int) -> Iterable[str]:
        """Commands to type next."""
        command = self.launch.command if self.launch else "backbench sweep"
        if self.state == RUNNING:
            yield "backbench status --watch"
        elif self.state == ORPHANED or left or failed:
            yield command
        if not left and self.state not in (RUNNING, ORPHANED):
            yield "backbench answer"


_ENDED = (KILLED, launch_record.FINISHED, launch_record.FAILED, launch_record.STOPPED, NEVER)


def _queued(ours: Sequence[slurm.Job]) -> Iterable[Queued]:
    reasons: dict[str, list[slurm.Job]] = {}
    for job in ours:
        if job.waiting:
            reasons.setdefault(job.reason, []).append(job)
    for reason, waiting in reasons.items():
        ids = tuple(job.id for job in waiting)
        yield Queued(reason, slurm_reasons.words(reason), ids, slurm_reasons.hopeless(waiting[0]))


def _expected(announced: launches.Announced) -> dict[str, float]:
    """Expected seconds of every result that the launch had to compute, as the launch took them for."""
    seconds: dict[str, float] = {}
    for part in announced.parts:
        seconds |= dict.fromkeys(part.members, part.seconds * part.beside / max(len(part.members), 1))
    return seconds


def _json(file: Path) -> dict[str, Any]:
    """The object in a file; an empty one where the file is absent, half-written or something else."""
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return -1.0
