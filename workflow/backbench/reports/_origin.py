"""Where results come from and what is missing: failures, exclusions, versions, machines, time, and the commands."""

import datetime
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backbench import hashing
from backbench.reports import _trust
from backbench.reports._part import Part
from backbench.stage import KINDS
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results.ledger import FAILED

LINES = 100
RUNS_OF_FAILURE = 5


def failures(part: Part) -> list[dict[str, Any]]:
    """Why runs failed: each reason with how many runs it stopped and the first of them."""
    groups: dict[str, list[str]] = {}
    for row in sorted(part.rows, key=lambda row: row.config_hash):
        if row.status == FAILED:
            groups.setdefault(row.reason, []).append(hashing.short(row.config_hash))
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
    found = [(one["title"], out["name"], out["reason"]) for one in part.chosen for out in one["decision"]["left_out"]]
    return {"lines": found[:LINES], "count": len(found)}


def undefined(part: Part) -> list[tuple[str, str, int]]:
    """Metrics that some runs do not have: name, reason, number of runs."""
    counts: dict[tuple[str, str], int] = {}
    for row in part.rows:
        for name, reason in row.notes.items():
            if math.isnan(row.metrics.get(name, math.nan)):
                counts[name, reason] = counts.get((name, reason), 0) + 1
    return [(name, reason, n) for (name, reason), n in sorted(counts.items())]


def request(plan: Plan) -> list[tuple[str, str]]:
    """How the sweep was asked for."""
    asked = plan.request
    policy = asked.get("selection") or {}
    said = [
        ("sweep", plan.sweep),
        ("plan", plan.hash),
        ("experiment", asked.get("experiment") or "–"),
        ("overrides", shlex.join(asked.get("overrides", [])) or "none"),
        ("selection policy", policy.get("name", "published")),
        ("pictures", asked.get("plots", "best")),
    ]
    return [(name, str(value)) for name, value in said]


def commands(plan: Plan, commits: Iterable[str]) -> list[tuple[str, str]]:
    """What to type to make the sweep again, with what each line does."""
    commits = list(commits)
    clean = [commit for commit in commits if len(commits) == 1 and not commit.endswith("-dirty")]
    words = shlex.join([".venv/bin/backbench", "sweep", *plan.request.get("overrides", [])])
    lines = [(f"git checkout {clean[0]}", "the code")] if clean else []
    lines += [
        ("make .venv/.ready", "installs the versions of requirements.lock into .venv"),
        (words, "the sweep; what is in the results folder already is not computed again"),
        (f".venv/bin/backbench report {hashing.short(plan.sweep)}", "this page"),
    ]
    return lines


def resolved(rows: Sequence[Any]) -> dict[str, list[tuple[str, str]]]:
    """The grid that the request came to: parameters that all runs share, and the values of the others."""
    values: dict[str, dict[str, Any]] = {}
    for row in rows:
        for name, value in row.params.items():
            values.setdefault(name, {})[str(value)] = value
    shared = {name for name in values if all(name in row.params for row in rows) and len(values[name]) == 1}
    shown = {name: ", ".join(sorted(own, key=lambda text: _place(own[text]))) for name, own in sorted(values.items())}
    return {
        "axes": [(name, text) for name, text in shown.items() if name not in shared],
        "same": [(name, text) for name, text in shown.items() if name in shared],
    }


def circumstances(part: Part) -> list[tuple[str, str]]:
    """Code, machines and times of the results of a data set."""
    named = {
        "git": "git commit",
        "cpu": "processor",
        "device": "device",
        "threads": "threads of a stage",
        "platform": "system",
    }
    found = [(words, ", ".join(sorted(_trust.circumstances(part, key)))) for key, words in named.items()]
    times = [record["provenance"].get("finished") for record in _trust.records(part).values()]
    times = sorted(time for time in times if time is not None)
    if times:
        found.append(("computed", f"{_day(times[0])} to {_day(times[-1])} UTC"))
    return [(words, text) for words, text in found if text]


def seconds(part: Part) -> list[tuple[str, int, float]]:
    """Kind of stage, how many results of it, and what they took together, in the order of the chain."""
    found: dict[str, list[float]] = {}
    for record in _trust.records(part).values():
        found.setdefault(record["kind"], []).append(record["provenance"].get("seconds") or 0.0)
    return [(kind, len(found[kind]), math.fsum(found[kind])) for kind in KINDS if kind in found]


def versions(part: Part) -> list[tuple[str, str]]:
    """Library and its version; where results differ, all of them."""
    return [(name, ", ".join(sorted(found))) for name, found in sorted(_trust.versions(part).items())]


def classes(row: Any) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class of a classifier, the lowest recall first."""
    record: Mapping[str, Any] = row.heads.get("classification", {})
    per_class = record.get("info", {}).get("per_class", {})
    found = [{"name": name, **values} for name, values in per_class.items()]
    return sorted(found, key=lambda one: (-1.0 if one["recall"] is None else one["recall"], one["name"]))


def _place(value: Any) -> tuple:
    """Numbers by size, before words."""
    number = isinstance(value, (int, float))
    return not number, value if number else 0, str(value)


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")
