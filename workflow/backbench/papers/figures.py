"""The figures of a sweep as a paper has them: the mean over the distinct results of a configuration, and its interval.

A figure whose `where` leaves open what the preset has several values of is an error, so that none is ever an arbitrary
one. Where the user made an axis of an option that the preset has one value of, the figure is given once for each.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from backbench import hashing
from backbench.evaluate import configurations, estimates
from backbench.evaluate.estimates import Estimate
from backbench.papers import derived, values
from backbench.papers import published as words
from backbench.papers.line import SEEDS, TRAININGS
from backbench.papers.matching import Matching
from backbench.papers.published import Figure
from backbench.papers.results import CLUSTERING, Results, head_of, results
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweep.results.ledger import Row


@dataclass(frozen=True)
class Taken:
    """A figure of ours: its value or the `reason` why there is none.

    `rows` are the runs behind it, one for each fit; `estimate` has the interval, over seeds, ``trainings`` or images;
    `samples` counts what its mean is over. `notes` are sentences; `apart` tells it from others of the same figure.
    """

    value: words.Value
    rows: tuple[Row, ...] = ()
    estimate: Estimate | None = None
    samples: int = 0
    chance: bool = False
    notes: tuple[str, ...] = ()
    reason: str = ""
    apart: str = ""


@dataclass(frozen=True)
class Sought:
    """Where figures are looked for: the runs of a sweep, what they deviate in, and the store; `paper` is its name."""

    paper: str
    matching: Matching
    store: Store


def take(figure: Figure, sought: Sought) -> list[Taken]:
    """Our values of a figure: one, or one for each configuration that the user's axes make of it.

    Raises
    ------
    ConfigError
        If `where` names an unknown parameter, or leaves open what the preset itself has several values of.
    """
    rows = sought.matching.found(figure.where, f"papers/{sought.paper}.yaml: where of {figure.name!r}")
    if not rows:
        return [Taken(None, reason=sought.matching.lacking(figure.where))]
    head = head_of(figure.metric)
    groups = _groups([row for row in rows if head in row.run.stages], figure.metric, head)
    if not groups:
        return [Taken(None, reason=f"not in this sweep: no such run has a {head}")]
    made = _MAKERS.get(figure.metric, _measured)
    apart = _apart(figure, groups, head, sought)
    return [replace(made(figure, group, sought), apart=said) for group, said in zip(groups, apart, strict=True)]


def _groups(rows: Sequence[Row], metric: str, head: str) -> list[list[Row]]:
    """The runs by configuration, seeds together."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        key = derived.place(row, metric) if metric in derived.OPEN else configurations.key(row, head)
        found.setdefault(key, []).append(row)
    return list(found.values())


def _apart(figure: Figure, groups: Sequence[Sequence[Row]], head: str, sought: Sought) -> list[str]:
    """What tells the configurations of a figure apart; empty where there is one."""
    if len(groups) == 1:
        return [""]
    relevant, open_ = RELEVANT[head], derived.OPEN.get(figure.metric, ())
    differing = {
        key: own
        for key, own in sought.matching.differing([group[0] for group in groups]).items()
        if key.startswith(relevant) and not (open_ and key.startswith(open_))
    }
    if undecided := sought.matching.undecided(figure.where, list(differing)):
        said = "; ".join(f"{key} ({', '.join(dict.fromkeys(map(str, differing[key])))})" for key in undecided)
        raise ConfigError(
            f"papers/{sought.paper}.yaml: the figure {figure.name!r} matches {len(groups)} configurations, which "
            f"differ by {said}; name it in where."
        )
    if not differing:
        return [f"run {hashing.short(group[0].config_hash)}" for group in groups]
    return [", ".join(f"{key}={own[at]}" for key, own in differing.items()) for at in range(len(groups))]


# Options that say something of the results of a head.
RELEVANT = {
    "clustering": ("dataset.", "backbone.", "clustering.", "clusterer.", "k"),
    "classification": ("dataset.", "backbone.", "classification.", "classifier."),
    "retrieval": ("dataset.", "backbone.", "retrieval."),
}


def _measured(figure: Figure, rows: Sequence[Row], sought: Sought) -> Taken:
    """A metric of the record: its mean over the fits."""
    found = results(rows, head_of(figure.metric))
    read = [(row, values.value(figure, found, row)) for row in found.done]
    usable = [(row, own.number) for row, own in read if own.number is not None]
    if not usable:
        return Taken(None, reason=read[0][1].reason if read else found.why_none(), rows=tuple(found.done))
    kept, numbers = [row for row, _ in usable], [number for _, number in usable]
    if found.head == CLUSTERING:
        means, over = _by_training(kept, numbers)
        estimate = estimates.estimate(means, None, 0, True)
        estimate = replace(estimate, over=over) if estimate.over else estimate
    else:
        means = numbers
        estimate = values.over_images(figure, found, kept, numbers, sought.store)
    notes = [*_training(found, kept, means), *found.lacks()]
    if len(usable) < len(read):
        notes.append(f"{len(read) - len(usable)} of {len(read)} fits have no such value.")
    return Taken(estimate.mean, tuple(kept), estimate, len(means), found.chance, tuple(notes))


def _by_training(rows: Sequence[Row], numbers: Sequence[float]) -> tuple[list[float], str]:
    """The means over the fits of each training, where the features were trained several times; else the values.

    Fits on the codes of one training are alike, so that only the trainings are independent samples.
    """
    found: dict[str, list[float]] = {}
    for row, number in zip(rows, numbers, strict=True):
        found.setdefault(row.run.stages["features"], []).append(number)
    if len(found) < 2:
        return list(numbers), SEEDS
    return [math.fsum(own) / len(own) for own in found.values()], TRAININGS


def _training(found: Results, rows: Sequence[Row], means: Sequence[float]) -> list[str]:
    """That several fits are of one training, where they are."""
    features = {row.run.stages["features"] for row in rows}
    trained = "training" in rows[0].records.get(next(iter(features)), {}).get("info", {})
    if len(features) > 1 or not trained:
        return []
    what = "The interval is over the seeds of the fits" if len(means) > 1 else "The fit is"
    return [f"{what} on one training of the {rows[0].params['backbone.name']}; another would give other codes."]


def _elbow(figure: Figure, rows: Sequence[Row], sought: Sought) -> Taken:
    found = results(rows, CLUSTERING)
    own, note, runs = derived.elbow(rows)
    if own.number is None:
        return Taken(None, reason=own.reason)
    seeds = len({row.run.stages[CLUSTERING] for row in runs})
    return Taken(own.number, tuple(runs), None, seeds, found.chance, (note, *found.lacks()))


def _chosen(figure: Figure, rows: Sequence[Row], sought: Sought) -> Taken:
    found = results(rows, CLUSTERING)
    own, why, runs = derived.chosen(rows)
    if own is None:
        return Taken(None, reason=why)
    return Taken(own, tuple(runs), None, 1, False, (f"By the policy: {why}", *found.lacks()))


def _shares(figure: Figure, rows: Sequence[Row], sought: Sought) -> Taken:
    found = results(rows, CLUSTERING)
    if not found.done:
        return Taken(None, reason=found.why_none())
    own, reason = derived.majority_shares(figure, found, sought.store)
    if own is None:
        return Taken(None, reason=reason)
    return Taken(own, tuple(found.done), None, len(found.done), found.chance, tuple(found.lacks()))


_MAKERS: Mapping[str, Callable[[Figure, Sequence[Row], Sought], Taken]] = {
    words.ELBOW: _elbow,
    words.CHOSEN: _chosen,
    words.SHARES: _shares,
}
