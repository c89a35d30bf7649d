"""Free space in a store: what may go, in which order, and removing it so that a kill leaves nothing half there.

Decoded images go first, then what no record names and abandoned work, then results that no sweep of this results folder
names (if asked for by name), then those of sweeps, the oldest sweep first. A record is removed before its arrays:
without a record a result is not there, and what a kill leaves behind is found by the next call.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import hashing
from backbench.engine.plan.frozen import Plan
from backbench.images.cache import FOLDER as IMAGES
from backbench.store import PARTIAL
from backbench.upkeep import inventory
from backbench.upkeep.inventory import File, Inventory, Result

# Where others may compute in a store, what was written less than this before may be in use.
IN_USE_SECONDS = 86400.0
# An array that no record names yet may be a moment old.
JUST_WRITTEN_SECONDS = 600.0


@dataclass(frozen=True)
class Wanted:
    """What is asked for: `sweeps` whose results go, sweeps or unreferenced results not used for `older` seconds,
    as much as brings the store to `limit` bytes, and whether results that no sweep here names go too."""

    sweeps: Sequence[Plan] = ()
    older: float | None = None
    limit: int | None = None
    unreferenced: bool = False


@dataclass(frozen=True)
class Part:
    """Files that go for one reason; records come with their arrays."""

    what: str
    results: tuple[Result, ...] = ()
    files: tuple[File, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of all of it."""
        return inventory.size_of(self.results) + sum(file.bytes for file in self.files)


def parts(content: Inventory, plans: Sequence[Plan], wanted: Wanted) -> list[Part]:
    """What goes, in the order in which it goes.

    Parameters
    ----------
    plans
        The sweeps of this results folder, oldest first.
    """
    every = [part for part in _parts(content, plans, wanted) if part.results or part.files]
    if wanted.limit is None:
        return every
    left, kept = content.bytes, []
    for part in every:
        if left <= wanted.limit:
            break
        taken = _cut(part, left - wanted.limit)
        left -= taken.bytes
        kept.append(taken)
    return kept


def _parts(content: Inventory, plans: Sequence[Plan], wanted: Wanted) -> Iterator[Part]:
    since = time.time() - (IN_USE_SECONDS if inventory.elsewhere(content.store) else 0)
    settled = min(since, time.time() - JUST_WRITTEN_SECONDS)
    for what, group, before in (
        ("decoded images", content.images, since),
        ("files that no record names", content.leftovers, settled),
        ("unfinished work", content.partial, since),
    ):
        yield Part(what, files=tuple(sorted(_before(before, group), key=lambda file: file.changed)))
    used = {plan.sweep: content.used_by(plan) for plan in plans}
    if wanted.unreferenced:
        referenced = set().union(*used.values())
        since = time.time() - max(wanted.older or 0, time.time() - since)
        spare = [each for path, each in content.results.items() if path not in referenced]
        spare = [each for each in spare if each.record.changed < since]
        yield Part("results that no sweep of this folder names", tuple(sorted(spare, key=_age)))
    leaving: set[str] = set()
    for plan in _leaving(plans, wanted):
        leaving.add(plan.sweep)
        others = set().union(*(paths for sweep, paths in used.items() if sweep not in leaving))
        alone = [content.results[path] for path in used[plan.sweep] - others]
        yield Part(f"results of sweep {hashing.short(plan.sweep)} alone", tuple(sorted(alone, key=_age)))


def _leaving(plans: Sequence[Plan], wanted: Wanted) -> list[Plan]:
    """The sweeps whose results go, oldest first; the newest only if it is named."""
    if wanted.sweeps:
        named = {plan.sweep for plan in wanted.sweeps}
        return [plan for plan in plans if plan.sweep in named]
    if wanted.older is not None:
        return [plan for plan in plans if plan.path.stat().st_mtime < time.time() - wanted.older]
    return list(plans[:-1]) if wanted.limit is not None and not wanted.unreferenced else []


def _before(since: float, group: Iterable[File]) -> Iterator[File]:
    return (file for file in group if file.changed < since)


def _age(result: Result) -> tuple[float, Path]:
    return result.record.changed, result.record.path


def _cut(part: Part, enough: int) -> Part:
    """As much of a part, from its beginning, as frees `enough` bytes; decoded images are removed together."""
    results: list[Result] = []
    for result in part.results:
        if inventory.size_of(results) >= enough:
            break
        results.append(result)
    return Part(part.what, tuple(results), part.files)


def remove(content: Inventory, chosen: Sequence[Part]) -> tuple[int, list[Path]]:
    """Remove what was chosen: the bytes that are free now, and the files that this user may not remove."""
    freed = 0
    refused: list[Path] = []
    leaving = {result.record.path for part in chosen for result in part.results}
    kept = {array.path for path, each in content.results.items() if path not in leaving for array in each.arrays}
    for part in chosen:
        for result in part.results:
            ended = _unlink(result.record, refused)
            freed += ended
            for array in result.arrays if ended else ():
                freed += _unlink(array, refused) if array.path not in kept else 0
        for file in part.files:
            freed += _unlink(file, refused)
    if any(part.files for part in chosen):
        _drop_empty(content.store.root)
    return freed, refused


def _unlink(file: File, refused: list[Path]) -> int:
    """Remove a file, unless it was written again since it was looked at; the bytes that are free now."""
    try:
        if file.path.lstat().st_mtime != file.changed:
            return 0
        file.path.unlink()
    except FileNotFoundError:
        return 0
    except OSError:
        refused.append(file.path)
        return 0
    return file.bytes


def _drop_empty(root: Path) -> None:
    """Remove the folders of decoded images and of unfinished work that are empty now."""
    for place in (root / IMAGES, root / PARTIAL):
        for folder in sorted(place.glob("**/"), key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
