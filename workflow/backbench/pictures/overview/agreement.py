"""Whether the silhouette picks the clusterings that agree with the classes."""

import math
from typing import TYPE_CHECKING

from backbench.evaluate import agreement
from backbench.evaluate.agreement import LEAST
from backbench.evaluate.candidates import Candidate, Representation
from backbench.metrics import catalogue
from backbench.pictures import _spaces
from backbench.pictures.source import Sweep
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.plots.scatter import Panel

TITLE = "Silhouette against agreement with the classes"
CATEGORY = "Sweep"
ORDER = 35
SPACES = 4
INTERNAL, EXTERNAL = catalogue.UNLABELLED, catalogue.main("clustering")
# Less noise than this is 0 % when rounded.
NOISY = 0.005


def lacks(sweep: Sweep) -> str | None:
    """Why there is nothing to compare."""
    spaces = _spaces.clustered(sweep.rows)
    if not spaces:
        return "no clustering is done"
    if not _spaces.labelled(spaces):
        return "the data set has no classes to compare with"
    most = max(len(_both(space)) for space in spaces)
    return (
        None
        if most >= LEAST
        else f"at most {most} clusterings of a feature space have both metrics; {LEAST} are needed"
    )


def draw(sweep: Sweep) -> Picture:
    """A panel for each feature space."""
    from backbench.plots import scatter

    spaces = [space for space in _spaces.clustered(sweep.rows) if len(_both(space)) >= LEAST]
    shown, left_out = _spaces.few(spaces, SPACES)
    caption = (
        "Each point is a clustering. Where the silhouette picks well, points rise to the right and the dashed ring "
        "(best silhouette) coincides with the full one (best AMI); a weak or negative rank correlation warns against "
        "picking by silhouette alone. Silhouettes are comparable only within a panel."
    )
    relations = agreement.agreements(_spaces.clustered(sweep.rows))
    every = (relation for relation in relations if (relation.internal, relation.external) == (INTERNAL, EXTERNAL))
    known = {(relation.matrix, relation.space): relation.spearman for relation in every}
    dearest = next(
        (relation for relation in agreement.disagreements(relations, EXTERNAL) if relation.internal == INTERNAL), None
    )
    caption += f" {dearest.text}" if dearest else ""
    caption += left_out + _spaces.estimated(shown)
    return scatter.draw(
        sweep.heading(TITLE),
        [_panel(space, known[space.matrix, space.title]) for space in shown],
        (INTERNAL, EXTERNAL),
        caption,
    )


def _panel(space: Representation, spearman: float) -> "Panel":
    from backbench.plots.scatter import Panel, Point

    both = _both(space)
    points = [
        Point(
            _name(candidate),
            candidate.clusterer,
            f"{candidate.clusters:g}",
            candidate.value(INTERNAL),
            candidate.value(EXTERNAL),
        )
        for candidate in both
    ]
    text = "no rank correlation: one metric never changes" if math.isnan(spearman) else f"Spearman {spearman:+.2f}"
    left = len(space.candidates) - len(both)
    text += f", {len(both)} clusterings" + (f" ({left} without a silhouette)" if left else "")
    return Panel(space.title, text, points)


def _name(candidate: Candidate) -> str:
    """A clustering with its share of noise, which the silhouette does not see."""
    return f"{candidate.label}, {100 * candidate.noise:.0f} % noise" if candidate.noise >= NOISY else candidate.label


def _both(space: Representation) -> list[Candidate]:
    """The clusterings that have both metrics."""
    return [
        candidate
        for candidate in space.candidates
        if not math.isnan(candidate.value(INTERNAL) + candidate.value(EXTERNAL))
    ]
