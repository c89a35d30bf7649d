"""The sweeps of this results folder, and removing one: its plans, joined results, pictures, report and receipts."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import hashing, paths
from backbench.engine.plan import frozen
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import FINISHED
from backbench.pictures import drawing
from backbench.pictures.orders import run_folder, sweep_folder
from backbench.schema import ConfigError
from backbench.store import FAILED, Store
from backbench.upkeep import inventory

# What a folder is called while it is removed.
REMOVED = ".removed-"


@dataclass(frozen=True)
class Summary:
    """A sweep: when it was last launched (seconds), its runs by how they came out, and its place."""

    plan: Plan
    launched: float
    finished: int
    failed: int

    @property
    def experiment(self) -> str:
        """The experiment that it was asked for with, or what else was asked for."""
        request = self.plan.request
        return str(request.get("experiment") or request.get("reproduce") or "-")


def summary(plan: Plan, store: Store) -> Summary:
    """A sweep with the states of its runs, from the store and from the joined results."""
    rows = ledger.rows(plan, {**ledger.joined_records(plan), **ledger.read_records(plan, store)})
    counts = [sum(row.status == status for row in rows) for status in (FINISHED, FAILED)]
    return Summary(plan, plan.path.stat().st_mtime, *counts)


def files_of(plan: Plan, others: Sequence[Plan]) -> list[Path]:
    """Files and folders of a sweep that no other sweep uses; its plans come last, for they name the others."""
    shared = {path for other in others for path in _receipts(other)}
    runs = {run for other in others for run in other.runs}
    pictures = [run_folder(run) for run in plan.runs if run not in runs]
    places = [plan.folder, sweep_folder(plan), *pictures, *(path for path in _receipts(plan) if path not in shared)]
    cut_short = [_aside(path) for path in places]
    return [path for path in (*places, *cut_short, *_plans(plan)) if os.path.lexists(path)]


def _receipts(plan: Plan) -> list[Path]:
    shards = (*plan.shards.values(), *plan.scoring.values())
    tracked = [*plan.tracked.parent.glob(f"{plan.tracked.stem}*"), drawing.receipt(plan)]
    return [*(path for shard in shards for path in (shard.receipt, shard.request, shard.log)), *tracked]


def _plans(plan: Plan) -> Iterator[Path]:
    """The plan files of a sweep: one for each way in which it was asked for, and for each version of the code."""
    for path in paths.plans().glob("*.json"):
        with contextlib.suppress(ConfigError):
            if frozen.load(path).sweep == plan.sweep:
                yield path


def size_of(places: Sequence[Path]) -> int:
    """Bytes of files and folders."""
    return sum(
        sum(file.bytes for file in inventory.files(path)) if path.is_dir() else path.lstat().st_size for path in places
    )


def remove(places: Sequence[Path]) -> None:
    """Remove files and folders in this order; what a kill leaves is removed by the same call again."""
    for path in places:
        if path.is_dir() and not path.is_symlink():
            # Renamed first, so that nobody reads a report with half of its files.
            aside = path if path.name.startswith(REMOVED) else _aside(path)
            if aside != path:
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
            shutil.rmtree(aside)
        else:
            path.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    return path.with_name(f"{REMOVED}{path.name}")


def short(plan: Plan) -> str:
    """The id of a sweep as tables show it."""
    return hashing.short(plan.sweep)
