"""Jobs of a cluster: how a launch is packed into them, and how long they take with their queue."""

import heapq
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from backbench import paths, settings
from backbench.engine.grid import HEADS
from backbench.engine.plan import accelerating, batches
from backbench.engine.plan.batches import Batch
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run.status import Status
from backbench.engine.time.estimate import Expectation
from backbench.stage import SCORES

JOB_MINUTES = 10.0
# Of a shard in a batch, whose libraries are loaded; of a job: Snakemake on its node, libraries, and seeing its end.
SHARD_SECONDS, START_SECONDS = 0.5, 25.0
# In the queue where nothing is recorded, and how many recorded jobs count.
QUEUE_SECONDS, RECORDED = 30.0, 50
ALL_CORES = ("features", "neighbours")


@dataclass(frozen=True)
class Cluster:
    """What the jobs of a launch may have: `jobs` at once on `cores` cores together, `threads` at most for one.

    Each is tried `attempts` times; `minutes` is the length that the profile asks for, None where it does not; `prefix`
    is what the user wants the names of SLURM jobs to begin with; `limit` is the most minutes that a job may ask for,
    None where that is not known or there is no limit.
    """

    executor: str
    jobs: int
    cores: int
    threads: int
    attempts: int = 1
    minutes: float | None = None
    prefix: str = ""
    limit: float | None = None

    @property
    def seconds(self) -> float:
        """The length that jobs are packed to."""
        return 60 * (settings.job_minutes() or self.minutes or JOB_MINUTES)


def wants_gpu() -> bool:
    """Whether jobs are to ask for a GPU where that pays."""
    return os.environ.get("BACKBENCH_DEVICE", "auto").startswith("cuda")


def packed(plan: Plan, status: Status, cluster: Cluster) -> list[Batch]:
    """The batches of a launch on a cluster."""
    gpu = wants_gpu()
    expected = Expectation(plan, status, cluster.threads, gpu=gpu)
    works = batches.works(
        plan, status.pending, partial(_job, expected), lambda shard: gpu and accelerating.pays(shard, plan.stages)
    )
    return batches.pack(works, cluster.seconds, len(plan.runs))


def waiting() -> tuple[float, bool]:
    """Seconds that a job waits in the queue, and whether that is recorded in this results folder."""
    receipts = [*(paths.receipts() / "batch").glob("*.json"), *(paths.receipts() / "gpu_batch").glob("*.json")]
    waits = []
    for path in sorted(receipts, key=lambda path: path.stat().st_mtime)[-RECORDED:]:
        try:
            waits.append(json.loads(path.read_bytes())["waited"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    known = [float(seconds) for seconds in waits if seconds is not None]
    return (statistics.median(known), True) if known else (QUEUE_SECONDS, False)


def lasting(todo: Sequence[Batch], cluster: Cluster, queue: float) -> float:
    """Seconds from the first job to the end of the last, each with its start and its queue."""
    ends: dict[str, float] = {}
    running: list[tuple[float, int]] = []
    clock, cores = 0.0, 0
    for batch in todo:  # in the order of their levels
        ready = max((ends[other] for other in batch.after), default=0.0)
        clock = max(clock if running else 0.0, ready)
        while running and (len(running) >= cluster.jobs or cores + batch.threads > max(cluster.cores, batch.threads)):
            end, freed = heapq.heappop(running)
            clock, cores = max(clock, end), cores - freed
        ends[batch.id] = clock + queue + START_SECONDS + batch.seconds
        heapq.heappush(running, (ends[batch.id], batch.threads))
        cores += batch.threads
    return max(ends.values(), default=0.0)


def _job(expected: Expectation, shard: Shard) -> tuple[float, int]:
    """Seconds of a shard in a batch, and the threads that it has a use for."""
    work = expected.work(shard)
    if shard.kind == SCORES:
        return SHARD_SECONDS + work, 1
    if shard.kind in HEADS:
        longest = max((expected.members.get(member, 0.0) for member in shard.members), default=0.0)
        threads = max(1, min(expected.cores, round(work / longest))) if longest else 1
        return SHARD_SECONDS + work / threads, threads
    return SHARD_SECONDS + work, expected.cores if shard.kind in ALL_CORES else min(2, expected.cores)
