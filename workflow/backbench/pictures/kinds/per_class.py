"""Precision, recall and F1 of each class on the test images."""

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Precision, recall and F1 of each class"
CATEGORY = "Classification"
SUBJECTS = ("classification",)
ORDER = 12


def lacks(source: Source) -> str | None:
    """Why there are no scores."""
    return _heads.unclassified(source)


def draw(source: Source) -> Picture:
    """Three marks for each class and its number of test images."""
    from backbench.plots import per_class

    return per_class.draw(source.heading(TITLE, _heads.tested(source)), source.names, _heads.confusion(source))
