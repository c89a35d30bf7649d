"""Which k and which clustering to take of each representation, as plain JSON and in lines of text."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from backbench import derived, schema
from backbench.derived import Content, Derived
from backbench.engine.plan.frozen import Plan
from backbench.evaluate import best_k, how_many, selection
from backbench.evaluate.best_k import Family
from backbench.evaluate.candidates import Candidate, Representation
from backbench.evaluate.how_many import Estimate
from backbench.evaluate.judging import Judged, Judgement
from backbench.evaluate.selection import Decision, Policy

SETTING = "selection"
KIND = "selection"
MODULES = tuple(
    f"backbench.evaluate.{name}"
    for name in ("best_k", "candidates", "eligibility", "how_many", "knee", "recommendations", "selection")
)


@dataclass(frozen=True)
class Recommendation:
    """Which k and which clustering, of one representation."""

    representation: Representation
    families: list[Family]
    decision: Decision
    estimates: tuple[Estimate, ...]


def recommend(representation: Representation, policy: Policy, judgement: Judgement | None = None) -> Recommendation:
    """Best k of each family and the decision of one representation."""
    decision = selection.decide(representation, policy, judgement)
    families = best_k.families(representation)
    return Recommendation(representation, families, decision, how_many.estimates(families))


def policy_of(plan: Plan) -> Policy:
    """The policy that a plan was asked for with."""
    return selection.parse(plan.request.get(SETTING))


def newest(plans: Iterable[Plan]) -> Plan:
    """The plan that was saved last; one that is not saved comes first."""
    distinct = {plan.hash: plan for plan in plans}
    return max((distinct[key] for key in sorted(distinct)), key=_saved) if len(distinct) > 1 else distinct.popitem()[1]


def _saved(plan: Plan) -> int:
    return plan.path.stat().st_mtime_ns if plan.path.is_file() else 0


def policy_json(policy: Policy) -> dict[str, Any]:
    """A policy as plain JSON."""
    return schema.canonical(policy)


def recorded(
    plan: Plan, representations: Sequence[Representation], judgements: Mapping[str, Judgement | None]
) -> dict[str, Any]:
    """The decisions of a sweep on its representations as plain JSON, computed unless the cache holds them.

    `judgements` are those of its data sets, by their hashes.
    """
    policy = policy_of(plan)
    judged = {dataset: judgement for dataset, judgement in sorted(judgements.items()) if judgement}
    origin = {**_origin(policy, representations), "judgements": {key: _judgement(each) for key, each in judged.items()}}
    cached = Derived(derived.of_results(), KIND, origin, MODULES)

    def make() -> Content:
        spaces = [plain(recommend(space, policy, judgements.get(space.dataset_hash))) for space in representations]
        return Content({"judgements": origin["judgements"], "representations": spaces})

    header = {"of": cached.hash, "sweep": plan.sweep, "policy": policy_json(policy)}
    return {**header, **cached.ensure(make).info}


def plain(recommendation: Recommendation) -> dict[str, Any]:
    """A recommendation as plain JSON; what is undefined is null."""
    space = recommendation.representation
    return {
        "dataset": space.dataset,
        "dataset_hash": space.dataset_hash,
        "backbone": space.backbone,
        "chain": space.chain,
        "scope": space.scope,
        "matrix": space.matrix,
        "title": space.title,
        "classes": space.classes,
        "how_many": [_estimate(estimate) for estimate in recommendation.estimates],
        "best_k": [_family(family) for family in recommendation.families],
        "decision": _decision(recommendation.decision),
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    """What judges say, as plain JSON."""
    return {
        "chosen": None if judgement.chosen is None else _judged(judgement.chosen),
        "clusters": {"low": judgement.low, "high": judgement.high},
        "alternatives": [_judged(each) for each in judgement.alternatives],
        "plausible": [_judged(each) for each in judgement.plausible],
        "judges": list(judgement.judges),
        "pool": judgement.pool,
        "reason": judgement.reason,
    }


def _judged(judged: Judged) -> dict[str, Any]:
    candidate = judged.candidate
    place = {"representation": judged.space.title, "matrix": judged.space.matrix, "score": judged.score}
    return {"name": candidate.label, "member": candidate.member, "run": candidate.run, **place}


def _family(family: Family) -> dict[str, Any]:
    choices = {
        choice.criterion: {"k": choice.k, "value": choice.value, "note": choice.note} for choice in family.choices
    }
    named = {"family": family.name, "clusterer": family.clusterer, "k": list(family.ks), "seeds": list(family.seeds)}
    return {**named, "choices": choices}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    answers = [{"k": answer.k, "families": list(answer.families)} for answer in estimate.answers]
    return {"criterion": estimate.criterion, "answers": answers, "note": estimate.note}


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "chosen": None if decision.chosen is None else _candidate(decision.chosen),
        "reason": decision.reason,
        "usable": decision.usable,
        "pending": decision.pending,
        "ranked": [
            {
                "name": ranked.candidate.label,
                "member": ranked.candidate.member,
                "mean_rank": ranked.mean_rank,
                "ranks": dict(ranked.ranks),
            }
            for ranked in decision.ranked
        ],
        "left_out": [
            {"name": fault.label, "member": fault.member, "reason": fault.reason} for fault in decision.left_out
        ],
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    named = {
        "name": candidate.label,
        "member": candidate.member,
        "run": candidate.run,
        "clusterer": candidate.clusterer,
        "options": dict(candidate.options),
    }
    return {**named, "k": candidate.k, "seed": candidate.seed, "metrics": _finite(candidate.metrics)}


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in sorted(metrics.items())}


def _origin(policy: Policy, representations: Iterable[Representation]) -> dict[str, Any]:
    """All that decisions depend on, as plain JSON."""
    spaces = [
        [
            space.dataset,
            space.dataset_hash,
            space.title,
            space.matrix,
            list(space.waiting),
            [asdict(fault) for fault in space.failed],
            space.classes,
            [[_candidate(candidate), list(candidate.counts)] for candidate in space.candidates],
        ]
        for space in representations
    ]
    return {"policy": policy_json(policy), "representations": spaces}
