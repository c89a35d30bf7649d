"""How many answers are right if a run's classifier answers only where it is sure."""

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Right answers by how many images are answered"
CATEGORY = "Classification"
SUBJECTS = ("classification",)
ORDER = 18
LEADING = True


def lacks(source: Source) -> str | None:
    """Why there is no curve."""
    return _heads.improbable(source)


def draw(source: Source) -> Picture:
    """The share of right answers by that of answered test images; the threshold was chosen on validation images."""
    from backbench.datasets import VALIDATION
    from backbench.metrics import answering
    from backbench.plots import coverage

    confident, right = _heads.confidence(source)
    values, answered, good = answering.curve(confident, right)
    low, high = _heads.wilson(good, answered)
    curve = coverage.Curve(values, answered / len(right), good / answered, low, high)
    chosen = answering.choose(*_heads.confidence(source, VALIDATION))
    why = "no image was used to choose it"
    if chosen.target is not None:
        why = f"it is the lowest one with which {100 * chosen.target:.0f} % of the answered validation images are right"
    return coverage.draw(source.heading(TITLE, _heads.tested(source)), curve, len(right), chosen.value, why)
