"""Links within an archive (standard library only): which file or folder each of them names.

The target of a symbolic link is relative to its own folder, that of a hard link to the root of the archive, in any
order of the entries. Everything is decided by names: no link is ever made on the disk, so none can be followed there.
Targets are looked up among the entries that were written and the other links. A path that leaves the archive on its way
counts as outside, even if it comes back.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

DRIVE = re.compile(r"[A-Za-z]:")
LONGEST = 4096  # characters of a path, as Linux has it
OUTSIDE = "points outside the archive"
MISSING = "points to nothing in the archive"
CIRCLE = "points in a circle"
ABOVE = "points back to a folder above it"
NO_NAME = "is not a file name"


class Link(NamedTuple):
    """The target of a link, as the archive states it."""

    target: str
    hard: bool


class Broken(NamedTuple):
    """Why a link does not lead to a file of the archive."""

    why: str


class Unresolved(NamedTuple):
    """Another link that has to be resolved first."""

    path: str


class Copy(NamedTuple):
    """What to create at `path`: a file equal to `source`, a folder (no source), or nothing, for a `reason`."""

    path: str
    source: str | None = None
    reason: str | None = None


class Twice(Exception):
    """Two entries of the same name; the arguments are the name and what each of them is."""


class Links:
    """The links of an archive, collected while its files are written into `folder`.

    Paths are relative, with forward slashes; the root is the empty string.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._links: dict[str, Link] = {}
        self._children: dict[str, set[str]] = {}  # what folders hold because of links
        self._places: dict[str, str | Broken] = {}
        self._folded: dict[str, dict[str, str | None]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._links

    def add(self, path: str, link: Link) -> None:
        """Remember a link.

        Raises
        ------
        Twice
            If a different link has this name.
        """
        if self._links.setdefault(path, link) != link:
            raise Twice(path, "a link", "another link")
        while path:
            above, name = _split(path)
            names = self._children.setdefault(above, set())
            if name in names:
                return
            names.add(name)
            path = above

    def settle(self) -> None:
        """Resolve all links; to be called when every file is written.

        Raises
        ------
        Twice
            If a file has the name of a link or of a folder of links, or a folder the name of a link that is not broken.
        """
        for path, link in list(self._links.items()):
            if self._kind(path) == "file":
                if not (link.hard and _plain(link.target) == path):  # tar marks a file that was packed twice so
                    raise Twice(path, "a link", "a file")
                del self._links[path]
        for path in self._children:
            if self._kind(path) == "file":
                raise Twice(path, "a file", "a folder")
        for path in self._links:
            self._resolve(path)
        for path in self._links:
            is_folder = path in self._children or self._kind(path) == "folder"
            if is_folder and not isinstance(self._places[path], Broken):
                raise Twice(path, "a link", "a folder")

    def copies(self) -> Iterator[Copy]:
        """What has to be created or left out; the same sequence before, during and after its creation.

        A link to a folder gives everything in that folder, as if the link were followed.
        """
        for path in self._links:
            yield from self._expand(path)

    def _expand(self, link: str) -> Iterator[Copy]:
        waiting = [(link, self._places[link], frozenset(_above(link)), link)]
        while waiting:
            path, place, above, via = waiting.pop()
            if isinstance(place, Broken):
                yield Copy(path, reason=self._reason(via, place.why))
            elif not self._is_folder(place):
                yield Copy(path, place)
            elif place in above:
                yield Copy(path, reason=self._reason(via, ABOVE))
            else:
                yield Copy(path)
                for name in self._names(place):
                    inner = _join(place, name)
                    if inner in self._links:
                        waiting.append((_join(path, name), self._places[inner], above | {place}, inner))
                    else:
                        waiting.append((_join(path, name), inner, above | {place}, via))

    def _reason(self, path: str, why: str) -> str:
        target, hard = self._links[path]
        shown = target if len(target) <= 100 else f"{target[:100]}..."
        return f"is a {'hard ' if hard else ''}link to {shown!r}, which {why}"

    def _resolve(self, path: str) -> None:
        """Follow a link after those that it depends on, without recursion: chains may have any length."""
        waiting: dict[str, None] = {} if path in self._places else {path: None}
        while waiting:
            last = next(reversed(waiting))
            place = self._follow(last)
            if isinstance(place, Unresolved) and place.path not in waiting:
                waiting[place.path] = None
                continue
            self._places[last] = Broken(CIRCLE) if isinstance(place, Unresolved) else place
            waiting.popitem()

    def _follow(self, path: str) -> str | Broken | Unresolved:
        """Where a link leads, as far as the links on its way are resolved."""
        target, hard = self._links[path]
        if not target or len(target) > LONGEST or "\0" in target:
            return Broken(NO_NAME)
        if target.startswith("/") or DRIVE.match(target):
            return Broken(OUTSIDE)
        place = "" if hard else _split(path)[0]
        parts = [part for part in target.split("/") if part not in ("", ".")]
        for number, part in enumerate(parts, 1):
            if part == "..":
                if not place:
                    return Broken(OUTSIDE)
                place = _split(place)[0]
                continue
            entry = self._exact(place, part)
            if entry is None:
                return Broken(MISSING)
            place = entry
            other = self._links.get(place)
            if other is None:
                continue
            if hard and number == len(parts) and not other.hard:  # the same symbolic link, in another folder
                self._links[path] = other
                return self._follow(path)
            resolved = self._places.get(place, Unresolved(place))
            if not isinstance(resolved, str):
                return resolved
            place = resolved
        return place

    def _exact(self, folder: str, name: str) -> str | None:
        """The entry `name` of a folder, or the only one that differs just in case."""
        path = _join(folder, name)
        if path in self._links or path in self._children or self._kind(path):
            return path
        if folder not in self._folded:
            self._folded[folder] = {}
            for each in self._names(folder):
                key = each.casefold()
                self._folded[folder][key] = None if key in self._folded[folder] else each
        same = self._folded[folder].get(name.casefold())
        return None if same is None else _join(folder, same)

    def _names(self, folder: str) -> list[str]:
        names = set(self._children.get(folder, ()))
        if self._kind(folder) == "folder":
            names.update(item.name for item in (self._folder / folder).iterdir())
        return sorted(names)

    def _is_folder(self, place: str) -> bool:
        return place in self._children or self._kind(place) == "folder"

    def _kind(self, path: str) -> Literal["file", "folder"] | None:
        """What was written at a path, if anything."""
        try:
            mode = os.lstat(f"{self._folder}/{path}").st_mode
        except (OSError, ValueError):
            return None
        if stat.S_ISDIR(mode):
            return "folder"
        return "file" if stat.S_ISREG(mode) else None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _split(path: str) -> tuple[str, str]:
    above, _, name = path.rpartition("/")
    return above, name


def _above(path: str) -> Iterator[str]:
    while path:
        path = _split(path)[0]
        yield path


def _plain(target: str) -> str:
    return "/".join(part for part in target.split("/") if part not in ("", "."))
