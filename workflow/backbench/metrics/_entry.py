"""What the catalogue says of a metric: the words of an entry (`catalogue`). Standard library only."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

UP, DOWN, NEITHER = 1, -1, 0
CLUSTERING, CLASSIFICATION, RETRIEVAL = "clustering", "classification", "retrieval"
# What a metric is computed from: `labels` are the true classes, `distances` those in the feature space.
LABELS, CLUSTERS, DISTANCES = "labels", "clusters", "distances"
PREDICTIONS, PROBABILITIES, NEIGHBOURS = "predictions", "probabilities", "neighbours"
# How it is resampled over images: a share of images that are right has an interval of its own; others have replicates.
SHARE, REPLICATES = "share of images", "replicates"
TEST, VALIDATION, CLUSTERED, QUERIES = "test images", "validation images", "clustered images", "queries"
# The placeholder for the depth in the names of a family.
K = "K"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : as it is recorded; of a family with `K` at its end
    title, about : its name in a sentence, and what more is said of it at an axis
    short : the title of a column
    direction : `UP`, `DOWN`, or `NEITHER`, and then `neither` says why nothing is ranked by it
    low, high : ends of its range, None where there is none
    across : whether values from different representations may be compared
    resampled : `SHARE`, `REPLICATES`, or None where the mean alone is stored
    share : whether it is shown in percent
    images : the images that it is of
    estimates : the metric that it estimates from a sample, "" for none
    policy : whether a selection policy may choose clusterings by it
    column : whether every table of runs has it (of a family, at the depth `DEPTH`)
    source : the paper, or the library whose result it equals
    """

    name: str
    task: str
    title: str
    short: str
    needs: tuple[str, ...]
    images: str
    source: str
    about: str = ""
    direction: int = UP
    neither: str = ""
    low: float | None = 0
    high: float | None = 1
    unit: str = ""
    across: bool = True
    resampled: str | None = None
    share: bool = False
    decimals: int = 4
    estimates: str = ""
    policy: bool = False
    column: bool = False
    depth: int | None = None

    @property
    def words(self) -> str:
        """What people call it."""
        return f"{self.title} {self.about}".strip()

    @property
    def axis(self) -> str:
        """The label of its axis: its words, its range, and which end is the good one."""
        bounds = f"{self.low:g} to {self.high:g}" if self.bounded else ""
        notes = ", ".join(filter(None, (self.unit or bounds, self.better)))
        return f"{self.words} ({notes})" if notes else self.words

    @property
    def better(self) -> str:
        """Which end of it is the good one, in words; "" where neither is."""
        return {UP: "higher is better", DOWN: "lower is better"}.get(self.direction, "")

    @property
    def bounded(self) -> bool:
        """Whether a hundredth of it is a point: only of what has both ends."""
        return self.low is not None and self.high is not None

    @property
    def unit_share(self) -> bool:
        """Whether its axis goes from 0 to 1 and the upper end is the good one."""
        return (self.low, self.high, self.direction) == (0, 1, UP)

    @property
    def best(self) -> Callable[[Iterable[float]], float]:
        """``max`` or ``min``, by its direction."""
        return min if self.direction == DOWN else max

    @property
    def family(self) -> bool:
        """Whether it is the entry of every depth."""
        return self.name.endswith(f"_{K}")

    def at(self, depth: int) -> "Metric":
        """The member of a family at a depth."""
        texts = {field: getattr(self, field).replace(K, str(depth)) for field in ("name", "title", "short")}
        return replace(self, **texts, depth=depth)
