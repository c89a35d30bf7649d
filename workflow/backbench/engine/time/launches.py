"""How long a launch will take as a whole, what of it takes longest, and afterwards how that compares."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.engine.cost import costs
from backbench.engine.grid import HEADS, Stage
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard, fair_threads
from backbench.engine.run.scored import ABSENT
from backbench.engine.run.status import Status
from backbench.engine.time import clusters
from backbench.engine.time.clusters import Cluster
from backbench.engine.time.estimate import Expectation
from backbench.files import write_text
from backbench.stage import SCORES
from backbench.wording import counted, duration

# Of a launch: planning, Snakemake, and the tables at the end; of a job: its process with its libraries, of which a
# retrieval loads few.
START_SECONDS, JOB_SECONDS, FIT_JOB_SECONDS, RETRIEVAL_JOB_SECONDS = 12.0, 1.5, 2.5, 0.8
# What follows the results, by the runs, and of the report by the fits and the images that its intervals are over.
JOIN, TRACK, ATTACH = (0.5, 0.004), (4.0, 0.03), (3.0, 0.007)
REPORT_SECONDS, REPORT_IMAGE_SECONDS = 2.0, 1.7e-5
DRAW_SECONDS = 5.0
_DOING = {"dataset": "reading", "audit": "auditing", "neighbours": "the nearest neighbours of"}
# Above these a launch says what takes longest, and why it took longer than announced.
LONG_SECONDS, SHOWN, MUCH_LONGER = 300.0, 3, 1.5
# Jobs that use all cores; the others that come before the fits and are no transforms use two.
ALL_CORES = ("features", "neighbours")


@dataclass(frozen=True)
class Part:
    """Results of one kind and family: `what` in words, `seconds` of a launch with `beside` of them at once.

    `epochs` says how many are counted of a training.
    """

    what: str
    seconds: float
    members: tuple[str, ...]
    beside: int = 1
    epochs: str = ""


@dataclass(frozen=True)
class Announced:
    """What a launch on `cores` cores will take: about `seconds`, at most `most` where a training may stop early.

    `parts` are its results, what takes longest first; `drawing` are the seconds of `pictures` pictures. On a cluster,
    `jobs` are submitted, and each is taken to wait for `queue` seconds, as is `recorded` here or by default.
    """

    seconds: float
    most: float
    cores: int
    parts: tuple[Part, ...] = ()
    pictures: int = 0
    drawing: float = 0.0
    jobs: int = 0
    queue: float = 0.0
    recorded: bool = False

    @property
    def text(self) -> str:
        """``about 5 min on 2 cores``, and what belongs to it."""
        if not self.seconds:
            return "none"
        most = f", at most {duration(self.most)}" if self.most > 1.1 * self.seconds else ""
        drawing = f" ({duration(self.drawing)} of it for about {self.pictures} pictures)" if self.pictures else ""
        return f"about {duration(self.seconds)} on {counted(self.cores, 'core')}{drawing}{most}{self._queued}"

    @property
    def _queued(self) -> str:
        """What is taken for the queue of a cluster."""
        if not self.jobs:
            return ""
        source = "as recorded here" if self.recorded else "which is assumed: no job is recorded here yet"
        return f", with {duration(self.queue)} in the queue for each job ({source})"

    @property
    def longest(self) -> list[str]:
        """The most expensive results of a launch that takes more than some minutes, in words."""
        shown = self.parts[:SHOWN] if self.seconds > LONG_SECONDS else ()
        return [f"{part.what}: about {duration(part.seconds)}{part.epochs}" for part in shown]


def announce(
    plan: Plan, status: Status, cores: int, pictures: int = 0, drawing: float = 0.0, cluster: Cluster | None = None
) -> Announced:
    """What a launch will take, here or on a cluster.

    Parameters
    ----------
    pictures, drawing
        Pictures that it will draw, and the seconds of one core that they take.
    """
    if not status.due and not pictures:
        return Announced(0.0, 0.0, cores)
    if cluster:
        return _on_cluster(plan, status, cluster, pictures, drawing)
    expected = Expectation(plan, status, cores)
    drawing = drawing / cores + DRAW_SECONDS if pictures else 0.0
    seconds = START_SECONDS + _computing(expected) + after(plan) + drawing
    longer = sum(map(expected.longer, expected.trainings))
    return Announced(seconds, seconds + longer, cores, tuple(_parts(expected)), pictures, drawing)


def _on_cluster(plan: Plan, status: Status, cluster: Cluster, pictures: int, drawing: float) -> Announced:
    """What a launch on a cluster will take: with the starts of its jobs, their queue, and as many at once as may be."""
    todo, (queue, recorded) = clusters.packed(plan, status, cluster), clusters.waiting()
    expected = Expectation(plan, status, cluster.threads, gpu=clusters.wants_gpu())
    drawing = drawing / cluster.threads + DRAW_SECONDS + queue + clusters.START_SECONDS if pictures else 0.0
    seconds = START_SECONDS + clusters.lasting(todo, cluster, queue) + after(plan) + drawing
    longer = sum(map(expected.longer, expected.trainings))
    asked = (len(todo) + bool(pictures), queue, recorded)
    cores = cluster.cores or cluster.threads
    return Announced(seconds, seconds + longer, cores, tuple(_parts(expected)), pictures, drawing, *asked)


def keep(plan: Plan, announced: Announced) -> None:
    """Store what was announced with the launch of a plan."""
    write_text(_file(plan), json.dumps({"plan": plan.hash, **asdict(announced)}, indent=1, sort_keys=True))


def kept(plan: Plan) -> Announced | None:
    """What was announced when a sweep was launched last; None where it never was."""
    try:
        content = json.loads(_file(plan).read_bytes())
        parts = tuple(Part(**{**part, "members": tuple(part["members"])}) for part in content.pop("parts"))
        names = ("seconds", "most", "cores", "pictures", "drawing", "jobs", "queue", "recorded")
        values = {name: content[name] for name in names if name in content}
        return Announced(**values, parts=parts)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def took(announced: Announced, records: Mapping[str, Mapping[str, Any]], seconds: float) -> str:
    """How long a launch took, what was announced, and why it took much longer: ``5 min (announced: about 4 min)``."""
    text = duration(seconds)
    if not announced.seconds:
        return text
    text += f" (announced: about {duration(announced.seconds)}"
    if seconds > MUCH_LONGER * announced.seconds:
        text += f"; {_why(announced, records)}"
    return f"{text})"


def _file(plan: Plan) -> Path:
    return paths.receipts() / "launch" / f"{hashing.short(plan.sweep)}.json"


def _why(announced: Announced, records: Mapping[str, Mapping[str, Any]]) -> str:
    """The results that took longest beyond what was announced, else the load of the machine."""
    late = []
    for part in announced.parts:
        seconds = [records[member]["provenance"]["seconds"] for member in part.members if member in records]
        late.append((sum(seconds) / part.beside - part.seconds, part))
    if late:
        excess, part = max(late, key=lambda each: each[0])
        if excess > 0.2 * announced.seconds:
            return f"{part.what} took {duration(part.seconds + excess)} instead of {duration(part.seconds)}"
    load = os.getloadavg()[-1]
    return f"the load of the machine was {load:.1f} on {counted(announced.cores, 'core')}, of the last 15 minutes"


# ------------------------------------------------------------------------------------------------ the launch


def _computing(expected: Expectation) -> float:
    """Seconds of the jobs: their work divided among the cores, and no less than the longest job alone.

    A job loads its libraries on one core, whatever it has afterwards.
    """
    shards = (*expected.plan.shards.values(), *expected.plan.scoring.values())
    shares = _shares(expected)
    jobs = [_job(expected, shard, shares) for shard in shards if expected.status.pending(shard)]
    work = sum(start + seconds * threads for start, seconds, threads in jobs)
    return max(work / expected.cores, max((start + seconds for start, seconds, _ in jobs), default=0.0))


def _shares(expected: Expectation) -> dict[str, int]:
    return fair_threads(expected.plan.shards.values(), expected.plan.stages, expected.cores)


def _job(expected: Expectation, shard: Shard, shares: Mapping[str, int]) -> tuple[float, float, int]:
    """Seconds until a job has its libraries, those of its work, and the cores that it has for this; fits share theirs
    with those of other jobs."""
    work = expected.work(shard)
    if shard.kind == SCORES:
        return FIT_JOB_SECONDS, work, 1
    if shard.kind in HEADS:
        longest = max((expected.members.get(member, 0.0) for member in shard.members), default=0.0)
        cores = max(1, min(expected.cores, round(work / longest))) if longest else 1
        return RETRIEVAL_JOB_SECONDS if shard.kind == "retrieval" else FIT_JOB_SECONDS, work / cores, cores
    if shard.kind in ALL_CORES:
        return JOB_SECONDS, work, expected.cores
    return JOB_SECONDS, work, shares.get(shard.id, min(2, expected.cores))


def after(plan: Plan) -> float:
    """Seconds from the last result to the end, pictures not counted."""
    runs = len(plan.runs)
    images = sum(stage.about["n"] for stage in plan.stages.values() if stage.kind in HEADS)
    fixed = sum(start + each * runs for start, each in (JOIN, TRACK, ATTACH))
    return fixed + REPORT_SECONDS + REPORT_IMAGE_SECONDS * images


# ------------------------------------------------------------------------------------------------ words


def _parts(expected: Expectation) -> Iterator[Part]:
    """The results by kind, family and size, what takes longest first."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for member in expected.members:
        stage = expected.plan.stages[member]
        size = (stage.about.get("n"), stage.about.get("d"), tuple(stage.about.get("steps", ())))
        groups.setdefault((stage.kind, costs.way(stage), *size), []).append(member)
    shares = _shares(expected)
    parts = (_part(expected, members, shares) for members in groups.values())
    yield from sorted(parts, key=lambda part: -part.seconds)


def _part(expected: Expectation, members: list[str], shares: Mapping[str, int]) -> Part:
    stage, total = expected.plan.stages[members[0]], sum(expected.members[member] for member in members)
    beside = min(shares[expected.plan.shard_of(members[0]).id], len(members)) if stage.kind in HEADS else 1
    longer = sum(map(expected.longer, members))
    epochs = ""
    if stage.hash in expected.trainings:
        training = expected.trainings[stage.hash]
        epochs = f" ({training.epochs} epochs)"
        if training.most > training.epochs:
            most = duration(total / beside + longer)
            epochs = f" ({training.epochs} epochs are counted; all {training.most} would take {most})"
    return Part(_words(stage, len(members), bool(epochs)), total / beside, tuple(members), beside, epochs)


def _words(stage: Stage, count: int, trained: bool) -> str:
    n, d, family = stage.about.get("n", 0), stage.about.get("d"), costs.way(stage)
    if stage.kind in HEADS:
        return f"{counted(count, 'fit')} of {family} on {n:,} x {d:,}"
    if stage.kind == "matrix":
        return f"{'+'.join(stage.about['steps'])} of {n:,} x {d:,}"
    if stage.kind in _DOING:
        return f"{_DOING[stage.kind]} {n:,} images"
    return f"{'training' if trained else 'features of'} {family} on {n:,} images"


def rescored(expected: Expectation) -> str | None:
    """What is computed of fits that are done, in words: ``92 fits are done; their scores are computed again: ...``."""
    if not expected.scores:
        return None
    seconds = sum(expected.scores.values()) / max(expected.cores or 1, 1) + FIT_JOB_SECONDS
    done = "is done; its" if len(expected.scores) == 1 else "are done; their"
    again = "" if all(expected.status.scores[fit] == ABSENT for fit in expected.scores) else " again"
    return f"{counted(len(expected.scores), 'fit')} {done} scores are computed{again}: about {duration(seconds)}"
