"""Whether the silhouette finds the clusterings that agree with the classes."""

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
    found = _spaces.clustered(sweep.rows)
    if not found:
        return "no clustering is done"
    if not _spaces.labelled(found):
        return "the data set has no classes to compare with"
    most = max(len(_both(own)) for own in found)
    return None if most >= LEAST else f"{most} clusterings with both metrics in a feature space; it takes {LEAST}"


def draw(sweep: Sweep) -> Picture:
    """A panel for each feature space."""
    from backbench.plots import scatter

    found = [own for own in _spaces.clustered(sweep.rows) if len(_both(own)) >= LEAST]
    shown, left_out = _spaces.few(found, SPACES)
    caption = (
        "Each point is a clustering. Where the silhouette picks well, points rise to the right and the dashed ring "
        "(best silhouette) lies on the full one (best NMI); a weak or negative rank correlation warns against picking "
        "by silhouette alone. Silhouettes compare within a panel only."
    )
    agreements = agreement.agreements(_spaces.clustered(sweep.rows))
    every = (one for one in agreements if (one.internal, one.external) == (INTERNAL, EXTERNAL))
    known = {(one.matrix, one.space): one.spearman for one in every}
    dearest = next((one for one in agreement.disagreements(agreements, EXTERNAL) if one.internal == INTERNAL), None)
    caption += f" {dearest.text}" if dearest else ""
    caption += left_out + _spaces.estimated(shown)
    return scatter.draw(
        sweep.heading(TITLE),
        [_panel(own, known[own.matrix, own.title]) for own in shown],
        (INTERNAL, EXTERNAL),
        caption,
    )


def _panel(own: Representation, spearman: float) -> "Panel":
    from backbench.plots.scatter import Panel, Point

    both = _both(own)
    points = [
        Point(_name(one), one.clusterer, f"{one.clusters:g}", one.value(INTERNAL), one.value(EXTERNAL)) for one in both
    ]
    said = "no rank correlation: one metric never changes" if math.isnan(spearman) else f"Spearman {spearman:+.2f}"
    left = len(own.candidates) - len(both)
    said += f", {len(both)} clusterings" + (f" ({left} without a silhouette)" if left else "")
    return Panel(own.title, said, points)


def _name(one: Candidate) -> str:
    """A clustering with its share of noise, which the silhouette does not see."""
    return f"{one.label}, {100 * one.noise:.0f} % noise" if one.noise >= NOISY else one.label


def _both(own: Representation) -> list[Candidate]:
    """Clusterings that have both metrics."""
    return [one for one in own.candidates if not math.isnan(one.value(INTERNAL) + one.value(EXTERNAL))]
