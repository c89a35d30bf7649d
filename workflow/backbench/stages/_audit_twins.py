"""Twins within a collection, by the numbers of its rows: what the audit makes of equal and of similar hashes.

Equal perceptual hashes are not yet equal pictures: of 64 pairs of Caltech-101 photographs at a distance of 4 bits or
less, 22 were other aeroplanes in front of other skies. So each pair is looked at again, as grey squares of 32 x 32: it
is a near duplicate if these correlate, and a look-alike if they do not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from backbench.datasets import _duplicates
from backbench.images.phash import NO_STRUCTURE
from backbench.stages._audit_images import Pictures, greys
from backbench.stages._audit_rows import Rows

# Correlation from which two pictures of similar hashes are the same picture: the 300 photographs of Caltech-101 kept
# 0.90 when cut by 2 %, 0.93 when brightened by a fifth, 0.997 as JPEG of quality 20.
LIKENESS = 0.9
# Small pictures of like outlines correlate that much without being the same: of 14,502 near pairs of hashes within
# 20,000 images of Fashion-MNIST, 7,661 are above 0.9, and the 7 above 0.995 are one picture each.
SMALL_LIKENESS = 0.995
SMALL_SIDE = 64
FEW = 32
# Look-alikes are no fault: a few of them show what the hash cannot tell apart.
LOOK_ALIKES = 12
BLOCK = 4096


@dataclass(frozen=True)
class Near:
    """A pair of rows with similar perceptual hashes: how many bits differ, and how far their grey squares correlate."""

    first: int
    second: int
    distance: int
    likeness: float


@dataclass(frozen=True)
class Leak:
    """A row whose image is in an earlier part of the split too; `twin` is the nearest one there."""

    row: int
    twin: int
    distance: int
    likeness: float


@dataclass(frozen=True)
class Twins:
    """All twins of a collection; None where there was nothing to compare."""

    same: list[list[int]] | None = None
    near: list[Near] | None = None
    look_alikes: list[Near] | None = None
    leaks: list[Leak] | None = None
    near_leaks: list[Leak] | None = None


def find(
    digests: np.ndarray | None, phashes: np.ndarray | None, rows: Rows, pictures: Pictures, distance: int
) -> Twins:
    """The twins by content (`digests`) and by perceptual hash, each near pair looked at."""
    if digests is None:
        return Twins()
    groups = same(digests)
    leaks = leaks_of_same(groups, rows.split)
    if phashes is None:
        return Twins(same=groups, leaks=leaks)
    copies = {row: group for group in groups for row in group}
    distinct = np.array([row for row in range(rows.n) if row not in copies or copies[row][0] == row], np.int64)
    pairs, look_alikes = near(distinct, phashes, distance, partial(greys, pictures), _least(rows.sizes()))
    known = {leak.row for leak in leaks}
    near_leaks = leaks_of_near(pairs, lambda row: copies.get(row, [row]), rows.split, known)
    return Twins(groups, pairs, look_alikes, leaks, near_leaks)


def told(twins: Twins, rows: Rows) -> dict[str, Any]:
    """The twins in words, those first that matter most: of two classes, in two parts, the most alike."""
    one = rows.one
    leak = lambda each: {"image": one(each.row), "twin": one(each.twin), **_how(each)}  # noqa: E731
    pair = lambda each: {"image": one(each.first), "twin": one(each.second), **_how(each)}  # noqa: E731
    return {
        "duplicates": None if twins.same is None else _sorted(_group(group, rows) for group in twins.same),
        "near_duplicates": None if twins.near is None else _sorted(_near_groups(twins.near, rows)),
        "across_parts": None if twins.leaks is None else list(map(leak, twins.leaks)),
        "near_across_parts": None if twins.near_leaks is None else list(map(leak, twins.near_leaks)),
        "look_alikes": None
        if twins.look_alikes is None
        else {"pairs": len(twins.look_alikes), "shown": list(map(pair, twins.look_alikes[:LOOK_ALIKES]))},
    }


def _how(found: Near | Leak) -> dict[str, float]:
    return {"distance": found.distance, "likeness": found.likeness}


def _group(group: Sequence[int], rows: Rows) -> dict[str, Any]:
    images = rows.many(group)
    return {
        "images": images,
        "classes": len({image["class"] for image in images}),
        "parts": len({image["part"] for image in images}),
    }


def _near_groups(pairs: Sequence[Near], rows: Rows) -> Iterator[dict[str, Any]]:
    """Groups that pairs join, each with the distance of its farthest pair and the likeness of its least alike one."""
    joined = np.array([(pair.first, pair.second) for pair in pairs], np.int64).reshape(-1, 2)
    numbers = _duplicates.groups(joined, rows.n)
    within: dict[int, list[Near]] = {}
    for pair in pairs:
        within.setdefault(int(numbers[pair.first]), []).append(pair)
    for group in _gathered(numbers):
        mine = within[int(numbers[group[0]])]
        distance, likeness = max(pair.distance for pair in mine), min(pair.likeness for pair in mine)
        yield {**_group(group, rows), "distance": distance, "likeness": likeness}


def _sorted(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(groups, key=lambda group: (-group["classes"], -group["parts"], -group.get("likeness", 1.0)))


def _least(sizes: np.ndarray | None) -> float:
    """How alike two pictures have to be; small ones more than large ones."""
    return SMALL_LIKENESS if sizes is not None and np.median(sizes.min(axis=1)) < SMALL_SIDE else LIKENESS


def same(digests: np.ndarray) -> list[list[int]]:
    """Groups of rows of equal content, each of two or more."""
    return _gathered(_duplicates.exact_groups(digests))


def near(
    rows: np.ndarray,
    phashes: np.ndarray,
    distance: int,
    greys: Callable[[Sequence[int]], np.ndarray],
    likeness: float,
) -> tuple[list[Near], list[Near]]:
    """Pairs among `rows` within `distance` bits: those that are near duplicates, and those that only look alike."""
    rows = rows[phashes[rows] != NO_STRUCTURE]
    pairs = _candidates(rows, phashes[rows], distance)
    bits = np.bitwise_count(phashes[pairs[:, 0]] ^ phashes[pairs[:, 1]])
    alike = _likeness(pairs, greys)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -alike, bits))
    found = [Near(*pairs[i].tolist(), int(bits[i]), round(float(alike[i]), 4)) for i in order]
    return [pair for pair in found if pair.likeness >= likeness], [pair for pair in found if pair.likeness < likeness]


def _candidates(rows: np.ndarray, hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs (m, 2) of rows whose hashes are within `distance`.

    Of the rows of one hash, those beyond a few are paired with the first alone;
    ten thousand would be fifty million pairs.
    """
    _, firsts, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    place = np.empty(len(rows), np.int64)
    place[order] = np.arange(len(rows)) - np.searchsorted(inverse[order], inverse[order])
    few, many = np.flatnonzero(place < FEW), np.flatnonzero(place >= FEW)
    among = few[_duplicates.near_pairs(hashes[few], distance)].reshape(-1, 2)
    pairs = np.concatenate([among, np.column_stack([firsts[inverse[many]], many])])
    return np.sort(rows[pairs.astype(np.int64)], axis=1)


def leaks_of_same(groups: Sequence[Sequence[int]], split: np.ndarray) -> list[Leak]:
    """The rows of later parts whose very image is in an earlier part."""
    found = []
    for group in groups:
        twin = min(group, key=lambda row: (split[row], row))
        found += [Leak(row, twin, 0, 1.0) for row in group if split[row] > split[twin]]
    return sorted(found, key=lambda leak: leak.row)


def leaks_of_near(
    pairs: Sequence[Near], copies: Callable[[int], Sequence[int]], split: np.ndarray, known: set[int]
) -> list[Leak]:
    """The rows of later parts that have a near duplicate in an earlier part, those in `known` left out.

    `copies` gives the rows of the same content as a row, itself included.
    """
    found: dict[int, Leak] = {}
    for pair in pairs:
        for here, there in ((pair.first, pair.second), (pair.second, pair.first)):
            twin = min(copies(there), key=lambda row: (split[row], row))
            for row in copies(here):
                leak = Leak(row, twin, pair.distance, pair.likeness)
                if split[row] > split[twin] and row not in known and _nearer(leak, found.get(row)):
                    found[row] = leak
    return sorted(found.values(), key=lambda leak: (-leak.likeness, leak.distance, leak.row))


def _nearer(leak: Leak, before: Leak | None) -> bool:
    return before is None or (-leak.likeness, leak.distance) < (-before.likeness, before.distance)


def _gathered(numbers: np.ndarray) -> list[list[int]]:
    """The groups of two or more from the group number of each row, in the order of their first rows."""
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    groups = (group.tolist() for group in np.split(order, cuts) if len(group) > 1)
    return sorted(groups)


def _likeness(pairs: np.ndarray, greys: Callable[[Sequence[int]], np.ndarray]) -> np.ndarray:
    """How far the grey squares of each pair correlate, in blocks of pairs."""
    rows, places = np.unique(pairs, return_inverse=True)
    squares, places = greys(rows), places.reshape(pairs.shape)
    blocks = (places[start : start + BLOCK] for start in range(0, len(places), BLOCK))
    found: Iterator[np.ndarray] = (
        np.einsum("ij,ij->i", squares[block[:, 0]], squares[block[:, 1]]) for block in blocks
    )
    return np.concatenate([np.zeros(0, np.float32), *found]).astype(float)
