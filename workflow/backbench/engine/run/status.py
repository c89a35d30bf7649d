"""What of a plan is done, pending, stale or failed before, read from the store."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backbench.engine.grid import HEADS, Stage
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run import scored
from backbench.files import remove, write_text
from backbench.stage import RECIPE, SCORES
from backbench.store import FAILED, Store

CURRENT, STALE, ABSENT = scored.CURRENT, scored.STALE, scored.ABSENT


@dataclass(frozen=True)
class Status:
    """State of every stage of a plan: current, failed, stale (made by other code) or absent.

    `needed` are the members that a launch has to compute: what the runs ask for and is not current, the audits, what
    was damaged, and what these need in turn. `known` says of needed features how many rows are in the store already,
    of how many. `scores` has the state of the scores of every fit that is there; `unscored` are the fits that are done
    and that a launch has to score by themselves. `records` holds fits with their scores.
    """

    states: Mapping[str, str]
    needed: frozenset[str]
    records: Mapping[str, Mapping[str, Any]] = field(repr=False, default_factory=dict)
    known: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)
    unscored: frozenset[str] = frozenset()

    @property
    def due(self) -> bool:
        """Whether a launch has results or scores to compute."""
        return bool(self.needed or self.unscored)

    def count(self, *states: str) -> int:
        return sum(state in states for state in self.states.values())

    def pending(self, shard: Shard) -> bool:
        wanted = self.unscored if shard.kind == SCORES else self.needed
        return any(member in wanted for member in shard.members)


def inspect(plan: Plan, store: Store) -> Status:
    """Read every member of the plan."""
    store = plan.seen(store)
    records = {key: scored.read(stage.kind, key, store) for key, stage in plan.stages.items() if stage.kind != RECIPE}
    states = dict.fromkeys(plan.stages, CURRENT)
    states |= {key: state_of(plan.stages[key], record, store) for key, record in records.items()}
    known = {key: record for key, record in records.items() if record}
    scores = scores_of(plan, known, states, store)
    unscored = {key for key, state in scores.items() if state != CURRENT and states[key] == CURRENT}
    needed = _needed(plan, states, [*_read_by(plan, unscored), *_damaged(plan, states, store)])
    # A job that fits scores what is waiting of its shard, too.
    unscored -= {member for shard in plan.shards.values() if needed & set(shard.members) for member in shard.members}
    return Status(states, frozenset(needed), known, scores=scores, unscored=frozenset(unscored))


def scores_of(
    plan: Plan, records: Mapping[str, Mapping[str, Any]], states: Mapping[str, str], store: Store
) -> dict[str, str]:
    """State of the scores of every fit that has labels, predictions or neighbours.

    Those in a record of an earlier version count as current where what they are computed from is absent.
    """
    scores: dict[str, str] = {}
    for key, record in records.items():
        stage = plan.stages[key]
        if stage.kind in HEADS and not scored.failed_fit(record):
            absent = any(states.get(member) != CURRENT for _, member in scored.reads(stage))
            scores[key] = CURRENT if absent and scored.SUMMARY not in record else scored.state(stage, record, store)
    return scores


def state_of(stage: Stage, record: Mapping[str, Any] | None, store: Store) -> str:
    """State of one member by its record: another code digest makes it stale, a missing array makes it absent.

    The scores of a fit do not count; for these see `scored.state`.
    """
    if record is None or not store.complete(stage.kind, {**record, "arrays": scored.own_arrays(record)}):
        return ABSENT
    if not stage.made(record):
        return STALE
    return FAILED if scored.failed_fit(record) else CURRENT


def _needed(plan: Plan, states: Mapping[str, str], also: Iterable[str]) -> set[str]:
    ends = (*HEADS, "audit", "judge")
    waiting = [key for key, stage in plan.stages.items() if stage.kind in ends and states[key] != CURRENT]
    waiting += [run.stages["features"] for run in plan.runs.values() if not set(run.stages) & set(HEADS)]
    waiting += also
    needed: set[str] = set()
    while waiting:
        member = waiting.pop()
        if member not in needed and states[member] != CURRENT:
            needed.add(member)
            waiting.extend(ref for _, ref in plan.stages[member].reads.values())
    return needed


def _read_by(plan: Plan, unscored: Iterable[str]) -> Iterator[str]:
    """What the scores of fits are computed from."""
    for fit in unscored:
        yield from (member for _, member in scored.reads(plan.stages[fit]))


def _damaged(plan: Plan, states: Mapping[str, str], store: Store) -> Iterator[str]:
    """What went before others and was damaged: no fit may be waiting for it, but predictions and exports read it."""
    parents = {member: kind for stage in plan.stages.values() for kind, member in stage.parents.values()}
    return (key for key, kind in parents.items() if states[key] == ABSENT and store.damaged(kind, key))


def sync_receipts(plan: Plan, status: Status) -> None:
    """Make the receipts say what the store says, so that Snakemake starts just the jobs that have something to do.

    It makes a file that is missing only where one that is made from it is missing as well.
    """
    due: dict[str, bool] = {}

    def leads_from_pending(shard: Shard) -> bool:
        if shard.id not in due:
            due[shard.id] = status.pending(shard) or any(map(leads_from_pending, plan.parents(shard)))
        return due[shard.id]

    for shard in plan.shards.values():
        if leads_from_pending(shard):
            remove(shard.receipt)
        elif not shard.receipt.is_file():
            write_receipt(shard, {member: status.states[member] for member in shard.members})
            os.utime(shard.receipt, (0, 1))
    for shard in plan.scoring.values():
        _sync_scores(shard, status)


def _sync_scores(shard: Shard, status: Status) -> None:
    """Ask for a job that scores fits by themselves where it has something to do; its request is older than any receipt.

    A request that was answered stays: what is joined then depends on the same files as before.
    """
    if status.pending(shard):
        remove(shard.receipt)
        waiting = sorted(member for member in shard.members if member in status.unscored)
        write_text(shard.request, json.dumps({"shard": shard.id, "members": waiting}, indent=1))
        os.utime(shard.request, (0, 1))
    elif not shard.receipt.is_file():
        remove(shard.request)


def write_receipt(shard: Shard, members: Mapping[str, str]) -> None:
    """Say that a shard has been dealt with, and how each member came out."""
    body = {"shard": shard.id, "kind": shard.kind, "family": shard.family, "members": dict(members)}
    write_text(shard.receipt, json.dumps(body, indent=1, sort_keys=True))


def accept_code(plan: Plan, store: Store, status: Status) -> tuple[int, int]:
    """Keep stale members and stale scores on purpose: each gets a record of today's code that notes whose it was.

    The records of the other code stay, for those who have it. Returns how many members and how many scores these are.
    Scores in the fits' records, of earlier versions, are computed again.
    """
    store = plan.seen(store)
    stale = [key for key, state in status.states.items() if state == STALE]
    scores = [key for key, state in status.scores.items() if state == STALE and status.records[key].get(scored.SUMMARY)]
    for key in stale:
        _accept(store, plan.stages[key])
    for key in set(scores) - set(stale):
        fit = store.read(plan.stages[key].kind, key)
        if fit is not None:
            _accept_scores(store, plan.stages[key], fit, scored.place(fit))
    return len(stale), len(scores)


def _accept(store: Store, stage: Stage) -> None:
    """Keep a result, and the scores that it has."""
    record = store.read(stage.kind, stage.hash) or {}
    accepted = {**record, **_accepted(record, stage.code)}
    if scored.APART in record:
        accepted[scored.APART] = stage.code
    if stage.kind in HEADS:
        _accept_scores(store, stage, record, scored.place(accepted))
    store.adopt(stage.kind, stage.hash, accepted)


def _accept_scores(store: Store, stage: Stage, fit: Mapping[str, Any], place: str) -> None:
    """Keep the scores of a fit as scores by today's code, at the place of the fit that they are now of."""
    record = store.read(SCORES, scored.place(fit))
    if record is not None:
        changes = {} if record["code"] == stage.scoring else _accepted(record, stage.scoring)
        store.adopt(SCORES, place, {**record, **changes})


def _accepted(record: Mapping[str, Any], code: str) -> dict[str, Any]:
    return {"code": code, "accepted_code": [*record.get("accepted_code", []), record["code"]]}


def failures(status: Status, members: Iterable[str]) -> dict[str, str]:
    """Reasons of the failed members among `members`."""
    records = ((member, status.records.get(member)) for member in members)
    return {member: record["reason"] for member, record in records if record and record["status"] == FAILED}
