"""What to use for each task on a data set, and how sure that is: the facts, once for all who print and record them.

Classifiers are chosen on validation, clusterings by agreement with the classes, representations by retrieval: the first
entry of the leaderboard that is no baseline. Without classes the judges choose, or else the policy of the sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backbench.engine.plan.judges import BASELINES
from backbench.engine.results.joined_run import Row
from backbench.evaluate import eligibility, leaderboard_specs, selection, spending
from backbench.evaluate import untried as missing
from backbench.evaluate.candidates import Candidate, Representation
from backbench.evaluate.eligibility import Limits
from backbench.evaluate.estimates import Estimate
from backbench.evaluate.judging import Judged, Judgement
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.evaluate.selection import Policy
from backbench.evaluate.untried import Untried
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, RETRIEVAL

TASKS = (CLASSIFICATION, CLUSTERING, RETRIEVAL)
# How a baseline compares with what is recommended.
BETTER, TIED, WORSE, UNTESTED = "better", "tied", "worse", "untested"
# What is reported of a classifier is measured on other images than what chooses it.
REPORTED = {CLASSIFICATION: leaderboard_specs.CHOOSERS[::-1]}


@dataclass(frozen=True)
class Reading:
    """A metric with its estimate."""

    metric: str
    estimate: Estimate


@dataclass(frozen=True)
class Baseline:
    """The best baseline beside what is recommended: what is reported of it, and how it compares."""

    row: Row
    reported: Reading | None
    standing: str


@dataclass(frozen=True)
class Choice:
    """A clustering of one representation that a policy chose, or that judges find plausible; `clusters` it has."""

    row: Row
    clusters: int | None
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What to use for a task.

    Parameters
    ----------
    row : the run to use, that of the first seed; None where nothing can be recommended, and `reason` says why
    rows : its results, one for each seed
    entry : its entry of the leaderboard, None where there are no classes
    decided, reported : the metric that it was chosen by, and the one that says how good it is
    others : entries that it was compared with, baselines left out; `tested` says whether by paired resampling
    tied : those of them that share its rank
    fastest : of it and those the one that took the fewest seconds, None where the times cannot be compared
    seconds : what it took, extraction included
    baseline : the best baseline; `only_baselines` says that nothing else was tried
    untried : what was not tried and might matter
    varying : options by which results of one plugin differ, which belong to their names
    caveat : how the split of the images limits the verdict
    policy : without classes: what chose, a policy or the judges
    judgement : what the judges say, where they chose
    clusters, classes : the clusters of a clustering, and how many classes there are
    choices : what the policy chose in each representation, or the alternatives that the judges name
    """

    task: str
    row: Row | None = None
    rows: tuple[Row, ...] = ()
    entry: Entry | None = None
    decided: Reading | None = None
    reported: Reading | None = None
    others: int = 0
    tested: bool = False
    tied: tuple[Row, ...] = ()
    fastest: Row | None = None
    seconds: float | None = None
    baseline: Baseline | None = None
    only_baselines: bool = False
    untried: tuple[Untried, ...] = ()
    varying: tuple[str, ...] = ()
    caveat: str = ""
    policy: str = ""
    judgement: Judgement | None = None
    choices: tuple[Choice, ...] = ()
    clusters: int | None = None
    classes: int = 0
    reason: str = ""

    @property
    def run(self) -> str:
        """Hash of the run to use, "" where nothing can be recommended."""
        return "" if self.row is None else self.row.config_hash


def verdicts(
    rows: Sequence[Row],
    tables: Sequence[Leaderboard],
    spaces: Sequence[Representation],
    policy: Policy,
    judgement: Judgement | None,
) -> list[Verdict]:
    """The verdict of each task that the rows of one data set have results of.

    Parameters
    ----------
    tables : the leaderboards of the rows
    spaces : their clusterings by representation
    policy : what chooses among clusterings without classes if there is no `judgement`
    """
    first = {task: next((table for table in tables if table.spec.head == task), None) for task in TASKS}
    made = []
    for task, table in first.items():
        if table is not None and table.spec.space is None:
            made.append(_ranked(task, table, policy.limits))
        elif task == CLUSTERING and any(space.candidates for space in spaces):
            chosen = judgement and judgement.chosen
            made.append(_judged(rows, judgement) if judgement and chosen else _by_policy(rows, spaces, policy))
    return made


def estimate(entry: Entry, name: str) -> Reading | None:
    """A metric of an entry, None where there is none or it is undefined."""
    value = entry.values.get(name)
    return None if value is None or value.mean != value.mean else Reading(name, value)


def is_baseline(row: Row) -> bool:
    """Whether a run shows what is gained over doing nothing, and is no answer."""
    return row.params["backbone.name"] in BASELINES


def _ranked(task: str, table: Leaderboard, limits: Limits) -> Verdict:
    """The first entry that is no baseline, with those that share its rank; nothing that is no clustering."""
    every = table.entries
    ranked = [each for each in every if task != CLUSTERING or eligibility.fault(each.row.metrics, limits) is None]
    entries = [entry for entry in ranked if not is_baseline(entry.row)]
    only = not entries
    if not ranked:
        return Verdict(task, reason="the leaderboard ranks none of its results, and says why")
    first, *others = entries or ranked
    compared = [entry for entry in others if entry.tested] if first.tested else []
    tied = [entry for entry in compared if entry.rank == first.rank]
    place = spending.fastest([entry.rows for entry in (first, *tied)], task) if tied else None
    names = REPORTED.get(task, (table.spec.rank,))
    spent = [entry.row for entry in table.entries]
    return Verdict(
        task,
        row=first.row,
        rows=first.rows,
        entry=first,
        decided=estimate(first, table.spec.rank),
        reported=_reported(first, names),
        others=len(compared) if compared else len(others),
        tested=bool(compared),
        tied=tuple(entry.row for entry in tied),
        fastest=None if place is None else (first, *tied)[place].row,
        seconds=spending.seconds(first.rows, task),
        baseline=None if only else _baseline(first, ranked, names),
        only_baselines=only,
        untried=missing.untried(task, spent, first.rows),
        varying=tuple(leaderboard_specs.varying(table.spec, spent)),
        caveat=table.spec.caveat,
        clusters=_clusters(first.row),
        classes=len(first.row.records.get(first.row.stages["dataset"], {}).get("info", {}).get("classes") or ()),
    )


def _reported(entry: Entry, names: Sequence[str]) -> Reading | None:
    return next((reading for name in names if (reading := estimate(entry, name))), None)


def _baseline(first: Entry, ranked: Sequence[Entry], names: Sequence[str]) -> Baseline | None:
    """The best baseline of the entries of a leaderboard."""
    best = next((entry for entry in ranked if is_baseline(entry.row)), None)
    if best is None:
        return None
    if not (best.tested and first.tested):
        standing = UNTESTED
    else:
        standing = TIED if best.rank == first.rank else BETTER if best.rank < first.rank else WORSE
    return Baseline(best.row, _reported(best, names), standing)


def _clusters(row: Row) -> int | None:
    clusters = row.metrics.get("clusters", row.params.get("k"))
    return None if clusters is None or clusters != clusters else int(clusters)


def _judged(rows: Sequence[Row], judgement: Judgement) -> Verdict:
    """What the judges chose; the best of the plausible ones where that works on a baseline."""
    empty = Verdict(CLUSTERING, policy="judges", judgement=judgement, reason=judgement.reason)
    plausible = [judged for judged in (judgement.chosen, *judgement.plausible) if judged is not None]
    best = next((judged for judged in plausible if judged.space.backbone not in BASELINES), None)
    judged = best or judgement.chosen
    by_run = {row.config_hash: row for row in rows}
    if judged is None or judged.candidate.run not in by_run:
        return empty
    chosen = judged
    others = [judged for judged in judgement.alternatives if judged.candidate.member != chosen.candidate.member]
    choices = tuple(_choice(each, by_run) for each in others if each.candidate.run in by_run)
    return _unlabelled(empty, rows, by_run[chosen.candidate.run], choices, only=best is None)


def _choice(judged: Judged, by_run: dict[str, Row]) -> Choice:
    return Choice(by_run[judged.candidate.run], _number(judged.candidate))


def _number(candidate: Candidate) -> int | None:
    return None if candidate.clusters != candidate.clusters else int(candidate.clusters)


def _unlabelled(
    empty: Verdict, rows: Sequence[Row], row: Row, choices: tuple[Choice, ...], only: bool, reason: str = ""
) -> Verdict:
    """A verdict for clusterings without classes, with the run to use."""
    clustered = [each for each in rows if CLUSTERING in each.heads]
    return replace(
        empty,
        row=row,
        rows=(row,),
        seconds=spending.seconds([row], CLUSTERING),
        only_baselines=only,
        untried=missing.untried(CLUSTERING, clustered, [row]),
        choices=choices,
        clusters=_clusters(row),
        reason=reason,
    )


def _by_policy(rows: Sequence[Row], spaces: Sequence[Representation], policy: Policy) -> Verdict:
    """What the policy chose: the answer where there is one representation; of several it ranks none above another."""
    by_run = {row.config_hash: row for row in rows}
    chosen, reasons = [], []
    answers = [space for space in spaces if space.backbone not in BASELINES]
    for space in answers or spaces:
        decision = selection.decide(space, policy)
        best = decision.chosen
        if best is not None and best.run in by_run and eligibility.fault(best.metrics, policy.limits) is None:
            chosen.append(Choice(by_run[best.run], _number(best), decision.reason))
        else:
            reasons.append(decision.reason)
    name = "internal" if policy.judged else policy.name
    empty = Verdict(CLUSTERING, policy=name, only_baselines=not answers)
    if not chosen:
        return replace(empty, reason=reasons[0] if reasons else "no clustering is done")
    if len(chosen) > 1:
        return replace(empty, choices=tuple(chosen))
    (choice,) = chosen
    return _unlabelled(empty, rows, choice.row, (), not answers, choice.reason)


def named_metrics(verdict: Verdict) -> dict[str, float]:
    """The means of the metrics of what is recommended, over its seeds where it has several."""
    if verdict.row is None:
        return {}
    values = {name: value for name, value in verdict.row.metrics.items() if catalogue.metric(name).task == verdict.task}
    means = {} if verdict.entry is None else {name: value.mean for name, value in verdict.entry.values.items()}
    return {name: value for name, value in {**values, **means}.items() if value == value}
