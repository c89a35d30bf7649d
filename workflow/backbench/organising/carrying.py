"""One file linked, copied or moved; what is already there is never overwritten."""

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path

from backbench import hashing
from backbench.organising import journal
from backbench.schema import ConfigError

PART = ".backbench-part-"
# What a file system says that has no links, or whose owner forbids them.
NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES})


class Damaged(OSError):
    """A copy that does not have the bytes of its original."""


def link(source: Path, target: Path, relative: bool) -> None:
    """Make a symbolic link to `source`.

    Raises
    ------
    ConfigError
        If the file system has none.
    """
    to = os.path.relpath(os.path.realpath(source), os.path.realpath(target.parent)) if relative else str(source)
    try:
        target.symlink_to(to)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LINKS:
            raise
        raise ConfigError(
            f"{target.parent} cannot hold symbolic links ({error}). Add --copy, or name a folder on another disk."
        ) from error


def copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file with its times, check the digest of the copy, and only then give it its name.

    Raises
    ------
    Damaged
        If the copy does not have the digest.
    FileExistsError
        If there is something at `target`.
    """
    part = part_of(target)
    part.unlink(missing_ok=True)
    try:
        shutil.copy2(source, part)
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        if hashing.file_digest(part) != sha256:
            raise Damaged(errno.EIO, "the copy differs from the photograph that was swept", str(source))
        rename(part, target)
    finally:
        part.unlink(missing_ok=True)


def move(source: Path, target: Path, sha256: str) -> None:
    """Move a file; to another file system by a copy that is checked before the original is deleted."""
    try:
        rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target, sha256)
        journal.sync_folder(target.parent)
        _delete(source, target)


def rename(source: Path, target: Path) -> None:
    """Rename within a file system, never over something else.

    A hard link cannot overwrite, which a plain rename does; where there are none, a look has to do.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "there is something already", str(target)) from error
        source.rename(target)
    else:
        _delete(source, target)


def part_of(target: Path) -> Path:
    """Where a copy is until it is complete; always the same, so that what a killed copy left is overwritten."""
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()
    return target.with_name(f"{PART}{digest[:16]}")


def _delete(source: Path, target: Path) -> None:
    """Delete the original; if that is not allowed, the new name goes instead."""
    try:
        source.unlink()
    except OSError:
        with contextlib.suppress(OSError):
            target.unlink()
        raise
