"""Which images belong together: ``dataset.groups=`` a column of the table, a regular expression, or near duplicates.

Images of one patient, camera, film or burst are alike beyond their class. A split that divides such a group tests what
it has trained on, so that no group is divided (``_group_split``). The names of the groups go into the digest of the
content, as classes do. An image without a name is a group of its own.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from backbench.datasets._listing import Entry, Listing
from backbench.datasets._printable import printable
from backbench.schema import ConfigError

if TYPE_CHECKING:
    import numpy as np

NEAR = "near_duplicates"
GROUP = "group"
EXAMPLE = "'^(?P<group>[^_]+)_'"
WHERE = "dataset.groups"
UNKNOWN = (
    f"{WHERE}={NEAR}: the files have not been fingerprinted yet, so their groups are not known; the counts of the "
    "splits are those without groups"
)
SHOWN = 3


def is_pattern(groups: str | None) -> bool:
    """Whether the option is a regular expression: it has a named group."""
    return groups is not None and "(?P<" in groups


def column(groups: str | None) -> str | None:
    """The title of the column that the option names, None where it names none."""
    return None if groups is None or groups == NEAR or is_pattern(groups) else groups


def check(groups: str | None, csv: str | None) -> None:
    """Refuse a column without a table.

    Raises
    ------
    ConfigError
        With what is allowed.
    """
    if column(groups) is not None and csv is None:
        raise ConfigError(
            f"{WHERE}: received {groups!r}; allowed: {NEAR}, a regular expression with a group named {GROUP} such as "
            f"{EXAMPLE}, or with dataset.csv=PATH one of its columns."
        )


def of_names(listing: Listing, pattern: str, root: Path) -> Listing:
    """A listing with the groups that a regular expression takes from the names of its files, or from the paths below
    the root if it contains a slash.

    Raises
    ------
    ConfigError
        If it is not a regular expression with such a group, or matches nothing.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{WHERE}: {pattern!r} is not a regular expression ({error}).") from error
    if GROUP not in expression.groupindex:
        raise ConfigError(
            f"{WHERE}: {pattern!r} has no group named {GROUP}; write it as (?P<{GROUP}>...), as in {EXAMPLE}."
        )
    entries = [entry._replace(group=_matched(expression, entry.path)) for entry in listing.entries]
    if not any(entry.group for entry in entries):
        some = ", ".join(printable(entry.path) for entry in entries[:SHOWN])
        raise ConfigError(f"{WHERE}: {pattern!r} matches none of the {len(entries):,} files of {root}: {some}, ...")
    return announced(replace(listing, entries=entries), "file names (dataset.groups)")


def announced(listing: Listing, source: str) -> Listing:
    """A listing of grouped entries that says how many groups there are and where they come from.

    Raises
    ------
    ConfigError
        If all images are one group.
    """
    sizes = Counter(entry.group for entry in listing.entries if entry.group)
    alone = sum(not entry.group for entry in listing.entries)
    refuse_one(len(sizes) + alone, f"all {len(listing.entries):,} images have the group {next(iter(sizes), '')!r}")
    words = f"{len(sizes):,} groups from {source}"
    if alone:
        words += f", and {alone:,} images without one, each a group of its own"
    return replace(listing, understood=(*listing.understood, words))


def refuse_one(count: int, what: str) -> None:
    """Refuse to divide a single group.

    Raises
    ------
    ConfigError
        With `what` was received.
    """
    if count < 2:
        raise ConfigError(
            f"{WHERE}: {what}, and a single group cannot be divided. Give a column or a pattern that tells groups "
            "apart, or null."
        )


def of_entries(entries: Sequence[Entry]) -> "np.ndarray | None":
    """The number (n,) int64 of the group of each entry, by the order of their names; None where none has a group."""
    import numpy as np

    names = sorted({entry.group for entry in entries if entry.group})
    if not names:
        return None
    number = {name: place for place, name in enumerate(names)}
    groups = np.array([number.get(entry.group or "", -1) for entry in entries], np.int64)
    alone = np.flatnonzero(groups < 0)
    groups[alone] = len(names) + np.arange(len(alone))
    return groups


def of_looks(phashes: "np.ndarray", contents: Sequence[bytes], distance: int) -> "np.ndarray":
    """The group (n,) int64 of each image, connected by near perceptual hashes (n,) uint64; images without structure are
    in a group where their contents are equal."""
    import numpy as np

    from backbench.datasets import _duplicates
    from backbench.images.phash import NO_STRUCTURE

    near = _duplicates.near_groups(phashes, distance)
    return np.where(phashes == NO_STRUCTURE, _duplicates.exact_groups(contents), near)


def across(groups: "np.ndarray", split: "np.ndarray") -> "np.ndarray":
    """The numbers (m,) of the groups, by image (n,), that are on both sides of the `split` (n,)."""
    import numpy as np

    pairs = np.unique(np.stack([groups, split.astype(np.int64)]), axis=1)[0]
    numbers, parts = np.unique(pairs, return_counts=True)
    return numbers[parts > 1]


def about(groups: "np.ndarray", split: "np.ndarray", names: Sequence[str | None]) -> dict[str, Any]:
    """How many groups (n,) the images have, the largest with its name, and how many are on both sides of the `split`
    (n,); `names` are those of the groups, by image."""
    import numpy as np

    numbers, firsts, sizes = np.unique(groups, return_index=True, return_counts=True)
    largest = int(sizes.argmax())
    return {
        "count": len(numbers),
        "largest": int(sizes[largest]),
        "largest_name": names[int(firsts[largest])],
        "across_parts": len(across(groups, split)),
    }


def _matched(expression: re.Pattern[str], path: str) -> str | None:
    match = expression.search(path if "/" in expression.pattern else PurePosixPath(path).name)
    return (match[GROUP] or None) if match else None
