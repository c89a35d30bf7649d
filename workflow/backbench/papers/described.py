"""Cells of a preset and runs of a sweep in the same words: dotted options with the values that they come to.

Places (paths, addresses) are left out: they are no part of a result.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from backbench import classifiers, clusterers, plugins, transforms
from backbench.engine.plan import options as tasks
from backbench.engine.results.joined_run import Row
from backbench.schema import ConfigError

NONE, AUTO, FILE = "none", "auto", "file"
# Task -> the option that says whether it is there.
TASKS = {"clustering": "clusterer.name", "classification": "classifier.name", "retrieval": "retrieval.metric"}
GROUPS = ("dataset", "backbone", "clusterer", "classifier")
# Beside a plugin's UNHASHED: what the content of the images says.
CONTENT = ("digest", "n")

Options = dict[str, Any]


def of_cells(cells: Iterable[Mapping[str, Any]]) -> list[Options]:
    """The options of each cell of a preset."""
    return [_cell(cell) for cell in cells]


def of_rows(rows: Iterable[Row]) -> list[Options]:
    """The options of each run, those that were asked for where a plugin settled them itself."""
    return [_row(row) for row in rows]


def text(value: Any) -> str:
    """A value as text that is equal for equal values: 10 and 10.0 are, 10 and "10" are not."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _cell(cell: Mapping[str, Any]) -> Options:
    options: Options = {}
    for group in GROUPS:
        options |= _known(group, _json(cell.get(group) or {"name": NONE}), settle=True)
    options |= _retrieval(cell.get("retrieval") or {})
    for task, there in TASKS.items():
        if options[there] != NONE:
            chain = cell.get(task, {}).get("chain") or cell.get("chain") or {}
            options |= _chain(task, _json([step for _, step in sorted((chain.get("steps") or {}).items())]))
    if options["clusterer.name"] != NONE:
        asked = {key: value for key, value in cell["clustering"].items() if key != "chain"}
        options |= _dotted("clustering", dataclasses.asdict(tasks.clustering(asked)))
    axes = _clusterer_axes(cell) | _classifier_axes(options["classifier.name"])
    return options | {axis: cell[axis] for axis in axes if axis in cell}


def _clusterer_axes(cell: Mapping[str, Any]) -> frozenset[str]:
    asked = cell.get("clusterer") or {"name": NONE}
    if asked["name"] == NONE:
        return frozenset()
    return clusterers.axes(clusterers.load(asked["name"]), tasks.clusterer(asked))


def _classifier_axes(name: str) -> frozenset[str]:
    return frozenset() if name == NONE else classifiers.load(name).AXES


def _row(row: Row) -> Options:
    options: Options = {}
    for group, kind in zip(GROUPS, ("dataset", "features", "clustering", "classification"), strict=True):
        given = _given(row, kind, group) if kind in row.stages else {"name": NONE}
        options |= _known(group, _json(given), settle=False)
    options |= _retrieval(row.config["retrieval"]["config"] if "retrieval" in row.stages else {})
    for task in TASKS:
        if task in row.stages:
            matrix = row.stages.get(f"{task}.matrix")
            options |= _chain(task, _json(row.plan.stages[matrix].config["steps"] if matrix else ()))
    if "clustering" in row.stages:
        config = row.config["clustering"]["config"]
        options |= {f"clustering.{key}": config.get(key, 0) for key in ("scope", "bootstraps")}
    return options | {axis: row.params[axis] for axis in ("k", "seed") if axis in row.params}


def _given(row: Row, kind: str, group: str) -> Options:
    """The options of a plugin in a run: its stage's, with what was asked for where the plugin put another word."""
    stage = row.plan.stages[row.stages[kind]]
    asked = {key: value for key, value in stage.local.items() if key not in stage.config}
    options = {**stage.config.get(group, stage.config), **asked}
    if options.get("weights") == FILE and "weights" in stage.local:
        options["weights"] = Path(stage.local["weights"]).name
    if kind == "features" and "images" in row.stages and not row.parts:
        options["image"] = row.config["images"]["config"]
    return options


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


@cache
def _known(group: str, given: str, settle: bool) -> Options:
    """Every option of a plugin but the places, those at their defaults too, from JSON.

    With `settle`, as planning settles them; what was left to the plugin stays ``auto``.
    """
    options = json.loads(given)
    name = options.get("name", NONE)
    if name == NONE:
        return {f"{group}.name": NONE}
    module = plugins.load(group, name)
    fields = {field.name for field in dataclasses.fields(module.Params)}
    asked = {key: value for key, value in options.items() if key in fields}
    places = {*getattr(module, "UNHASHED", ()), *(CONTENT if group == "dataset" else ())}
    absent = {key: None for key in places & fields if key not in asked}
    try:
        full = dataclasses.asdict(plugins.params(group, {"name": name, **absent, **asked}))
    except ConfigError:
        full = asked
    full = {key: value for key, value in full.items() if key not in places}
    if settle and hasattr(module, "resolve"):
        try:
            settled = dataclasses.asdict(module.resolve(plugins.params(group, options), "cpu"))
        except ConfigError:
            settled = {}
        full = {key: value if value == AUTO else settled.get(key, value) for key, value in full.items()}
    return _dotted(group, {"name": name, **full})


def _retrieval(options: Mapping[str, Any]) -> Options:
    if options.get("metric") in (None, NONE):
        return {"retrieval.metric": NONE}
    asked = {key: value for key, value in options.items() if key != "chain"}
    return _dotted("retrieval", dataclasses.asdict(tasks.retrieval(asked)))


@cache
def _chain(task: str, steps: str) -> Options:
    """The readable name of a task's chain (`Row.chain`), and the options of its steps, from JSON."""
    parsed = [(step["name"], plugins.params("transform", step)) for step in json.loads(steps)]
    labels = [transforms.load(name).label(params) for name, params in parsed]
    options: Options = {f"{task}.chain": "+".join(labels) or NONE}
    for name, params in parsed:
        options |= _dotted(f"{task}.chain.{name}", dataclasses.asdict(params))
    return options


def _dotted(prefix: str, options: Mapping[str, Any]) -> Options:
    """Options with dotted names, nested ones too; tuples as the lists that YAML has."""
    flat: Options = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            flat |= _dotted(f"{prefix}.{key}", value)
        else:
            flat[f"{prefix}.{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
