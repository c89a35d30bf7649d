"""The images of a run in the plane by PCA, as points."""

from backbench.pictures import _maps
from backbench.pictures.source import Source
from backbench.plots import Picture

METHOD = "pca"
TITLE = _maps.title(METHOD)
CATEGORY = _maps.CATEGORY
SUBJECTS = _maps.SUBJECTS
ORDER = 10


def lacks(source: Source) -> str | None:
    """Why there is no map."""
    return _maps.lacks(source, METHOD)


def draw(source: Source) -> Picture:
    """Points by class, by cluster and by error."""
    return _maps.draw(source, METHOD)
