"""The runs of a sweep on one data set, with what is derived from them: what a section of the page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from backbench import hashing, wording
from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import FINISHED, PENDING, Row
from backbench.evaluate import agreement, candidates, leaderboards, recommendations
from backbench.evaluate.answer import DatasetAnswer
from backbench.evaluate.verdicts import Verdict
from backbench.metrics import catalogue
from backbench.store import DONE, FAILED, Store

# What internal metrics are held against.
EXTERNAL = catalogue.main("clustering")


@dataclass(frozen=True)
class Part:
    """One data set of a sweep.

    `selection` is what was chosen in the whole sweep (``selection.json``); `twin` says that another data set of it has
    the same name.
    """

    plan: Plan
    answer: DatasetAnswer
    selection: Mapping[str, Any] = field(repr=False)
    twin: bool = False

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The runs, by their hashes."""
        return sorted(self.answer.rows, key=lambda row: row.config_hash)

    @property
    def store(self) -> Store:
        return self.answer.store

    @cached_property
    def member(self) -> str:
        """Hash of the data set."""
        return self.rows[0].stages["dataset"]

    @cached_property
    def key(self) -> str:
        """What the anchors of this data set end with."""
        return hashing.short(self.member)

    @cached_property
    def name(self) -> str:
        return self.rows[0].collection

    @cached_property
    def called(self) -> str:
        """What people call it: of two namesakes, each with the start of its hash."""
        return f"{self.name} {self.key[:6]}" if self.twin else self.name

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """What the record of the data set says; empty where it was not read."""
        info: Mapping[str, Any] = self.rows[0].records.get(self.member, {}).get("info", {})
        return info

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes; empty where there are none."""
        return [str(name) for name in self.info.get("classes") or ()]

    @cached_property
    def about(self) -> str:
        """Name and size, such as ``fashion_mnist (3,000 images in 10 classes)``."""
        if "n" not in self.info:
            return self.called
        kind = "image" if self.images else "row"
        classes = f" in {wording.counted(len(self.classes), 'class')}" if self.classes else ", without labels"
        return f"{self.called} ({wording.counted(self.info['n'], kind)}{classes})"

    @cached_property
    def images(self) -> bool:
        """Whether there are images, not embeddings alone."""
        return any(stage.kind == "images" for stage in self.plan.stages.values())

    @cached_property
    def boards(self) -> "list[leaderboards.Leaderboard]":
        """The leaderboards, those too of which nothing is ranked."""
        return [table for table in self.answer.leaderboards if table.entries or table.unranked]

    @cached_property
    def tables(self) -> "list[leaderboards.Leaderboard]":
        """The leaderboards of which something is ranked, best first."""
        return [table for table in self.answer.leaderboards if table.entries]

    def table(self, head: str) -> "leaderboards.Leaderboard | None":
        """The first leaderboard of a head."""
        return next((table for table in self.tables if table.spec.head == head), None)

    def verdict(self, task: str) -> Verdict | None:
        """What to use for a task, None where it has no results."""
        return next((verdict for verdict in self.answer.verdicts if verdict.task == task), None)

    @cached_property
    def agreements(self) -> "list[agreement.Agreement]":
        """Each internal metric beside the classes, in every representation; the choice that costs most first."""
        known = [pair for pair in self.answer.agreements if pair.external == EXTERNAL]
        return sorted(known, key=lambda pair: (-pair.cost, pair.space, pair.matrix, pair.internal))

    @cached_property
    def disagreements(self) -> "list[agreement.Agreement]":
        """Those where choosing by the internal metric costs much."""
        return [pair for pair in self.agreements if pair.notable]

    @cached_property
    def chosen(self) -> list[Mapping[str, Any]]:
        """What the policy chose in each representation of this data set."""
        return [choice for choice in self.selection["representations"] if choice["dataset_hash"] == self.member]

    @cached_property
    def policy(self) -> str:
        return str(recommendations.policy_of(self.plan))

    @cached_property
    def audit(self) -> Mapping[str, Any] | None:
        """The report of the audit of the images, None where none was made."""
        for key, stage in self.plan.stages.items():
            if stage.kind == "audit" and stage.parents["dataset"][1] == self.member:
                record = self.rows[0].records.get(key)
                if record and record["status"] == DONE:
                    info: Mapping[str, Any] = record["info"]
                    return info
        return None

    def count(self, status: str) -> int:
        """How many runs have come out so: ``finished``, ``failed``, ``pending``."""
        return sum(row.status == status for row in self.rows)

    @cached_property
    def counts(self) -> dict[str, int]:
        return {status: self.count(status) for status in (FINISHED, FAILED, PENDING)}

    def values(self, *names: str) -> list[Any]:
        """The values that parameters of these names have in the sweep, each once."""
        return list(dict.fromkeys(row.params[name] for row in self.rows for name in names if name in row.params))

    @cached_property
    def ks(self) -> list[int]:
        """The numbers of clusters that were tried."""
        return sorted(self.values("k"))

    @cached_property
    def spaces(self) -> list[candidates.Representation]:
        """The representations in which something was clustered."""
        return self.answer.representations
