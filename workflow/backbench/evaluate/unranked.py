"""Clusterings that a leaderboard shows and does not rank, each with the reason."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backbench.engine.results.joined_run import Row
from backbench.evaluate import eligibility
from backbench.evaluate.configurations import Configuration
from backbench.evaluate.eligibility import Fault, Limits
from backbench.evaluate.leaderboard_specs import LeaderboardSpec
from backbench.metrics import catalogue
from backbench.metrics.catalogue import CLUSTERING


@dataclass(frozen=True)
class Unranked:
    """One configuration that is no clustering: its results, one for each seed, their mean metrics, and why.

    `faulty` is how many of the seeds are no clustering; `fault` is the most frequent reason among them.
    """

    rows: tuple[Row, ...]
    values: Mapping[str, float]
    fault: Fault
    faulty: int

    @property
    def row(self) -> Row:
        """The row of the first seed."""
        return self.rows[0]

    @property
    def params(self) -> dict[str, Any]:
        return self.row.params

    @property
    def config_hash(self) -> str:
        return self.row.config_hash

    @property
    def reason(self) -> str:
        """Why it is not ranked."""
        seeds = f" ({self.faulty} of {len(self.rows)} seeds)" if self.faulty < len(self.rows) else ""
        return f"{self.fault}{seeds}"


def divided(
    spec: LeaderboardSpec, groups: Sequence[Configuration], limits: Limits
) -> tuple[list[Configuration], tuple[Unranked, ...]]:
    """Configurations to rank, and those that are not ranked in the order of the metric, undefined values last.

    A configuration is not ranked if at least half of its seeds are no clustering. If fewer are, all seeds count in its
    mean, and those that are a clustering come first, so that none of the others stands for it.
    """
    kept: list[Configuration] = []
    left_out: list[Unranked] = []
    for group in groups:
        faults = [_fault(spec, row, limits) for row in group.rows]
        reasons = [reason for reason in faults if reason is not None]
        if reasons and 2 * len(reasons) >= len(faults):
            left_out.append(Unranked(group.rows, _means(spec, group.rows), _frequent(reasons), len(reasons)))
        else:
            kept.append(_ordered(spec, group, faults))
    left_out.sort(key=lambda other: (-_known(other.values.get(spec.rank), spec.sign), other.config_hash))
    return kept, tuple(left_out)


def words(left_out: Sequence[Unranked]) -> str:
    """How many are not ranked for which reasons, in a sentence; empty where there are none."""
    return f"Not ranked: {eligibility.counted(other.fault for other in left_out)}." if left_out else ""


def _fault(spec: LeaderboardSpec, row: Row, limits: Limits) -> Fault | None:
    if spec.head != CLUSTERING:
        return None
    reason = eligibility.find(row.metrics, limits)
    if reason is None and math.isnan(row.metrics[spec.rank]):
        note = row.notes.get(spec.rank, "").replace("{", "{{").replace("}", "}}")
        return Fault(": ".join(filter(None, (f"{catalogue.metric(spec.rank).title} undefined", note))))
    return reason


def _frequent(reasons: Sequence[Fault]) -> Fault:
    """The most frequent of some reasons, with its largest share."""
    about = Counter(reason.about for reason in reasons).most_common(1)[0][0]
    return max((reason for reason in reasons if reason.about == about), key=lambda reason: _known(reason.share))


def _ordered(spec: LeaderboardSpec, group: Configuration, faults: Iterable[Fault | None]) -> Configuration:
    """A configuration whose seeds without a fault come first, and without those that lack the metric."""
    pairs = [pair for pair in zip(group.rows, faults, strict=True) if not math.isnan(pair[0].metrics[spec.rank])]
    return replace(group, rows=tuple(row for row, _ in sorted(pairs, key=lambda pair: pair[1] is not None)))


def _means(spec: LeaderboardSpec, rows: Iterable[Row]) -> dict[str, float]:
    """Means over seeds of the metrics of a leaderboard that are defined."""
    values = {name: [row.metrics[name] for row in rows if name in row.metrics] for name in spec.metrics}
    kept = {name: [value for value in column if not math.isnan(value)] for name, column in values.items()}
    return {name: statistics.fmean(column) for name, column in kept.items() if column}


def _known(value: float | None, sign: int = 1) -> float:
    return -math.inf if value is None or math.isnan(value) else sign * value
