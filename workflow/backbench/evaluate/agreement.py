"""Whether internal metrics find the clusterings that agree with the classes, where there are classes to know it by.

Within a data set and feature space: internal metrics of different spaces say nothing of one another.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backbench.evaluate._ranks import mean_ranks
from backbench.evaluate.candidates import Candidate, Representation
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLUSTERING, LABELS

INTERNAL, EXTERNAL = (
    tuple(name for name in catalogue.POLICIES if (LABELS in catalogue.metric(name).needs) == sees)
    for sees in (False, True)
)
MAIN = catalogue.main(CLUSTERING)
# A rank correlation of fewer clusterings says next to nothing.
LEAST = 5
# Loss by which a choice is much worse, on a scale that ends at 1.
NOTABLE = 0.05


@dataclass(frozen=True)
class Agreement:
    """An internal and an external metric over `n` distinct clusterings of one feature space.

    `pick` is the best by the internal metric, `best` that by the external one; `cost` is what the pick loses in the
    external metric. `pairs` are the values of both metrics, signed so that higher is better.
    """

    dataset: str
    space: str
    matrix: str
    internal: str
    external: str
    n: int
    pick: Candidate
    best: Candidate
    cost: float
    pairs: tuple[tuple[float, float], ...] = field(repr=False)

    @cached_property
    def spearman(self) -> float:
        """Spearman's rank correlation, 1 where both order the clusterings alike; NaN where a metric never changes.

        Equals `scipy.stats.spearmanr`, without the second that importing it takes at the end of every sweep.
        """
        ranks = [mean_ranks(values) for values in zip(*self.pairs, strict=True)]
        return math.nan if self._flat else statistics.correlation(*ranks)

    @cached_property
    def kendall(self) -> float:
        """Kendall's tau-b (`scipy.stats.kendalltau`); NaN where a metric never changes."""
        from scipy import stats

        return math.nan if self._flat else float(stats.kendalltau(*zip(*self.pairs, strict=True)).statistic)

    @property
    def _flat(self) -> bool:
        return any(len(set(values)) < 2 for values in zip(*self.pairs, strict=True))

    @property
    def notable(self) -> bool:
        """Whether choosing by the internal metric costs much."""
        return self.cost >= NOTABLE

    @property
    def picked(self) -> str:
        """The clustering that the internal metric takes, with its share of noise."""
        return _name(self.pick)

    @property
    def preferred(self) -> str:
        """The best clustering by the external metric, with its share of noise."""
        return _name(self.best)

    @property
    def text(self) -> str:
        """What the internal metric would choose, what would have been better, and how the two metrics correlate."""
        inner, outer = (catalogue.metric(name).title for name in (self.internal, self.external))
        pick, best = self.pick.value(self.external), self.best.value(self.external)
        if self.pick.member == self.best.member:
            choice = f"{inner} and {outer} both take {_name(self.pick)} ({outer} {pick:.2f})."
        else:
            choice = (
                f"by {inner} you would take {_name(self.pick)} ({outer} {pick:.2f}); the best by {outer} is "
                f"{_name(self.best)} ({best:.2f})."
            )
        if math.isnan(self.spearman):
            relation = f"one of {inner} and {outer} never changes"
        else:
            relation = f"{inner} and {outer} correlate at {round(self.spearman, 2) + 0.0:+.2f}"
        return f"{self.space}: {choice} Over {self.n} clusterings {relation}."


def agreements(spaces: Iterable[Representation]) -> list[Agreement]:
    """Each internal metric with each external one in every feature space with five clusterings or more."""
    return [
        _agreement(space, internal, external, both)
        for space in spaces
        for internal in INTERNAL
        for external in EXTERNAL
        if len(both := _both(space, internal, external)) >= LEAST
    ]


def disagreements(among: Iterable[Agreement], external: str = MAIN) -> list[Agreement]:
    """Those where choosing by an internal metric costs much in an external one, the most costly first."""
    costly = [pair for pair in among if pair.external == external and pair.notable]
    return sorted(
        costly, key=lambda pair: (-pair.cost, pair.dataset, pair.space, pair.matrix, INTERNAL.index(pair.internal))
    )


def _both(space: Representation, internal: str, external: str) -> list[Candidate]:
    """Clusterings with both metrics."""
    return [
        candidate
        for candidate in space.candidates
        if not math.isnan(candidate.value(internal) + candidate.value(external))
    ]


def _agreement(space: Representation, internal: str, external: str, both: Sequence[Candidate]) -> Agreement:
    inner, outer = (
        [catalogue.metric(name).direction * candidate.value(name) for candidate in both]
        for name in (internal, external)
    )
    pick, best = (both[max(range(len(both)), key=values.__getitem__)] for values in (inner, outer))
    cost = best.value(external) - pick.value(external)
    place = (space.dataset, space.title, space.matrix, internal, external, len(both))
    return Agreement(*place, pick, best, cost, tuple(zip(inner, outer, strict=True)))


def _name(candidate: Candidate) -> str:
    """A clustering with the share of images that it leaves out, which internal metrics do not see."""
    return f"{candidate.label}, {100 * candidate.noise:.0f} % noise" if candidate.noise >= 0.005 else candidate.label
