"""The distinct results behind a figure: those that are done, why others failed, and how many are to come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backbench.engine.plan import frozen
from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations
from backbench.evaluate.estimates import Estimate
from backbench.metrics import catalogue
from backbench.papers import sentences
from backbench.papers.published import DERIVED, OF_CLASS, Value
from backbench.store import DONE, FAILED

CLUSTERING, CLASSIFICATION = "clustering", "classification"


@dataclass(frozen=True)
class Taken:
    """A figure of ours: its value or the `reason` why there is none.

    `rows` are the runs behind it, one for each fit, and `values` the figure in each, where it is a number;
    `estimate` has the interval, over seeds, ``trainings`` or images; `samples` counts what its mean is over. `notes`
    are sentences; `apart` tells it from others of the same figure.
    """

    value: Value
    rows: Sequence[Row] = ()
    estimate: Estimate | None = None
    samples: int = 0
    chance: bool = False
    notes: Sequence[str] = ()
    reason: str = ""
    apart: str = ""
    values: Sequence[float] = ()


@dataclass
class Results:
    """A row for each result of a task that is done, seeds in their order; the reasons of those that failed."""

    task: str
    done: list[Row] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    pending: int = 0

    @property
    def chance(self) -> bool:
        """Whether they depend on a seed, be it that of a training or of a chain."""
        return bool(self.done) and bool(configurations.seeds(self.done[0], self.task))

    def record(self, row: Row) -> Mapping[str, Any]:
        return row.records[row.run.stages[self.task]]

    def lacks(self) -> list[str]:
        """What is not there, as sentences."""
        asked = len(self.done) + len(self.failed) + self.pending
        failed = [sentences.some_failed(len(self.failed), asked, self.failed[0])] if self.failed else []
        return failed + ([sentences.some_pending(self.pending, asked)] if self.pending else [])

    def none(self) -> Taken:
        """That there is no value though runs match, and why."""
        return Taken(None, reason=sentences.no_result(self.failed, self.pending, self.task))


def task_of(metric: str) -> str:
    """The task that the metric of a figure is of."""
    if metric in OF_CLASS:
        return CLASSIFICATION
    return CLUSTERING if metric in DERIVED else catalogue.metric(metric).task


def results(rows: Sequence[Row], task: str) -> Results:
    """The distinct results of a task among `rows`: runs that share one, such as those of a fit that no seed changes,
    count once. A result counts also where another task of its run failed."""
    distinct = Results(task)
    first: dict[str, Row] = {}
    for row in rows:
        if task in row.run.stages:
            first.setdefault(row.run.stages[task], row)
    for member, row in sorted(first.items(), key=lambda item: (configurations.seeds(item[1], task), item[0])):
        before = sorted(frozen.ancestors(row.plan.stages, [member]))
        records = [record for key in (member, *before) if (record := row.records.get(key))]
        reason = next((record["reason"] for record in records if record["status"] == FAILED), None)
        if member in row.records and row.records[member]["status"] == DONE:
            distinct.done.append(row)
        elif reason:
            distinct.failed.append(reason)
        else:
            distinct.pending += 1
    return distinct
