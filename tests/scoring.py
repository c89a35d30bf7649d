"""Fits and their scores as a job makes them, joined as readers see them."""

from dataclasses import replace

import numpy as np

from backbench.engine.run import scored
from backbench.engine.run.scoring import Scoring
from backbench.stage import Context, Held, Inputs, Outcome


def computed(stage, members, inputs: Inputs, context: Context) -> dict[str, Outcome]:
    """Outcomes of a stage by hash; those of fits with their scores, in the order in which these come."""
    kind = stage.__name__.rpartition(".")[2]
    held = Held(inputs.store, inputs.refs)
    if kind not in scored.SCORED:
        return {outcome.hash: outcome for outcome in stage.compute(members, held, context)}
    found: dict[str, Outcome] = {}
    fits: dict[str, Outcome] = {}
    configs = {member.hash: member.config for member in members}

    def write(scores: Outcome) -> None:
        found[scores.hash] = joined(fits[scores.hash], scores)

    scoring = Scoring(kind, held, context, write)
    for outcome in stage.compute(members, held, context):
        if outcome.failure:
            found[outcome.hash] = outcome
            continue
        fits[outcome.hash] = outcome
        arrays = {name: np.array(array) for name, array in outcome.arrays.items()}
        scoring.add(scored.fit(kind, outcome.hash, configs[outcome.hash], arrays))
    scoring.finish()
    return found


def joined(fit: Outcome, scores: Outcome) -> Outcome:
    """One view of both."""
    return replace(
        fit,
        metrics={**fit.metrics, **scores.metrics},
        notes={**fit.notes, **scores.notes},
        info=scored._info(fit.info, scores.info),
        arrays={**fit.arrays, **scores.arrays},
        seconds=fit.seconds + scores.seconds,
        failure=scores.failure,
    )
