"""Where results come from and what is missing: failures, exclusions, versions, machines, time, and the commands."""

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from backbench import hashing
from backbench.engine.results import recorded
from backbench.engine.results.joined_run import Row
from backbench.reports._part import Part
from backbench.stage import KINDS
from backbench.store import FAILED

LINES = 100
RUNS_OF_FAILURE = 5
CIRCUMSTANCES = ("git", "cpu", "device", "threads", "platform")


def failures(part: Part) -> list[dict[str, Any]]:
    """Why runs failed: each reason with how many runs it stopped and the first of them."""
    groups: dict[str, list[str]] = {}
    for row in sorted(part.rows, key=lambda row: row.config_hash):
        if row.status == FAILED:
            groups.setdefault(str(row.reason), []).append(hashing.short(row.config_hash))
    return [
        {"reason": reason, "runs": runs[:RUNS_OF_FAILURE], "count": len(runs)}
        for reason, runs in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def excluded(part: Part) -> dict[str, Any]:
    """Files that the collection leaves out, with the reasons."""
    files = sorted((part.info.get("excluded") or {}).items())
    return {"files": files[:LINES], "count": len(files)}


def passed_over(part: Part) -> dict[str, Any]:
    """Clusterings that the policy did not choose from, with the reasons."""
    lines = [
        (choice["title"], clustering["name"], clustering["reason"])
        for choice in part.chosen
        for clustering in choice["decision"]["left_out"]
    ]
    return {"lines": lines[:LINES], "count": len(lines)}


def undefined(part: Part) -> list[tuple[str, str, int]]:
    """Metrics that some runs do not have: name, reason, number of runs."""
    counts: dict[tuple[str, str], int] = {}
    for row in part.rows:
        for name, reason in row.notes.items():
            if math.isnan(row.metrics.get(name, math.nan)):
                counts[name, reason] = counts.get((name, reason), 0) + 1
    return [(name, reason, n) for (name, reason), n in sorted(counts.items())]


def commit(parts: Iterable[Part]) -> str | None:
    """The commit that made all results; None where there were several, or changes that were not committed."""
    commits = {commit for part in parts for commit in recorded.values(part.rows, "git")}
    return next((commit for commit in commits if len(commits) == 1 and not commit.endswith("-dirty")), None)


def resolved(rows: Sequence[Row]) -> dict[str, list[tuple[str, str]]]:
    """The grid that the request came to: parameters that all runs share, and the values of the others."""
    values: dict[str, dict[str, Any]] = {}
    for row in rows:
        for name, value in row.params.items():
            values.setdefault(name, {})[str(value)] = value
    shared = {name for name in values if all(name in row.params for row in rows) and len(values[name]) == 1}
    shown = {name: ", ".join(sorted(values[name], key=partial(_place, values[name]))) for name in sorted(values)}
    return {
        "axes": [(name, text) for name, text in shown.items() if name not in shared],
        "same": [(name, text) for name, text in shown.items() if name in shared],
    }


def circumstances(part: Part) -> dict[str, str]:
    """Code, machines and times of the results of a data set, by the key of the provenance."""
    known = {key: ", ".join(recorded.values(part.rows, key)) for key in CIRCUMSTANCES}
    times = [record["provenance"].get("finished") for record in recorded.records(part.rows).values()]
    days = [_day(time) for time in sorted(time for time in times if time is not None)]
    known["finished"] = f"{days[0]} to {days[-1]}" if days else ""
    return {key: text for key, text in known.items() if text}


def seconds(part: Part) -> list[tuple[str, int, float]]:
    """Kind of stage, how many results of it, and what they took together, in the order of the chain."""
    times: dict[str, list[float]] = {}
    for record in recorded.records(part.rows).values():
        times.setdefault(record["kind"], []).append(record["provenance"].get("seconds") or 0.0)
    return [(kind, len(times[kind]), math.fsum(times[kind])) for kind in KINDS if kind in times]


def versions(part: Part) -> list[tuple[str, str]]:
    """Library and its version; where results differ, all of them."""
    return [(name, ", ".join(known)) for name, known in recorded.versions(part.rows).items()]


def classes(row: Row) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class of a classifier, the lowest recall first."""
    record: Mapping[str, Any] = row.heads.get("classification", {})
    per_class = record.get("info", {}).get("per_class", {})
    lines = [{"name": name, **values} for name, values in per_class.items()]
    return sorted(lines, key=lambda line: (-1.0 if line["recall"] is None else line["recall"], line["name"]))


def _place(values: Mapping[str, Any], text: str) -> tuple[bool, float, str]:
    """Numbers by size, before words."""
    value = values[text]
    number = isinstance(value, (int, float))
    return not number, value if number else 0, str(value)


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")
