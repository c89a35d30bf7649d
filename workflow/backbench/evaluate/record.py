"""Best k and the decisions of a sweep as plain JSON, ``selection.json`` beside the joined results."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backbench import code, hashing, schema
from backbench.evaluate import best_k, candidates, selection
from backbench.evaluate.best_k import Family
from backbench.evaluate.candidates import Candidate, Representation
from backbench.evaluate.selection import Decision, Policy
from backbench.files import write_text
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results.ledger import Row

FILE = "selection.json"
SETTING = "selection"
MODULES = tuple(f"backbench.evaluate.{name}" for name in ("best_k", "candidates", "knee", "record", "selection"))


@dataclass(frozen=True)
class Answer:
    """Which k and which clustering, of one representation."""

    representation: Representation
    families: list[Family]
    decision: Decision


def answers(rows: Iterable[Row], policy: Policy) -> list[Answer]:
    """Best k of each family and the decision of each representation among `rows`."""
    return [answer(found, policy) for found in candidates.representations(rows)]


def answer(found: Representation, policy: Policy) -> Answer:
    """Best k of each family and the decision of one representation."""
    return Answer(found, best_k.families(found), selection.decide(found, policy))


def policy_of(plan: Plan) -> Policy:
    """The policy that a plan was asked for with."""
    return selection.parse(plan.request.get(SETTING))


def policy_json(policy: Policy) -> dict[str, Any]:
    """A policy as plain JSON."""
    return schema.canonical(policy)


def path_of(plan: Plan) -> Path:
    """The file of a sweep's decisions."""
    return plan.folder / FILE


def record(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """The decisions of a sweep as written beside its results; nothing is worked out or written where they are there."""
    policy, found = policy_of(plan), candidates.representations(rows)
    digest = _digest(policy, found)
    if (known := read(plan)) and known.get("of") == digest:
        return known
    content = {"of": digest, "sweep": plan.sweep, "policy": policy_json(policy)}
    content["representations"] = [plain(answer(one, policy)) for one in found]
    write_text(path_of(plan), json.dumps(content, indent=1, allow_nan=False) + "\n")
    return content


def read(plan: Plan) -> dict[str, Any] | None:
    """What was recorded of a sweep, None where nothing readable was."""
    try:
        found = json.loads(path_of(plan).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each recorded representation: what was chosen and why."""
    return [_line(one) for one in found]


def _line(one: Mapping[str, Any]) -> str:
    decision = one["decision"]
    pending = f" (provisional: {decision['pending']} pending)" if decision["pending"] else ""
    if decision["chosen"] is None:
        return f"{one['title']}: nothing chosen, {decision['reason']}{pending}"
    run = hashing.short(decision["chosen"]["run"])
    return f"{one['title']}: {decision['chosen']['name']} (run {run}); {decision['reason']}{pending}"


def plain(found: Answer) -> dict[str, Any]:
    """An answer as plain JSON; what is undefined is null."""
    one = found.representation
    return {
        "dataset": one.dataset,
        "dataset_hash": one.dataset_hash,
        "backbone": one.backbone,
        "chain": one.chain,
        "scope": one.scope,
        "matrix": one.matrix,
        "title": one.title,
        "best_k": [_family(family) for family in found.families],
        "decision": _decision(found.decision),
    }


def _family(family: Family) -> dict[str, Any]:
    choices = {one.criterion: {"k": one.k, "value": one.value, "note": one.note} for one in family.choices}
    named = {"family": family.name, "clusterer": family.clusterer, "k": list(family.ks), "seeds": list(family.seeds)}
    return {**named, "choices": choices}


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "chosen": None if decision.chosen is None else _candidate(decision.chosen),
        "reason": decision.reason,
        "usable": decision.usable,
        "pending": decision.pending,
        "ranked": [
            {
                "name": own.candidate.label,
                "member": own.candidate.member,
                "mean_rank": own.mean_rank,
                "ranks": dict(own.ranks),
            }
            for own in decision.ranked
        ],
        "left_out": [{"name": one.label, "member": one.member, "reason": one.reason} for one in decision.left_out],
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    named = {"name": one.label, "member": one.member, "run": one.run, "clusterer": one.clusterer}
    return {**named, "options": dict(one.options), "k": one.k, "seed": one.seed, "metrics": _finite(one.metrics)}


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in sorted(metrics.items())}


def _digest(policy: Policy, found: Iterable[Representation]) -> str:
    """Digest of all that the decisions depend on, this code included."""
    parts = [
        [
            one.title,
            one.matrix,
            list(one.waiting),
            [asdict(fault) for fault in one.failed],
            [_candidate(own) for own in one.candidates],
        ]
        for one in found
    ]
    return hashing.digest({"code": code.digest(MODULES), "policy": policy_json(policy), "found": parts})
