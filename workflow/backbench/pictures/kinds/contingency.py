"""The clusters of a run against the true classes, as a table."""

from backbench.pictures import _heads
from backbench.pictures.kinds.composition import composed
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Clusters against classes"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 15


def lacks(source: Source) -> str | None:
    """Why there is no table."""
    return _heads.unmatched(source)


def draw(source: Source) -> Picture:
    """Images of each class in each cluster."""
    from backbench.plots import contingency

    return contingency.draw(source.heading(TITLE, _heads.of_rows(source)), source.names, composed(source))
