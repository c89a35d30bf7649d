"""What jobs write of results: records of fits and of their scores, and a line in the log."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from backbench import provenance
from backbench.engine.grid import HEADS
from backbench.engine.plan.frozen import Plan
from backbench.engine.run import scored
from backbench.stage import SCORES, Context, Outcome
from backbench.store import DONE, FAILED, Store

log = logging.getLogger("backbench")


def write(plan: Plan, store: Store, context: Context, outcome: Outcome) -> None:
    """Store a stage result; earlier scores of a fit count no more."""
    stage = plan.stages[outcome.hash]
    if stage.kind in HEADS:
        scored.forget(outcome.hash, stage.code, store)
    store.write(stage.kind, outcome.hash, record(plan, outcome, context), outcome.arrays)
    _say(outcome, plan)


def write_scores(plan: Plan, store: Store, context: Context, states: dict[str, str], outcome: Outcome) -> None:
    """Store the scores of a fit; `states` takes how it came out."""
    stage = plan.stages[outcome.hash]
    fit = store.read(stage.kind, outcome.hash)
    if fit is None:  # another job has found it damaged
        return
    body = {"of": scored.of(fit, stage.kind), "code": stage.scoring, **_result(outcome, context)}
    store.write(SCORES, scored.place(fit), body, outcome.arrays)
    states[outcome.hash] = scored.CURRENT if outcome.failure is None else FAILED
    _say(outcome, plan)


def record(plan: Plan, outcome: Outcome, context: Context) -> dict[str, Any]:
    """The record of a stage result."""
    stage = plan.stages[outcome.hash]
    return {
        "config": dict(stage.config),
        "local": dict(stage.local),
        "parents": {role: list(ref) for role, ref in stage.parents.items()},
        "code": stage.code,
        **({scored.APART: stage.code} if stage.kind in HEADS else {}),
        **_result(outcome, context),
    }


def _result(outcome: Outcome, context: Context) -> dict[str, Any]:
    """What came out, and how it was computed."""
    metrics = {name: None if math.isnan(value) else float(value) for name, value in outcome.metrics.items()}
    return {
        "status": DONE if outcome.failure is None else FAILED,
        "reason": outcome.failure,
        "metrics": metrics,
        "notes": dict(outcome.notes),
        "info": dict(outcome.info),
        "provenance": {
            "versions": provenance.versions(),
            "git": provenance.git_commit(),
            **provenance.machine(),
            "device": context.device,
            "threads": context.threads,
            "batch_size": context.batch_size,
            **outcome.used,
            "finished": round(time.time(), 3),
            "seconds": round(outcome.seconds, 6),
        },
    }


def _say(outcome: Outcome, plan: Plan) -> None:
    stage = plan.stages[outcome.hash]
    result = _shown(outcome.metrics) if outcome.failure is None else f"FAILED: {outcome.failure}"
    log.info("%s %s %s %.2f s %s", stage.kind, stage.family, outcome.hash[:12], outcome.seconds, result)


def _shown(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:.4g}" for name, value in metrics.items())
