"""The content fingerprint of a collection of image files (layer 1).

The digest is over the relative path, class and decoded pixels of every readable file, in the order of the paths: it
does not change with times, owners or the folder's own place. What was found is kept in a JSON file per folder, and a
file is decoded again only if its size or its modification time (in nanoseconds) has changed, or the decoder has.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backbench.datasets import PARTS, _decode, _phash, _registry
from backbench.datasets._listing import Entry, Listing
from backbench.datasets._registry import Found

SAVE_SECONDS = 30
# Errors that say nothing about the file, so that they must not be remembered as the reason why it is left out.
OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})


class Seen(NamedTuple):
    """A readable file: SHA-256 of its decoded pixels, perceptual hash, width and height, and how it is stored."""

    entry: Entry
    sha256: str
    phash: int
    size: tuple[int, int]
    mode: str
    format: str


@dataclass(frozen=True)
class Audit:
    """What the files of a collection hold: those that are `readable`, and those `excluded` with the reason of each.

    `given` says whether the collection brings its own split.
    """

    digest: str
    given: bool
    readable: Sequence[Seen]
    excluded: Mapping[str, str]


def take(root: Path, listing: Listing, progress: Callable[[int, int], None] = lambda done, total: None) -> Audit:
    """Decode what is new in a collection and give its audit; an interrupted call goes on where it was."""
    known, saved = _registry.read(root), time.monotonic()
    files: dict[str, Found] = {}
    for number, (entry, found) in enumerate(_examine(root, listing, known), 1):
        files[entry.path] = found
        if found is not known.get(entry.path) and time.monotonic() - saved > SAVE_SECONDS:
            _registry.write(root, {**known, **files}, None)
            saved = time.monotonic()
        progress(number, len(listing.entries))
    audit = _audit(listing, files)
    _registry.write(root, files, audit.digest)
    return audit


def recall(root: Path, listing: Listing) -> Audit | None:
    """The audit of a collection if nothing in it has changed since it was taken, without opening an image."""
    known = _registry.read(root)
    if all(_registry.fresh(root, entry.path, known) for entry in listing.entries):
        return _audit(listing, known)
    return None


def _examine(root: Path, listing: Listing, known: Mapping[str, Found]) -> Iterator[tuple[Entry, Found]]:
    """Each entry with what was found: decoded side by side where it is not known yet."""
    fresh = [_registry.fresh(root, entry.path, known) for entry in listing.entries]
    waiting = [Path(root, entry.path) for entry, is_fresh in zip(listing.entries, fresh, strict=True) if not is_fresh]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(cores) as pool:
        looked = pool.map(_look, waiting)
        for entry, is_fresh in zip(listing.entries, fresh, strict=True):
            yield entry, known[entry.path] if is_fresh else next(looked)


def _look(path: Path) -> Found:
    stamp = _registry.stamp(str(path))
    try:
        found = _decode.decode(path)
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise
        return {**stamp, "reason": error.strerror or str(error)}
    except _decode.Unreadable as error:
        return {**stamp, "reason": str(error)}
    return {
        **stamp,
        "sha256": _decode.pixel_digest(found.image).hex(),
        "phash": f"{_phash.of(found.image):016x}",
        "sides": list(found.image.size),
        "mode": found.mode,
        "format": found.format,
    }


def _audit(listing: Listing, files: Mapping[str, Found]) -> Audit:
    encode = json.JSONEncoder(separators=(",", ":")).encode
    excluded, readable, total = dict(listing.left_out), [], hashlib.sha256()
    for entry in listing.entries:
        found = files[entry.path]
        if "sha256" not in found:
            excluded[entry.path] = found["reason"]
            continue
        readable.append(_seen(entry, found))
        part = [PARTS[entry.part]] if listing.apart else []
        total.update(encode([entry.path, entry.label, found["sha256"], *part]).encode("ascii"))
    return Audit(total.hexdigest(), listing.given, readable, excluded)


def _seen(entry: Entry, found: Found) -> Seen:
    width, height = found["sides"]
    return Seen(entry, found["sha256"], int(found["phash"], 16), (width, height), found["mode"], found["format"])
