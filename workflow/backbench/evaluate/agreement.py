"""Whether internal metrics find the clusterings that agree with the classes, where there are classes to know it by.

Within a data set and feature space: internal metrics of different spaces say nothing of one another.
"""

import bisect
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backbench.evaluate.candidates import Candidate, Representation, representations
from backbench.metrics import catalogue
from backbench.sweep.results.ledger import Row

INTERNAL, EXTERNAL = (
    tuple(name for name in catalogue.POLICIES if (catalogue.LABELS in catalogue.metric(name).needs) == sees)
    for sees in (False, True)
)
MAIN = catalogue.main(catalogue.CLUSTERING)
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
        ranks = [_ranks(values) for values in zip(*self.pairs, strict=True)]
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
    def text(self) -> str:
        """What one would have taken, what would have been better, and how the two metrics go together."""
        inner, outer = (catalogue.metric(name).title for name in (self.internal, self.external))
        pick, best = self.pick.value(self.external), self.best.value(self.external)
        if self.pick.member == self.best.member:
            choice = f"{inner} and {outer} both take {_name(self.pick)} ({outer} {pick:.2f})."
        else:
            choice = (
                f"by {inner} you would take {_name(self.pick)} ({outer} {pick:.2f}); the best by {outer} is "
                f"{_name(self.best)} ({best:.2f})."
            )
        flat = f"one of {inner} and {outer} never changes"
        goes = (
            flat
            if math.isnan(self.spearman)
            else f"{inner} and {outer} correlate at {round(self.spearman, 2) + 0.0:+.2f}"
        )
        return f"{self.space}: {choice} Over {self.n} clusterings {goes}."


Disagreement = Agreement


def agreements(rows: Iterable[Row]) -> list[Agreement]:
    """Each internal metric with each external one in every feature space with five clusterings or more."""
    return [
        _agreement(space, internal, external, both)
        for space in representations(rows)
        for internal in INTERNAL
        for external in EXTERNAL
        if len(both := _both(space, internal, external)) >= LEAST
    ]


def disagreements(rows: Iterable[Row], external: str = MAIN) -> list[Disagreement]:
    """Where choosing by an internal metric costs much in an external one, the dearest first."""
    found = [one for one in agreements(rows) if one.external == external and one.notable]
    return sorted(found, key=lambda one: (-one.cost, one.dataset, one.space, one.matrix, INTERNAL.index(one.internal)))


def _both(space: Representation, internal: str, external: str) -> list[Candidate]:
    """Clusterings with both metrics."""
    return [one for one in space.candidates if not math.isnan(one.value(internal) + one.value(external))]


def _agreement(space: Representation, internal: str, external: str, both: Sequence[Candidate]) -> Agreement:
    inner = [catalogue.metric(internal).direction * one.value(internal) for one in both]
    outer = [catalogue.metric(external).direction * one.value(external) for one in both]
    pick, best = (both[max(range(len(both)), key=values.__getitem__)] for values in (inner, outer))
    cost = best.value(external) - pick.value(external)
    place = (space.dataset, space.title, space.matrix, internal, external, len(both))
    return Agreement(*place, pick, best, cost, tuple(zip(inner, outer, strict=True)))


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from the lowest up, equal values at the mean of theirs."""
    order = sorted(values)
    return [(bisect.bisect_left(order, own) + bisect.bisect_right(order, own) + 1) / 2 for own in values]


def _name(one: Candidate) -> str:
    """A clustering with the share of its images that it leaves out: internal metrics do not see these."""
    return f"{one.label}, {100 * one.noise:.0f} % noise" if one.noise >= 0.005 else one.label
