"""Batches: what one job of a cluster computes, shards that follow each other in one process.

A job of a cluster costs its queue and its start, whatever it does. So the shards that a launch has to compute are
packed to a length: together while they are short, beside each other where they are long.
"""

import json
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from backbench import hashing, paths
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.files import make_folder, write_text
from backbench.store import DONE

# The shortest time that a cluster is asked for, in minutes, and how many times as long as expected a job may take.
START_MINUTES, SAFETY = 5, 3.0
# MB of the Snakemake that starts the job on its node, and the share that is added to what the plan expects.
BESIDE_MB, MARGIN = 300, 1.15
# Jobs of a launch, beyond which they become longer; more for more runs.
MOST_JOBS, RUNS_PER_JOB = 100, 100
LONGER = 1.3
# What is needed next by others is not held up by more than this share of a job.
HELD_UP = 0.1


@dataclass(frozen=True)
class Work:
    """What is known of a shard: its seconds with `threads` threads, whether a GPU pays, and the shards before it."""

    shard: Shard
    seconds: float
    threads: int
    gpu: bool
    after: frozenset[str]


@dataclass(frozen=True)
class Batch:
    """Shards that one job computes in this order, and what it asks for; `after` are the batches that go before it."""

    id: str
    shards: tuple[str, ...]
    gpu: bool
    threads: int
    mem_mb: int
    seconds: float
    after: tuple[str, ...] = ()

    @property
    def receipt(self) -> Path:
        """The file that says how every shard of the batch came out."""
        return paths.receipts() / ("gpu_batch" if self.gpu else "batch") / f"{self.id}.json"

    @property
    def minutes(self) -> int:
        """Minutes to ask for."""
        return START_MINUTES + math.ceil(SAFETY * self.seconds / 60)


@dataclass(frozen=True)
class Batches:
    """The batches of one launch, frozen. `made` is in seconds since 1970; a job is tried `attempts` times.

    `limit` is the most minutes that a job may ask for, None where there is no limit.
    """

    batches: tuple[Batch, ...] = ()
    made: float = 0.0
    attempts: int = 1
    limit: float | None = None

    @cached_property
    def by_id(self) -> Mapping[str, Batch]:
        return {batch.id: batch for batch in self.batches}

    def allowed(self, minutes: int) -> int:
        """Minutes to ask for where a job wants so many: with more than is allowed it would wait for ever."""
        return minutes if self.limit is None else max(1, min(minutes, int(self.limit)))


def pack(works: Sequence[Work], length: float, runs: int) -> list[Batch]:
    """Batches of about `length` seconds, no more of them than a launch of so many `runs` should have.

    The batches never wait for each other in a circle, and none mixes what pays on a GPU with what does not.
    """
    most = max(MOST_JOBS, runs // RUNS_PER_JOB)
    packing = _Packing({work.shard.id: work for work in works})
    groups = packing.groups(length)
    while len(groups) > most:
        length *= LONGER
        groups = packing.groups(length)
    return packing.batches(groups)


class _Packing:
    def __init__(self, works: Mapping[str, Work]):
        self.works = works
        self.before = {key: work.after & works.keys() for key, work in works.items()}
        self.order = {key: place for place, key in enumerate(self._ordered())}

    def groups(self, length: float) -> list[frozenset[str]]:
        """Shards that belong together."""
        parts = list(self._divided(frozenset(self.works), length)) if self.works else []
        levels: dict[tuple[int, bool], list[frozenset[str]]] = {}
        for part, level in zip(parts, self._levels(parts), strict=True):
            levels.setdefault((level, self._gpu(part)), []).append(part)
        filled = [group for parts in levels.values() for group in self._filled(parts, length)]
        return self._joined(filled, length)

    def batches(self, groups: Sequence[frozenset[str]]) -> list[Batch]:
        """The groups as batches, each after those that it waits for."""
        ids = {group: hashing.short(hashing.digest(sorted(group))) for group in groups}
        after = self._after(groups)
        batches = [self._batch(group, ids[group], [ids[other] for other in after[group]]) for group in groups]
        place = {ids[group]: level for group, level in zip(groups, self._levels(groups), strict=True)}
        return sorted(batches, key=lambda batch: (place[batch.id], -batch.seconds, batch.id))

    def _batch(self, group: Collection[str], id: str, after: Sequence[str]) -> Batch:
        works = [self.works[key] for key in sorted(group, key=self.order.__getitem__)]
        threads = max(work.threads for work in works)
        memory = max(work.shard.memory(threads) for work in works)
        shards = tuple(work.shard.id for work in works)
        mem_mb = BESIDE_MB + round(MARGIN * memory)
        return Batch(id, shards, works[0].gpu, threads, mem_mb, round(self._seconds(group), 3), tuple(sorted(after)))

    def _ordered(self) -> Iterator[str]:
        """Shards, each after those before it, and close to what it reads."""
        seen: set[str] = set()

        def visit(key: str) -> Iterator[str]:
            if key not in seen:
                seen.add(key)
                for parent in sorted(self.before[key]):
                    yield from visit(parent)
                yield key

        for key in self.works:
            yield from visit(key)

    def _seconds(self, keys: Iterable[str]) -> float:
        return sum(self.works[key].seconds for key in keys)

    def _gpu(self, keys: Iterable[str]) -> bool:
        return self.works[next(iter(keys))].gpu

    def _divided(self, keys: frozenset[str], length: float) -> Iterator[frozenset[str]]:
        """Parts of `keys` that are short enough, or a single shard: what nothing else has to wait for stays whole."""
        alike = len({self.works[key].gpu for key in keys}) == 1
        if len(keys) == 1 or (alike and self._seconds(keys) <= length):
            yield keys
            return
        parts = self._parts(keys)
        if len(parts) == 1:
            first = frozenset(key for key in keys if not self.before[key] & keys)
            yield from (frozenset([key]) for key in sorted(first))
            parts = self._parts(keys - first)
        for part in parts:
            yield from self._divided(part, length)

    def _parts(self, keys: frozenset[str]) -> list[frozenset[str]]:
        """Shards of `keys` that are joined by what they read, in the order of their first."""
        near: dict[str, set[str]] = {key: set() for key in keys}
        for key in keys:
            for parent in self.before[key] & keys:
                near[key].add(parent)
                near[parent].add(key)
        parts, waiting = [], set(keys)
        for key in sorted(keys, key=self.order.__getitem__):
            if key in waiting:
                part, front = {key}, [key]
                while front:
                    more = near[front.pop()] - part
                    part |= more
                    front.extend(more)
                waiting -= part
                parts.append(frozenset(part))
        return parts

    def _filled(self, parts: Sequence[frozenset[str]], length: float) -> list[frozenset[str]]:
        """Parts that do not wait for each other put together to the length, the longest first."""
        groups: list[tuple[float, frozenset[str]]] = []
        for part in sorted(parts, key=lambda part: (-self._seconds(part), min(part))):
            seconds = self._seconds(part)
            for place, (taken, group) in enumerate(groups):
                if taken + seconds <= length:
                    groups[place] = (taken + seconds, group | part)
                    break
            else:
                groups.append((seconds, part))
        return [group for _, group in groups]

    def _joined(self, groups: Sequence[frozenset[str]], length: float) -> list[frozenset[str]]:
        """Groups that wait for one other alone joined to it, where nothing else is held up by that."""
        result = list(groups)
        while True:
            after = self._after(result)
            pair = next(self._pairs(result, after, length), None)
            if pair is None:
                return result
            result = [group for group in result if group not in pair] + [pair[0] | pair[1]]

    def _pairs(
        self, groups: Sequence[frozenset[str]], after: Mapping[frozenset[str], set[frozenset[str]]], length: float
    ) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
        for group in groups:
            if len(after[group]) != 1:
                continue
            (before,) = after[group]
            alike = self._gpu(group) == self._gpu(before)
            if not alike or self._seconds(group) + self._seconds(before) > length:
                continue
            alone = sum(before in others for others in after.values()) == 1
            if alone or self._seconds(group) <= HELD_UP * length:
                yield before, group

    def _after(self, groups: Sequence[frozenset[str]]) -> dict[frozenset[str], set[frozenset[str]]]:
        """The groups that each waits for."""
        owner = {key: group for group in groups for key in group}
        return {group: {owner[parent] for key in group for parent in self.before[key]} - {group} for group in groups}

    def _levels(self, groups: Sequence[frozenset[str]]) -> list[int]:
        """How many groups in a row go before each."""
        after, levels = self._after(groups), {}

        def level(group: frozenset[str]) -> int:
            if group not in levels:
                levels[group] = 1 + max((level(other) for other in after[group]), default=-1)
            return levels[group]

        return [level(group) for group in groups]


# ------------------------------------------------------------------------------------------------ of a launch


def file(plan: Plan) -> Path:
    """Where the batches of a plan's launch lie."""
    return paths.results() / "launches" / f"{hashing.short(plan.hash)}-batches.json"


def load(plan: Plan) -> Batches:
    """The batches of the last launch of a plan; none where there was none."""
    try:
        body = json.loads(file(plan).read_bytes())
        lists = ("shards", "after")
        batches = [Batch(**{**entry, **{key: tuple(entry[key]) for key in lists}}) for entry in body["batches"]]
        return Batches(tuple(batches), body["made"], body["attempts"], body.get("limit"))
    except (OSError, ValueError, KeyError, TypeError):
        return Batches()


def save(plan: Plan, batches: Sequence[Batch], attempts: int, limit: float | None = None) -> Batches:
    """Freeze the batches of a launch: its jobs read them, and no receipt of an earlier launch counts for them."""
    frozen = Batches(tuple(batches), time.time(), attempts, limit)
    for batch in batches:
        make_folder(batch.receipt.parent)
        batch.receipt.unlink(missing_ok=True)
    body = {"plan": plan.hash, "made": frozen.made, "attempts": attempts, "limit": limit}
    write_text(file(plan), json.dumps({**body, "batches": [asdict(batch) for batch in batches]}, indent=1))
    return frozen


def failed(plan: Plan) -> list[str]:
    """The shards of the last launch that did not come out, by kind and family."""
    names = []
    for batch in load(plan).batches:
        try:
            states = json.loads(batch.receipt.read_bytes())["shards"]
        except (OSError, ValueError, KeyError, TypeError):
            states = dict.fromkeys(batch.shards, None)
        shards = [plan.shards.get(key) or plan.scoring[key] for key in batch.shards if states.get(key) != DONE]
        names += [f"{shard.kind} {shard.family}" for shard in shards]
    return names


def works(
    plan: Plan,
    pending: Callable[[Shard], bool],
    seconds: Callable[[Shard], tuple[float, int]],
    gpu: Callable[[Shard], bool],
) -> list[Work]:
    """What of a plan is to be computed; `seconds` gives the seconds of a shard and the threads that it can use."""
    shards = [shard for shard in (*plan.shards.values(), *plan.scoring.values()) if pending(shard)]
    ids = {shard.id for shard in shards}
    after = {shard.id: frozenset(parent.id for parent in plan.parents(shard)) & ids for shard in shards}
    return [Work(shard, *seconds(shard), gpu(shard), after[shard.id]) for shard in shards]
