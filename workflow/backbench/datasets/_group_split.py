"""Splits that keep groups together: no group (a patient, a camera, a burst of near duplicates) is in two parts.

Which groups a part gets depends only on the key, the groups and the classes: groups are taken in a random order (raw
PCG64 output, as in ``_split``), each if it brings the part nearer to its number of images of every class, and then,
where images are still missing, if it brings the part nearer to its number of images. Every class keeps a training
image: a class that is in one group stays with it in the training split.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from backbench.datasets import PARTS, TRAIN
from backbench.datasets._shares import allocate
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

# Images of each class in a group.
Classes = dict[int, int]


def moved(
    split: "np.ndarray",
    labels: "np.ndarray",
    groups: "np.ndarray",
    asked: Mapping[int, int],
    key: tuple[int, ...],
) -> "np.ndarray":
    """The `split` (n,) uint8 with groups moved out of its training part.

    `labels` (n,) are the classes, `groups` (n,) the numbers of the groups; `asked` says how many images each other part
    is to get, and gets about so many.
    """
    import numpy as np

    train = np.flatnonzero(split == TRAIN)
    _, local = np.unique(groups[train], return_inverse=True)
    sizes = _sizes(local, labels[train])
    left = _total(sizes)
    wanted = {part: _stratified(left, count) for part, count in asked.items()}
    part_of = np.full(len(sizes), TRAIN, np.uint8)
    for part, classes in wanted.items():
        order = [place for place in _order(len(sizes), (*key, part)) if part_of[place] == TRAIN]
        for place in _taken(order, sizes, classes, left):
            part_of[place] = part
    divided = split.copy()
    divided[train] = part_of[local]
    return divided


def check(split: "np.ndarray", groups: "np.ndarray", asked: Mapping[int, int]) -> None:
    """Refuse a split (n,) in which a part that is to have images has none, since the `groups` (n,) are too large.

    Raises
    ------
    ConfigError
        With the number of groups and the size of the largest.
    """
    import numpy as np

    for part, count in asked.items():
        if count and not (split == part).any():
            sizes = np.unique(groups, return_counts=True)[1]
            raise ConfigError(
                f"dataset.groups: received {len(sizes):,} groups of {len(groups):,} images, the largest of "
                f"{int(sizes.max()):,}: none fits into the {PARTS[part]} split, which is to have about {count:,} "
                "images, while every class keeps a training image. Give smaller groups, a larger share "
                f"(dataset.split.{PARTS[part]}=0.3), or dataset.groups=null."
            )


def folds(labels: "np.ndarray", groups: "np.ndarray", count: int, key: tuple[int, ...]) -> "np.ndarray":
    """The fold (n,) int64 of each image, with whole groups in each: the largest first, where its classes are rarest.

    `labels` (n,) are the classes, `groups` (n,) the numbers of the groups.

    Raises
    ------
    ConfigError
        If there are fewer groups than folds.
    """
    import numpy as np

    _, local = np.unique(groups, return_inverse=True)
    sizes = _sizes(local, labels)
    if len(sizes) < count:
        raise ConfigError(
            f"split.folds: received {count}; allowed: 2 to {len(sizes)}, the number of groups (dataset.groups)."
        )
    whole, fold_of = _total(sizes), np.empty(len(sizes), np.int64)
    inside: list[Classes] = [{} for _ in range(count)]
    totals = [0] * count
    order = sorted(_order(len(sizes), key), key=lambda place: -sum(sizes[place].values()))
    for place in order:
        group = sizes[place]

        def crowded(fold: int, group: Classes = group) -> tuple[float, int, int]:
            met = sum(inside[fold].get(label, 0) * size / whole[label] for label, size in group.items())
            return met, totals[fold], fold

        best = min(range(count), key=crowded)
        fold_of[place] = best
        totals[best] += sum(group.values())
        for label, size in group.items():
            inside[best][label] = inside[best].get(label, 0) + size
    return fold_of[local]


def _sizes(local: "np.ndarray", labels: "np.ndarray") -> list[Classes]:
    """Images of each class in each group, from the numbers (n,) of the groups, 0, 1, ..., and the classes (n,)."""
    import numpy as np

    sizes: list[Classes] = [{} for _ in range(int(local.max(initial=-1)) + 1)]
    pairs, counts = np.unique(np.stack([local, labels.astype(np.int64)]), axis=1, return_counts=True)
    for group, label, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
        sizes[group][label] = count
    return sizes


def _total(sizes: Sequence[Classes]) -> Classes:
    total: Classes = {}
    for group in sizes:
        for label, size in group.items():
            total[label] = total.get(label, 0) + size
    return dict(sorted(total.items()))


def _stratified(classes: Classes, count: int) -> Classes:
    """How many images of each class make up `count`, in proportion to the classes."""
    return dict(zip(classes, allocate(list(classes.values()), count), strict=True))


def _order(count: int, key: tuple[int, ...]) -> list[int]:
    """The numbers 0, 1, ... in an order that only `key` decides."""
    import numpy as np

    raw = np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)
    return np.argsort(raw, kind="stable").tolist()


def _taken(order: Sequence[int], sizes: Sequence[Classes], wanted: Classes, left: Classes) -> Iterator[int]:
    """The groups that a part gets: it is `wanted` to have so many images of each class; `left` are the training images
    of each class, from which those of the groups are subtracted."""
    have: Classes = dict.fromkeys(wanted, 0)
    closed: set[int] = set()
    passed: list[int] = []
    for place in order:
        group = sizes[place]
        nearer = sum(abs(have[c] - wanted[c]) - abs(have[c] + size - wanted[c]) for c, size in group.items())
        if max(group, key=group.__getitem__) in closed or nearer <= 0 or not _spare(group, left):
            passed.append(place)
            closed |= {c for c, size in group.items() if size <= wanted[c] < have[c] + size}
        else:
            _move(group, left, have)
            yield place
    missing = sum(wanted.values()) - sum(have.values())
    if 2 * missing > sum(wanted.values()):
        yield from _more(passed, sizes, missing, left)


def _more(order: Sequence[int], sizes: Sequence[Classes], missing: int, left: Classes) -> Iterator[int]:
    """Groups that bring a part nearer to its number of images, whatever their classes."""
    for place in order:
        size = sum(sizes[place].values())
        if abs(missing - size) < missing and _spare(sizes[place], left):
            _move(sizes[place], left, {})
            missing -= size
            yield place


def _spare(group: Classes, left: Classes) -> bool:
    """Whether every class of a group has other training images."""
    return all(left[label] > size for label, size in group.items())


def _move(group: Classes, left: Classes, have: Classes) -> None:
    for label, size in group.items():
        left[label] -= size
        have[label] = have.get(label, 0) + size
