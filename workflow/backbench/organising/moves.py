"""What organising would do: the place of each photograph in the target, and what stands in the way."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from backbench import hashing
from backbench.organising import folders, journal, photographs
from backbench.organising.folders import By
from backbench.organising.journal import Move, Record
from backbench.organising.naming import names as stored_names
from backbench.organising.photographs import Photographs
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.wording import counted

How = Literal["link", "copy", "move"]
LONGEST = 255  # bytes of a file's name


@dataclass(frozen=True)
class Step:
    """A photograph to be placed: its row, where it is now, and its new folder and name below the target."""

    row: int
    origin: Path
    to: str


@dataclass(frozen=True)
class Plan:
    """What is to be done to `target`; nothing has been done.

    `steps` are the photographs to be placed and `places` maps the rows of all that will be in the target to where they
    will be, those that are there already included. `left` holds the reason of each photograph that is left alone, by
    its path in the collection.
    """

    source: Source
    photographs: Photographs
    target: Path
    how: How
    by: By
    names: Mapping[int, str]
    steps: Sequence[Step]
    places: Mapping[int, str]
    left: Mapping[str, str]
    notes: Sequence[str]

    @property
    def there(self) -> int:
        """The number of photographs that are in their place already."""
        return len(self.places) - len(self.steps)

    @property
    def sizes(self) -> Mapping[str, int]:
        """The number of photographs in each folder, by its name."""
        return dict(sorted(Counter(PurePath(place).parts[0] for place in self.places.values()).items()))


def plan(
    source: Source,
    target: Path,
    how: How = "link",
    by: By = "cluster",
    names: Mapping[int, str] | None = None,
) -> Plan:
    """Where each photograph of a run belongs in `target`.

    Parameters
    ----------
    how
        ``link``, ``copy`` or ``move``.
    by
        A folder for each ``cluster``, or for each predicted ``class``, training images in that of their given class.
    names
        Names of clusters; by default those that were saved for the run.

    Raises
    ------
    ConfigError
        If the run has no photographs or no clusters (classes), or the target is not suitable.
    """
    target = Path(os.path.normpath(target.expanduser().absolute()))
    files = photographs.of(source)
    _check(source, files, target, how)
    given = stored_names(source.row.config_hash) if names is None and not folders.apart(source) else names or {}
    wanted = folders.of(source, by, given)
    seeker = _Seeker(files, target, how, journal.read(target) or Record())
    seeker.seek(wanted.of_rows)
    seeker.refuse_others(hashing.short(source.row.config_hash))
    notes = [*wanted.notes, *_notes(files, how), *seeker.strangers()]
    return Plan(source, files, target, how, by, given, seeker.steps, seeker.places, seeker.left, notes)


class _Seeker:
    """Finds a place for each photograph, in the order of the collection, so that each run finds the same."""

    def __init__(self, files: Photographs, target: Path, how: How, record: Record):
        self.files, self.target, self.how = files, target, how
        self.steps: list[Step] = []
        self.places: dict[int, str] = {}
        self.left: dict[str, str] = {}
        self.others: list[str] = []
        self._claimed: set[str] = set()
        self._occupied: set[str] = set()
        moves = record.moves.values()
        # Of several moves of a photograph the last one counts whose file is there.
        self._moved = {(move.path, move.sha256): move.to for move in moves if os.path.lexists(target / move.to)}
        # Interrupted between the two steps of a rename; `undoing.settle` removes the new name before more is moved.
        self._half = {move for move in record.newest() if os.path.lexists(target / move.origin)}

    def seek(self, wanted: Sequence[str]) -> None:
        """Find the places of all photographs, given the folder of each."""
        moved = {row: place for row in range(len(wanted)) if (place := self._place(row)) is not None}
        self._occupied = {folders.alike(place) for place in (*moved.values(), *self._inside())}
        for row, place in moved.items():
            if PurePath(place).parts[0] == wanted[row]:
                self._settle(row, place)
        for row, folder in enumerate(wanted):
            if row not in self.places:
                self._seek(row, folder, moved.get(row))
        self.places = dict(sorted(self.places.items()))

    def refuse_others(self, run: str) -> None:
        """Refuse a target that holds links or copies where photographs are to be moved, or links instead of copies."""
        if not self.others:
            return
        what = "links to" if (self.target / self.others[0]).is_symlink() else "copies of"
        raise ConfigError(
            f"{self.target} has {what} {counted(len(self.others), 'photograph')} that you want to {self.how} there, "
            f"such as {self.others[0]}. Name another folder (backbench organise {run} FOLDER --{self.how}), or delete "
            "them first."
        )

    def strangers(self) -> Iterator[str]:
        """A sentence about what else is in the folders of the plan."""
        known = {*self._claimed, *self._occupied}
        wanted = {PurePath(place).parts[0] for place in self.places.values()}
        inside = (f"{folder}/{path.name}" for folder in sorted(wanted) for path in (self.target / folder).glob("*"))
        others = [place for place in inside if folders.alike(place) not in known]
        if others:
            yield f"these folders also have {counted(len(others), 'other file')}, such as {others[0]}; they stay"

    def _inside(self) -> Iterator[str]:
        """Where photographs are that lie in the target because it is, or contains, their collection."""
        if self.files.root.is_relative_to(self.target):
            below = self.files.root.relative_to(self.target)
            yield from ((below / name).as_posix() for name in self.files.files)

    def _place(self, row: int) -> str | None:
        """Where an earlier move put a photograph; None while it is, or is again, where it was."""
        if os.path.lexists(self.files.path(row)):
            return None
        return self._moved.get((self.files.files[row], self.files.digests[row]))

    def _settle(self, row: int, place: str) -> None:
        self.places[row] = place
        self._claimed.add(folders.alike(place))

    def _seek(self, row: int, folder: str, moved: str | None) -> None:
        origin = self.files.path(row) if moved is None else self.target / moved
        reason = self.files.problem(row) if moved is None else photographs.differs(origin, self.files.digests[row])
        if reason is None and self.how == "move" and origin.is_symlink():
            reason = photographs.LINK
        if reason:
            self.left[self.files.files[row]] = reason
            return
        number = 1
        while not self._take(row, origin, f"{folder}/{numbered(PurePath(self.files.files[row]).name, number)}"):
            number += 1

    def _take(self, row: int, origin: Path, place: str) -> bool:
        """Whether a photograph gets this place; others may have it, or something else may lie there."""
        there, name = self.target / place, folders.alike(place)
        if name in self._claimed or (name in self._occupied and there != origin):
            return False
        move = Move(self.files.files[row], self.files.digests[row], at(origin, self.target), place)
        if not os.path.lexists(there) or move in self._half:
            self.steps.append(Step(row, origin, place))
        elif not self._same(row, origin, there):
            return False
        elif there != origin and self.how != "link" and (self.how == "move" or there.is_symlink()):
            self.others.append(place)
        self._settle(row, place)
        return True

    def _same(self, row: int, origin: Path, there: Path) -> bool:
        """Whether what lies at a place is the photograph: the file itself, a link to it, or a copy of it."""
        if there.is_symlink():
            return os.path.realpath(there) == os.path.realpath(origin)
        if not there.is_file() or there.stat().st_size != origin.stat().st_size:
            return False
        return there == origin or photographs.differs(there, self.files.digests[row]) is None


def at(origin: Path, target: Path) -> str:
    """A place as the journal has it: relative inside the target, so that the target itself may be moved."""
    return origin.relative_to(target).as_posix() if origin.is_relative_to(target) else str(origin)


def numbered(name: str, number: int) -> str:
    """The name of a file with `` (2)``, `` (3)`` ... before its ending; never longer than file systems allow."""
    if number == 1:
        return name
    path, suffix = PurePath(name), f" ({number})"
    stem = path.stem
    while stem and len(os.fsencode(f"{stem}{suffix}{path.suffix}")) > LONGEST:
        stem = stem[:-1]
    return f"{stem}{suffix}{path.suffix}"


def _check(source: Source, files: Photographs, target: Path, how: How) -> None:
    """Refuse a target where the photographs cannot be placed well."""
    run = hashing.short(source.row.config_hash)
    if os.path.lexists(target) and not target.is_dir():
        raise ConfigError(f"{target} is a file; name a folder, which is made if it does not exist.")
    if how == "move" and files.unpacked:
        raise ConfigError(
            f"the photographs of {source.row.collection} are in an archive, and {files.root} is an unpacked copy that "
            f"backbench needs. Type: backbench organise {run} {target} --copy"
        )
    if how != "move" and Path(os.path.realpath(target)).is_relative_to(os.path.realpath(files.root)):
        raise ConfigError(
            f"{target} is inside the collection {files.root}, so that the next sweep would read each photograph twice. "
            "Name a folder outside it, or add --move to sort the photographs themselves."
        )


def _notes(files: Photographs, how: How) -> list[str]:
    if not files.unpacked or how != "link":
        return []
    return [
        f"{files.root} is an unpacked copy of an archive, which may be deleted and made again; links to it break then. "
        "--copy makes files of their own"
    ]
