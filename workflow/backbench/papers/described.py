"""Cells of a preset and runs of a sweep in the same words: dotted options with the values that they come to.

Places (paths, addresses) are left out: they are no part of a result.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import plugins
from backbench.schema import ConfigError
from backbench.sweep.plan import options as heads
from backbench.sweep.results.ledger import Row

NONE, AUTO, FILE = "none", "auto", "file"
# Plugins that a head stands on, and its own; of a retrieval there is none.
HEADS = {"clustering": "clusterer", "classification": "classifier", "retrieval": "retrieval"}
GROUPS = ("dataset", "backbone", "clusterer", "classifier")
# Beside a plugin's UNHASHED: what the content of the images says.
CONTENT = ("digest", "n")

Options = dict[str, Any]


def of_cells(cells: Iterable[Mapping[str, Any]]) -> list[Options]:
    """The options of each cell of a preset; a cell is a tree, or flat with dotted keys."""
    known: dict[str, Options] = {}
    return [_cell(_tree(cell), known) for cell in cells]


def of_rows(rows: Iterable[Row]) -> list[Options]:
    """The options of each run, those that were asked for where a plugin settled them itself."""
    known: dict[str, Options] = {}
    return [_row(row, known) for row in rows]


def text(value: Any) -> str:
    """A value as text that is equal for equal values: 10 and 10.0 are, 10 and "10" are not."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _cell(cell: Mapping[str, Any], known: dict[str, Options]) -> Options:
    found: Options = {}
    for group in GROUPS:
        options = cell.get(group) or {"name": NONE}
        key = group + json.dumps(options, sort_keys=True, default=str)
        if key not in known:
            known[key] = _prefixed(group, _planned(group, options))
        found |= known[key]
    found |= _prefixed("retrieval", _retrieval(cell.get("retrieval") or {}))
    for head in HEADS:
        if found.get(_named(head)) != NONE:
            found |= _chained(head, _steps(cell, head))
    if found["clusterer.name"] != NONE:
        asked = {key: value for key, value in cell["clustering"].items() if key != "chain"}
        found |= {f"clustering.{key}": value for key, value in dataclasses.asdict(heads.clustering(asked)).items()}
    return found | {axis: cell[axis] for axis in _axes(found) if axis in cell}


def _row(row: Row, known: dict[str, Options]) -> Options:
    found = _stage(row, "dataset", "dataset", known) | _stage(row, "features", "backbone", known)
    for group, head in (("clusterer", "clustering"), ("classifier", "classification")):
        found |= _stage(row, head, group, known) if head in row.stages else {f"{group}.name": NONE}
    own = {"metric": NONE}
    if "retrieval" in row.stages:
        own = dataclasses.asdict(heads.retrieval(row.config["retrieval"]["config"]))
    found |= _prefixed("retrieval", own)
    for head in HEADS:
        if head in row.stages:
            found |= _chained(head, _chain(row, head))
    if "clustering" in row.stages:
        config = row.config["clustering"]["config"]
        found |= {f"clustering.{key}": config.get(key, 0) for key in ("scope", "bootstraps")}
    return found | {axis: row.params[axis] for axis in ("k", "seed") if axis in row.params}


def _stage(row: Row, kind: str, group: str, known: dict[str, Options]) -> Options:
    """The options of a plugin in a run: its stage's, with what was asked for where the plugin put another word."""
    member = row.stages[kind]
    if member not in known:
        stage = row.plan.stages[member]
        options = dict(stage.config.get(group, stage.config)) | {
            key: value for key, value in stage.local.items() if key not in stage.config
        }
        if options.get("weights") == FILE and "weights" in stage.local:
            options["weights"] = Path(stage.local["weights"]).name
        if kind == "features" and "images" in row.stages:
            options["image"] = row.config["images"]["config"]
        known[member] = _prefixed(group, _options(group, options))
    return known[member]


def _planned(group: str, options: Mapping[str, Any]) -> Options:
    """The options of a plugin in a cell, settled as planning settles them; what was left to it stays ``auto``."""
    found = _options(group, options)
    module = None if found["name"] == NONE else plugins.load(group, found["name"])
    if hasattr(module, "resolve"):
        try:
            settled = dataclasses.asdict(module.resolve(plugins.params(group, options), "cpu"))
        except ConfigError:
            return found
        found = {key: value if value == AUTO else settled.get(key, value) for key, value in found.items()}
    return found


def _options(group: str, options: Mapping[str, Any]) -> Options:
    """Every option of a plugin but the places, those at their defaults too."""
    name = options.get("name", NONE)
    if name == NONE:
        return {"name": NONE}
    module = plugins.load(group, name)
    fields = {field.name for field in dataclasses.fields(module.Params)}
    asked = {key: value for key, value in options.items() if key in fields}
    places = {*getattr(module, "UNHASHED", ()), *(CONTENT if group == "dataset" else ())}
    absent = {key: None for key in places & fields if key not in asked}
    try:
        full = dataclasses.asdict(plugins.params(group, {"name": name, **absent, **asked}))
    except ConfigError:
        full = asked
    return {"name": name} | {key: value for key, value in full.items() if key not in places}


def _retrieval(options: Mapping[str, Any]) -> Options:
    if options.get("metric") in (None, NONE):
        return {"metric": NONE}
    return dataclasses.asdict(heads.retrieval({key: value for key, value in options.items() if key != "chain"}))


def _named(head: str) -> str:
    """The option that says whether a head is there."""
    return "retrieval.metric" if head == "retrieval" else f"{HEADS[head]}.name"


def _axes(found: Options) -> set[str]:
    """The axes that the plugins of a cell use."""
    named = ((group, found[f"{group}.name"]) for group in ("clusterer", "classifier"))
    return {axis for group, name in named if name != NONE for axis in plugins.load(group, name).AXES}


def _steps(cell: Mapping[str, Any], head: str) -> list[Mapping[str, Any]]:
    chain = cell.get(head, {}).get("chain") or cell.get("chain") or {}
    return [step for _, step in sorted((chain.get("steps") or {}).items())]


def _chain(row: Row, head: str) -> Sequence[Mapping[str, Any]]:
    member = row.stages.get(f"{head}.matrix")
    return row.plan.stages[member].config["steps"] if member else ()


def _chained(head: str, steps: Sequence[Mapping[str, Any]]) -> Options:
    """The readable name of a head's chain (`Row.chain`), and the options of its steps."""
    parsed = [(step["name"], plugins.params("transform", step)) for step in steps]
    labels = [plugins.load("transform", name).label(params) for name, params in parsed]
    found: Options = {f"{head}.chain": "+".join(labels) or NONE}
    for name, params in parsed:
        found |= _prefixed(f"{head}.chain.{name}", dataclasses.asdict(params))
    return found


def _prefixed(prefix: str, options: Mapping[str, Any]) -> Options:
    """Options with dotted names, nested ones too; tuples as the lists that YAML has."""
    found: Options = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            found |= _prefixed(f"{prefix}.{key}", value)
        else:
            found[f"{prefix}.{key}"] = list(value) if isinstance(value, tuple) else value
    return found


def _tree(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell as a tree."""
    found: dict[str, Any] = {}
    for key, value in cell.items():
        *path, last = key.split(".")
        place = found
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    return found
