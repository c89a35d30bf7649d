"""Cells and grids for tests: composed as the command line composes them, built without reading a collection."""

import copy
import functools
from pathlib import Path

import yaml
from PIL import Image

from backbench import compose, paths
from backbench.engine import grid
from backbench.engine.plan import builder

NONE = "experiment=none"


@functools.cache
def options(kind: str, name: str) -> dict:
    return yaml.safe_load((paths.conf() / kind / f"{name}.yaml").read_text())


@functools.cache
def _cell(*overrides: str) -> dict:
    (cell,) = compose.expand([NONE, *overrides]).cells
    return cell.config


def cell(*overrides: str) -> dict:
    """The one cell of `overrides`, as a copy that a test may change."""
    return copy.deepcopy(_cell(*overrides))


def build(*cells, digest="0" * 64, explicit=()) -> grid.Grid:
    return builder.build(cells, lambda module, params: digest, explicit)


def run_hash(config, **options) -> str:
    (found,) = build(config, **options).runs
    return found


def stage(built: grid.Grid, kind: str) -> grid.Stage:
    (run,) = built.runs.values()
    return built.stages[run.stages[kind]]


def changed(config: dict, dotted: str, value) -> dict:
    """A copy of a cell with one key set."""
    found = copy.deepcopy(config)
    *path, last = dotted.split(".")
    node = found
    for key in path:
        node = node[key]
    node[last] = value
    return found


def photos(folder: Path, classes=("cat", "dog"), count=20) -> Path:
    """A folder of small images, with or without classes."""
    for index, label in enumerate(classes):
        for number in range(count):
            path = folder / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = (7 * number, 10 + 40 * index, number)
            Image.new("RGB", (8, 8), shade).save(path)
    return folder
