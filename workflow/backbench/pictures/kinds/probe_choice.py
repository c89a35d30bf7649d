"""How a classifier chose its penalty or learning rate: the accuracy on the validation images of all that were tried."""

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "What was chosen by the validation images"
CATEGORY = "Classification"
SUBJECTS = ("classification",)
ORDER = 16


def lacks(source: Source) -> str | None:
    """Why there is no choice to show."""
    reason = _heads.missing(source, _heads.CLASSIFICATION)
    if reason is None and "choice" not in source.info(_heads.CLASSIFICATION):
        return "its classifier chooses nothing"
    return reason


def draw(source: Source) -> Picture:
    """A curve for each series of values, with the chosen one marked."""
    from backbench.plots import choice

    made = source.info(_heads.CLASSIFICATION)["choice"]
    heading = source.heading(TITLE, f"{made['rows']:,} {made['on']}")
    return choice.draw(heading, made["option"], made["values"], made["accuracy"], (made["series"], made["value"]))
