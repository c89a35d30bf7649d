"""What every collection of image files shares: a folder, an unpacked archive, a known collection.

A plugin provides a :class:`Source`, which says where the files are and how they are listed, and its options, which are
:class:`FileParams`. The content goes into the hash, the path does not.

Every file is read once (see ``images.reading``). The digest covers the relative paths, classes and bytes of readable
files; what is known of each file is cached in ``results/fingerprints`` and renewed only if its size or times differ. A
file that cannot be decoded completely is left out and recorded with the reason (``unreadable: exclude``), or stops the
sweep (``unreadable: fail``); it is never repaired. What the policies leave out afterwards is recorded there too.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench.datasets import (
    PARTS,
    TRAIN,
    UNREAD,
    Collection,
    Description,
    Reading,
    Split,
    _classes,
    _fingerprint,
    _gate,
    _groups,
    _listing,
    _pattern,
    _registry,
    _split,
    _table,
)
from backbench.datasets._fingerprint import Audit, Seen
from backbench.datasets._listing import Entry, Listing
from backbench.datasets._params import FileParams, FolderParams
from backbench.datasets._printable import printable
from backbench.images import depths, reading
from backbench.schema import ConfigError
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

SHOWN = 3
MIXED = (
    "the collection brings its own splits, but its images are mixed and split again; "
    "dataset.split.source=given keeps its splits"
)
# Reasons why a file does not belong to a collection, though nothing is wrong with it; the last ones are those of older
# records.
PASSED_OVER = frozenset(
    {*_listing.PASSED_OVER, _pattern.NO_MATCH, _table.UNNAMED, _table.OTHER_SPLIT}
    | {"outside the parts of the split", "its part in the table is none of train, validation and test"}
)


@dataclass(frozen=True)
class Source:
    """Where the files of a collection are, and the function that lists them."""

    root: Path
    listing: Callable[[], Listing]


def describe(source: Source, params: FileParams) -> Description:
    """What planning needs, from a listing; `digest` is None until the files are fingerprinted as they are now.

    Until then, the counts assume that every file is an image.
    """
    listing = _listed(source, params)
    root = source.root / listing.below
    audit = _fingerprint.recall(root, listing, _bits(params))
    if audit is None:
        keys = _fingerprint.known(root, listing, _bits(params))
        description = _description(listing.entries, None, params, listing.given)
        notice = _groups.UNKNOWN if params.by_looks and description.notice is None else description.notice
        description = replace(description, keys=keys, unread=keys.count(UNREAD), notice=notice)
        excluded = listing.left_out
    else:
        chosen = _checked(audit, params, root)
        description, excluded = _audited(audit, chosen, params), chosen.excluded
    return replace(
        description,
        understood=(_sentence(source.root, listing),),
        root=root,
        excluded=excluded,
        older=_registry.is_older(root),
    )


def fingerprint(source: Source, params: FileParams, how: Reading) -> str:
    """The digest of the content; reads the files that are not known yet.

    Raises
    ------
    ConfigError
        If there is no image, a policy refuses something, or the collection cannot be drawn and divided as asked.
    """
    listing = _listed(source, params)
    root = source.root / listing.below
    audit = _fingerprint.take(root, listing, how, _bits(params))
    chosen = _checked(audit, params, root)
    if left_out := lost(chosen.excluded):
        log.warning("%d files left out: %s", len(left_out), some(left_out))
    _audited(audit, chosen, params)
    return audit.digest


def load(source: Source, params: FileParams, context: Context) -> Collection:
    """List, verify against the planned digest, leave out, draw and split.

    Raises
    ------
    ConfigError
        If the content is no longer what was planned.
    """
    listing = _listed(source, params)
    root = source.root / listing.below
    audit = _fingerprint.take(root, listing, Reading(context.progress), _bits(params))
    return _collection(root, audit, _checked(audit, params, root), params)


def some(reasons: Mapping[str, str]) -> str:
    """The first few files of `reasons`, each with its reason."""
    named = [f"{printable(path)} ({printable(reason)})" for path, reason in list(reasons.items())[:SHOWN]]
    return ", ".join(named) + (", ..." if len(reasons) > SHOWN else "")


def lost(excluded: Mapping[str, str] | None) -> dict[str, str]:
    """Those of the left-out files that have something wrong with them, or that a policy left out."""
    return {path: reason for path, reason in (excluded or {}).items() if not passed_over(reason)}


def passed_over(reason: str) -> bool:
    """Whether a file is left out though nothing is wrong with it."""
    return reason in PASSED_OVER or reason.startswith(_listing.LINKS)


def _bits(params: FileParams) -> int | None:
    """How many bits of 16 count (None: all); known collections have no such option."""
    return params.bits if isinstance(params, FolderParams) else None


def _listed(source: Source, params: FileParams) -> Listing:
    return _classes.of_listing(source.listing(), params.class_names, source.root)


def _checked(audit: Audit, params: FileParams, root: Path) -> _gate.Chosen:
    unreadable = lost(audit.excluded)
    if unreadable and params.unreadable == "fail":
        files = "1 unreadable file" if len(unreadable) == 1 else f"{len(unreadable):,} unreadable files"
        raise ConfigError(
            f"{root}: {files}: {some(unreadable)}. Repair or remove these files, or leave them out (this is recorded): "
            "dataset.unreadable=exclude."
        )
    if not audit.readable:
        raise ConfigError(f"{root} holds no readable image: {some(audit.excluded)}.")
    if params.digest is not None and params.digest != audit.digest:
        raise ConfigError(
            f"{root}: its content is {audit.digest[:12]}, not {params.digest[:12]} as planned or pinned; "
            "plan again, or put the files back."
        )
    _check_given(audit.given, params)
    chosen = _gate.choose(audit, params, root)
    _classes.check_remaining(params.class_names, (seen.entry.label for seen in chosen.kept), root)
    _gate.check_leaks(chosen.kept, params, lambda: _drawn(chosen.kept, params), root)
    _gate.check_groups(chosen.kept, params, lambda: _drawn(chosen.kept, params), _grouped, root)
    return chosen


def _check_given(given: bool, params: FileParams) -> None:
    if params.split.source == "given" and not given:
        raise ConfigError(
            "dataset.split.source: given needs train and test folders at the top of dataset.root, or a column split in "
            "dataset.csv. Use auto or random, or name the folders: 'dataset.parts.train=[A]' 'dataset.parts.test=[B]'."
        )


def _audited(audit: Audit, chosen: _gate.Chosen, params: FileParams) -> Description:
    groups = _grouped(chosen.kept, params)
    description = _description([seen.entry for seen in chosen.kept], audit.digest, params, audit.given, groups)
    return replace(description, keys=[_key(seen, params) for seen in chosen.kept])


def _key(seen: Seen, params: FileParams) -> bytes:
    return reading.key_of(bytes.fromhex(seen.sha256), _bits(params), seen.entry.path)


def _description(
    entries: Sequence[Entry],
    digest: str | None,
    params: FileParams,
    given: bool,
    groups: "np.ndarray | None" = None,
) -> Description:
    """What is known of these entries; `groups` (n,) are theirs where their names do not tell them."""
    _check_given(given, params)
    split = params.split.settled(given)
    names = _names(entries)
    number = {name: position for position, name in enumerate(names)}
    of_class = [0 if entry.label is None else number[entry.label] for entry in entries]
    if split.source == "temporal" or groups is not None or any(entry.group for entry in entries):
        rows, drawn = _drawn_of(entries, params, split, groups)
        counts, training = _counted(drawn), _trained(of_class, rows[drawn == TRAIN])
    else:
        sizes = Counter(zip((entry.part for entry in entries), of_class, strict=True))
        counts = _split.counts(sizes, params.sample, split)
        training = _split.training(sizes, params.sample, split)
    notice = MIXED if given and split.source in ("random", "temporal") else None
    classes, files = len(names) if names else None, [entry.path for entry in entries]
    return Description(sum(counts), classes, digest, counts, notice=notice, given=given, files=files, training=training)


def _sentence(root: Path, listing: Listing) -> str:
    """How a collection was understood, before any of its images is read."""
    count = len(listing.entries)
    words = [f"{root}: {count:,} image{'' if count == 1 else 's'}", *listing.understood]
    if listing.left_out:
        words.append(_listing.counted(listing.left_out))
    return "; ".join(words)


def _names(entries: Sequence[Entry]) -> list[str]:
    return sorted({entry.label for entry in entries if entry.label is not None})


def _labels(entries: Sequence[Entry]) -> "np.ndarray | None":
    """The class (n,) int64 of each entry; None without labels, which all entries have or none."""
    import numpy as np

    number = {name: position for position, name in enumerate(_names(entries))}
    labels = [number[entry.label] for entry in entries if entry.label is not None]
    assert len(labels) in (0, len(entries)), "a listing labels all entries or none"
    return np.array(labels, np.int64) if number else None


def _drawn(seen: Sequence[Seen], params: FileParams) -> tuple["np.ndarray", "np.ndarray"]:
    """The positions (m,) in `seen` of the drawn images, and their splits (m,) uint8."""
    return _divided(seen, params, _grouped(seen, params))


def _divided(
    seen: Sequence[Seen], params: FileParams, groups: "np.ndarray | None"
) -> tuple["np.ndarray", "np.ndarray"]:
    """As `_drawn`, for images in these `groups` (n,)."""
    entries = [image.entry for image in seen]
    split = params.split.settled(len({entry.part for entry in entries}) > 1)
    return _drawn_of(entries, params, split, groups)


def _drawn_of(
    entries: Sequence[Entry], params: FileParams, split: Split, groups: "np.ndarray | None"
) -> tuple["np.ndarray", "np.ndarray"]:
    """The positions (m,) of the drawn entries, and their splits (m,) uint8; `groups` (n,) are theirs, if their names do
    not tell them."""
    import numpy as np

    parts = np.array([entry.part for entry in entries], np.uint8)
    groups = _groups.of_entries(entries) if groups is None else groups
    times = [entry.time for entry in entries if entry.time is not None]
    known = times if len(times) == len(entries) else None
    drawn = (len(entries), params.sample, params.seed, split, groups, known)
    return _split.sample_and_split(parts, _labels(entries), *drawn)


def _grouped(seen: Sequence[Seen], params: FileParams) -> "np.ndarray | None":
    """The group (n,) int64 of each image, None without groups.

    Raises
    ------
    ConfigError
        If all images look alike.
    """
    import numpy as np

    if not params.by_looks:
        return _groups.of_entries([image.entry for image in seen])
    phashes = np.array([image.phash for image in seen], np.uint64)
    groups = _groups.of_looks(phashes, [bytes.fromhex(image.content) for image in seen], params.near_distance)
    _groups.refuse_one(len(np.unique(groups)), f"all {len(seen):,} images are near duplicates of each other")
    return groups


def _counted(split: "np.ndarray") -> tuple[int, int, int]:
    """The numbers of training, validation and test images of a split (n,)."""
    import numpy as np

    train, validation, test = np.bincount(split, minlength=len(PARTS)).tolist()
    return train, validation, test


def _trained(labels: Sequence[int], rows: "np.ndarray") -> tuple[int, ...]:
    """How many of the images `rows` (m,) each class has that has any; `labels` are those of all images."""
    sizes = Counter(labels[row] for row in rows.tolist())
    return tuple(sizes[label] for label in sorted(sizes))


def _collection(root: Path, audit: Audit, chosen: _gate.Chosen, params: FileParams) -> Collection:
    import numpy as np

    groups = _grouped(chosen.kept, params)
    rows, split = _divided(chosen.kept, params, groups)
    labels, drawn = _labels([image.entry for image in chosen.kept]), [chosen.kept[row] for row in rows]
    names = [printable(name) for name in _names([image.entry for image in chosen.kept])]
    groups = None if groups is None else groups[rows]
    digests, contents = _digests([image.sha256 for image in drawn]), _digests([image.content for image in drawn])
    return Collection(
        digest=audit.digest,
        split=split,
        labels=None if labels is None else labels[rows],
        names=names or None,
        root=root,
        files=[image.entry.path for image in drawn],
        file_digests=digests,
        contents=contents,
        info={
            "excluded": chosen.excluded,
            "modes": _modes(drawn),
            **_stored(drawn, params),
            **_gate.duplicates(contents, split),
            **_gate.groups(groups, split, drawn),
        },
        rows=np.array(chosen.places, np.int64)[rows],
        total=len(audit.readable),
        phashes=np.array([image.phash for image in drawn], np.uint64),
        spreads=np.array([np.nan if image.spread is None else image.spread for image in drawn], np.float32),
        sizes=np.array([image.size for image in drawn], np.int32).reshape(-1, 2),
        modes=[image.mode for image in drawn],
        groups=groups,
    )


def _digests(texts: Sequence[str]) -> "np.ndarray":
    """Digests (n, 32) uint8 from their hex digits."""
    import numpy as np

    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(-1, 32)


def _stored(drawn: Sequence[Seen], params: FileParams) -> dict[str, Any]:
    """What is known of 16-bit images, and the number of bits that counted; nothing without such images."""
    depth = depths.about((image.mode, image.peak) for image in drawn)
    bits = {} if _bits(params) is None else {"bits": _bits(params)}
    return {**bits, **({"depth": depth} if depth else {})}


def _modes(drawn: Sequence[Seen]) -> list[list[Any]]:
    """How many images are stored in each colour mode and format, the most frequent first."""
    counts = Counter((image.mode, image.format) for image in drawn)
    return [[mode, kind, count] for (mode, kind), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
