"""The reliability diagram of a run's classifier on the test images."""

from typing import TYPE_CHECKING

from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.plots import Picture

if TYPE_CHECKING:
    import numpy as np

    from backbench.plots.reliability import Bins

TITLE = "Reliability of the probabilities"
CATEGORY = "Classification"
SUBJECTS = ("classification",)
ORDER = 16
LEADING = True


def lacks(source: Source) -> str | None:
    """Why there is no diagram."""
    return _heads.improbable(source)


def draw(source: Source) -> Picture:
    """Right images by the probability of their predicted class, with the calibration error in the title."""
    from backbench.metrics import probabilistic
    from backbench.plots import reliability

    confident, right = _heads.confidence(source)
    error = probabilistic.calibration_error(confident, right)
    heading = source.heading(f"{TITLE}: calibration error {error:.3f}", _heads.tested(source))
    return reliability.draw(heading, _bins(confident, right), error, probabilistic.chance_error(confident))


def _bins(confident: "np.ndarray", right: "np.ndarray") -> "Bins":
    """The bins of highest probabilities (n,) of which some are `right` (n,)."""
    import numpy as np

    from backbench.metrics import probabilistic
    from backbench.plots._style import ratio
    from backbench.plots.reliability import Bins

    place, count = probabilistic.bins(confident), probabilistic.BINS + 1
    images = np.bincount(place, minlength=count)
    good = np.bincount(place, right, minlength=count)
    low, high = _heads.wilson(good, images)
    edges = np.linspace(0, 1, count)
    claimed = ratio(np.bincount(place, confident, minlength=count), images)
    return Bins(edges, np.append(edges[1:], 1.0), images, claimed, ratio(good, images), low, high)
