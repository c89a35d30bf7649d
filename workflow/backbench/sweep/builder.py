"""From cells to stages and runs, validated and hashed (layer 2). Nothing heavy is imported and nothing is computed."""

from collections.abc import Iterable, Mapping
from typing import Any

from backbench import hashing
from backbench.schema import ConfigError
from backbench.sweep import aids, parts
from backbench.sweep.grid import Grid, Run
from backbench.sweep.heads import Heads
from backbench.sweep.making import Fingerprint, Making
from backbench.sweep.sources import Sources

SHOWN_PROBLEMS = 8


def build(
    cells: Iterable[Mapping[str, Any]], fingerprint: Fingerprint, explicit: Iterable[str] = (), device: str = "auto"
) -> Grid:
    """The grid of `cells`, each validated and hashed; cells that mean the same become one run.

    Parameters
    ----------
    fingerprint
        Called with (dataset plugin, params) where the content digest is not known yet.
    explicit
        Keys that were asked for by name: what an unlabelled dataset cannot have is then an error, else a notice.
    device
        Where features will be extracted (``auto``, ``cpu``, ``cuda``...): decides what ``engine: auto`` means.

    Raises
    ------
    ConfigError
        With every distinct problem of the grid, before any job starts.
    """
    making = Making(fingerprint, frozenset(explicit), device)
    problems: dict[str, int] = {}
    for cell in cells:
        try:
            _add(making, cell)
        except ConfigError as error:
            problems[str(error)] = problems.get(str(error), 0) + 1
    if problems:
        raise ConfigError(_report(problems))
    aids.attach(making.grid, making.chained)
    return making.grid


def _report(problems: Mapping[str, int]) -> str:
    lines = [f"{text} ({count} cells)" if count > 1 else text for text, count in problems.items()]
    hidden = len(lines) - SHOWN_PROBLEMS
    more = [f"... and {hidden} more problems"] if hidden > 0 else []
    return "\n".join(lines[:SHOWN_PROBLEMS] + more)


def _add(making: Making, cell: Mapping[str, Any]) -> None:
    """Add a cell's stages and its run to the grid."""
    making.once(parts.check, parts.keys(cell))
    sources, heads = Sources(making), Heads(making)
    source = making.once(sources.dataset, cell["dataset"])
    features, width = making.once(sources.features, cell["backbone"], source)
    found = {
        "clustering": heads.clustering(cell, source, features, width),
        "classification": heads.classification(cell, source, features, width),
        "retrieval": heads.retrieval(cell, source, features, width),
    }
    stages = {"dataset": source.stage.hash, "features": features.hash}
    stages |= {kind: stage.hash for kind, stage in found.items() if stage}
    run = Run(hashing.digest({"kind": "run", "stages": stages}), stages)
    making.grid.runs.setdefault(run.hash, run)
