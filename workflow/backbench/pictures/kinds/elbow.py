"""The elbow of a run's clusterer: the within-cluster sum of squares of its family against k."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.evaluate import best_k, candidates
from backbench.evaluate.best_k import ELBOW
from backbench.evaluate.candidates import Candidate
from backbench.pictures.source import Source
from backbench.plots import Picture
from backbench.sweep.results import ledger

if TYPE_CHECKING:
    from backbench.plots.elbow import Curve

TITLE = "Elbow"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 40
# The other runs of its sweep give the curve.
ACROSS = True
HEAD = "clustering"


def lacks(source: Source) -> str | None:
    """Why there is no curve."""
    if HEAD not in source.row.heads:
        return "the run has no clustering that is done"
    members = family_of(source)
    if not members:
        return "the clustering failed"
    if members[0].k is None:
        return f"{members[0].clusterer} finds the number of clusters itself"
    points = len(best_k.mean_curve(members, ELBOW))
    if points < 2:
        return f"the sweep has {points or 'no'} value of k for {members[0].family}; a curve takes two"
    return None


def draw(source: Source) -> Picture:
    """The curve of the run's family on its matrix with the knee, and the run's own k."""
    from backbench.plots import elbow

    curve = as_curve(family_of(source))
    k = source.row.plan.stages[source.row.run.stages[HEAD]].config.get("k")
    found = f"there is none: {curve.note}" if curve.knee is None else f"the ring marks it ({curve.note})"
    caption = (
        "Within-cluster sum of squares against the number of clusters, mean over seeds with a band from the least to "
        f"the greatest. The knee is where more clusters stop to pay: {found}. The diamond is this run."
    )
    heading = source.heading(f"{TITLE} of {curve.name}")
    return elbow.draw(heading, {_space(source): [curve]}, k, caption)


def family_of(source: Source) -> list[Candidate]:
    """The run's clusterings that differ in k and seed alone, of all runs of its sweep on the same matrix.

    A record is read from the store only where the row has not brought it. Empty where the run's own failed.
    """
    row, stages = source.row, source.row.plan.stages
    own = row.run.stages[HEAD]
    place = stages[own].parents, stages[own].config["scope"]
    siblings = {own: row.run}
    for run in row.plan.runs.values():
        member = run.stages.get(HEAD)
        if member and member not in siblings and (stages[member].parents, stages[member].config["scope"]) == place:
            siblings[member] = run
    read = {member: source.store.read(HEAD, member) for member in siblings if member not in row.records}
    records = {**row.records, **{member: record for member, record in read.items() if record}}
    found = candidates.representations(ledger.Row(row.plan, run, records) for run in siblings.values())
    every = [one for group in found for one in group.candidates]
    name = next((one.family for one in every if one.member == own), None)
    return [one for one in every if one.family == name]


def as_curve(members: Sequence[Candidate]) -> "Curve":
    """A family as a curve to draw, its knee found on the means over the seeds."""
    from backbench.plots.elbow import Curve

    values: dict[int, list[float]] = {}
    for one in members:
        if one.k is not None and not math.isnan(one.value(ELBOW)):
            values.setdefault(one.k, []).append(one.value(ELBOW))
    choice = best_k.elbow(best_k.mean_curve(members, ELBOW))
    return Curve(members[0].family, values, choice.k, choice.note)


def _space(source: Source) -> str:
    chain = source.row.chain(HEAD)
    return str(source.row.params["backbone.name"]) + ("" if chain == "none" else f", {chain}")
