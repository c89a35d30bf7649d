"""How many clusters there are, by every criterion that the results of a representation allow.

Criteria over k pick one in each family (`best_k`). Clusterers that find the number themselves answer with it: the
levels of FINCH, the persistent leaves of PLSCAN and HDBSCAN, the communities of Leiden.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from backbench.evaluate.best_k import CRITERIA, Family
from backbench.evaluate.candidates import Candidate
from backbench.evaluate.eligibility import fault
from backbench.wording import listed

# Criterion -> the clusterers that answer it by themselves, and what to add to a sweep for it.
BY_THEMSELVES: Mapping[str, tuple[str, ...]] = {
    "FINCH levels": ("finch",),
    "persistence": ("plscan", "hdbscan"),
    "modularity": ("leiden",),
}
NEEDS: Mapping[str, str] = {
    "elbow": "no clusterer with an inertia over three values of k (clusterer=kmeans)",
    "bic": "no mixture over two values of k (clusterer=gaussian_mixture)",
    "FINCH levels": "no FINCH (clusterer=finch)",
    "persistence": "no PLSCAN or HDBSCAN (clusterer=plscan)",
    "modularity": "no Leiden or Louvain (clusterer=leiden)",
}
NO_CURVE = "no clusterer over two values of k"


@dataclass(frozen=True)
class Answer:
    """A number of clusters, and which families come to it."""

    k: int
    families: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """What one criterion answers: no number where it does not apply, and why in `note`."""

    criterion: str
    answers: tuple[Answer, ...]
    note: str = ""


def estimates(families: Sequence[Family]) -> tuple[Estimate, ...]:
    """The answer of each criterion to how many clusters there are."""
    over_k = (_over_k(criterion, families) for criterion in CRITERIA)
    return (*over_k, *(_by_themselves(criterion, families) for criterion in BY_THEMSELVES))


def _over_k(criterion: str, families: Sequence[Family]) -> Estimate:
    """What a criterion picks in each family; the numbers that most families agree on come first."""
    choices = {family.name: family.choice(criterion) for family in families}
    made = {name: choice for name, choice in choices.items() if choice is not None}
    picked = [(choice.k, name) for name, choice in made.items() if choice.k is not None]
    edges = sorted({choice.k for choice in made.values() if choice.edge and choice.k is not None})
    if picked:
        note = f"{listed(list(map(str, edges)))}: the largest k that was tried" if edges else ""
        return Estimate(criterion, _answers(picked), note)
    reasons = dict.fromkeys(choice.note for choice in made.values())
    return Estimate(criterion, (), "; ".join(reasons) or NEEDS.get(criterion, NO_CURVE))


def _by_themselves(criterion: str, families: Sequence[Family]) -> Estimate:
    """What clusterers that find the number themselves come to; a result that is no clustering is no answer."""
    members = [member for family in families for member in family.members if _answers_it(criterion, member)]
    if not members:
        return Estimate(criterion, (), NEEDS[criterion])
    if criterion == "FINCH levels":
        return _of_levels(criterion, members)
    sound = [member for member in members if member.k is None and fault(member.metrics) is None]
    reasons = dict.fromkeys(f"{member.family}: {fault(member.metrics)}" for member in members if member not in sound)
    layers = dict.fromkeys(
        f"layers of {member.family}: {', '.join(map(str, member.counts))}" for member in sound if len(member.counts) > 1
    )
    return Estimate(
        criterion, _answers((int(member.clusters), member.family) for member in sound), "; ".join([*layers, *reasons])
    )


def _of_levels(criterion: str, members: Sequence[Candidate]) -> Estimate:
    """The levels of each hierarchy, coarsest first."""
    metrics = sorted({str(member.options["metric"]) for member in members})
    name = "finch" if len(metrics) == 1 else "finch {}"
    counts = [(count, name.format(each.options["metric"])) for each in members for count in each.counts if count > 1]
    return Estimate(criterion, _answers(counts, by_size=True), "" if counts else "all rows are one cluster at once")


def _answers_it(criterion: str, member: Candidate) -> bool:
    return member.clusterer in BY_THEMSELVES[criterion]


def _answers(picked: Iterable[tuple[int, str]], by_size: bool = False) -> tuple[Answer, ...]:
    """Distinct numbers with their families: those of most families first, or the smallest."""
    groups: dict[int, dict[str, None]] = {}
    for k, family in picked:
        groups.setdefault(k, {})[family] = None
    order = sorted(groups, key=lambda k: (0 if by_size else -len(groups[k]), k))
    return tuple(Answer(k, tuple(groups[k])) for k in order)
