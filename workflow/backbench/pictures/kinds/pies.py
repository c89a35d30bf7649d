"""What the clusters of a run consist of, as pies."""

from backbench.pictures import _heads
from backbench.pictures.kinds import composition as bars
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Classes in each cluster, as pies"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 12


def lacks(source: Source) -> str | None:
    """Why there are no pies."""
    reason = _heads.unmatched(source)
    if reason is None and source.row.metrics.get("clusters") == 0:
        return "all images are noise"
    return reason


def draw(source: Source) -> Picture:
    """A pie for each of the largest clusters."""
    from backbench.plots import composition

    return composition.pies(source.heading(TITLE, _heads.of_rows(source)), source.names, bars.composed(source))
