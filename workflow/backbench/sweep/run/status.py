"""What of a plan is done, pending, stale or failed before, read from the store (layer 2)."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backbench.files import remove, write_text
from backbench.stage import RECIPE
from backbench.store import DONE, FAILED, Store
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.plan.grid import HEADS, Stage
from backbench.sweep.plan.shards import Shard

CURRENT, STALE, ABSENT = "current", "stale", "absent"


@dataclass(frozen=True)
class Status:
    """State of every stage of a plan: current, failed, stale (made by other code) or absent.

    `needed` are the members that a launch has to compute: what the runs ask for and is not current, the audits, and
    what these need in turn. `known` says of needed features how many rows are in the store already, of how many.
    """

    states: Mapping[str, str]
    needed: frozenset[str]
    records: Mapping[str, Mapping[str, Any]] = field(repr=False, default_factory=dict)
    known: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, *states: str) -> int:
        return sum(state in states for state in self.states.values())

    def pending(self, shard: Shard) -> bool:
        return any(member in self.needed for member in shard.members)


def inspect(plan: Plan, store: Store) -> Status:
    """Read every member of the plan."""
    records = {key: store.read(stage.kind, key) for key, stage in plan.stages.items() if stage.kind != RECIPE}
    states = dict.fromkeys(plan.stages, CURRENT)
    states |= {key: state_of(plan.stages[key], record, store) for key, record in records.items()}
    return Status(states, frozenset(_needed(plan, states)), {key: record for key, record in records.items() if record})


def state_of(stage: Stage, record: Mapping[str, Any] | None, store: Store) -> str:
    """State of one member by its record: another code digest makes it stale, a missing array makes it absent."""
    if record is None or not store.complete(stage.kind, record):
        return ABSENT
    if record["code"] != stage.code:
        return STALE
    return CURRENT if record["status"] == DONE else FAILED


def _needed(plan: Plan, states: Mapping[str, str]) -> set[str]:
    ends = (*HEADS, "audit")
    waiting = [key for key, stage in plan.stages.items() if stage.kind in ends and states[key] != CURRENT]
    waiting += [run.stages["features"] for run in plan.runs.values() if not set(run.stages) & set(HEADS)]
    found: set[str] = set()
    while waiting:
        member = waiting.pop()
        if member not in found and states[member] != CURRENT:
            found.add(member)
            waiting.extend(ref for _, ref in plan.stages[member].reads.values())
    return found


def sync_receipts(plan: Plan, status: Status) -> None:
    """Make the receipts say what the store says, so that Snakemake starts just the jobs that have something to do."""
    for shard in plan.shards.values():
        if status.pending(shard):
            remove(shard.receipt)
        elif not shard.receipt.is_file():
            write_receipt(shard, {member: status.states[member] for member in shard.members})
            os.utime(shard.receipt, (0, 1))


def write_receipt(shard: Shard, members: Mapping[str, str]) -> None:
    """Say that a shard has been dealt with, and how each member came out."""
    body = {"shard": shard.id, "kind": shard.kind, "family": shard.family, "members": dict(members)}
    write_text(shard.receipt, json.dumps(body, indent=1, sort_keys=True))


def accept_code(plan: Plan, store: Store, status: Status) -> int:
    """Keep stale members on purpose: each record takes the new code digest and notes the one it was made by."""
    stale = [key for key, state in status.states.items() if state == STALE]
    for key in stale:
        stage, record = plan.stages[key], dict(status.records[key])
        accepted = [*record.get("accepted_code", []), record["code"]]
        store.amend(stage.kind, key, {"code": stage.code, "accepted_code": accepted})
    return len(stale)


def failures(status: Status, members: Iterable[str]) -> dict[str, str]:
    """Reasons of the failed members among `members`."""
    records = ((member, status.records.get(member)) for member in members)
    return {member: record["reason"] for member, record in records if record and record["status"] == FAILED}
