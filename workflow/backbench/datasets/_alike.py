"""Which images of a collection have equal pixels, though their files differ.

Small images are decoded at full size when they are read, so the digest of their pixels decides. A photograph that was
decoded at a reduced scale is decoded at full size, once, if another image may be the same: if both have the same size
and sketch, or if the other is of a format without scales and both agree in size and perceptual hash.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from backbench.datasets._registry import Facts
from backbench.images import reading
from backbench.images.bounds import Unreadable
from backbench.images.phash import NO_STRUCTURE

# Bits of the perceptual hash that may differ between a photograph at a reduced scale and the same pixels at full size:
# up to 8 were seen, in pictures with little contrast. If one of the two has no structure, any number may differ.
NEAR = 12


def key(facts: Facts) -> str:
    """The same text for images of equal pixels."""
    if facts["reduction"] == 1:
        return facts["pixels"]
    return facts.get("whole") or facts["sha256"]


def unconfirmed(files: Mapping[str, Facts]) -> set[str]:
    """The files that have to be decoded at full size before their keys can be compared."""
    readable = {path: facts for path, facts in files.items() if "phash" in facts}
    reduced = {path: facts for path, facts in readable.items() if facts["reduction"] > 1}
    candidates = {*_equal_at_scale(reduced), *_in_two_formats(readable, reduced)}
    return {path for path in candidates if "whole" not in reduced[path]}


def confirmed(root: Path, files: Mapping[str, Facts], bits: int | None) -> dict[str, Facts]:
    """The files that had to be decoded at full size, with the digest of all their pixels.

    A file that has changed in the meantime keeps its digest of bytes as key; the next reader notices the change. A file
    that could not be read for want of memory or another resource is tried again the next time.
    """
    digests: dict[str, str | None] = {}
    more: dict[str, Facts] = {}
    for path in sorted(unconfirmed(files)):
        facts = files[path]
        if facts["sha256"] not in digests:
            digests[facts["sha256"]] = _whole(root / path, facts["sha256"], bits)
        digest = digests[facts["sha256"]]
        more |= {path: {**facts, "whole": digest}} if digest else {}
    return more


def _whole(path: Path, sha256: str, bits: int | None) -> str | None:
    """The digest of all pixels, or that of the bytes of a file that has changed; None if it could not be read now."""
    try:
        return reading.whole_digest(path, sha256, bits) or sha256
    except Unreadable:
        return sha256
    except (OSError, MemoryError):
        return None


def _equal_at_scale(reduced: Mapping[str, Facts]) -> Iterator[str]:
    """Photographs with the size and the sketch of one that has other bytes."""
    groups: dict[tuple[str | int, ...], dict[str, list[str]]] = {}
    for path, facts in reduced.items():
        place = (facts["pixels"], *facts["sides"])
        groups.setdefault(place, {}).setdefault(facts["sha256"], []).append(path)
    for by_bytes in groups.values():
        if len(by_bytes) > 1:
            yield from (path for paths in by_bytes.values() for path in paths)


def _in_two_formats(readable: Mapping[str, Facts], reduced: Mapping[str, Facts]) -> Iterator[str]:
    """Photographs at a reduced scale that look like an image of the same size that was decoded at full size."""
    sizes = {tuple(facts["sides"]) for facts in reduced.values()}
    whole: dict[tuple[int, int], list[int]] = {}
    for path, facts in readable.items():
        if path not in reduced and tuple(facts["sides"]) in sizes:
            whole.setdefault(tuple(facts["sides"]), []).append(int(facts["phash"], 16))
    for path, facts in reduced.items():
        value = int(facts["phash"], 16)
        if any(_near(value, other) for other in whole.get(tuple(facts["sides"]), ())):
            yield path


def _near(first: int, second: int) -> bool:
    return NO_STRUCTURE in (first, second) or (first ^ second).bit_count() <= NEAR
