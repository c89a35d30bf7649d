"""Small sweeps over painted pictures, computed in the process of the test, for what is made from finished results."""

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbench import paths, planning
from backbench.engine.plan import frozen
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.engine.run import runner
from backbench.evaluate.answer import SweepAnswer
from backbench.reports import sweep
from backbench.stage import KINDS
from backbench.store import Store

SCRIPT = "</script><script>alert('class')</script>"
MARKUP = '<img src=x onerror="alert(1)"> & {{ 7 * 7 }}'
LONG = "a class with a name of three hundred letters " * 7
ARABIC = "قطة صغيرة جدا"
HOSTILE = (SCRIPT, MARKUP, LONG, ARABIC)
GRID = (
    "experiment=none",
    "backbone=pixels",
    "clusterer=kmeans,agglomerative",
    "k=2,3,4",
    "classifier=knn,svm,lda,nearest_centroid",
)
NO_PICTURES = "plots=none"
# Judges take seconds; tests of them ask for them.
POLICY = "selection=published"


def collection(folder: Path, classes: Sequence[str] = HOSTILE, each: int = 25) -> tuple[str, ...]:
    """Overrides for a folder of pictures in shades and noise, its classes named by a table; no classes, no labels."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(each * max(1, len(classes))):
        label = number % max(1, len(classes))
        pixels = rng.integers(0, 120, (8, 8, 3)) + np.array([30 * label, 0, 90 - 30 * label])
        path = folder / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        lines.append((path.name, classes[label] if classes else ""))
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *lines])
    return ("dataset=folder", f"dataset.root={folder}", f"dataset.csv={folder / 'table.csv'}")


def computed(*overrides: str, without: Collection[str] = ()) -> Plan:
    """The plan of `overrides`, its shards computed but for those of the kinds in `without`, and not joined."""
    made = planning.make([NO_PICTURES, POLICY, *overrides]).plan
    frozen.save(made)
    order = {shard.id: (KINDS.index(shard.kind), _of_parts(made, shard)) for shard in made.shards.values()}
    for shard in sorted(made.shards.values(), key=lambda shard: order[shard.id]):
        if shard.kind not in without:
            options = ["--plan", str(made.path), "--shard", shard.id, "--threads", "1", "--device", "cpu"]
            runner.compute(made, shard, Store(paths.store()), runner.parser(shard.kind).parse_args(options))
    return made


def _of_parts(plan: Plan, shard: Shard) -> bool:
    """Whether a shard is of features that are made of others."""
    return shard.kind == "features" and any(parent.kind == "features" for parent in plan.parents(shard))


def answer_of(plan, rows=None):
    """What the runs of a plan answer, from the store."""
    return SweepAnswer(plan, rows_of(plan) if rows is None else rows, Store(paths.store()))


def rows_of(made: Plan) -> list[Row]:
    """The rows of a plan as the store has them."""
    return ledger.rows(made, ledger.read_records(made, Store(paths.store())))


def finished(folder: Path) -> str:
    """A results folder with a finished sweep, whose page was written."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plan = computed(*GRID, *collection(folder / "photos"))
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
        # Drawn from the store once; every test reads what is kept.
        sweep.write(answer_of(plan))
    return str(folder / "results")
