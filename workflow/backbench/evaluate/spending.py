"""Seconds that a result took by the records of its stages, and which of several results took the fewest."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from backbench.engine.plan import frozen as plans
from backbench.engine.results.joined_run import Row

FEATURES = "features"


def seconds(rows: Sequence[Row], head: str, without: frozenset[str] = frozenset()) -> float | None:
    """Mean seconds of the fit, the chain and the extraction over the seeds of a configuration.

    `without` are stages that are not counted. None where a record is missing, or where all features were taken from
    other collections, so that no extraction was timed.
    """
    totals = [_row(row, head, without) for row in rows]
    known = [total for total in totals if total is not None]
    return statistics.fmean(known) if known and len(known) == len(totals) else None


def fastest(groups: Sequence[Sequence[Row]], head: str) -> int | None:
    """The place of the configuration that took the fewest seconds.

    Stages that all of them share are left out. None where the times cannot be compared: one is not known, or they were
    taken on several processors or devices.
    """
    if len(_machines(groups, head)) > 1:
        return None
    shared = frozenset.intersection(*(_members(row, head) for group in groups for row in group))
    times = [seconds(rows, head, shared) for rows in groups]
    known = [time for time in times if time is not None]
    return times.index(min(known)) if known and len(known) == len(times) else None


def _members(row: Row, head: str) -> frozenset[str]:
    """The stages that count: the fit and those before it but for the reading of the images."""
    kinds = (FEATURES, "matrix", head)
    before = plans.ancestors(row.plan.stages, [row.run.stages[head]])
    return frozenset(member for member in before if row.plan.stages[member].kind in kinds)


def _machines(groups: Sequence[Sequence[Row]], head: str) -> set[tuple[str, str, str]]:
    """Kind of stage, processor and device of every extraction and fit, without what is the same for each kind."""
    places: dict[str, set[tuple[str, str, str]]] = {}
    for row in (row for group in groups for row in group):
        for member in _members(row, head):
            provenance = row.records.get(member, {}).get("provenance", {})
            kind = row.plan.stages[member].kind
            place = (kind, str(provenance.get("cpu")), str(provenance.get("device")))
            places.setdefault(kind, set()).add(place)
    return set().union(*(several for several in places.values() if len(several) > 1)) if places else set()


def _row(row: Row, head: str, without: frozenset[str]) -> float | None:
    n = row.records.get(row.stages["dataset"], {}).get("info", {}).get("n")
    times = [_stage(row.records.get(member), n) for member in sorted(_members(row, head) - without)]
    return sum(time for time in times if time is not None) if None not in times else None


def _stage(record: Mapping[str, Any] | None, n: int | None) -> float | None:
    """Seconds of a stage; of features of which some rows were known before, as if all had been computed."""
    if record is None or "seconds" not in record.get("provenance", {}):
        return None
    time, known = float(record["provenance"]["seconds"]), record.get("info", {}).get("rows", {}).get("known", 0)
    if not known:
        return time
    return time * n / (n - known) if n and n > known else None
