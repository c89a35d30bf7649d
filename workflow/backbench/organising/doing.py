"""A plan carried out, and the table of the photographs beside them."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from backbench.files import WriteError, make_folder
from backbench.organising import carrying, moves, tables, undoing
from backbench.organising.journal import Journal, Move
from backbench.organising.moves import Plan, Step
from backbench.schema import ConfigError

Progress = Callable[[int, int], None]
# Moves that are announced together: each announcement waits for the disk.
BATCH = 64


@dataclass
class Outcome:
    """What was done: the number of photographs placed, the table, and the reason of each failure by its path.

    Without a photograph for the target nothing is made there, so that `table` is None.
    """

    placed: int = 0
    table: Path | None = None
    failed: dict[str, str] = field(default_factory=dict)


def quiet(done: int, total: int) -> None:
    """No progress is shown."""


def carry_out(plan: Plan, progress: Progress = quiet) -> Outcome:
    """Link, copy or move the photographs of a plan, and write its table.

    A photograph that cannot be placed does not stop the others.

    Raises
    ------
    ConfigError
        If the disk has too little room, or the file system no links.
    Busy
        If another process organises this folder.
    WriteError
        If the target cannot be written.
    """
    if not plan.places:
        return Outcome()
    _refuse_full(plan)
    with undoing.alone(plan.target):
        made = _made(plan.target)
        return _moved(plan, made, progress) if plan.how == "move" else _placed(plan, progress)


def _made(target: Path) -> list[str]:
    """Make the target; returns the folders that were made, the outermost first, relative to it."""
    missing = [place for place in (*reversed(target.parents), target) if not place.exists()]
    make_folder(target)
    return [os.path.relpath(place, target) for place in missing]


def _placed(plan: Plan, progress: Progress) -> Outcome:
    """Links or copies."""
    outcome = Outcome()
    relative = _travels(plan)
    for done, step in enumerate(plan.steps):
        progress(done, len(plan.steps))
        target, sha256 = plan.target / step.to, plan.photographs.digests[step.row]
        with _noted(plan, step, outcome):
            make_folder(target.parent)
            if plan.how == "link":
                carrying.link(step.origin, target, relative)
            else:
                carrying.copy(step.origin, target, sha256)
    outcome.table = tables.write(plan, outcome.failed)
    return outcome


def _moved(plan: Plan, made: Sequence[str], progress: Progress) -> Outcome:
    outcome = Outcome()
    dropped = undoing.settle(plan.target)
    with Journal(plan.target, plan.source.row.config_hash, made, dropped) as log:
        for first in range(0, len(plan.steps), BATCH):
            progress(first, len(plan.steps))
            batch = plan.steps[first : first + BATCH]
            folders = [name for name in _folders(batch) if not os.path.lexists(plan.target / name)]
            log.moves([_move(plan, step) for step in batch], folders)
            for step in batch:
                with _noted(plan, step, outcome):
                    make_folder((plan.target / step.to).parent)
                    carrying.move(step.origin, plan.target / step.to, plan.photographs.digests[step.row])
        table = tables.place(plan)
        log.write([{"table": table.name}])
        outcome.table = tables.write(plan, outcome.failed)
    return outcome


def _folders(steps: Sequence[Step]) -> Iterator[str]:
    yield from dict.fromkeys(PurePath(step.to).parts[0] for step in steps)


def _move(plan: Plan, step: Step) -> Move:
    """The line of a photograph."""
    files = plan.photographs
    return Move(files.files[step.row], files.digests[step.row], moves.at(step.origin, plan.target), step.to)


class _noted:
    """Counts a photograph that was placed, and notes why one was not."""

    def __init__(self, plan: Plan, step: Step, outcome: Outcome):
        self.name, self.outcome = plan.photographs.files[step.row], outcome

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            self.outcome.placed += 1
        elif isinstance(error, OSError | WriteError):
            self.outcome.failed[self.name] = str(getattr(error, "strerror", None) or error)
            return True
        return False


def _travels(plan: Plan) -> bool:
    """Whether links are relative: where the target lies beside the collection, both are moved together."""
    beside = Path(os.path.realpath(plan.photographs.root)).parent
    return beside != Path(beside.anchor) and Path(os.path.realpath(plan.target)).is_relative_to(beside)


def _refuse_full(plan: Plan) -> None:
    """Refuse copies, also those to another file system, for which there is no room."""
    if plan.how == "link" or not plan.steps:
        return
    there = next(place for place in (plan.target, *plan.target.parents) if place.exists())
    device = there.stat().st_dev
    sizes = [step.origin.stat() for step in plan.steps if step.origin.exists()]
    needed = sum(about.st_size for about in sizes if plan.how == "copy" or about.st_dev != device)
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ConfigError(f"{there} has room for {free / 1e9:.1f} GB, and the photographs take {needed / 1e9:.1f} GB.")
