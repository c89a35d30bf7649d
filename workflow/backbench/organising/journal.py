"""The journal of moves: what was moved where, written before it is moved.

``backbench-moves.jsonl`` in the target, one JSON object per line: a head for each run that moves, which also says which
earlier moves did not take place; ``made`` for a folder and ``table`` for a file that it makes, ``move`` for a
photograph. Paths are relative to the target, or absolute outside it. The lines say what is about to happen; whether it
happened, the files say.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from backbench.schema import ConfigError

NAME = "backbench-moves.jsonl"
HEAD = {"journal": "backbench moves", "version": 1}


@dataclass(frozen=True)
class Move:
    """A photograph: its `path` in the collection and digest, where it was (`origin`) and where it went (`to`)."""

    path: str
    sha256: str
    origin: str
    to: str


@dataclass
class Record:
    """What a journal holds; `moves` by their number, without those that did not take place.

    Those of the newest run have a number of at least `first`. `count` is the number of all lines with a move.
    """

    moves: dict[int, Move] = field(default_factory=dict)
    first: int = 0
    made: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in a line.

        Raises
        ------
        ValueError
            If it leads out of the target.
        """
        if "journal" in line:
            self.first = self.count
        if "move" in line:
            self.moves[self.count] = Move(**line["move"])
            _check(self.moves[self.count].to)
            self.count += 1
        for number in line.get("dropped", ()):
            self.moves.pop(number, None)
        self.made += line.get("made", [])
        self.tables += [line["table"]] if "table" in line else []
        for name in self.tables[-1:]:
            _check(name)

    def newest(self) -> Iterator[Move]:
        """The moves of the newest run that moved."""
        yield from (move for number, move in self.moves.items() if number >= self.first)


def read(target: Path) -> Record | None:
    """What the journal in `target` holds, without a last line that was cut short; None if there is none.

    Raises
    ------
    ConfigError
        If the file is no journal.
    """
    path = target / NAME
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    record = Record()
    for number, line in enumerate(lines, 1):
        try:
            content = json.loads(line)
            if number == 1 and not HEAD.items() <= content.items():
                raise ValueError("its first line is that of another program or version")
            record.add(content)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path}, line {number}: this is not a journal that this version of backbench can read ({error}). "
                "Nothing was changed."
            ) from error
    return record


class Journal:
    """A journal to append to (a context manager); lines are on the disk when `write` returns.

    Parameters
    ----------
    run
        Config hash of the run whose photographs are moved.
    made
        Folders that were made for the journal, relative to the target.
    dropped
        Numbers of the earlier moves that did not take place.
    """

    def __init__(self, target: Path, run: str, made: Sequence[str] = (), dropped: Sequence[int] = ()):
        self.target = target
        path = target / NAME
        fresh = not path.exists()
        if not fresh:
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        self._file: IO[str] = path.open("a", encoding="ascii")
        self.write([{**HEAD, "run": run, "made": list(made), "dropped": list(dropped)}])
        if fresh:
            sync_folder(target)

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append lines and wait until they are on the disk."""
        self._file.write("".join(json.dumps(line) + "\n" for line in lines))
        self._file.flush()
        os.fsync(self._file.fileno())

    def moves(self, moves: Sequence[Move], made: Sequence[str]) -> None:
        """Announce folders and moves."""
        first = [{"made": list(made)}] if made else []
        self.write([*first, *({"move": asdict(move)} for move in moves)])

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def _check(place: str) -> None:
    if Path(place).is_absolute() or ".." in Path(place).parts:
        raise ValueError(f"{place!r} is not inside the folder")


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
