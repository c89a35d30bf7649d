"""The number of clusters that each criterion picks, family by family."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backbench.evaluate import knee
from backbench.evaluate.candidates import Candidate, Representation
from backbench.metrics import catalogue
from backbench.metrics.catalogue import ELBOW as ELBOW
from backbench.metrics.catalogue import ESTIMATES

# Metrics whose best value says which k; the elbow has a rule of its own.
BEST = catalogue.checked("silhouette", "davies_bouldin", "calinski_harabasz", "bic", "coding_length")
CRITERIA = ("elbow", *BEST)

Curve = Mapping[int, float]


@dataclass(frozen=True)
class Choice:
    """What one criterion says: a k and the metric's value there, or no k and why.

    `edge` is true where it is the largest k that was tried, so that a larger one may be better yet.
    """

    criterion: str
    k: int | None
    value: float | None
    note: str
    edge: bool = False


@dataclass(frozen=True)
class Family:
    """Clusterings that differ in k and seed alone. `ks` is empty where the clusterer finds k itself."""

    name: str
    clusterer: str
    ks: tuple[int, ...]
    seeds: tuple[int, ...]
    choices: tuple[Choice, ...]
    members: tuple[Candidate, ...]

    def choice(self, criterion: str) -> Choice | None:
        """What a criterion says, None where its metric is not there."""
        return next((choice for choice in self.choices if choice.criterion == criterion), None)


def families(representation: Representation) -> list[Family]:
    """The families of one representation with the k that each criterion picks, by name."""
    return [_family(name, members) for name, members in by_family(representation).items()]


def by_family(representation: Representation) -> dict[str, list[Candidate]]:
    """The clusterings that differ in k and seed alone, by the name of their family."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in representation.candidates:
        groups.setdefault(candidate.family, []).append(candidate)
    return dict(sorted(groups.items()))


def _family(name: str, members: Sequence[Candidate]) -> Family:
    ks = tuple(sorted({member.k for member in members if member.k is not None}))
    seeds = tuple(sorted({member.seed for member in members if member.seed is not None}))
    return Family(name, members[0].clusterer, ks, seeds, tuple(_choices(members)) if ks else (), tuple(members))


def _choices(members: Sequence[Candidate]) -> Iterable[Choice]:
    if curve := mean_curve(members, ELBOW):
        yield elbow(curve)
    for metric in BEST:
        if curve := mean_curve(members, metric):
            estimated = any(member.estimated(metric) for member in members)
            yield extreme(metric, curve, catalogue.metric(metric).best, ESTIMATES[metric] if estimated else metric)


def mean_curve(members: Iterable[Candidate], metric: str) -> Curve:
    """Mean over the seeds of a metric at each k, smallest k first; where it is undefined, there is no point."""
    values: dict[int, list[float]] = {}
    for member in members:
        if member.k is not None and not math.isnan(member.value(metric)):
            values.setdefault(member.k, []).append(member.value(metric))
    return {k: statistics.fmean(values[k]) for k in sorted(values)}


def elbow(curve: Curve) -> Choice:
    """The knee of the curve of within-cluster sums of squares over k."""
    ks = list(curve)
    if len(ks) < knee.LEAST_POINTS:
        return Choice("elbow", None, None, f"{_values(len(ks))}; an elbow takes {knee.LEAST_POINTS}")
    bend = knee.find(ks, list(curve.values()))
    if bend is None:
        return Choice("elbow", None, None, "the curve has no knee")
    note = f"knee of {ELBOW} by {bend.method}, {bend.depth:.2f} below the chord"
    return Choice("elbow", bend.x, curve[bend.x], note)


def extreme(criterion: str, curve: Curve, best: Callable[[Iterable[float]], float], metric: str) -> Choice:
    """The k with the best value; of equal ones the smallest."""
    if len(curve) < 2:
        return Choice(criterion, None, None, f"{_values(len(curve))}; nothing to choose from")
    value = best(curve.values())
    k = min(k for k, other in curve.items() if other == value)
    edge = k == max(curve)
    note = f"{'largest' if best is max else 'smallest'} {metric}"
    return Choice(criterion, k, value, f"{note}; the largest k that was tried" if edge else note, edge)


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'} of k"
