"""The content fingerprint of a collection of image files.

The digest covers the relative path, class and bytes of every readable file, and its group and time where these are
asked for, in the order of the paths: it does not change with times, owners, the place of the folder or the decoding
libraries. What is known of a file is cached in one JSON file per folder. A file is read again only if its size or times
(in nanoseconds), the decoder, or the number of bits that count in its samples have changed. A file that was moved,
renamed or copied is recognised by its bytes.

Whatever goes wrong while a file is read becomes the reason why it is left out; only errors of the machine stop the
reading. A file for which there was not enough memory is left out too, and tried again the next time.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backbench.datasets import PARTS, UNREAD, Reading, _alike, _pixel_caching, _registry
from backbench.datasets._listing import Entry, Listing
from backbench.datasets._registry import Facts
from backbench.images.reading import Look, Reader, key_of


class Seen(NamedTuple):
    """A readable file: SHA-256 of its bytes, perceptual hash, width and height, and how it is stored.

    `peak` is the largest value of a 16-bit image that does not say how many bits count (see ``decoding.Decoded``);
    `content` is equal for images of equal pixels, however they are stored; `spread` is the standard deviation of the
    grey values of an image without structure.
    """

    entry: Entry
    sha256: str
    phash: int
    size: tuple[int, int]
    mode: str
    format: str
    peak: int | None = None
    content: str = ""
    spread: float | None = None


@dataclass(frozen=True)
class Audit:
    """What the files of a collection hold: those that are `readable`, and those `excluded` with the reason of each.

    `given` says whether the collection brings its own splits.
    """

    digest: str
    given: bool
    readable: Sequence[Seen]
    excluded: Mapping[str, str]


def take(root: Path, listing: Listing, reading: Reading | None = None, bits: int | None = None) -> Audit:
    """Read what is new in a collection and give its audit; after an interruption, the next call resumes.

    Parameters
    ----------
    reading
        Where progress is reported, and which pixels are cached.
    bits
        How many of 16 bits count in files that do not say so (None: all).
    """
    reading, known = reading or Reading(), _registry.read(root)
    is_known = {entry.path: _is_known(root, entry, known, bits) for entry in listing.entries}
    files = {path: known[path] for path, fresh in is_known.items() if fresh}
    waiting = [path for path, fresh in is_known.items() if not fresh]
    done = 0
    with _pixel_caching.PixelCaching(reading, bits, len(waiting)) as caching, _registry.Journal(root) as journal:
        reader = Reader(caching.policies, bits, _recall(bits))
        for looks in reader.each([Path(root, path) for path in waiting]):
            block = dict(zip(waiting[done : done + len(looks)], looks, strict=True))
            files |= _noted(block, caching, journal)
            done += len(looks)
            reading.progress(done, len(waiting))
    files |= _alike.confirmed(root, files, bits)
    audit = _audit(listing, files)
    _registry.write(root, files, audit.digest)
    return audit


def recall(root: Path, listing: Listing, bits: int | None = None) -> Audit | None:
    """The audit of a collection, without opening an image; None if anything has changed since it was taken."""
    known = _registry.read(root)
    if not all(_is_known(root, entry, known, bits) for entry in listing.entries):
        return None
    files = {entry.path: known[entry.path] for entry in listing.entries}
    return None if _alike.unconfirmed(files) else _audit(listing, files)


def known(root: Path, listing: Listing, bits: int | None = None) -> list[bytes]:
    """The key of each image, ``UNREAD`` for a file that has not been read as it is now."""
    files, keys = _registry.read(root), []
    for entry in listing.entries:
        if not _is_known(root, entry, files, bits):
            keys.append(UNREAD)
        elif "phash" in files[entry.path]:
            keys.append(key_of(bytes.fromhex(files[entry.path]["sha256"]), bits, entry.path))
    return keys


def _noted(
    block: Mapping[str, Look], caching: _pixel_caching.PixelCaching, journal: _registry.Journal
) -> dict[str, Facts]:
    """Cache the pixels of a block, then note its facts: after a kill between the two, the block is read again."""
    caching.write(block)
    facts = {path: dict(look.facts) for path, look in block.items()}
    journal.note(facts)
    return facts


def _recall(bits: int | None) -> Callable[[str], Facts | None]:
    """What is known of a file by the digest of its bytes, wherever it was read before."""
    everywhere: dict[str, Facts] | None = None

    def recalled(digest: str) -> Facts | None:
        nonlocal everywhere
        everywhere = _registry.by_digest() if everywhere is None else everywhere
        facts = everywhere.get(digest)
        return facts if facts is not None and _of_bits(facts, bits) else None

    return recalled


def _is_known(root: Path, entry: Entry, known: Mapping[str, Facts], bits: int | None) -> bool:
    """Whether a file was read with `bits` and has not changed since."""
    return _of_bits(known.get(entry.path, {}), bits) and _registry.fresh(root, entry.path, known)


def _of_bits(facts: Facts, bits: int | None) -> bool:
    """Whether a file would read the same with `bits`; only one that has a peak, or is unreadable, depends on them."""
    return facts.get("bits") == bits or ("phash" in facts and facts.get("peak") is None)


def _audit(listing: Listing, files: Mapping[str, Facts]) -> Audit:
    encode = json.JSONEncoder(separators=(",", ":")).encode
    excluded, readable, total = dict(listing.left_out), [], hashlib.sha256()
    for entry in listing.entries:
        facts = files[entry.path]
        if "phash" not in facts:
            excluded[entry.path] = facts["reason"]
            continue
        readable.append(_seen(entry, facts))
        part = [PARTS[entry.part]] if listing.apart else []
        more = {name: value for name, value in (("group", entry.group), ("time", entry.time)) if value is not None}
        line = [entry.path, entry.label, facts["sha256"], *part, *([more] if more else [])]
        total.update(encode(line).encode("ascii"))
    return Audit(total.hexdigest(), listing.given, readable, excluded)


def _seen(entry: Entry, facts: Facts) -> Seen:
    width, height = facts["sides"]
    stored = facts["mode"], facts["format"], facts.get("peak")
    alike = _alike.key(facts), facts.get("spread")
    return Seen(entry, facts["sha256"], int(facts["phash"], 16), (width, height), *stored, *alike)
