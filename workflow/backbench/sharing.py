"""Whether this user may write the store, the downloads and the results, and whether a group may that shares them.

A root is shared where its group may write it. Checked before any job of a sweep starts: what this user owns is put
right, and for the rest the message says who has to type what.
"""

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from backbench import files, paths
from backbench.files import WriteError

# Folders below a root, at most, that are looked at: kinds of results and the first digits of their hashes.
DEPTH = 2
SHOWN = 3
# The folder of unfinished work in a store, where locks lie, too.
PARTIAL = "partial"
# A tracking server's data below the results, which PostgreSQL wants to be its owner's alone.
SERVER = "server"
SNAKEMAKE = ".snakemake"
# Files that are written in place right below a root.
IN_PLACE = (".lock", ".lock.owner", "mlflow.db")
TO_SHARE = "chgrp -R {group} {root} && chmod -R g+rwX {root} && find {root} -type d -exec chmod g+s {{}} +"
WITHOUT_SERVER = (
    "find {root} -path {root}/server -prune -o -exec chgrp {group} {{}} + -exec chmod g+rwX {{}} + && "
    "find {root} -path {root}/server -prune -o -type d -exec chmod g+s {{}} +"
)


def prepare() -> None:
    """Make the roots of what a sweep writes, with the modes that they and what is in them should have.

    Where the results folder is shared, what this process and its children make may be written by the group, too.

    Raises
    ------
    WriteError
        If this user may not write one of them, or what other users have made there; it says what to type.
    """
    roots = {paths.results(): "BACKBENCH_RESULTS", paths.store(): "BACKBENCH_STORE"}
    with contextlib.suppress(PermissionError):  # below a root that is refused in a moment
        roots |= {paths.downloads(): "BACKBENCH_DOWNLOADS"} if paths.downloads().exists() else {}
    for root, variable in roots.items():
        files.make_folder(root)
        _check(root, variable, [other for other in roots if other != root])
    if is_shared(paths.results()):
        os.umask(files.umask() & ~stat.S_IRWXG)


def is_shared(root: Path) -> bool:
    """Whether the group of a folder may write it."""
    return bool(root.stat().st_mode & stat.S_IWGRP)


def _check(root: Path, variable: str, others: list[Path]) -> None:
    about = root.stat()
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise WriteError(_closed(root, about, variable))
    if not about.st_mode & stat.S_IWGRP:
        return
    wrong = [path for path in _within(root, others) if not _put_right(path, about)]
    if wrong:
        raise WriteError(_not_shared(root, about, variable, wrong))


def _within(root: Path, others: list[Path], depth: int = DEPTH) -> Iterator[Path]:
    """A root, the folders in it, and the files that are written in place, without those of the other roots.

    What is hidden or the server's is left alone, and so is all of a home folder that serves as a root.
    """
    yield root
    if Path.home().is_relative_to(root):
        return
    if not depth:
        yield from root.glob("*.lock") if root.parent.name == PARTIAL else ()
        return
    if not os.access(root, os.R_OK | os.X_OK):
        return
    with os.scandir(root) as entries:
        for entry in entries:
            path = Path(entry.path)
            if path in others or entry.is_symlink() or _private(entry.name, depth):
                continue
            if entry.is_dir():
                yield from _within(path, others, depth - 1)
            elif entry.name.startswith(IN_PLACE) if depth == DEPTH else path.suffix == ".lock":
                yield path


def _private(name: str, depth: int) -> bool:
    """Whether a folder or file is none of those that a group shares."""
    if depth == DEPTH:
        return name == SERVER or (name.startswith(".") and not name.startswith(IN_PLACE) and name != SNAKEMAKE)
    return name.startswith(".") and not name.endswith(".lock")


def _put_right(path: Path, root: os.stat_result) -> bool:
    """Let the group of a root write a folder or a file in it, if this user owns it; whether this user may write it."""
    try:
        about = path.stat()
    except FileNotFoundError:  # another user's sweep has just removed it
        return True
    folder = stat.S_ISDIR(about.st_mode)
    wanted = about.st_mode | (files.GROUP_OF_FOLDERS if folder else files.GROUP_OF_FILES)
    if about.st_uid == os.geteuid():
        with contextlib.suppress(PermissionError):  # shared by access lists, with somebody outside the group
            os.chown(path, -1, root.st_gid if about.st_gid != root.st_gid else -1)
        if wanted != about.st_mode:
            path.chmod(stat.S_IMODE(wanted))
        return True
    sticky = folder and about.st_mode & stat.S_ISVTX and about.st_uid != os.geteuid()
    return os.access(path, os.W_OK) and not sticky


def _closed(root: Path, about: os.stat_result, variable: str) -> str:
    """Why a root is closed to this user, and what opens it."""
    owner, group, user = _user(about.st_uid), _group(about.st_gid), _user(os.geteuid())
    words = f"{root} may not be written by {user}: it belongs to {owner} and the group {group} (mode {_shown(about)})."
    if about.st_mode & stat.S_IWGRP:
        return (
            f"{words}\n  {user} is not in that group; an administrator types: usermod -aG {group} {user}\n"
            f"  or use a folder of your own: {variable}=..."
        )
    return (
        f"{words}\n  to share it with that group, or with another in its place, {owner} types: "
        f"{_to_share(root, group)}\n  or use a folder of your own: {variable}=..."
    )


def _not_shared(root: Path, about: os.stat_result, variable: str, wrong: list[Path]) -> str:
    """What is in a shared root that this user may not write, and who opens it."""
    shown = "\n".join(f"  {path} ({_user(path.stat().st_uid)}, mode {_shown(path.stat())})" for path in wrong[:SHOWN])
    more = f"\n  and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
    owners = sorted({path.stat().st_uid for path in wrong})
    sticky = any(path.stat().st_mode & stat.S_ISVTX for path in wrong)
    command = _to_share(root, _group(about.st_gid))
    command += f" && chmod -R -t {root}" if sticky else ""
    return (
        f"{root} is shared by the group {_group(about.st_gid)}, but {_user(os.geteuid())} may not write all of it:\n"
        f"{shown}{more}\n  {' and '.join(map(_user, owners))}, or an administrator, types: {command}\n"
        f"  or use a folder of your own: {variable}=..."
    )


def _to_share(root: Path, group: str) -> str:
    """What the owner of a root types to share it with a group."""
    return (WITHOUT_SERVER if (root / SERVER).exists() else TO_SHARE).format(group=group, root=root)


def _shown(about: os.stat_result) -> str:
    return f"{stat.S_IMODE(about.st_mode):o}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
