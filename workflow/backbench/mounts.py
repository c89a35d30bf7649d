"""What file system a path lies on, as Linux lists it (standard library only)."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LISTED = Path("/proc/self/mountinfo")
# File systems that several machines can mount at once, as Linux calls them.
NETWORK = frozenset(
    ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "glusterfs", "wekafs", "panfs", "orangefs")
    + ("pvfs2", "afs", "9p", "virtiofs", "ocfs2", "gfs2", "cvmfs2", "fuse.ceph", "fuse.sshfs", "fuse.glusterfs")
)
MEMORY = frozenset(("tmpfs", "ramfs"))
OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A mounted file system; `options` are those of the mount and of the file system."""

    point: Path
    kind: str
    source: str
    options: frozenset[str]

    @property
    def network(self) -> bool:
        """Whether other machines can have it too."""
        return self.kind in NETWORK

    @property
    def unshared_locks(self) -> str:
        """The option with which locks hold on this machine alone; empty where there is none."""
        wrong = ("nolock", "local_lock=all", "local_lock=flock", "localflock")
        return next((option for option in wrong if option in self.options), "")


def of(path: Path) -> Mount | None:
    """The file system on which a path lies, or would lie; None where the system lists none."""
    real = Path(os.path.realpath(path))
    above = [mount for mount in _mounted() if real.is_relative_to(mount.point)]
    # Of two at one place the later hides the earlier.
    return max(reversed(above), key=lambda mount: len(mount.point.parts), default=None)


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def _mounted() -> Iterator[Mount]:
    """The lines of the list; their fields are described in proc(5)."""
    try:
        lines = LISTED.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        _, _, _, _, point, options, *_ = before.split(" ")
        kind, source, more = (after.split(" ") + ["", ""])[:3]
        yield Mount(Path(_plain(point)), kind, _plain(source), frozenset((options + "," + more).split(",")))


def _plain(text: str) -> str:
    """A field with its spaces, which the list writes as octal numbers."""
    return OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
