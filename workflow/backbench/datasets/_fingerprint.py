"""The content fingerprint of a folder of images (layer 1).

The digest is over the relative path, class and decoded pixels of every readable file, in the order of the paths: it
does not change with times, owners or the folder's own place. What was found is kept in a JSON file per folder, and a
file is decoded again only if its size or its modification time (in nanoseconds) has changed, or the decoder has.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from backbench import hashing
from backbench.datasets import _decode, _listing, _registry
from backbench.datasets._listing import Entry, Listing
from backbench.datasets._registry import Found

SAVE_EVERY = 2000


@dataclass(frozen=True)
class Audit:
    """What the files of a folder hold: `readable` with the digest of each, and `excluded` with the reason of each.

    `given` says whether the folder brings its own split.
    """

    digest: str
    given: bool
    readable: list[tuple[Entry, str]]
    excluded: dict[str, str]


def take(root: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Audit:
    """Decode what is new in a folder and give its audit; an interrupted call goes on where it was."""
    root, listing = root.absolute(), _listing.read(root)
    known = _registry.read(root)
    files: dict[str, Found] = {}
    for number, (entry, found) in enumerate(_examine(root, listing, known), 1):
        files[entry.path] = found
        if found is not known.get(entry.path) and number % SAVE_EVERY == 0:
            _registry.write(root, {**known, **files}, None)
        progress(number, len(listing.entries))
    audit = _audit(listing, files)
    _registry.write(root, files, audit.digest)
    return audit


def recall(root: Path) -> Audit | None:
    """The audit of a folder if nothing in it has changed since it was taken, without opening an image."""
    root, listing = root.absolute(), _listing.read(root)
    known = _registry.read(root)
    if all(_fresh(root, entry, known) for entry in listing.entries):
        return _audit(listing, known)
    return None


def _examine(root: Path, listing: Listing, known: Mapping[str, Found]) -> Iterator[tuple[Entry, Found]]:
    def look(entry: Entry) -> Found:
        return known[entry.path] if _fresh(root, entry, known) else _look(root / entry.path)

    with ThreadPoolExecutor(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    ) as pool:
        yield from zip(listing.entries, pool.map(look, listing.entries), strict=True)


def _look(path: Path) -> Found:
    stamp = _stamp(path)
    try:
        return {**stamp, "sha256": _decode.pixel_digest(_decode.rgb(path)).hex()}
    except OSError as error:
        return {**stamp, "reason": error.strerror or str(error)}
    except _decode.Unreadable as error:
        return {**stamp, "reason": str(error)}


def _stamp(path: Path) -> Found:
    try:
        about = path.stat()
    except OSError:
        return {"size": -1, "mtime_ns": -1, "ctime_ns": -1}
    return {"size": about.st_size, "mtime_ns": about.st_mtime_ns, "ctime_ns": about.st_ctime_ns}


def _fresh(root: Path, entry: Entry, known: Mapping[str, Found]) -> bool:
    """Whether a file is as it was; for one that could not be read, the change time counts too (permissions)."""
    found = known.get(entry.path, {})
    stamp = _stamp(root / entry.path)
    keys = ("size", "mtime_ns") if "sha256" in found else tuple(stamp)
    return all(found.get(key) == stamp[key] for key in keys)


def _audit(listing: Listing, files: Mapping[str, Found]) -> Audit:
    excluded = dict.fromkeys(listing.stray, "lies beside the class folders")
    readable, total = [], hashlib.sha256()
    for entry in listing.entries:
        found = files[entry.path]
        if "sha256" in found:
            readable.append((entry, found["sha256"]))
            total.update(hashing.canonical_json([entry.path, entry.label, found["sha256"]]).encode("ascii"))
        else:
            excluded[entry.path] = found["reason"]
    return Audit(total.hexdigest(), listing.given, readable, excluded)
