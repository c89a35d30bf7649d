"""The content fingerprint of a collection of image files (layer 1).

The digest is over the relative path, class and decoded pixels of every readable file, in the order of the paths: it
does not change with times, owners or the folder's own place. What was found is kept in a JSON file per folder, and a
file is decoded again only if its size or its modification time (in nanoseconds) has changed, the decoder has, or the
number of bits that count in its samples.

Whatever happens while a file is read is its reason and stops nobody, but for the errors of the machine. A file that
there was not enough memory for is left out as well, and is looked at again the next time.
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

from backbench.datasets import PARTS, _registry
from backbench.datasets._listing import Entry, Listing
from backbench.datasets._registry import Found
from backbench.images import decoding, phash

SAVE_SECONDS = 30
# Errors that say nothing about the file, so that they must not be remembered as the reason why it is left out.
OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})
NO_MEMORY = "there was not enough memory to read it; it is tried again the next time"


class Seen(NamedTuple):
    """A readable file: SHA-256 of its decoded pixels, perceptual hash, width and height, and how it is stored.

    `peak` is the largest value of a 16-bit image that does not say how many bits count (see ``decoding.Decoded``).
    """

    entry: Entry
    sha256: str
    phash: int
    size: tuple[int, int]
    mode: str
    format: str
    peak: int | None = None


@dataclass(frozen=True)
class Audit:
    """What the files of a collection hold: those that are `readable`, and those `excluded` with the reason of each.

    `given` says whether the collection brings its own split.
    """

    digest: str
    given: bool
    readable: Sequence[Seen]
    excluded: Mapping[str, str]


def take(
    root: Path,
    listing: Listing,
    progress: Callable[[int, int], None] = lambda done, total: None,
    bits: int | None = None,
) -> Audit:
    """Decode what is new in a collection and give its audit; an interrupted call goes on where it was.

    `bits` is how many of 16 bits count where a file does not say (None: all).
    """
    known, saved = _registry.read(root), time.monotonic()
    files: dict[str, Found] = {}
    for number, (entry, found) in enumerate(_examine(root, listing, known, bits), 1):
        files[entry.path] = found
        if found is not known.get(entry.path) and time.monotonic() - saved > SAVE_SECONDS:
            _registry.write(root, {**known, **files}, None)
            saved = time.monotonic()
        progress(number, len(listing.entries))
    audit = _audit(listing, files)
    _registry.write(root, files, audit.digest)
    return audit


def recall(root: Path, listing: Listing, bits: int | None = None) -> Audit | None:
    """The audit of a collection if nothing in it has changed since it was taken, without opening an image."""
    known = _registry.read(root)
    if all(_is_known(root, entry, known, bits) for entry in listing.entries):
        return _audit(listing, known)
    return None


def _examine(
    root: Path, listing: Listing, known: Mapping[str, Found], bits: int | None
) -> Iterator[tuple[Entry, Found]]:
    """Each entry with what was found: decoded side by side where it is not known yet."""
    fresh = [_is_known(root, entry, known, bits) for entry in listing.entries]
    waiting = [Path(root, entry.path) for entry, is_fresh in zip(listing.entries, fresh, strict=True) if not is_fresh]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(cores) as pool:
        looked = pool.map(lambda path: _look(path, bits), waiting)
        for entry, is_fresh in zip(listing.entries, fresh, strict=True):
            yield entry, known[entry.path] if is_fresh else next(looked)


def _look(path: Path, bits: int | None = None) -> Found:
    stamp = _registry.stamp(str(path)) | ({} if bits is None else {"bits": bits})
    try:
        return {**stamp, **_seen_in(path, bits)}
    except MemoryError:  # perhaps the machine's: a file without a stamp is not fresh the next time
        return {"reason": NO_MEMORY}
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise
        return {**stamp, "reason": error.strerror or str(error)}
    except decoding.Unreadable as error:
        return {**stamp, "reason": str(error)}
    except Exception as error:  # one file stops nobody, whatever it does to the libraries that hash it
        return {**stamp, "reason": f"{type(error).__name__}: {error}"}


def _seen_in(path: Path, bits: int | None) -> Found:
    found = decoding.decode(path) if bits is None else decoding.decode(path, bits)
    return {
        "sha256": decoding.pixel_digest(found.image).hex(),
        "phash": f"{phash.of(found.image):016x}",
        "sides": list(found.image.size),
        "mode": found.mode,
        "format": found.format,
        "peak": found.peak,
    }


def _is_known(root: Path, entry: Entry, known: Mapping[str, Found], bits: int | None) -> bool:
    """Whether a file is as it was when it was read with `bits`."""
    return _of_bits(known.get(entry.path, {}), bits) and _registry.fresh(root, entry.path, known)


def _of_bits(found: Found, bits: int | None) -> bool:
    """Whether a file would be read alike with `bits`; only what has a peak depends on them, or cannot be read."""
    return found.get("bits") == bits or ("sha256" in found and found.get("peak") is None)


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
    stored = found["mode"], found["format"], found.get("peak")
    return Seen(entry, found["sha256"], int(found["phash"], 16), (width, height), *stored)
