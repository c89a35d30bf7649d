"""The distinct results behind a figure: those that are done, why others failed, and how many are to come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backbench.evaluate import configurations
from backbench.metrics import catalogue
from backbench.papers.line import counted
from backbench.papers.published import DERIVED, OF_CLASS
from backbench.store import DONE, FAILED
from backbench.sweep.plan import frozen as plans
from backbench.sweep.results.ledger import Row

CLUSTERING, CLASSIFICATION = "clustering", "classification"


@dataclass
class Results:
    """A row for each result of a head that is done, seeds in their order; the reasons of those that failed."""

    head: str
    done: list[Row] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    pending: int = 0

    @property
    def asked(self) -> int:
        return len(self.done) + len(self.failed) + self.pending

    @property
    def chance(self) -> bool:
        """Whether they depend on a seed, be it that of a training or of a chain."""
        return bool(self.done) and bool(configurations.seeds(self.done[0], self.head))

    def record(self, row: Row) -> Mapping[str, Any]:
        return row.records[row.run.stages[self.head]]

    def lacks(self) -> list[str]:
        """What is not there, as sentences."""
        found = [f"{len(self.failed)} of {self.asked} fits failed: {self.failed[0]}."] if self.failed else []
        return [*found, f"{self.pending} of {self.asked} fits are not computed yet."] if self.pending else found

    def why_none(self) -> str:
        """Why there is no value though runs match."""
        if self.failed:
            return f"failed: {self.failed[0]}"
        return f"not computed yet ({counted(self.pending, 'fits')})" if self.pending else f"no run has a {self.head}"


def head_of(metric: str) -> str:
    """The head that the metric of a figure is of."""
    if metric in OF_CLASS:
        return CLASSIFICATION
    return CLUSTERING if metric in DERIVED else catalogue.metric(metric).task


def results(rows: Sequence[Row], head: str) -> Results:
    """The distinct results of a head among `rows`: runs that share one, such as those of a fit that no seed changes,
    count once. A result counts also where another head of its run failed."""
    found = Results(head)
    first: dict[str, Row] = {}
    for row in rows:
        if head in row.run.stages:
            first.setdefault(row.run.stages[head], row)
    for member, row in sorted(first.items(), key=lambda item: (configurations.seeds(item[1], head), item[0])):
        record = row.records.get(member)
        if record and record["status"] == DONE:
            found.done.append(row)
        elif reason := _failure(row, member):
            found.failed.append(reason)
        else:
            found.pending += 1
    return found


def _failure(row: Row, member: str) -> str | None:
    """Why a result, or one before it, failed."""
    before = sorted(plans.ancestors(row.plan.stages, [member]))
    records = (row.records.get(one) for one in (member, *before))
    return next((record["reason"] for record in records if record and record["status"] == FAILED), None)
