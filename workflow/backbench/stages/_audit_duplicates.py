"""Duplicates within a collection, by row number: what the audit concludes from equal and from similar hashes.

Similar perceptual hashes do not prove that two images are the same: of 64 pairs of Caltech-101 photographs at a
distance of 4 bits or less, 22 showed different aeroplanes in front of different skies. So the images of each pair are
compared again as grey squares of 32 x 32: the pair is a near duplicate if they correlate, and a look-alike if not.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from backbench.datasets import _duplicates
from backbench.images.phash import NO_STRUCTURE
from backbench.stages._audit_images import Pictures, greys
from backbench.stages._audit_rows import Rows

# Correlation from which two images with similar hashes count as the same: 300 photographs of Caltech-101 still
# correlated at 0.90 when cropped by 2 %, 0.93 when brightened by a fifth, and 0.997 when saved as JPEG of quality 20.
LIKENESS = 0.9
# Small images with similar outlines correlate that much without being the same: of 14,502 pairs with similar hashes
# among 20,000 images of Fashion-MNIST, 7,661 are above 0.9; the 7 above 0.995 are true duplicates.
SMALL_LIKENESS = 0.995
SMALL_SIDE = 64
FEW = 32
# Look-alikes are no fault: a few of them show what the hash cannot distinguish.
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
    """A row whose image is also in an earlier split; `original` is the nearest row there."""

    row: int
    original: int
    distance: int
    likeness: float


@dataclass(frozen=True)
class Duplicates:
    """All duplicates of a collection; None where there was nothing to compare."""

    same: list[list[int]] | None = None
    near: list[Near] | None = None
    look_alikes: list[Near] | None = None
    leaks: list[Leak] | None = None
    near_leaks: list[Leak] | None = None


def find(
    digests: np.ndarray | None, phashes: np.ndarray | None, rows: Rows, pictures: Pictures, distance: int
) -> Duplicates:
    """The duplicates by content, `digests` (n, 32), and by perceptual hash, `phashes` (n,); near pairs are checked."""
    if digests is None:
        return Duplicates()
    groups = same(digests)
    leaks = leaks_of_same(groups, rows.split)
    if phashes is None:
        return Duplicates(same=groups, leaks=leaks)
    copies = {row: group for group in groups for row in group}
    distinct = np.array([row for row in range(rows.n) if row not in copies or copies[row][0] == row], np.int64)
    pairs, look_alikes = near(distinct, phashes, distance, partial(greys, pictures), _least(rows.sizes()))
    known = {leak.row for leak in leaks}
    near_leaks = leaks_of_near(pairs, lambda row: copies.get(row, [row]), rows.split, known)
    return Duplicates(groups, pairs, look_alikes, leaks, near_leaks)


def described(duplicates: Duplicates, rows: Rows) -> dict[str, Any]:
    """The duplicates for the report, the most important first: in two classes, in two splits, the most alike."""
    same, pairs, look_alikes = duplicates.same, duplicates.near, duplicates.look_alikes
    shown = None if look_alikes is None else _described_pairs(look_alikes[:LOOK_ALIKES], rows)
    return {
        "duplicates": None if same is None else _sorted(_group(group, rows) for group in same),
        "near_duplicates": None if pairs is None else _sorted(_near_groups(pairs, rows)),
        "across_parts": _described_leaks(duplicates.leaks, rows),
        "near_across_parts": _described_leaks(duplicates.near_leaks, rows),
        "look_alikes": None if look_alikes is None else {"pairs": len(look_alikes), "shown": shown},
    }


def _described_leaks(leaks: Sequence[Leak] | None, rows: Rows) -> list[dict[str, Any]] | None:
    if leaks is None:
        return None
    return [_described(leak.row, leak.original, leak, rows) for leak in leaks]


def _described_pairs(pairs: Sequence[Near], rows: Rows) -> list[dict[str, Any]]:
    return [_described(pair.first, pair.second, pair, rows) for pair in pairs]


def _described(row: int, original: int, measured: Near | Leak, rows: Rows) -> dict[str, Any]:
    """Two images and how similar they are."""
    images = {"image": rows.image(row), "twin": rows.image(original)}
    return {**images, "distance": measured.distance, "likeness": measured.likeness}


def _group(group: Sequence[int], rows: Rows) -> dict[str, Any]:
    images = rows.images(group)
    return {
        "images": images,
        "classes": len({image["class"] for image in images}),
        "parts": len({image["part"] for image in images}),
    }


def _near_groups(pairs: Sequence[Near], rows: Rows) -> Iterator[dict[str, Any]]:
    """Groups joined by pairs, each with the largest distance and the smallest likeness of its pairs."""
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
    """How alike two images must be, by the `sizes` (n, 2) of all: small ones must be more alike than large ones."""
    return SMALL_LIKENESS if sizes is not None and np.median(sizes.min(axis=1)) < SMALL_SIDE else LIKENESS


def same(digests: np.ndarray) -> list[list[int]]:
    """Groups of two or more rows with equal `digests` (n, 32) uint8."""
    return _gathered(_duplicates.exact_groups(digests))


def near(
    rows: np.ndarray,
    phashes: np.ndarray,
    distance: int,
    greys: Callable[[Collection[int]], np.ndarray],
    likeness: float,
) -> tuple[list[Near], list[Near]]:
    """Pairs among `rows` (m,) within `distance` bits: the near duplicates, and those that only look alike.

    `phashes` (n,) uint64 are the hashes of all rows; `greys` makes unit vectors (k, d) of the images of k rows.
    """
    rows = rows[phashes[rows] != NO_STRUCTURE]
    pairs = _candidates(rows, phashes[rows], distance)
    bits = np.bitwise_count(phashes[pairs[:, 0]] ^ phashes[pairs[:, 1]])
    alike = _likeness(pairs, greys)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -alike, bits))
    compared = [Near(int(pairs[i, 0]), int(pairs[i, 1]), int(bits[i]), round(float(alike[i]), 4)) for i in order]
    alike_enough = [pair for pair in compared if pair.likeness >= likeness]
    return alike_enough, [pair for pair in compared if pair.likeness < likeness]


def _candidates(rows: np.ndarray, hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs (m, 2) of `rows` (n,) whose `hashes` (n,) are within `distance` bits.

    Of many rows with the same hash, all but a few are paired with the first alone: ten thousand rows would otherwise
    make fifty million pairs.
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
    """The rows whose exact image is also in an earlier split; `split` (n,) is the split of each row."""
    leaks: list[Leak] = []
    for group in groups:
        original = min(group, key=lambda row: (split[row], row))
        leaks += [Leak(row, original, 0, 1.0) for row in group if split[row] > split[original]]
    return sorted(leaks, key=lambda leak: leak.row)


def leaks_of_near(
    pairs: Sequence[Near], copies: Callable[[int], Sequence[int]], split: np.ndarray, known: set[int]
) -> list[Leak]:
    """The rows with a near duplicate in an earlier split, except those in `known`; `split` (n,) is that of each row.

    `copies` gives the rows with the same content as a row, itself included.
    """
    nearest: dict[int, Leak] = {}
    for pair in pairs:
        for here, there in ((pair.first, pair.second), (pair.second, pair.first)):
            original = min(copies(there), key=lambda row: (split[row], row))
            for row in copies(here):
                leak = Leak(row, original, pair.distance, pair.likeness)
                if split[row] > split[original] and row not in known and _nearer(leak, nearest.get(row)):
                    nearest[row] = leak
    return sorted(nearest.values(), key=lambda leak: (-leak.likeness, leak.distance, leak.row))


def _nearer(leak: Leak, before: Leak | None) -> bool:
    return before is None or (-leak.likeness, leak.distance) < (-before.likeness, before.distance)


def _gathered(numbers: np.ndarray) -> list[list[int]]:
    """The groups of two or more, in the order of their first rows; `numbers` (n,) is the group of each row."""
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    groups = (group.tolist() for group in np.split(order, cuts) if len(group) > 1)
    return sorted(groups)


def _likeness(pairs: np.ndarray, greys: Callable[[Collection[int]], np.ndarray]) -> np.ndarray:
    """Correlation (m,) of the grey squares of each of `pairs` (m, 2), computed in blocks of pairs."""
    rows, places = np.unique(pairs, return_inverse=True)
    squares, places = greys(rows), places.reshape(pairs.shape)
    blocks = (places[start : start + BLOCK] for start in range(0, len(places), BLOCK))
    correlations: Iterator[np.ndarray] = (
        np.einsum("ij,ij->i", squares[block[:, 0]], squares[block[:, 1]]) for block in blocks
    )
    return np.concatenate([np.zeros(0, np.float32), *correlations]).astype(float)
