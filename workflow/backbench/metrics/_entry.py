"""An entry of the catalogue of metrics (`catalogue`). Standard library only."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

UP, DOWN, NEITHER = 1, -1, 0
CLUSTERING, CLASSIFICATION, RETRIEVAL = "clustering", "classification", "retrieval"
# What a metric is computed from: `labels` are the true classes, `distances` those in the feature space.
LABELS, CLUSTERS, DISTANCES = "labels", "clusters", "distances"
PREDICTIONS, PROBABILITIES, NEIGHBOURS = "predictions", "probabilities", "neighbours"
# How it is resampled over images: a share of right images has a closed-form interval; others have replicates.
SHARE, REPLICATES = "share of images", "replicates"
TEST, VALIDATION, CLUSTERED, QUERIES = "test images", "validation images", "clustered images", "queries"
# The placeholder for the depth in the names of a family.
K = "K"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : as recorded; a family ends with `K`
    title, about : its name in a sentence, and what follows the name on an axis
    short : the title of its column
    direction : `UP`, `DOWN`, or `NEITHER`; `neither` then says why nothing is ranked by it
    low, high : its range, None if unbounded
    across : whether values from different representations may be compared
    resampled : `SHARE`, `REPLICATES`, or None if only the mean is stored, or samples of the images say nothing of it
    share : whether it is shown in percent
    images : the images that it is computed on
    estimates : the metric that it estimates from a sample, "" for none
    policy : whether a selection policy may choose clusterings by it
    column : whether every table of runs shows it (families at the depth `DEPTH`)
    source : the paper, or the library whose result it equals
    option : what to ask for to have it, "" where it comes by itself
    """

    name: str
    task: str
    title: str
    short: str
    needs: tuple[str, ...]
    images: str
    source: str
    about: str = ""
    option: str = ""
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
        """Its name in full."""
        return f"{self.title} {self.about}".strip()

    @property
    def axis(self) -> str:
        """Its label on an axis: its name, unit or range, and direction."""
        bounds = f"{self.low:g} to {self.high:g}" if self.bounded else ""
        notes = ", ".join(filter(None, (self.unit or bounds, self.better)))
        return f"{self.words} ({notes})" if notes else self.words

    @property
    def better(self) -> str:
        """Its direction in words, "" for `NEITHER`."""
        return {UP: "higher is better", DOWN: "lower is better"}.get(self.direction, "")

    @property
    def bounded(self) -> bool:
        """Whether its range has both ends; a point is then a hundredth."""
        return self.low is not None and self.high is not None

    @property
    def unit_share(self) -> bool:
        """Whether it ranges from 0 to 1 and higher is better."""
        return (self.low, self.high, self.direction) == (0, 1, UP)

    @property
    def best(self) -> Callable[[Iterable[float]], float]:
        """``max`` or ``min``, by its direction."""
        return min if self.direction == DOWN else max

    @property
    def family(self) -> bool:
        """Whether it is an entry for every depth."""
        return self.name.endswith(f"_{K}")

    def at(self, depth: int) -> "Metric":
        """The metric of a family at a depth."""
        texts = {field: getattr(self, field).replace(K, str(depth)) for field in ("name", "title", "short")}
        return replace(self, **texts, depth=depth)
