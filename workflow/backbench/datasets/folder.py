"""Any folder of images (layer 1): ``dataset=folder dataset.root=PATH``.

One sub-folder per class; or images right in the folder, which then have no labels; or ``train``, ``test`` and perhaps
``validation`` (``val``, ``valid``) folders of one of these, which ``split.source=given`` keeps as the split.

The content goes into the hash, the path does not. So the folder is fingerprinted first: every file is decoded once
(EXIF orientation applied, converted to 8-bit RGB; see ``_decode``) and the digest is over the relative paths, classes
and pixels. It is kept in ``results/fingerprints`` and renewed only for files whose size or modification time differ.
A file that cannot be decoded whole is left out and recorded with its reason (``unreadable: exclude``), or stops the
sweep (``unreadable: fail``); it is never repaired.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from backbench.datasets import PARTS, Collection, Description, Split, _fingerprint, _listing, _split
from backbench.datasets._listing import Entry
from backbench.schema import ConfigError, Range
from backbench.stage import Context

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

UNHASHED = ("root",)
SHOWN = 3


@dataclass(frozen=True)
class Params:
    """Options. `digest` is filled in by planning from the fingerprint; given by hand, it pins the content."""

    root: str | None
    digest: str | None
    sample: Annotated[int | None, Range(low=1)]
    seed: Annotated[int, Range(low=0)]
    split: Split
    unreadable: Literal["exclude", "fail"]


def describe(params: Params) -> Description:
    """What planning needs, from a listing; `digest` is None while the folder is not fingerprinted as it is now.

    Until then, the counts take every file for an image.
    """
    root = _root(params)
    audit = _fingerprint.recall(root)
    if audit is None:
        listing = _listing.read(root)
        return _description(listing.entries, None, params, listing.given)
    _check(audit, params, root)
    return _description([entry for entry, _ in audit.readable], audit.digest, params, audit.given)


def fingerprint(params: Params, progress: Callable[[int, int], None]) -> str:
    """Digest of the decoded content; decodes what is not known yet.

    Raises
    ------
    ConfigError
        If there is no image, or a file is unreadable and ``unreadable`` is ``fail``.
    """
    audit = _fingerprint.take(_root(params), progress)
    _check(audit, params, _root(params))
    if audit.excluded:
        log.warning("%d files left out: %s", len(audit.excluded), _some(audit.excluded))
    return audit.digest


def load(params: Params, context: Context) -> Collection:
    """List, verify against the digest of the plan, draw and split.

    Raises
    ------
    ConfigError
        If the folder's content is no longer what was planned.
    """
    root = _root(params)
    audit = _fingerprint.take(root, context.progress)
    _check(audit, params, root)
    return _collection(root, audit, params)


def _root(params: Params) -> Path:
    if params.root is None:
        raise ConfigError(
            "dataset(folder).root: give dataset.root=PATH, a folder with one sub-folder of images per class."
        )
    return Path(params.root).expanduser().absolute()


def _check(audit: _fingerprint.Audit, params: Params, root: Path) -> None:
    if audit.excluded and params.unreadable == "fail":
        raise ConfigError(
            f"{root}: {len(audit.excluded)} unreadable files: {_some(audit.excluded)} (unreadable: fail)."
        )
    if not audit.readable:
        raise ConfigError(f"{root} holds no readable image: {_some(audit.excluded)}.")
    if params.digest not in (None, audit.digest):
        raise ConfigError(
            f"{root}: its content is {audit.digest[:12]}, not {params.digest[:12]} as planned or pinned; "
            "plan again, or put the files back."
        )


def _description(entries: Sequence[Entry], digest: str | None, params: Params, given: bool) -> Description:
    names = _names(entries)
    label = {name: number for number, name in enumerate(names)} if names else {None: 0}
    sizes = Counter((entry.part, label[entry.label]) for entry in entries)
    _check_given(given, params)
    counts = _split.counts(sizes, params.sample, params.split)
    return Description(sum(counts), len(names) if names else None, digest, counts)


def _check_given(given: bool, params: Params) -> None:
    if params.split.source == "given" and not given:
        raise ConfigError(
            "dataset.split.source: given needs train and test folders at the top of dataset.root; use random."
        )


def _names(entries: Sequence[Entry]) -> list[str]:
    return sorted({entry.label for entry in entries if entry.label is not None})


def _collection(root: Path, audit: _fingerprint.Audit, params: Params) -> Collection:
    import numpy as np

    _check_given(audit.given, params)
    entries = [entry for entry, _ in audit.readable]
    names = _names(entries)
    number = {name: position for position, name in enumerate(names)}
    labels = np.array([number[entry.label] for entry in entries], np.int64) if names else None
    parts = np.array([entry.part for entry in entries], np.uint8)
    rows, split = _split.sample_and_split(parts, labels, len(entries), params.sample, params.seed, params.split)
    digests = np.frombuffer(b"".join(bytes.fromhex(sha) for _, sha in audit.readable), np.uint8).reshape(-1, 32)[rows]
    return Collection(
        digest=audit.digest,
        split=split,
        labels=None if labels is None else labels[rows],
        names=names or None,
        root=root,
        files=[entries[row].path for row in rows],
        file_digests=digests,
        info={"excluded": audit.excluded, **_duplicates(digests, split)},
    )


def _duplicates(digests: "np.ndarray", split: "np.ndarray") -> dict[str, Any]:
    """How many images have an equal twin, and how many have one in another part: what a test score may owe to that."""
    parts: dict[bytes, list[int]] = {}
    for digest, part in zip(digests, split.tolist(), strict=True):
        parts.setdefault(digest.tobytes(), []).append(part)
    across = sum(len(found) for found in parts.values() if len(set(found)) > 1)
    if across:
        log.warning("%d images have an identical twin in another part (%s)", across, ", ".join(PARTS))
    return {"duplicates": len(split) - len(parts), "duplicates_across_parts": across}


def _some(reasons: Mapping[str, str]) -> str:
    shown = [f"{path} ({reason})" for path, reason in list(reasons.items())[:SHOWN]]
    return ", ".join(shown) + (", ..." if len(reasons) > SHOWN else "")
