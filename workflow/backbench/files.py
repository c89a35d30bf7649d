"""Files written whole or not at all, with the modes of the folder that they are kept in.

Each file is written beside its final place and renamed. A folder that lies where a file belongs is set aside, never
deleted.

Who may write is decided by the root of a place: the store, the downloads or the results. Where the group of the root
may write, it may write what is made below, whatever the umask; where it may not, nothing below is made writable for it.
Elsewhere the umask decides, unless a folder is both writable for its group and setgid. `sharing` checks the roots
before a sweep.
"""

import contextlib
import itertools
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from backbench import paths

if TYPE_CHECKING:
    import filelock

log = logging.getLogger(__name__)

FOLDER_MODE, FILE_MODE = 0o775, 0o664
GROUP_OF_FILES = stat.S_IRGRP | stat.S_IWGRP
GROUP_OF_FOLDERS = stat.S_IRWXG | stat.S_ISGID


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
            place.mkdir(mode=FOLDER_MODE, exist_ok=True)
            share(place)
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


def forget(path: Path) -> None:
    """Remove a damaged file, if this user may; where not, the warning says who may."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s is damaged and cannot be removed (%s)", path, error.strerror)


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
        share(Path(handle.name))
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


def share(path: Path) -> None:
    """Give a file or folder that was just made the modes, and where it is shared the group, of its root."""
    root, about = _root(path.parent), path.stat()
    inherited = about.st_mode & stat.S_ISGID
    if _is_shared(root) and about.st_gid != root.st_gid:
        with contextlib.suppress(PermissionError):  # shared by access lists, with somebody outside the group
            os.chown(path, -1, root.st_gid)
    with contextlib.suppress(PermissionError):  # another user has just made it
        path.chmod(_mode(root, stat.S_ISDIR(about.st_mode)) | inherited)


def share_all(folder: Path) -> None:
    """Give a folder and all that was just written into it the modes, and where it is shared the group, of its root.

    A private one stays as it was written.
    """
    if _is_shared(_root(folder.parent)):
        for path in (folder, *(path for path in folder.rglob("*") if not path.is_symlink())):
            share(path)


def locked(path: Path, timeout: float = -1) -> "filelock.FileLock":
    """A lock on a file that all who may write beside it can take.

    Raises
    ------
    WriteError
        If the file may not be made there.
    """
    import filelock

    make_folder(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _mode(_root(path.parent), folder=False)))
        share(path)
    except FileExistsError:
        pass
    except PermissionError as error:
        raise _forbidden(path.parent) from error
    if path.is_file() and not os.access(path, os.W_OK):
        raise _forbidden(path)
    return filelock.FileLock(path, timeout, mode=_mode(_root(path.parent), folder=False))


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


def _forbidden(place: Path) -> WriteError:
    return WriteError(
        f"{place} may not be written by this user: change its permissions, or name another place with BACKBENCH_STORE "
        "or BACKBENCH_RESULTS."
    )


def _root(folder: Path) -> os.stat_result | None:
    """The root that `folder` is, or lies below, as it is on the disk; else a `folder` that is made for a group."""
    place = folder.absolute()
    roots = (root for root in (paths.store(), paths.downloads(), paths.results()) if place.is_relative_to(root))
    for root in sorted(roots, key=lambda root: len(root.parts), reverse=True):
        with contextlib.suppress(OSError):
            return root.stat()
    about = place.stat()
    return about if about.st_mode & stat.S_ISGID and about.st_mode & stat.S_IWGRP else None


def _is_shared(root: os.stat_result | None) -> TypeGuard[os.stat_result]:
    return root is not None and bool(root.st_mode & stat.S_IWGRP)


def _mode(root: os.stat_result | None, folder: bool) -> int:
    full, group = (FOLDER_MODE, GROUP_OF_FOLDERS) if folder else (FILE_MODE, GROUP_OF_FILES)
    mode = full & ~umask()
    if root is None:
        return mode
    return mode | group if _is_shared(root) else mode & ~stat.S_IWGRP


def umask() -> int:
    """The mask of modes of this process."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
