"""All runs of a data set as plain numbers for the page's script, which shows a hundred at a time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from backbench import hashing
from backbench.engine.results import tables
from backbench.engine.results.joined_run import FINISHED, Row
from backbench.evaluate import leaderboard_specs
from backbench.metrics import catalogue
from backbench.reports import _columns
from backbench.reports._boards import FILTER_VALUES, label
from backbench.reports._part import Part

# Beyond these the page would be slow and large: the first by rank are in it.
RUNS = 3_000
DIGITS = 6
NO_COLUMN = ("name", "config_hash", "reason", "code")
# What clusterings and retrieval are ranked by.
MAIN = (catalogue.main("clustering"), catalogue.UNLABELLED, catalogue.main("retrieval"))


def table(part: Part) -> dict[str, Any]:
    """Columns and rows as JSON, the best runs first.

    What tells no runs apart has no column: it is the same in all, or follows from the plugin. ``hidden`` is how many
    runs are left out.
    """
    rows = sorted(part.rows, key=_merit)
    records = [tables.flatten(row) for row in rows[:RUNS]]
    names = [name for name in tables.columns(records) if name not in NO_COLUMN and not name.startswith(tables.SECONDS)]
    values = {name: [_plain(record.get(name)) for record in records] for name in names}
    metrics = {name for row in rows for name in row.metrics}
    kept = _ordered([name for name in names if _telling(name, values, metrics)], metrics)
    columns = [_column(name, values[name], metrics) for name in kept]
    body = [
        [*(values[name][at] for name in kept), hashing.short(row.config_hash)] for at, row in enumerate(rows[:RUNS])
    ]
    ranked = [catalogue.metric(name).words for name in (*leaderboard_specs.CHOOSERS, *MAIN)]
    minor = _columns.minor_runs(columns, body, ranked)
    listed = [{**column, "minor": at in minor} for at, column in enumerate(columns)]
    return {"columns": listed, "rows": body, "hidden": max(0, len(rows) - RUNS)}


def _merit(row: Row) -> tuple[Any, ...]:
    """Place of a run: those that are done first, then by the metrics that the leaderboards rank by."""
    others = [row.metrics.get(name, math.nan) for name in MAIN]
    scores = [leaderboard_specs.choosing(row.metrics), *others]
    return row.status != FINISHED, *(math.inf if math.isnan(score) else -score for score in scores), row.config_hash


def _telling(name: str, values: Mapping[str, Sequence[Any]], metrics: set[str]) -> bool:
    """Whether a column says more than those before it."""
    column = values[name]
    if all(value is None for value in column):
        return False
    group = name.split(".")[0]
    if name in metrics or name == f"{group}.name" or "." not in name:
        return name in metrics or len(set(map(str, column))) > 1
    # A chain that all heads share, and an option that each plugin has one value of, are said already.
    before = values.get("chain" if name.endswith(".chain") else f"{group}.name", [""] * len(column))
    return len(set(zip(map(str, before), map(str, column), strict=True))) > len(set(map(str, before)))


def _ordered(names: Sequence[str], metrics: set[str]) -> list[str]:
    """Status, the plugins and k, other parameters, then metrics in the order of the catalogue."""
    first = ("status", "backbone.name", "chain", "clusterer.name", "k", "seed", "classifier.name")
    order = {name: at for at, name in enumerate((*first, *catalogue.COLUMNS))}
    return sorted(names, key=lambda name: (name in metrics, order.get(name, len(order)), name))


def _column(name: str, values: Sequence[Any], metrics: set[str]) -> dict[str, Any]:
    numeric = all(isinstance(value, (int, float, type(None))) and not isinstance(value, bool) for value in values)
    distinct = {str(value) for value in values if value is not None}
    metric = catalogue.metric(name) if name in metrics else None
    return {
        "label": metric.words if metric else _label(name),
        "kind": "number" if numeric else "text",
        "down": metric is not None and metric.direction >= 0,
        "decimals": metric.decimals if metric and any(isinstance(value, float) for value in values) else 0,
        "filtered": _axis(name) and 1 < len(distinct) <= FILTER_VALUES,
    }


def _axis(name: str) -> bool:
    """Whether runs are filtered by it: plugins, chains, k, seed and status; options are found by the search."""
    return name.endswith((".name", "chain")) or name in ("k", "seed", "status")


def _label(name: str) -> str:
    """Short where that is clear: options keep the name of their group."""
    return label(name) if name.endswith(".name") or "." not in name else name


def _plain(value: Any) -> Any:
    """A value as JSON has it; an undefined number is null, a long one is rounded."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, (int, str)) else str(value)
