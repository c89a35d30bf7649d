"""``backbench show``: everything about one run."""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backbench import hashing, paths
from backbench.cli.leaderboard import cell, screen
from backbench.datasets import PARTS
from backbench.engine.results import ledger, prefixes
from backbench.engine.results.joined_run import Row
from backbench.evaluate import answered, chosen, classes
from backbench.pictures import drawing
from backbench.store import Store

if TYPE_CHECKING:
    from rich.table import Table


TEST = PARTS[-1]
# What the record of a data set counts, and how it is called on the screen.
IMAGE_LABELS = {
    "n": "total",
    "counts": "by split",
    "duplicates": "duplicates",
    "duplicates_across_parts": "duplicates across splits",
}


def find(prefix: str, rows: list[Row]) -> Row:
    """The row whose config hash starts with `prefix`, or ``best``: what the newest sweep recommends."""
    if prefix.lower() == chosen.BEST:
        return chosen.row(prefix, Store(paths.store()))
    by_hash = {row.config_hash: row for row in rows}
    return by_hash[prefixes.unique(prefix, by_hash)]


def run(args: argparse.Namespace) -> int:
    row = find(args.hash, ledger.all_rows(Store(paths.store())))
    if args.format == "json":
        print(json.dumps(as_json(row), indent=1))
    else:
        _print(row)
    return 0


def as_json(row: Row) -> dict[str, Any]:
    """A run as plain JSON: configuration, stages, metrics and their circumstances."""
    metrics = {name: None if math.isnan(value) else value for name, value in row.metrics.items()}
    known = {"config_hash": row.config_hash, "status": row.status, "reason": row.reason, "name": row.name}
    return {
        **known,
        "params": row.params,
        "metrics": metrics,
        "undefined": row.notes,
        "parts": parts(row),
        "stages": row.stages,
        "config": row.config,
        "records": {member: row.records.get(member) for member in row.members},
    }


def parts(row: Row) -> dict[str, dict[str, Any]]:
    """The metrics of each split where the splits were clustered separately (scope per_split); else empty."""
    record = row.heads.get("clustering", {})
    splits = record.get("info", {}).get("parts", {})
    known = [split for split in PARTS if split in splits]
    return {
        split: {name: splits[split][name] for name in record["metrics"] if name in splits[split]} for split in known
    }


def _print(row: Row) -> None:
    console = screen(sys.stdout)
    console.print(f"[bold]{row.config_hash}[/bold]\n{row.name}: {row.status}")
    if row.reason:
        console.print(f"failed: {row.reason}", markup=False)
    for title, pairs in ((title, pairs) for title, pairs in _sections(row).items() if pairs):
        console.print()
        console.print(_table(title, pairs))
        if title == "metrics" and (splits := parts(row)):
            above = "are for the test images" if TEST in splits else "need test images, and there are none"
            console.print(f"\n[bold]metrics of each split[/bold], clustered separately; those above {above}")
            console.print(_of_splits(splits, _data(row).get("counts", {})))
    certain = [text for text in (answered.words(row),) if text]
    for title, lines in (("classes", _classes(row)), ("answers", certain), ("pictures", _pictures(row))):
        if lines:
            console.print(f"\n[bold]{title}[/bold]")
            for line in lines:
                console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"\nto compute it again: backbench reproduce {hashing.short(row.config_hash)}")


def _table(title: str, pairs: Mapping[str, object]) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
    for key, value in pairs.items():
        table.add_row(key, cell(value))
    return table


def _of_splits(splits: Mapping[str, Mapping[str, Any]], counts: Mapping[str, int]) -> "Table":
    """The metrics of the splits, a column for each; no two splits have a cluster in common."""
    from rich.table import Table

    table = Table(box=None)
    table.add_column()
    for split in splits:
        images = f" ({counts[split]:,})" if split in counts else ""
        table.add_column(f"{split}{images}", justify="right", no_wrap=True)
    for name in dict.fromkeys(name for metrics in splits.values() for name in metrics):
        table.add_row(name, *(cell(metrics.get(name)) for metrics in splits.values()))
    return table


def _classes(row: Row) -> list[str]:
    """How the classifier does on each class, in words."""
    scores = classes.audit(row)
    return [scores.text] if scores else []


def _pictures(row: Row) -> list[str]:
    """The pictures of a run that were drawn."""
    return [f"{picture.title}: {picture.png}" for picture in drawing.of_run(row.config_hash)]


def _data(row: Row) -> Mapping[str, Any]:
    """What the record of the data set says."""
    return row.records.get(row.stages["dataset"], {}).get("info", {})


def _sections(row: Row) -> dict[str, dict[str, object]]:
    metrics = {
        name: f"undefined: {row.notes.get(name, 'no reason recorded')}" if math.isnan(value) else value
        for name, value in row.metrics.items()
    }
    notes = {name: text for name, text in row.notes.items() if not math.isnan(row.metrics.get(name, math.nan))}
    seconds = {f"{kind} (seconds)": value for kind, value in row.provenance("seconds").items()}
    circumstances = {
        key: ", ".join(sorted({str(value) for value in row.provenance(key).values()}))
        for key in ("device", "threads", "cpu", "cpu_features", "blas", "git")
    }
    data = _data(row)
    images = {label: data[key] for key, label in IMAGE_LABELS.items() if key in data}
    features = row.records.get(row.stages["features"], {}).get("info", {})
    return {
        "configuration": row.params,
        "images": {**images, **{f"left out: {path}": why for path, why in data.get("excluded", {}).items()}},
        "training": {key: value for key, value in features.get("training", {}).items() if key != "history"},
        "calibration": features.get("calibration", {}),
        "metrics": metrics,
        "notes": notes,
        "stages": {kind: hashing.short(member) for kind, member in row.stages.items()},
        "computed with": {**row.versions, **circumstances, **seconds},
    }
