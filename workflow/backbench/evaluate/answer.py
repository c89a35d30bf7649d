"""What the runs of a sweep answer: leaderboards, clusterings by representation, decisions.

Each part is computed when it is first asked for, and once: whoever prints, reports and tracks a sweep shares one
`SweepAnswer`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import FINISHED, PENDING, Row
from backbench.evaluate import (
    agreement,
    candidates,
    judging,
    leaderboard_specs,
    leaderboards,
    learning_curves,
    recommendations,
)
from backbench.evaluate import verdicts as decided
from backbench.evaluate.agreement import Agreement
from backbench.evaluate.candidates import Representation
from backbench.evaluate.judging import Judgement
from backbench.evaluate.leaderboards import Leaderboard, Progress, quiet
from backbench.evaluate.learning_curves import Curve
from backbench.evaluate.selection import Policy
from backbench.evaluate.verdicts import Verdict
from backbench.files import write_if_changed
from backbench.store import FAILED, Store

FILE = "selection.json"


@dataclass(frozen=True, eq=False)
class DatasetAnswer:
    """What the runs on one data set answer."""

    rows: Sequence[Row]
    store: Store
    progress: Progress = quiet

    @cached_property
    def representations(self) -> list[Representation]:
        """The clusterings by feature matrix and scope."""
        return candidates.representations(self.rows)

    @cached_property
    def leaderboards(self) -> list[Leaderboard]:
        """The leaderboards that the runs can fill."""
        return leaderboards.of_dataset(self.rows, self.store, self.progress, self.representations, self.policy.limits)

    @cached_property
    def agreements(self) -> list[Agreement]:
        """Each internal metric beside each external one, in every feature space."""
        return agreement.agreements(self.representations)

    @cached_property
    def policy(self) -> Policy:
        """The policy of the newest sweep that the rows are of."""
        return recommendations.policy_of(recommendations.newest(row.plan for row in self.rows))

    @cached_property
    def judgement(self) -> Judgement | None:
        """What independent judges say of the clusterings; None where no sweep asked them, or another policy chooses."""
        if not self.policy.judged:
            return None
        return judging.judgement(self.rows, self.representations, self.store, self.policy.limits, self.progress)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """What to use for each task, and how sure that is."""
        return decided.verdicts(self.rows, self.leaderboards, self.representations, self.policy, self.judgement)

    @cached_property
    def learning_curves(self) -> list[Curve]:
        """How good classifiers are by the number of training images of each class, where several numbers were tried."""
        return learning_curves.curves(self.rows, self.store)

    @property
    def name(self) -> str:
        """What the collection is called."""
        return self.rows[0].collection

    @property
    def info(self) -> Mapping[str, Any]:
        """What the record of the data set says; empty where it was not read."""
        info: Mapping[str, Any] = self.rows[0].records.get(self.rows[0].stages["dataset"], {}).get("info", {})
        return info

    @property
    def images(self) -> bool:
        """Whether there are images, not embeddings alone."""
        return any("images" in row.stages for row in self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are there for each status."""
        return {status: sum(row.status == status for row in self.rows) for status in (FINISHED, FAILED, PENDING)}


@dataclass(frozen=True, eq=False)
class SweepAnswer:
    """What the runs of a plan answer; `rows` are all of them, in any order."""

    plan: Plan
    rows: Sequence[Row]
    store: Store
    progress: Progress = quiet

    @cached_property
    def datasets(self) -> dict[str, DatasetAnswer]:
        """The answer on each data set, by a title that says its name, size and hash."""
        return by_dataset(self.rows, self.store, self.progress)

    @cached_property
    def representations(self) -> list[Representation]:
        """The clusterings of all data sets by feature matrix and scope."""
        if len(self.datasets) == 1:
            return next(iter(self.datasets.values())).representations
        return candidates.representations(self.rows)

    @cached_property
    def selection(self) -> Mapping[str, Any]:
        """The decisions of the sweep by its policy, as they are written."""
        judgements = {answer.rows[0].stages["dataset"]: answer.judgement for answer in self.datasets.values()}
        return recommendations.recorded(self.plan, self.representations, judgements)

    def write(self) -> Path:
        """Write the decisions beside the joined results, unless the file has them already; returns its path."""
        path = self.plan.folder / FILE
        write_if_changed(path, json.dumps(self.selection, indent=1, allow_nan=False) + "\n")
        return path

    def named(self, name: str) -> list[DatasetAnswer]:
        """The answers on the data sets of this name."""
        return [each for each in self.datasets.values() if each.name == name]

    def of_dataset(self, name: str) -> list[Row]:
        """The rows of the data sets of this name, by their hashes."""
        return sorted((row for row in self.rows if row.collection == name), key=lambda row: row.config_hash)


def by_dataset(rows: Iterable[Row], store: Store, progress: Progress = quiet) -> dict[str, DatasetAnswer]:
    """The answer of rows of any sweeps on each data set, by its title."""
    groups = leaderboard_specs.by_dataset(rows)
    return {title: DatasetAnswer(group, store, progress) for title, group in groups.items()}


def joined(plan: Plan, store: Store) -> SweepAnswer:
    """What the joined results of a sweep answer."""
    return SweepAnswer(plan, ledger.rows(plan, ledger.joined_records(plan)), store)
