"""The files that a person means by paths: images, folders, archives, and tables of paths.

Only names are held in memory. What the archives hold is unpacked safely into a temporary folder for as long as the
files are needed.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backbench.datasets import _listing, _names, _table_rows, _table_titles, _unpack
from backbench.datasets._printable import printable
from backbench.datasets._table_paths import spelled
from backbench.datasets._table_rows import Table
from backbench.datasets._unpack import Limits
from backbench.schema import ConfigError, refuse

log = logging.getLogger(__name__)

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
TABLES = (".csv", ".tsv")
# What errors of the datasets room call a path of this command.
OPTIONS = ("dataset.csv: ", "dataset.root: ", "dataset.archive: ")


@dataclass
class Gathered:
    """The files, and what each is called: as it was given, with the archive that it is from before it.

    `passed_over` are files and folders that hold no images by their names, with the reasons.
    """

    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    def add(self, file: Path, name: str) -> None:
        self.files.append(file)
        self.names.append(name)


@contextlib.contextmanager
def gathered(places: Iterable[Path], root: Path | None = None) -> Iterator[Gathered]:
    """The files at places, in their order; a folder with all that is below it, in the order of the paths.

    Parameters
    ----------
    root
        Folder where the paths of tables begin; None for the folder of each table, or else the current one.

    Raises
    ------
    ConfigError
        If a place does not exist or holds no images, or an archive or a table cannot be read.
    """
    gathering = Gathered()
    with contextlib.ExitStack() as stack:
        for place in places:
            _place(place.expanduser(), root, gathering, stack)
        yield gathering


def _place(place: Path, root: Path | None, into: Gathered, stack: contextlib.ExitStack) -> None:
    """Add what is at one place; what is unpacked goes when the stack is closed."""
    name = place.name.lower()
    try:
        if place.is_dir():
            _folder(place, f"{place}/", into)
        elif not place.exists():
            raise ConfigError(
                f"{printable(str(place))} does not exist; give images, folders, archives or a CSV of paths."
            )
        elif name.endswith(ARCHIVES):
            _archive(place, into, stack)
        elif name.endswith(TABLES):
            _table(place, root, into)
        else:
            into.add(place, str(place))
    except ConfigError as error:
        raise _plain(error) from error


def _folder(folder: Path, prefix: str, into: Gathered) -> None:
    files, skipped = _listing.walk(folder)
    for path in files:
        into.add(folder / path, f"{prefix}{path}")
    into.passed_over |= {f"{prefix}{path}": reason for path, reason in skipped.items() if reason != _listing.EMPTY}


def _archive(archive: Path, into: Gathered, stack: contextlib.ExitStack) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backbench-")))
    unpacked = _unpack.unpack(archive, folder, Limits.of(None, None))
    for note in unpacked.notes:
        log.warning("%s: %s", archive, note)
    _folder(folder, f"{archive}/", into)


def _table(path: Path, root: Path | None, into: Gathered) -> None:
    table = _table_rows.read(path)
    for text in table.column(_column(table)):
        into.add(_named(text, [root] if root is not None else [path.parent, Path()]), text)


def _column(table: Table) -> int:
    """The column of the paths: one with a usual title, or the only one.

    Raises
    ------
    ConfigError
        If there is none.
    """
    titles = [_table_titles.bare(title) for title in table.titles]
    place = next((titles.index(title) for title in _table_titles.PATHS if title in titles), None)
    if place is None and len(titles) == 1 and not _names.is_image(Path(table.titles[0])):
        place = 0
    if place is None:
        raise refuse(
            f"{table.path}: the column of the paths", ", ".join(table.titles), "a title such as path, file or image"
        )
    return place


def _named(text: str, bases: Iterable[Path]) -> Path:
    """The file that a cell names, as it is written or with other slashes, below the first of `bases` that has it."""
    bases = list(bases)
    spellings = [text.strip(), ("/" if text.strip().startswith(("/", "file:")) else "") + "/".join(spelled(text))]
    tries = [base / spelling for base in bases for spelling in spellings]
    return next((path for path in tries if _is_file(path)), tries[0])


def _is_file(path: Path) -> bool:
    """Whether a file is there; False for what no file system takes, and what may not be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def _plain(error: ConfigError) -> ConfigError:
    """An error without the option of another command that its sentence begins with."""
    text = str(error)
    for option in OPTIONS:
        text = text.removeprefix(option)
    return ConfigError(text)


def summary(passed_over: Mapping[str, str]) -> str:
    """How many files and folders were passed over, by reason; empty for none."""
    return _listing.counted(passed_over) if passed_over else ""
