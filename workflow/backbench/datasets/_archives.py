"""Archives, unpacked once: ``downloads/archives/<first 12 digits of the checksum>/``.

Beside the folder ``files`` is a marker with the whole checksum, the links that were left out, and notes for the user.
The folder appears complete, by one rename. A lock of the operating system keeps a second process from doing the same
work, and what a killed process left behind is removed by the next one. A downloaded archive is removed after
unpacking; an archive of the user's is never touched.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.datasets import _download, _fetch, _folders, _listing, _unpack
from backbench.datasets._unpack import Limits, Unpacked
from backbench.files import locked, write_text
from backbench.schema import ConfigError, nearest

log = logging.getLogger(__name__)

FILES, MARKER = "files", "unpacked.json"
FORMAT = 2  # format 1 left out all links, and read all names without a stated encoding as cp437
Fill = Callable[[Path], Unpacked]


@dataclass(frozen=True)
class Tree:
    """The files of an archive, the links that were left out with the reason of each, and notes for the user."""

    folder: Path
    skipped: Mapping[str, str]
    notes: tuple[str, ...] = ()


def existing(known: str, downloads: Path) -> Tree | None:
    """What was unpacked earlier from the archive with the checksum `known` (``sha256:...``, ``md5:...``), or None."""
    place = _place(known, downloads)
    try:
        marker = json.loads((place / MARKER).read_text(encoding="utf-8"))
        if marker["checksum"] != known or _is_outdated(marker, place / FILES):
            return None
        return Tree(place / FILES, marker["skipped"], tuple(marker.get("notes", ())))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def from_file(archive: Path, known: str, downloads: Path, limits: Limits) -> Tree:
    """The files of a local archive, whose checksum is `known`."""
    return tree(known, downloads, lambda folder: _unpack.unpack(archive, folder, limits))


def from_url(url: str, known: str, downloads: Path, limits: Limits) -> Tree:
    """The files of the archive at an address, fetched if needed.

    Raises
    ------
    ConfigError
        If it cannot be fetched, has another checksum, or cannot be unpacked.
    """

    def fill(folder: Path) -> Unpacked:
        try:
            _download.fetch(url, known, target, limits.size)
        except _fetch.FetchError as error:
            raise ConfigError(f"{error}. Alternatively, download it yourself and give dataset.archive=PATH.") from error
        return _unpack.unpack(target, folder, limits)

    target = _place(known, downloads).with_suffix(".archive")
    unpacked = tree(known, downloads, fill)
    target.unlink(missing_ok=True)
    return unpacked


def tree(known: str, downloads: Path, fill: Fill) -> Tree:
    """What `fill` writes into the folder that it is given, stored under the checksum `known`."""
    place = _place(known, downloads)
    with locked(place.with_suffix(".lock")):
        unpacked = existing(known, downloads)
        if unpacked is None:
            _clear(place)
            log.info("unpacking into %s", place)
            _fetch.into(place, lambda work: _filled(work, known, fill))
            unpacked = existing(known, downloads)
    if unpacked is None:
        raise ConfigError(f"{place} does not hold what was unpacked; remove it and try again.")
    return unpacked


def checksum(archive: Path, given: str | None, where: str = "dataset.archive") -> str:
    """``sha256:...`` of a local archive, computed again only if its size or modification time has changed.

    Raises
    ------
    ConfigError
        If there is no such file, or `given` is another SHA-256.
    """
    if not archive.is_file():
        raise ConfigError(f"{where}: {archive} is not a file; give a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz.")
    sha256 = _remembered(archive)
    if given is not None and given.lower() != sha256:
        raise ConfigError(f"dataset.sha256: {archive} has {sha256}, not {given.lower()} as given.")
    return f"sha256:{sha256}"


def enter(folder: Path) -> Path:
    """The first folder on the way down that holds images, or more than one folder."""
    return folder / _folders.wrapper(_listing.walk(folder)[0], folder)


def holding(folder: Path, fits: Callable[[Path], bool]) -> Path | None:
    """The first folder, from `folder` downward, that `fits`; None if none does."""
    for place, names, _ in os.walk(folder):
        names.sort()
        if fits(Path(place)):
            return Path(place)
    return None


def choose(tree_root: Path, wanted: str | None) -> Path:
    """The folder `wanted` of an archive, or else the one that :func:`enter` finds.

    Raises
    ------
    ConfigError
        If there is no folder of that name; it lists those that exist.
    """
    entered = enter(tree_root)
    if wanted is None:
        return entered
    if ".." in Path(wanted).parts or Path(wanted).is_absolute():
        raise ConfigError(f"dataset.folder: received {wanted!r}; allowed: a folder inside the archive.")
    for place in (tree_root / wanted, entered / wanted):
        if place.is_dir():
            return place
    folders = sorted(str(item.relative_to(tree_root)) for item in entered.iterdir() if item.is_dir())
    near = nearest(wanted, folders)
    hint = f" Did you mean {near}?" if near else ""
    raise ConfigError(
        f"dataset.folder: the archive has no folder {wanted!r}; allowed: {', '.join(folders[:24])}.{hint}"
    )


def _place(known: str, downloads: Path) -> Path:
    return downloads / "archives" / hashing.short(known.partition(":")[2])


def _filled(work: Path, known: str, fill: Fill) -> None:
    (work / FILES).mkdir()
    unpacked = fill(work / FILES)
    log.info("%d files, %d bytes", unpacked.entries, unpacked.size)
    for note in unpacked.notes:
        log.info("%s", note)
    write_text(work / MARKER, json.dumps({"checksum": known, "format": FORMAT, **asdict(unpacked)}))


def _is_outdated(marker: Mapping[str, Any], files: Path) -> bool:
    """Whether today's code could unpack it differently: it has links, or names that may be of another code page."""
    return marker.get("format", 1) < FORMAT and (bool(marker["skipped"]) or any(map(_may_be_garbled, _names(files))))


def _names(folder: Path) -> Iterator[str]:
    for _, folders, files in os.walk(folder):
        yield from folders
        yield from files


def _may_be_garbled(name: str) -> bool:
    try:
        return not name.isascii() and bool(name.encode("cp437"))
    except UnicodeEncodeError:
        return False


def _clear(place: Path) -> None:
    """Remove what a killed process left behind; the lock guarantees that no other is at work."""
    for folder in (place, *place.parent.glob(f".{place.name}-*")):
        shutil.rmtree(folder, ignore_errors=True)


def _remembered(archive: Path) -> str:
    """SHA-256 of a file, from memory if its path, size and modification time are the same."""
    archive, status = archive.absolute(), archive.stat()
    stamp = [str(archive), status.st_size, status.st_mtime_ns]
    memory = paths.results() / "fingerprints" / "archives" / f"{hashing.short(hashing.digest(str(archive)))}.json"
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return known["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        log.info("reading %s", archive)
    sha256 = hashing.file_digest(archive)
    write_text(memory, json.dumps({"stamp": stamp, "sha256": sha256}))
    return sha256
