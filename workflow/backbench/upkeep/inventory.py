"""What lies in a store: records with their arrays, decoded images, unfinished work, and what no record names."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.engine.grid import HEADS
from backbench.engine.plan.frozen import Plan
from backbench.engine.run import scored
from backbench.images.cache import FOLDER as IMAGES
from backbench.stage import SCORES
from backbench.store import FAILED, PARTIAL, Store

Progress = Callable[[int, int], None]
RECORD = ".json"
# What lies in the folder of a kind, by the first digits of a hash: records, arrays, what was cut off or set aside.
# The empty files that say what was damaged stay until that is computed again.
DIGITS = re.compile(r"[0-9a-f]{2}")
OURS = re.compile(r"[0-9a-f]{64}\..+(?<!\.damaged)|\.tmp-.+|.+\.aside-\d+")
EVERY_RECORDS = 500


@dataclass(frozen=True)
class File:
    """A file with its size in bytes and the time of its last change in seconds."""

    path: Path
    bytes: int
    changed: float


@dataclass(frozen=True)
class Result:
    """A record that can be read, with its arrays that are there."""

    record: File
    kind: str
    about: Mapping[str, Any] = field(repr=False)
    arrays: tuple[File, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of the record and its arrays."""
        return self.record.bytes + sum(array.bytes for array in self.arrays)

    @property
    def failed(self) -> bool:
        return self.about.get("status") == FAILED


@dataclass(frozen=True)
class Inventory:
    """The content of a store. `leftovers` are arrays that no record names, cut-off files and what was set aside.

    `unreadable` are records that this user, or the file system, does not read: they may be whole. Files that the store
    did not make are not in it.
    """

    store: Store
    results: Mapping[Path, Result]
    images: Sequence[File]
    partial: Sequence[File]
    leftovers: Sequence[File]
    damaged: Sequence[File]
    unreadable: Sequence[File] = ()

    @cached_property
    def bytes(self) -> int:
        """Bytes of all files, each counted once."""
        others = (*self.images, *self.partial, *self.leftovers, *self.damaged, *self.unreadable)
        return size_of(self.results.values()) + sum(file.bytes for file in others)

    def used_by(self, plan: Plan) -> set[Path]:
        """Paths of the records that the readers of a plan read."""
        view, used = plan.seen(self.store), set()
        for key, stage in plan.stages.items():
            place, record = view.located(stage.kind, key)
            if record is not None:
                used.add(place)
                if stage.kind in HEADS:
                    used.add(view.located(SCORES, scored.place(record))[0])
        return used & self.results.keys()


def of(store: Store, progress: Progress = lambda done, total: None) -> Inventory:
    """Look at every file of a store; records are read, arrays are not."""
    groups: dict[str, list[File]] = {"": [], IMAGES: [], PARTIAL: []}
    for file in files(store.root):
        parts = file.path.relative_to(store.root).parts
        if parts[0] in (IMAGES, PARTIAL):
            groups[parts[0]].append(file)
        elif len(parts) == 3 and DIGITS.fullmatch(parts[1]) and OURS.fullmatch(parts[2]):
            groups[""].append(file)
    there = {file.path: file for file in groups[""]}
    records = [file for file in groups[""] if file.path.suffix == RECORD]
    results: dict[Path, Result] = {}
    damaged: list[File] = []
    unreadable: list[File] = []
    for at, file in enumerate(records):
        about = store.opened(file.path)
        if about is None:
            (damaged if _readable(file.path) else unreadable).append(file)
        else:
            names = (file.path.with_name(entry["file"]) for entry in about["arrays"].values())
            arrays = tuple(there[name] for name in names if name in there)
            results[file.path] = Result(file, about["kind"], about, arrays)
        if at % EVERY_RECORDS == 0:
            progress(at, len(records))
    named = {array.path for result in results.values() for array in result.arrays}
    seen = {*named, *results, *(file.path for file in (*damaged, *unreadable))}
    leftovers = [] if unreadable else [file for file in groups[""] if file.path not in seen]
    return Inventory(store, results, groups[IMAGES], groups[PARTIAL], leftovers, damaged, unreadable)


def _readable(path: Path) -> bool:
    """Whether a file can be read, whatever it says."""
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def files(folder: Path) -> Iterator[File]:
    """Every file below a folder; links are not followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                about = path.lstat()
            except OSError:  # it was removed meanwhile
                continue
            if stat.S_ISREG(about.st_mode):
                yield File(path, about.st_size, about.st_mtime)


def size_of(results: Iterable[Result]) -> int:
    """Bytes of results; arrays that several of them name count once."""
    sizes = {file.path: file.bytes for result in results for file in (result.record, *result.arrays)}
    return sum(sizes.values())


def elsewhere(store: Store) -> bool:
    """Whether other results folders may use a store: it lies outside this one, or its group may write it."""
    root = store.root.absolute()
    try:
        return not root.is_relative_to(paths.results()) or bool(root.stat().st_mode & stat.S_IWGRP)
    except OSError:
        return True
