"""One clustering per feature matrix by a policy that is data, with the reason in a sentence."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from backbench import plugins, schema
from backbench.evaluate import eligibility
from backbench.evaluate._ranks import mean_ranks
from backbench.evaluate.candidates import Candidate, LeftOut, Representation
from backbench.evaluate.eligibility import LEAST_CLUSTERS, Limits
from backbench.evaluate.judging import Judgement
from backbench.metrics import catalogue
from backbench.metrics.catalogue import ESTIMATES, POLICIES
from backbench.schema import ConfigError, Range

WHERE = "selection"


@dataclass(frozen=True)
class Policy:
    """How a clustering is chosen; ``conf/selection`` says what each option means.

    A policy without metrics asks judges: `judges` are the backbones that may judge beside those of the sweep.
    """

    name: str
    prefer: str | None
    noise_at_most: Annotated[float, Range(low=0, high=1)] | None
    metrics: tuple[str, ...]
    largest_at_most: Annotated[float, Range(low=0, high=1)] | None = 0.95
    judges: tuple[str, ...] | None = None
    rows: Annotated[int, Range(low=6)] = 2000

    @property
    def limits(self) -> Limits:
        """What is no clustering by this policy."""
        return Limits(self.noise_at_most, self.largest_at_most)

    @property
    def judged(self) -> bool:
        """Whether judges choose, over all representations."""
        return self.judges is not None

    def __str__(self) -> str:
        limit = "" if self.noise_at_most is None else f" among those with at most {_percent(self.noise_at_most)} noise"
        if self.judged:
            return f"{self.name}: independent representations judge all clusterings{limit}"
        return f"{self.name}: {f'{self.prefer} first, else ' if self.prefer else ''}{_best(self.metrics)}{limit}"


# What plans say that were made before policies were.
PUBLISHED = Policy("published", "dbscan", 0.3, catalogue.checked("silhouette", "davies_bouldin", "calinski_harabasz"))


@dataclass(frozen=True)
class Ranked:
    """A candidate that was ranked: its mean rank and its rank by each metric, 1 the best."""

    candidate: Candidate
    mean_rank: float
    ranks: Mapping[str, float]


@dataclass(frozen=True)
class Decision:
    """What was chosen, None where nothing was, and why; `ranked` is in the order of merit, `usable` counts those that
    could have been chosen had none been preferred."""

    chosen: Candidate | None
    reason: str
    ranked: tuple[Ranked, ...]
    left_out: tuple[LeftOut, ...]
    usable: int
    pending: int


def parse(options: Mapping[str, Any] | None) -> Policy:
    """The policy of a configuration mapping; the published one where there is none.

    Raises
    ------
    ConfigError
        For an unknown or missing option, a clusterer or metric that there is not, or no metric at all.
    """
    if not options:
        return PUBLISHED
    policy = schema.parse(Policy, options, WHERE)
    if policy.judged:
        return _with_judges(policy)
    if policy.prefer is not None and policy.prefer not in (known := plugins.names("clusterer")):
        raise schema.refuse(f"{WHERE}.prefer", policy.prefer, [*known, "null"])
    return with_metrics(policy, policy.metrics)


def _with_judges(policy: Policy) -> Policy:
    """`policy` if each of its judges is a backbone, and it prefers nothing."""
    known = plugins.names("backbone")
    for name in policy.judges or ():
        if name not in known:
            raise schema.refuse(f"{WHERE}.judges", name, known)
    if policy.prefer is not None or policy.metrics:
        raise ConfigError(
            f"{WHERE}: received prefer={policy.prefer} and metrics={list(policy.metrics)} beside judges; allowed: "
            "judges, or a preferred clusterer and metrics. selection=internal ranks by metrics."
        )
    return policy


def with_metrics(policy: Policy, metrics: Sequence[str]) -> Policy:
    """`policy` with other metrics, each named once."""
    for metric in metrics:
        if metric not in POLICIES:
            raise schema.refuse(f"{WHERE}.metrics", metric, POLICIES)
    if not metrics or len(set(metrics)) < len(metrics):
        raise ConfigError(f"{WHERE}.metrics: received {list(metrics)}; give at least one metric, and each once.")
    return replace(policy, metrics=tuple(metrics), judges=None)


def decide(representation: Representation, policy: Policy, judgement: Judgement | None = None) -> Decision:
    """Choose one clustering of a representation.

    Left out is what is no clustering by the policy's limits. Where judges choose, the one that they rank first is
    taken. Else, of the preferred clusterer's, if any is left, else of all, the one with the best mean rank is taken; of
    equal ones that with the fewest clusters, then the first by name. A policy of judges without a `judgement` ranks by
    internal metrics, and says so.
    """
    candidates, pending = representation.candidates, representation.pending
    faults = {candidate.member: eligibility.fault(candidate.metrics, policy.limits) for candidate in candidates}
    usable = [candidate for candidate in candidates if faults[candidate.member] is None]
    refused = [
        LeftOut(candidate.member, candidate.label, fault, candidate.clusterer)
        for candidate in candidates
        if (fault := faults[candidate.member])
    ]
    left_out = (*refused, *representation.failed)
    if not usable:
        return Decision(None, _nothing(representation), (), left_out, 0, pending)
    why = ""
    if policy.judged:
        if judgement is not None and judgement.chosen is not None:
            return _judged(usable, judgement, left_out, pending)
        why = f"{judgement.reason if judgement else 'no judge was asked (selection=judges)'}, so by internal metrics: "
        policy = replace(policy, metrics=PUBLISHED.metrics)
    preferred = [candidate for candidate in usable if candidate.clusterer == policy.prefer]
    pool = preferred or usable
    metrics = [name for name in policy.metrics if any(not math.isnan(candidate.value(name)) for candidate in pool)]
    if not metrics:
        reason = f"{_listed(policy.metrics)} undefined for each of the {len(pool)} clusterings"
        return Decision(None, reason, (), left_out, len(usable), pending)
    ranked = rank(pool, metrics)
    reason = (_preferred if preferred else _strongest)(representation, policy, ranked, metrics)
    return Decision(ranked[0].candidate, f"{why}{reason}", tuple(ranked), left_out, len(usable), pending)


def _judged(usable: Sequence[Candidate], judgement: Judgement, left_out: tuple[LeftOut, ...], pending: int) -> Decision:
    """The clustering of a representation that judges rank first; their choice over all of them where it is here."""
    places = {judged.candidate.member: place for place, judged in enumerate(judgement.ranked, 1)}
    ranked = [
        Ranked(candidate, float(places[candidate.member]), {"judges": float(places[candidate.member])})
        for candidate in sorted(usable, key=lambda candidate: places.get(candidate.member, math.inf))
        if candidate.member in places
    ]
    if not ranked:
        return Decision(None, "none of its clusterings was judged", (), left_out, len(usable), pending)
    assert judgement.chosen is not None  # its caller has looked
    best, chosen = ranked[0], judgement.chosen.candidate
    if chosen.member in places and any(each.candidate.member == chosen.member for each in ranked):
        reason = f"chosen over all representations: {judgement.reason}"
        return Decision(chosen, reason, tuple(ranked), left_out, len(usable), pending)
    reason = f"the judges rank it {best.mean_rank:.0f} of {len(places)} over all representations, the first of this one"
    return Decision(best.candidate, reason, tuple(ranked), left_out, len(usable), pending)


def rank(pool: Sequence[Candidate], metrics: Iterable[str]) -> list[Ranked]:
    """The candidates in the order of their mean rank; the ranks equal ``scipy.stats.rankdata(method="average")``."""
    columns = {name: mean_ranks([_loss(candidate, name) for candidate in pool]) for name in metrics}
    ranked = []
    for i, candidate in enumerate(pool):
        ranks = {name: column[i] for name, column in columns.items()}
        ranked.append(Ranked(candidate, statistics.fmean(ranks.values()), ranks))
    return sorted(ranked, key=_merit)


def _merit(ranked: Ranked) -> tuple[float, float, str, str]:
    candidate = ranked.candidate
    clusters = math.inf if math.isnan(candidate.clusters) else candidate.clusters
    return ranked.mean_rank, clusters, candidate.label, candidate.member


def _loss(candidate: Candidate, metric: str) -> float:
    value = candidate.value(metric)
    return math.inf if math.isnan(value) else -catalogue.metric(metric).direction * value


def _preferred(representation: Representation, policy: Policy, ranked: Sequence[Ranked], metrics: Sequence[str]) -> str:
    best = ranked[0].candidate
    allowed = "" if policy.noise_at_most is None else f", at most {_percent(policy.noise_at_most)} allowed"
    text = f"{best.label} left {_percent(best.noise)} as noise{allowed}, so it is preferred"
    if len(ranked) == 1:
        return text
    return f"{text}; of the {len(ranked)} {policy.prefer} that qualify, it has {_merits(ranked, metrics)}"


def _strongest(representation: Representation, policy: Policy, ranked: Sequence[Ranked], metrics: Sequence[str]) -> str:
    why = f"{_not_preferred(representation, policy)}; " if policy.prefer else ""
    best = ranked[0].candidate
    if len(ranked) == 1:
        return f"{why}{best.label} is the only clustering to choose from"
    return f"{why}{best.label} has {_merits(ranked, metrics)}"


def _not_preferred(representation: Representation, policy: Policy) -> str:
    """Why none of the preferred clusterer's clusterings was taken."""
    name = policy.prefer
    done = [candidate for candidate in representation.candidates if candidate.clusterer == name]
    if not done:
        if any(fault.clusterer == name for fault in representation.failed):
            return f"every {name} failed"
        return f"no {name} is done" if representation.pending else f"no {name} was tried"
    least = min((candidate.noise for candidate in done if candidate.clusters >= LEAST_CLUSTERS), default=None)
    if least is None or policy.noise_at_most is None:
        return f"no {name} found two clusters or more"
    return f"no {name} left at most {_percent(policy.noise_at_most)} as noise (the least: {_percent(least)})"


def _merits(ranked: Sequence[Ranked], metrics: Sequence[str]) -> str:
    """``the best mean rank 1.67 of 92 over silhouette, ...``; of one metric its value."""
    best = ranked[0]
    names = [ESTIMATES[name] if any(each.candidate.estimated(name) for each in ranked) else name for name in metrics]
    ties = sum(each.mean_rank == best.mean_rank for each in ranked) - 1
    tied = f" (shared with {ties}: the fewest clusters, then the name decide)" if ties else ""
    if len(metrics) == 1:
        return f"the best {names[0]}, {best.candidate.value(metrics[0]):.4g}, of {len(ranked)}{tied}"
    return f"the best mean rank {best.mean_rank:.2f} of {len(ranked)} over {', '.join(names)}{tied}"


def _nothing(representation: Representation) -> str:
    count = len(representation.candidates) + len(representation.failed)
    return f"none of the {count} clusterings can be chosen" if count else "no clustering is done"


def _best(metrics: Sequence[str]) -> str:
    if len(metrics) == 1:
        return f"the best {metrics[0]}"
    return "the best mean rank of " + ", ".join(
        f"{name} {'up' if catalogue.metric(name).direction > 0 else 'down'}" for name in metrics
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
