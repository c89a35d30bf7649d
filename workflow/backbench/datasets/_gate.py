"""What the policies of a collection leave out or refuse: duplicates, near duplicates and leaks.

``duplicates`` have equal pixels, ``near_duplicates`` perceptual hashes that differ in at most ``near_distance`` bits,
directly or through images between them. ``exclude`` keeps one image of such a group: one of the test split, else of
the validation split, else of the training split (if the collection brings its splits and ``split.source`` keeps them),
and among these the one whose path comes first. ``leaks`` is about the remaining images, drawn and divided: ``fail``
refuses the same image, exactly or nearly, in two splits.
"""

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, _duplicates, _groups
from backbench.datasets._fingerprint import Audit, Seen
from backbench.datasets._params import FileParams
from backbench.datasets._printable import printable
from backbench.images.phash import NO_STRUCTURE
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

SHOWN = 3
# Which image of a group is kept: the lowest rank.
RANK = {TEST: 0, VALIDATION: 1, TRAIN: 2}
EXACT, NEAR = "the same image as", "nearly the same image as"
Drawn = Callable[[], tuple["np.ndarray", "np.ndarray"]]
# The group (n,) of each image, None without groups.
Grouped = Callable[[Sequence[Seen], FileParams], "np.ndarray | None"]


@dataclass(frozen=True)
class Chosen:
    """The images that are `kept`, their `places` among all readable ones, and why each other file is left out."""

    kept: Sequence[Seen]
    places: Sequence[int]
    excluded: dict[str, str]


def choose(audit: Audit, params: FileParams, root: Path) -> Chosen:
    """Apply ``duplicates``, then ``near_duplicates`` to the remaining images.

    Raises
    ------
    ConfigError
        If a policy is ``fail`` and there are such images.
    """
    chosen = Chosen(audit.readable, range(len(audit.readable)), dict(audit.excluded))
    for option, policy, words, groups in (
        ("duplicates", params.duplicates, EXACT, _equal),
        ("near_duplicates", params.near_duplicates, NEAR, _near),
    ):
        if policy == "keep":
            continue
        duplicates = _dispensable(chosen.kept, groups(chosen.kept, params), params)
        if duplicates and policy == "fail":
            raise ConfigError(f"{root}: {_listed(chosen.kept, duplicates, words)} (dataset.{option}: fail).")
        chosen = _without(chosen, duplicates, words)
    return chosen


def check_leaks(kept: Sequence[Seen], params: FileParams, draw: Drawn, root: Path) -> None:
    """Refuse the same image in two splits, if that is the policy.

    Raises
    ------
    ConfigError
        With the first few pairs.
    """
    if params.leaks == "keep":
        return
    rows, split = draw()
    drawn = [kept[row] for row in rows]
    pairs = {*_apart(_equal(drawn, params), split), *_nearly_apart(_phashes(drawn), split, params.near_distance)}
    if pairs:
        named = [
            [f"{printable(drawn[row].entry.path)} ({PARTS[split[row]]})" for row in pair] for pair in sorted(pairs)
        ]
        listed = ", ".join(" and ".join(pair) for pair in named[:SHOWN]) + (", ..." if len(named) > SHOWN else "")
        raise ConfigError(
            f"{root}: the same or nearly the same image is in two splits: {listed} (dataset.leaks: fail)."
        )


def check_groups(kept: Sequence[Seen], params: FileParams, draw: Drawn, grouped: Grouped, root: Path) -> None:
    """Refuse a group on both sides of the split, if that is the policy: the collection's own splits and those by time
    do not keep groups together.

    Raises
    ------
    ConfigError
        With the first few groups.
    """
    of_all = None if params.leaks == "keep" else grouped(kept, params)
    if of_all is None:
        return
    rows, split = draw()
    divided = _groups.across(of_all[rows], split)
    if len(divided):
        names = {int(of_all[row]): _name(kept[row]) for row in rows.tolist()[::-1]}
        some = ", ".join(names[number] for number in divided.tolist()[:SHOWN])
        raise ConfigError(
            f"{root}: {len(divided):,} groups have images in two splits: {some}{', ...' * (len(divided) > SHOWN)} "
            "(dataset.leaks: fail). dataset.split.source=random divides no group."
        )


def groups(numbers: "np.ndarray | None", split: "np.ndarray", drawn: Sequence[Seen]) -> dict[str, Any]:
    """What is recorded of the groups, by their `numbers` (n,), of the `drawn` images; empty without groups.

    Groups on both sides of the `split` (n,) are told.
    """
    if numbers is None:
        return {}
    about = _groups.about(numbers, split, [_name(image) for image in drawn])
    if about["across_parts"]:
        log.warning("%d groups have images in two splits (dataset.groups)", about["across_parts"])
    return {"groups": about}


def _name(image: Seen) -> str:
    """What the group of an image is called: by its name, or else by the image."""
    return printable(image.entry.group or image.entry.path)


def _equal(seen: Sequence[Seen], params: FileParams) -> "np.ndarray":
    """The group (n,) int64 of each image among those of equal pixels."""
    return _duplicates.exact_groups(bytes.fromhex(image.content) for image in seen)


def _near(seen: Sequence[Seen], params: FileParams) -> "np.ndarray":
    """The group (n,) int64 of each image among those of near hashes."""
    return _duplicates.near_groups(_phashes(seen), params.near_distance)


def _phashes(seen: Sequence[Seen]) -> "np.ndarray":
    """Perceptual hashes (n,) uint64."""
    import numpy as np

    return np.array([image.phash for image in seen], np.uint64)


def _dispensable(seen: Sequence[Seen], group: "np.ndarray", params: FileParams) -> dict[int, int]:
    """The rows to leave out, each with the row that is kept of its `group` (n,)."""
    given = params.split.source == "given"
    rank = [RANK[image.entry.part] if given else 0 for image in seen]
    best: dict[int, int] = {}
    for row in sorted(range(len(seen)), key=lambda row: (rank[row], seen[row].entry.path)):
        best.setdefault(int(group[row]), row)
    pairs = ((row, best[int(group[row])]) for row in range(len(seen)))
    return {row: kept for row, kept in pairs if row != kept}


def _without(chosen: Chosen, duplicates: Mapping[int, int], words: str) -> Chosen:
    reasons = {}
    for row, original in duplicates.items():
        left, kept = chosen.kept[row].entry, chosen.kept[original].entry
        reasons[left.path] = f"{words} {kept.path}" + (" (another class)" if left.label != kept.label else "")
    rows = [row for row in range(len(chosen.kept)) if row not in duplicates]
    return Chosen(
        [chosen.kept[row] for row in rows], [chosen.places[row] for row in rows], {**chosen.excluded, **reasons}
    )


def _apart(group: "np.ndarray", split: "np.ndarray") -> Iterator[tuple[int, int]]:
    """The first row of each `group` (n,) with each later one that is in another `split` (n,)."""
    import numpy as np

    for row in np.flatnonzero(split != split[group]).tolist():
        yield int(group[row]), row


def _nearly_apart(phashes: "np.ndarray", split: "np.ndarray", distance: int) -> Iterator[tuple[int, int]]:
    """One pair of rows for any two near `phashes` (n,) in two splits (n,), so that thousands of copies do not give
    millions of pairs."""
    import numpy as np

    values, place = np.unique(phashes, return_inverse=True)
    first = np.full((len(values), len(PARTS)), -1)
    first[place[::-1], split[::-1]] = np.arange(len(split))[::-1]
    same = np.flatnonzero(values != NO_STRUCTURE)
    pairs = np.concatenate([np.stack([same, same], axis=1), _duplicates.near_pairs(values, distance)])
    for left, right in itertools.permutations(range(len(PARTS)), 2):
        rows = np.stack([first[pairs[:, 0], left], first[pairs[:, 1], right]], axis=1)
        yield from map(tuple, np.sort(rows[(rows >= 0).all(axis=1)], axis=1).tolist())


def _listed(seen: Sequence[Seen], duplicates: Mapping[int, int], words: str) -> str:
    """The number of duplicates, and the first few with what they duplicate."""
    paths = [[printable(seen[row].entry.path) for row in pair] for pair in list(duplicates.items())[:SHOWN]]
    named = ", ".join(f"{path} is {words} {kept}" for path, kept in paths)
    count = "1 duplicate" if len(duplicates) == 1 else f"{len(duplicates):,} duplicates"
    return f"{count}: {named}{', ...' if len(duplicates) > SHOWN else ''}"


def duplicates(digests: "np.ndarray", split: "np.ndarray") -> dict[str, int]:
    """How many of the images with `digests` (n, 32) are duplicates, and how many have one in another `split` (n,).

    The second number bounds what a test score may owe to memory.
    """
    import numpy as np

    group = _duplicates.exact_groups(digests)
    pairs = np.unique(np.stack([group, split.astype(np.int64)]), axis=1)
    apart = np.flatnonzero(np.bincount(pairs[0]) > 1) if len(group) else group
    across = int(np.isin(group, apart).sum())
    if across:
        log.warning("%d images have a duplicate in another split (%s)", across, ", ".join(PARTS))
    return {"duplicates": len(group) - len(np.unique(group)), "duplicates_across_parts": across}
