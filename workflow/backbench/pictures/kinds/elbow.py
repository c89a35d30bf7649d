"""The elbow of a run's clusterer: the within-cluster sum of squares of its family against k."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbench.engine.results.joined_run import Row
from backbench.engine.run import scored
from backbench.evaluate import best_k, candidates
from backbench.evaluate.candidates import Candidate
from backbench.metrics.catalogue import ELBOW
from backbench.pictures import _spaces
from backbench.pictures.source import Source
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.plots.elbow import Curve

TITLE = "Elbow"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 40
# The curve takes other runs of the sweep.
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
        return f"the sweep has {points or 'no'} value of k for {members[0].family}; a curve needs two"
    return None


def draw(source: Source) -> Picture:
    """The curve of the run's family on its matrix with the knee, and the run's own k."""
    from backbench.plots import elbow

    curve = as_curve(family_of(source))
    k = source.row.plan.stages[source.row.run.stages[HEAD]].config.get("k")
    knee = f"there is none: {curve.note}" if curve.knee is None else f"the ring marks it ({curve.note})"
    caption = (
        "Within-cluster sum of squares against the number of clusters, mean over seeds with a band from the least to "
        f"the greatest. The knee is the point after which more clusters help little: {knee}. The diamond is this run."
    )
    heading = source.heading(f"{TITLE} of {curve.name}")
    return elbow.draw(heading, {_spaces.title_of(source.row, HEAD): [curve]}, k, caption)


def family_of(source: Source) -> list[Candidate]:
    """Clusterings that differ from the run's only in k and seed, of all runs of its sweep on the same matrix.

    A record is read from the store only where the row does not have it. Empty where that of the run itself failed.
    """
    row, stages = source.row, source.row.plan.stages
    clustering = row.run.stages[HEAD]
    place = stages[clustering].parents, stages[clustering].config["scope"]
    siblings = {clustering: row.run}
    for run in row.plan.runs.values():
        member = run.stages.get(HEAD)
        if member and member not in siblings and (stages[member].parents, stages[member].config["scope"]) == place:
            siblings[member] = run
    read = {member: scored.read(HEAD, member, source.store) for member in siblings if member not in row.records}
    complete = {member: record for member, record in read.items() if record and scored.scored(record)}
    records = {**row.records, **complete}
    spaces = candidates.representations(Row(row.plan, run, records) for run in siblings.values())
    every = [candidate for group in spaces for candidate in group.candidates]
    name = next((candidate.family for candidate in every if candidate.member == clustering), None)
    return [candidate for candidate in every if candidate.family == name]


def as_curve(members: Sequence[Candidate]) -> "Curve":
    """A family as a curve to draw, with the knee of the means over the seeds."""
    from backbench.plots.elbow import Curve

    values: dict[int, list[float]] = {}
    for candidate in members:
        if candidate.k is not None and not math.isnan(candidate.value(ELBOW)):
            values.setdefault(candidate.k, []).append(candidate.value(ELBOW))
    choice = best_k.elbow(best_k.mean_curve(members, ELBOW))
    return Curve(members[0].family, values, choice.k, choice.note)
