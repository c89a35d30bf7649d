"""An answer as plain JSON: every fact of its verdicts beside the sentences."""

from collections.abc import Sequence
from typing import Any

from backbench.answers import naming, words
from backbench.answers.words import Words
from backbench.engine.results.joined_run import Row
from backbench.evaluate.answer import DatasetAnswer
from backbench.evaluate.judging import Judgement
from backbench.evaluate.learning_curves import Curve
from backbench.evaluate.verdicts import Baseline, Choice, Reading, Verdict
from backbench.metrics.catalogue import CLASSIFICATION


def plain(answer: DatasetAnswer) -> dict[str, Any]:
    """The answer on a data set."""
    spoken = words.answer(answer)
    return {
        "dataset": answer.name,
        "dataset_hash": answer.rows[0].stages["dataset"],
        "images": answer.info.get("n"),
        "classes": len(answer.info.get("classes") or ()),
        "runs": answer.counts,
        "question": spoken.question,
        "verdicts": [_verdict(each) for each in spoken.verdicts],
        "learning_curves": [_curve(each) for each in answer.learning_curves],
        "notes": spoken.notes(),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    """A learning curve: `shots` of null are all training images."""
    points = [
        {"shots": each.shots, "images_a_class": each.images, "draws": each.draws, "run": each.run}
        | _reading(Reading(curve.metric, each.estimate))
        for each in curve.points
    ]
    gains = [
        {"before": each.before, "after": each.after} | _reading(Reading(curve.metric, each.estimate))
        for each in curve.gains
    ]
    title = naming.named(curve.row, CLASSIFICATION, curve.varying, few=False).whole
    return {"title": title, "run": curve.row.config_hash, "metric": curve.metric, "points": points, "gains": gains}


def _verdict(spoken: Words) -> dict[str, Any]:
    verdict = spoken.verdict
    known = {"task": verdict.task, "use": None if verdict.row is None else _row(verdict, verdict.row)}
    judged = {} if verdict.judgement is None else {"judgement": _judgement(verdict.judgement)}
    return {
        **known,
        "seeds": [row.config_hash for row in verdict.rows],
        "chosen_by": _maybe(verdict.decided),
        "reported": _maybe(verdict.reported),
        "clusters": verdict.clusters,
        "seconds": verdict.seconds,
        "compared_with": verdict.others,
        "tested": verdict.tested,
        "tied": [_row(verdict, row) for row in verdict.tied],
        "fastest": None if verdict.fastest is None else _row(verdict, verdict.fastest),
        "baseline": _baseline(verdict, verdict.baseline),
        "only_baselines": verdict.only_baselines,
        "not_tried": [{"what": each.what, **each.values} for each in verdict.untried],
        "caveat": verdict.caveat,
        "policy": verdict.policy,
        **judged,
        "choices": _choices(verdict, verdict.choices),
        "reason": verdict.reason,
        "sentences": [spoken.text.headline, *spoken.text.details],
        "commands": spoken.commands,
    }


def _row(verdict: Verdict, row: Row) -> dict[str, Any]:
    name = naming.named(row, verdict.task, verdict.varying)
    return {"run": row.config_hash, "title": name.whole, "name": row.name, "params": dict(row.params)}


def _maybe(reading: Reading | None) -> dict[str, Any] | None:
    return None if reading is None else _reading(reading)


def _reading(reading: Reading) -> dict[str, Any]:
    estimate = reading.estimate
    between = {"low": estimate.low, "high": estimate.high, "over": estimate.over, "n": estimate.n}
    return {"metric": reading.metric, "value": estimate.mean, **between}


def _baseline(verdict: Verdict, baseline: Baseline | None) -> dict[str, Any] | None:
    if baseline is None:
        return None
    return {
        **_row(verdict, baseline.row),
        "reported": _maybe(baseline.reported),
        "standing": baseline.standing,
    }


def _choices(verdict: Verdict, choices: Sequence[Choice]) -> list[dict[str, Any]]:
    return [{**_row(verdict, each.row), "clusters": each.clusters, "reason": each.reason} for each in choices]


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "low": judgement.low,
        "high": judgement.high,
        "judges": list(judgement.judges),
        "judged": judgement.pool,
        "plausible": [each.candidate.run for each in judgement.plausible],
        "reason": judgement.reason,
    }
