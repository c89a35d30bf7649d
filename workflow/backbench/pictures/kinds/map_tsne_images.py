"""The images of a run in the plane by t-SNE, some of them as images."""

from backbench.pictures import _maps
from backbench.pictures.source import Source
from backbench.plots import Picture

METHOD = "tsne"
TITLE = _maps.title(METHOD, images=True)
CATEGORY = _maps.CATEGORY
SUBJECTS = _maps.SUBJECTS
ORDER = 50


def lacks(source: Source) -> str | None:
    """Why there is no map."""
    return _maps.lacks(source, METHOD, images=True)


def draw(source: Source) -> Picture:
    """Images framed by cluster or class."""
    return _maps.draw_images(source, METHOD)
