"""Stratified draws and splits.

Counts are rounded by the largest remainder in exact integer arithmetic, and ties go to the stratum that sorts first, so
that planning knows every count without reading an image. Which rows are taken depends only on the seed, the stratum and
the order of the rows in the collection: rows are ranked by raw PCG64 output, which NumPy promises never to change. A
smaller sample with the same seed is a subset of a larger one.

A class that is too small to be divided stays in the training split: every class keeps at least one training image.
With groups (`_group_split`), images are moved group by group instead, and the counts are close to these.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, Split, _group_split, _times
from backbench.datasets._shares import allocate
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

Stratum = tuple[int, int]  # (split, class)
DRAW, DIVIDE, REPEAT, FOLD = 0, 1, 2, 3


def counts(sizes: Mapping[Stratum, int], sample: int | None, split: Split) -> tuple[int, int, int]:
    """The numbers of training, validation and test images that a draw and split will give.

    Raises
    ------
    ConfigError
        If the sample is larger than the collection, nothing is left to train on, or the split is by time, which the
        collection does not know.
    """
    if split.source == "temporal":
        raise ConfigError(
            "dataset.split.source: received 'temporal', but the time of these images is not known; allowed: auto, "
            "given or random. By time, a folder or an archive is split with dataset.csv=PATH and "
            "dataset.columns.time=COLUMN."
        )
    divided = _divided(_drawn(_strata(sizes, split), sample), split)
    train, validation, test = (sum(shares[part] for shares in divided.values()) for part in range(len(PARTS)))
    return train, validation, test


def training(sizes: Mapping[Stratum, int], sample: int | None, split: Split) -> tuple[int, ...]:
    """The numbers of training images of the classes that have some, in the order of the classes.

    Raises
    ------
    ConfigError
        As `counts` does.
    """
    of_class: Counter[int] = Counter()
    for (_, label), shares in _divided(_drawn(_strata(sizes, split), sample), split).items():
        of_class[label] += shares[TRAIN]
    return tuple(of_class[label] for label in sorted(of_class) if of_class[label])


def sample_and_split(
    parts: "np.ndarray | None",
    labels: "np.ndarray | None",
    n: int,
    sample: int | None,
    seed: int,
    split: Split,
    groups: "np.ndarray | None" = None,
    times: Sequence[float] | None = None,
) -> tuple["np.ndarray", "np.ndarray"]:
    """The drawn rows (m,) int64 of a collection, ascending, and the split (m,) uint8 of each.

    `parts` (n,) are the splits that the collection brings, if any, and `labels` (n,) its classes, if any. Images of one
    of `groups` (n,) are moved out of the training split together; a split by time needs the `times` of all.
    """
    import numpy as np

    parts = np.zeros(n, np.uint8) if parts is None or split.source in ("random", "temporal") else parts
    labels = np.zeros(n, np.int64) if labels is None else labels
    sizes = Counter(zip(parts.tolist(), labels.tolist(), strict=True))
    taken = _drawn(_strata(sizes, split), sample)
    split_of = np.full(n, len(PARTS), np.uint8)
    for stratum, shares in _divided(taken, split).items():
        rows = np.flatnonzero((parts == stratum[0]) & (labels == stratum[1]))
        rows = np.sort(ranked(rows, (seed, DRAW, *stratum))[: taken[stratum]])
        rows = ranked(rows, (seed, DIVIDE, *stratum))
        split_of[rows] = np.repeat([TEST, VALIDATION, TRAIN], [shares[TEST], shares[VALIDATION], shares[TRAIN]])
    kept = np.flatnonzero(split_of < len(PARTS))
    if split.source == "temporal":
        assert times is not None, "planning refuses a split by time without times"
        asked = _asked({TRAIN: len(kept)}, replace(split, source="random"))
        drawn = [times[row] for row in kept.tolist()]
        return kept, np.array(_times.divided(drawn, asked[VALIDATION], asked[TEST]), np.uint8)
    if groups is None:
        return kept, split_of[kept]
    asked = _asked(Counter(parts[kept].tolist()), split)
    divided = _group_split.moved(parts[kept], labels[kept], groups[kept], asked, (seed, DIVIDE))
    _group_split.check(divided, groups[kept], asked)
    return kept, divided


def again(labels: "np.ndarray", groups: "np.ndarray | None", seed: int, split: Split, repeat: int) -> "np.ndarray":
    """Another random split (n,) uint8 of the same images, with as many images of each class in each part.

    `labels` (n,) are their classes; images of one of `groups` (n,) stay together. Number `repeat` is independent of the
    others and of the split of `sample_and_split`.
    """
    import numpy as np

    if groups is not None:
        everything, asked = np.full(len(labels), TRAIN, np.uint8), _asked({TRAIN: len(labels)}, split)
        divided = _group_split.moved(everything, labels, groups, asked, (seed, REPEAT, repeat))
        _group_split.check(divided, groups, asked)
        return divided
    split_of = np.empty(len(labels), np.uint8)
    sizes = {(TRAIN, label): size for label, size in sorted(Counter(labels.tolist()).items())}
    for (_, label), shares in _divided(sizes, split).items():
        rows = ranked(np.flatnonzero(labels == label), (seed, REPEAT, repeat, label))
        split_of[rows] = np.repeat([TEST, VALIDATION, TRAIN], [shares[TEST], shares[VALIDATION], shares[TRAIN]])
    return split_of


def fold(
    labels: "np.ndarray", groups: "np.ndarray | None", seed: int, split: Split, repeat: int, folds: int
) -> "np.ndarray":
    """Split (n,) uint8 whose test part is fold ``repeat % folds`` of the stratified partition ``repeat // folds``.

    Each image is in the test part of one fold of a partition. The validation part is drawn from the other folds; a
    class with a single image is not among the training images while it is tested. Arguments as in `again`.
    """
    import numpy as np

    partition, number = divmod(repeat, folds)
    key = (seed, FOLD, partition)
    if groups is not None:
        tested = _group_split.folds(labels, groups, folds, key) == number
    else:
        order = [ranked(np.flatnonzero(labels == label), (*key, int(label))) for label in np.unique(labels)]
        tested = np.zeros(len(labels), bool)
        tested[np.concatenate(order)[number::folds]] = True
    split_of = np.where(tested, TEST, TRAIN).astype(np.uint8)
    rest = np.flatnonzero(~tested)
    share = {VALIDATION: math.floor(split.validation * len(labels) + 0.5)}
    of_groups = np.arange(len(rest)) if groups is None else groups[rest]
    split_of[rest] = _group_split.moved(split_of[rest], labels[rest], of_groups, share, (*key, number))
    return split_of


def fold_counts(n: int, split: Split, repeat: int, folds: int) -> tuple[int, int, int]:
    """The numbers of training, validation and test images of `fold` without groups; with groups, about so many."""
    test = (n - repeat % folds + folds - 1) // folds
    validation = min(math.floor(split.validation * n + 0.5), max(n - test - 1, 0))
    return n - test - validation, validation, test


def _strata(sizes: Mapping[Stratum, int], split: Split) -> dict[Stratum, int]:
    """The strata in order; those of the training split alone unless the given splits are kept."""
    if split.source == "given":
        return dict(sorted(sizes.items()))
    merged: Counter[Stratum] = Counter()
    for (_, label), size in sorted(sizes.items()):
        merged[TRAIN, label] += size
    return dict(sorted(merged.items()))


def _drawn(strata: Mapping[Stratum, int], sample: int | None) -> dict[Stratum, int]:
    """How many images are drawn from each stratum."""
    n = sum(strata.values())
    if sample is None:
        return dict(strata)
    if not 1 <= sample <= n:
        raise ConfigError(f"dataset.sample: received {sample}; allowed: 1 to {n} (all images), or null for all.")
    return dict(zip(strata, allocate(list(strata.values()), sample), strict=True))


def _asked(sizes: Mapping[int, int], split: Split) -> dict[int, int]:
    """How many images are to be moved out of the training split into the test and the validation split, given the
    number of images in each split."""
    shares = {TEST: split.test} if split.source == "random" else {}
    if not sizes.get(VALIDATION):
        shares[VALIDATION] = split.validation
    return {part: math.floor(share * sizes.get(TRAIN, 0) + 0.5) for part, share in shares.items()}


def _divided(strata: Mapping[Stratum, int], split: Split) -> dict[Stratum, list[int]]:
    """The numbers of training, validation and test images of each stratum."""
    divided = {key: [size if part == key[0] else 0 for part in range(len(PARTS))] for key, size in strata.items()}
    test = split.test if split.source == "random" else 0.0
    has_validation = any(part == VALIDATION and size for (part, _), size in strata.items())
    validation = 0.0 if has_validation else split.validation
    if test + validation >= 1:
        raise ConfigError(
            f"dataset.split: validation {validation:g} and test {test:g} leave nothing to train on; "
            "their sum has to be below 1."
        )
    whole = [size if part == TRAIN else 0 for (part, _), size in strata.items()]
    for part, share in ((TEST, test), (VALIDATION, validation)):
        caps = [max(shares[TRAIN] - 1, 0) for shares in divided.values()]
        moved = allocate(whole, math.floor(share * sum(whole) + 0.5), caps)
        for shares, count in zip(divided.values(), moved, strict=True):
            shares[TRAIN] -= count
            shares[part] += count
    if not any(shares[TRAIN] for shares in divided.values()):
        raise ConfigError("dataset.split: the training split is empty; draw a larger dataset.sample.")
    return divided


def ranked(rows: "np.ndarray", key: tuple[int, ...]) -> "np.ndarray":
    """The same `rows` (n,) in an order (n,) that only `key`, their number and their order decide."""
    import numpy as np

    raw = np.random.PCG64(np.random.SeedSequence(key)).random_raw(len(rows))
    return rows[np.argsort(raw, kind="stable")]
