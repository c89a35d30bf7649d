"""The folders that a sweep writes to: space, permissions, locks, and whether other users and machines share them."""

import fcntl
import grp
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from backbench import mounts, paths
from backbench.findings import Finding, fail, ok, warn
from backbench.mounts import Mount

GB = 10**9
LEAST_GB, FEW_GB = 1, 10
GROUP_WRITES = stat.S_IWGRP


def results(_: Sequence[str]) -> Iterator[Finding]:
    """The results folder."""
    yield from _folder("results", paths.results(), "BACKBENCH_RESULTS")


def store(_: Sequence[str]) -> Iterator[Finding]:
    """The store, and whether a group can share it."""
    yield from _folder("store", paths.store(), "BACKBENCH_STORE")
    yield from _sharing(paths.store())


def downloads(_: Sequence[str]) -> Iterator[Finding]:
    """The folder of fetched originals, where it lies elsewhere."""
    if not paths.downloads().is_relative_to(paths.results()):
        yield from _folder("downloads", paths.downloads(), "BACKBENCH_DOWNLOADS")


def tmpdir(_: Sequence[str]) -> Iterator[Finding]:
    """The folder of temporary files."""
    folder = Path(os.environ.get("TMPDIR") or "/tmp")
    if not folder.is_dir():
        yield fail("tmpdir", f"{folder} is not there", f"type: mkdir -p {folder}")
        return
    yield from _folder("tmpdir", folder, "TMPDIR", locked=False)
    mount = mounts.of(folder)
    if mount and mount.network:
        yield warn(
            "tmpdir",
            f"{folder} lies on {mount.kind}, which is slow",
            "type: export TMPDIR=FOLDER (on a disk of the node)",
        )
    if mount and mount.kind in mounts.MEMORY:
        yield warn("tmpdir", f"{folder} lies in memory ({mount.kind})", "type: export TMPDIR=FOLDER (on a disk)")


def _folder(name: str, folder: Path, variable: str, locked: bool = True) -> Iterator[Finding]:
    """Space, permissions and locks of a folder that is there or can be made."""
    place, mount = mounts.existing(folder), mounts.of(folder)
    kind = f"{mount.kind}{' (shared)' if mount.network else ''}" if mount else "an unknown file system"
    free = shutil.disk_usage(place).free
    about = f"{folder} on {kind}, {free // GB:,} GB free"
    elsewhere = f"type: export {variable}=FOLDER"
    refused = _refused(place)
    if refused:
        yield fail(name, f"{about}; {refused}", elsewhere)
        return
    if free < LEAST_GB * GB:
        yield fail(name, about, f"{elsewhere} (with room)")
    elif free < FEW_GB * GB:
        yield warn(name, about, f"{elsewhere} (with more room)")
    else:
        yield ok(name, about)
    if locked:
        yield from _locks(name, place, mount)


def _refused(place: Path) -> str:
    """Why a file cannot be written whole in a folder; empty where it can."""
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-") as file:
            file.write(b"backbench")
            file.flush()
            os.fsync(file.fileno())
            renamed = Path(f"{file.name}-renamed")
            Path(file.name).replace(renamed)
            renamed.replace(file.name)
    except OSError as error:
        return f"it cannot be written: {error.strerror or error}"
    return ""


def _locks(name: str, place: Path, mount: Mount | None) -> Iterator[Finding]:
    """Whether locks hold, as far as one machine can tell."""
    elsewhere = f"ask its administrator to mount it with locks, or use a {name} folder elsewhere"
    broken = _lock_broken(place)
    if broken:
        yield fail("locks", f"{place}: {broken}", elsewhere)
    elif mount and mount.unshared_locks:
        seen = f"{mount.point} is mounted with {mount.unshared_locks}: two machines do not see each other's locks"
        yield warn("locks", seen, f"{elsewhere}, and start sweeps on one login node until then")


def _lock_broken(place: Path) -> str:
    """Why a lock does not keep a second one out; empty where it does."""
    with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-") as file, Path(file.name).open("rb") as second:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return f"locks do not work here: {error.strerror or error}"
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return ""
        return "a lock here does not keep a second one out"


def _sharing(folder: Path) -> Iterator[Finding]:
    """Whether what one user of a group makes in the store can be used by the others."""
    if not folder.is_dir():
        return
    about = folder.stat()
    group = _group(about.st_gid)
    if about.st_mode & stat.S_IWOTH and not about.st_mode & stat.S_ISVTX:
        yield fail("sharing", f"everyone may write to {folder}", f"type: chmod o-w {folder}")
    if not about.st_mode & GROUP_WRITES:
        yield ok("sharing", f"the store is {_user_only(about.st_mode)}")
        return
    if about.st_mode & stat.S_ISGID:
        yield ok("sharing", f"the group {group} may write the store, whatever your umask ({_umask():03o})")
    else:
        seen = f"{folder} lacks setgid: what other programs make in it belongs to their user's group, not to {group}"
        yield warn("sharing", seen, f"type: find {folder} -type d -exec chmod g+s {{}} +")


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _user_only(mode: int) -> str:
    return "yours alone to write" if mode & stat.S_IRGRP else "yours alone"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
