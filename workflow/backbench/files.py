"""Files written whole or not at all.

Each file is written beside its final place and renamed. A folder that lies where a file belongs is set aside, never
deleted.
"""

import contextlib
import itertools
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backbench import paths

log = logging.getLogger(__name__)

GROUP_WRITABLE, FILE_MODE = 0o775, 0o664


class WriteError(RuntimeError):
    """A place that cannot be written."""


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, never writable by everyone.

    Raises
    ------
    WriteError
        If something else lies there, or it may not be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        try:
            place.mkdir(mode=GROUP_WRITABLE, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise WriteError(f"{blocking(place)} is not a folder, and has to be; move it away.") from error
        except PermissionError as error:
            raise _forbidden(place.parent) from error
    if not folder.is_dir():
        raise WriteError(f"{blocking(folder)} is not a folder, and has to be; move it away.")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    make_folder(path.parent)
    with replacing(path.parent) as (handle, commit):
        handle.write(content)
        commit(path)


def remove(path: Path) -> None:
    """Remove a file, if it is there; a folder in its place is set aside."""
    set_aside(path)
    path.unlink(missing_ok=True)


def write_if_changed(path: Path, text: str) -> None:
    """Write a text file whole or not at all, unless it says that already."""
    try:
        same = path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        same = False
    if not same:
        write_text(path, text)


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[tuple[Any, Any]]:
    """A temporary file in `folder` and the function that renames it to its final name."""
    try:
        handle = tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-", delete=False)  # noqa: SIM115 (it is renamed)
    except PermissionError as error:
        raise _forbidden(folder) from error
    committed = False

    def commit(target: Path) -> None:
        nonlocal committed
        handle.flush()
        os.fsync(handle.fileno())
        Path(handle.name).chmod(FILE_MODE & ~_umask())
        if target.absolute().is_relative_to(paths.results().absolute()):  # a folder elsewhere is somebody's own
            set_aside(target)
        Path(handle.name).replace(target)
        committed = True

    try:
        with handle:
            yield handle, commit
    finally:
        if not committed:
            Path(handle.name).unlink(missing_ok=True)


def set_aside(target: Path) -> None:
    """Rename a folder that lies where a file of ours is to be written."""
    if target.is_dir() and not target.is_symlink():
        names = (target.with_name(f"{target.name}.aside-{number}") for number in itertools.count(1))
        aside = next(path for path in names if not os.path.lexists(path))
        target.rename(aside)
        log.warning("%s was a folder where a file belongs; it is now %s", target, aside.name)


def blocking(path: Path) -> Path:
    """The file that lies where a folder above `path` belongs, or `path` itself."""
    above = (place for place in path.parents if os.path.lexists(place) and not place.is_dir())
    return next(above, path)


def _forbidden(folder: Path) -> WriteError:
    return WriteError(
        f"{folder} may not be written by this user: change its permissions, or name another place with BACKBENCH_STORE "
        "or BACKBENCH_RESULTS."
    )


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
