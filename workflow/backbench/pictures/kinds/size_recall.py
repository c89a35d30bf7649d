"""Recall of each class against its number of training images."""

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Size of a class against its recall"
CATEGORY = "Classification"
SUBJECTS = ("classification",)
ORDER = 14


def lacks(source: Source) -> str | None:
    """Why there is nothing to relate."""
    reason = _heads.unclassified(source)
    if reason is None and len(source.names) < 2:
        return "the dataset has only one class; two are needed"
    return reason


def draw(source: Source) -> Picture:
    """A mark for each class, with the rank correlation."""
    import numpy as np

    from backbench.plots import per_class, size_recall

    sizes = np.bincount(source.truth[source.learnt], minlength=len(source.names))
    measures = per_class.scores(_heads.confusion(source))
    heading = source.heading(TITLE, _heads.tested(source))
    return size_recall.draw(heading, source.names, sizes, measures.recall, measures.support)
