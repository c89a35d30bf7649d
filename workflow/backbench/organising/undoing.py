"""What was moved goes back to where it was, also after a move or an earlier attempt was interrupted."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from backbench import hashing, paths
from backbench.files import locked, make_folder
from backbench.lock import Busy
from backbench.organising import carrying, journal, photographs, tables
from backbench.organising.journal import Move, Record
from backbench.schema import ConfigError

LOST = "neither where it was nor where it was moved to"
TAKEN = "another file is where it was"


@dataclass
class Undone:
    """The number of photographs that came back, those that have `changed` meanwhile, and why others did not come."""

    restored: int = 0
    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def undo(target: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Undone:
    """Put back everything that was moved into `target`, and remove what organising made there.

    The journal stays while anything has not come back, so that the call can be repeated.

    Raises
    ------
    ConfigError
        If nothing was moved into `target`.
    Busy
        If another process organises this folder.
    """
    target = Path(os.path.normpath(target.expanduser().absolute()))
    with alone(target):
        record = journal.read(target)
        if record is None:
            raise ConfigError(
                f"{target} has no {journal.NAME}, so nothing was moved there by `backbench organise --move`. Links and "
                "copies can be deleted like any other file."
            )
        undone, moves = Undone(), list(reversed(record.moves.values()))
        for done, move in enumerate(moves):
            progress(done, len(moves))
            _back(target, move, undone)
        if not undone.failed:
            _clean(target, record)
    return undone


def settle(target: Path) -> list[int]:
    """Finish with the moves of the newest run that did not take place; returns their numbers in the journal.

    Call this before a run moves more: later moves may put other photographs where those of this one came from.
    """
    record = journal.read(target) or Record()
    newest = {number: move for number, move in record.moves.items() if number >= record.first}
    waiting = [number for number, move in newest.items() if os.path.lexists(target / move.origin)]
    for number in waiting:
        _drop(target, record.moves[number])
    return waiting


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """Nobody else organises this folder meanwhile.

    Raises
    ------
    Busy
        If somebody does.
    """
    name = hashlib.sha256(os.fsencode(os.path.realpath(target))).hexdigest()[:16]
    try:
        with locked(paths.results() / "organise" / f"{name}.lock", 0):
            yield
    except filelock.Timeout:
        raise Busy(f"another `backbench organise` works on {target}; wait for it, and try again.") from None


def _back(target: Path, move: Move, undone: Undone) -> None:
    origin, there = target / move.origin, target / move.to
    if os.path.lexists(origin):
        if not _drop(target, move):
            undone.failed[move.path] = f"{TAKEN}: {origin}; it is in {there}"
        return
    _forget_parts(origin, there)
    if not os.path.lexists(there):
        undone.failed[move.path] = f"{LOST}: {there}"
        return
    try:
        same = photographs.differs(there, move.sha256) is None
        make_folder(origin.parent)
        carrying.move(there, origin, move.sha256 if same else hashing.file_digest(there))
    except OSError as error:
        undone.failed[move.path] = f"{error.strerror or error}; it is in {there}"
        return
    undone.restored += 1
    undone.changed += [] if same else [move.path]


def _drop(target: Path, move: Move) -> bool:
    """Remove what a move whose original is still there left behind; False if a different file took its place."""
    origin, there = target / move.origin, target / move.to
    _forget_parts(origin, there)
    if not there.is_file() or photographs.differs(there, move.sha256) is not None:
        return True
    if photographs.differs(origin, move.sha256) is not None:
        return False
    if not origin.is_symlink():
        there.unlink()
    return True


def _forget_parts(*places: Path) -> None:
    for place in places:
        carrying.part_of(place).unlink(missing_ok=True)


def _clean(target: Path, record: Record) -> None:
    """Remove what was made for the moves; folders only if they are empty. The journal goes before its own folder."""
    for name in dict.fromkeys(record.tables):
        tables.remove(target / name)
    outer = [name for name in record.made if set(Path(name).parts) <= {".", ".."}]
    for name in reversed(record.made):
        if name not in outer:
            _remove_empty(target / name)
    (target / journal.NAME).unlink()
    for name in sorted(dict.fromkeys(outer), key=len):
        _remove_empty(Path(os.path.normpath(target / name)))


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
