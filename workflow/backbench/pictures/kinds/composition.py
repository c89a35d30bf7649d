"""What the clusters of a run consist of, as stacked bars."""

from typing import TYPE_CHECKING

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

if TYPE_CHECKING:
    from backbench.plots.composition import Composition

TITLE = "Classes in each cluster"
CATEGORY = "Clustering"
SUBJECTS = ("clustering",)
ORDER = 10


def lacks(source: Source) -> str | None:
    """Why there are no bars."""
    return _heads.unmatched(source)


def draw(source: Source) -> Picture:
    """A bar for each cluster, and one for noise."""
    from backbench.plots import composition

    return composition.draw(source.heading(TITLE, _heads.of_rows(source)), source.names, composed(source))


def composed(source: Source) -> "Composition":
    """Clusters and noise by true class, for the images that the metrics refer to."""
    from backbench.metrics.labels import OUTSIDE
    from backbench.plots import composition

    labels = _heads.reported(source)
    inside = labels != OUTSIDE
    return composition.compose(labels[inside], source.truth[inside], len(source.names))
