"""Stratified draws and splits (layer 1).

Numbers are whole by the largest remainder, ties going to the cell that sorts first, in exact integer arithmetic; so
planning knows every count without reading an image. Which rows are taken depends on the seed, the cell and the rows'
order in the collection alone: rows are ranked by raw PCG64 output, which NumPy promises never to change. A smaller
sample of the same seed is a subset of a larger one.

A class that is too small to be shared out stays in the training part: every class keeps at least one training image.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, Split
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

Cell = tuple[int, int]  # (part, class)
DRAW, DIVIDE = 0, 1


def allocate(sizes: Sequence[int], total: int, caps: Sequence[int] | None = None) -> list[int]:
    """Share `total` out in proportion to `sizes` by the largest remainder, no share above its cap.

    The shares sum to `total`, or to the sum of the caps where that is less.
    """
    whole, caps = sum(sizes), list(sizes if caps is None else caps)
    if whole == 0:
        return [0] * len(sizes)
    parts = [divmod(size * total, whole) for size in sizes]
    shares = [min(quota, cap) for (quota, _), cap in zip(parts, caps, strict=True)]
    order = sorted(range(len(sizes)), key=lambda i: (-parts[i][1], i))
    while sum(shares) < total and any(shares[i] < caps[i] for i in order):
        for i in order:
            if shares[i] < caps[i] and sum(shares) < total:
                shares[i] += 1
    return shares


def counts(sizes: Mapping[Cell, int], sample: int | None, split: Split) -> tuple[int, int, int]:
    """Images of the training, validation and test part that a draw and split will give.

    Raises
    ------
    ConfigError
        If the sample is larger than the collection, the fractions leave nothing to train on, or a given split is
        asked for that is not there.
    """
    divided = _divided(_drawn(_cells(sizes, split), sample), split)
    train, validation, test = (sum(cell[part] for cell in divided.values()) for part in range(len(PARTS)))
    return train, validation, test


def sample_and_split(
    parts: "np.ndarray | None", labels: "np.ndarray | None", n: int, sample: int | None, seed: int, split: Split
) -> tuple["np.ndarray", "np.ndarray"]:
    """Rows of the collection that are drawn, ascending, and the part of each (0, 1, 2; uint8)."""
    import numpy as np

    parts = np.zeros(n, np.uint8) if parts is None or split.source == "random" else parts
    labels = np.zeros(n, np.int64) if labels is None else labels
    sizes = Counter(zip(parts.tolist(), labels.tolist(), strict=True))
    taken = _drawn(_cells(sizes, split), sample)
    result = np.full(n, len(PARTS), np.uint8)
    for cell, shares in _divided(taken, split).items():
        rows = np.flatnonzero((parts == cell[0]) & (labels == cell[1]))
        rows = np.sort(_ranked(rows, (seed, DRAW, *cell))[: taken[cell]])
        rows = _ranked(rows, (seed, DIVIDE, *cell))
        result[rows] = np.repeat([TEST, VALIDATION, TRAIN], [shares[TEST], shares[VALIDATION], shares[TRAIN]])
    kept = np.flatnonzero(result < len(PARTS))
    return kept, result[kept]


def _cells(sizes: Mapping[Cell, int], split: Split) -> dict[Cell, int]:
    if split.source == "given":
        return dict(sorted(sizes.items()))
    merged: Counter = Counter()
    for (_, label), size in sorted(sizes.items()):
        merged[TRAIN, label] += size
    return dict(sorted(merged.items()))


def _drawn(cells: Mapping[Cell, int], sample: int | None) -> dict[Cell, int]:
    n = sum(cells.values())
    if sample is None:
        return dict(cells)
    if not 1 <= sample <= n:
        raise ConfigError(
            f"dataset.sample: received {sample}; allowed: 1 to {n} (the images there are), or null for all."
        )
    return dict(zip(cells, allocate(list(cells.values()), sample), strict=True))


def _divided(cells: Mapping[Cell, int], split: Split) -> dict[Cell, list[int]]:
    """Training, validation and test images of each cell."""
    found = {cell: [size if part == cell[0] else 0 for part in range(len(PARTS))] for cell, size in cells.items()}
    test = split.test if split.source == "random" else 0.0
    has_validation = any(part == VALIDATION and size for (part, _), size in cells.items())
    validation = 0.0 if has_validation else split.validation
    if test + validation >= 1:
        raise ConfigError(
            f"dataset.split: validation {validation:g} and test {test:g} leave nothing to train on; "
            "their sum is to be below 1."
        )
    whole = [size if part == TRAIN else 0 for (part, _), size in cells.items()]
    for part, share in ((TEST, test), (VALIDATION, validation)):
        caps = [max(shares[TRAIN] - 1, 0) for shares in found.values()]
        moved = allocate(whole, math.floor(share * sum(whole) + 0.5), caps)
        for shares, count in zip(found.values(), moved, strict=True):
            shares[TRAIN] -= count
            shares[part] += count
    if not any(shares[TRAIN] for shares in found.values()):
        raise ConfigError("dataset.split: the training part is empty; draw a larger dataset.sample.")
    return found


def _ranked(rows: "np.ndarray", key: tuple[int, ...]) -> "np.ndarray":
    import numpy as np

    raw = np.random.PCG64(np.random.SeedSequence(key)).random_raw(len(rows))
    return rows[np.argsort(raw, kind="stable")]
