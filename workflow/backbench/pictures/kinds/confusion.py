"""The confusion matrix of a run's classifier on the test images."""

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Confusion matrix"
CATEGORY = "Classification"
SUBJECTS = ("classification",)
ORDER = 10


def lacks(source: Source) -> str | None:
    """Why there is no matrix."""
    return _heads.unclassified(source)


def draw(source: Source) -> Picture:
    """Counts and shares of each true class by predicted class."""
    from backbench.plots import confusion

    return confusion.draw(source.heading(TITLE, _heads.tested(source)), source.names, _heads.confusion(source))
