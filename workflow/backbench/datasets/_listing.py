"""The files of a folder of images (standard library only).

Links to folders are followed, as in torchvision's ImageFolder, but never back into a folder above. Files that are
passed over because of their names (see ``_names``) are recorded with the reason; ``_layout`` says what the others mean.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from backbench.datasets import _names
from backbench.schema import ConfigError

EMPTY, LOOP = "a folder without files", "a link back to a folder above it"
STRAY = "beside the class folders"
BESIDE = "outside the splits"
# The reason of a link in an archive begins so; its target follows.
LINK, LINKS = "a link that points to no file of the archive", ("is a link", "is a hard link")
NO_IMAGE = "not an image by its name and first bytes"
# Reasons why a file does not belong to a collection, though nothing is wrong with it.
PASSED_OVER = frozenset(
    {EMPTY, LOOP, STRAY, BESIDE, NO_IMAGE} | {_names.SYSTEM, _names.VIDEO, _names.AUDIO, _names.DOCUMENT, _names.PACKED}
)


class Entry(NamedTuple):
    """One file: its path below the root with forward slashes, its class (None: unlabelled) and its split.

    `group` is the name of the group that it belongs to, `time` when it is from; None where that is not asked for.
    """

    path: str
    label: str | None
    part: int
    group: str | None = None
    time: float | None = None


@dataclass(frozen=True)
class Listing:
    """All files of a collection in the order of their paths.

    `given` says whether it brings its own splits; `apart`, whether the splits are not evident from the paths, so that
    they have to go into the content digest. `left_out` maps each file that is not an entry to the reason. `understood`
    says in phrases how the collection was understood. All paths are relative to the folder `below` in the root that was
    listed.
    """

    entries: Sequence[Entry]
    given: bool
    left_out: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    understood: tuple[str, ...] = ()
    below: str = ""


def ordered(entries: Sequence[Entry], given: bool, left_out: Mapping[str, str], apart: bool = False) -> Listing:
    """A listing in the order of the paths."""
    return Listing(sorted(entries, key=lambda entry: entry.path), given, dict(sorted(left_out.items())), apart)


def walk(root: Path) -> tuple[list[PurePosixPath], dict[str, str]]:
    """The sorted relative paths of all files below a folder that may be images, and the reason of each file and folder
    that is passed over.

    Raises
    ------
    ConfigError
        If it is not a folder, or holds no file that may be an image.
    """
    if not root.is_dir():
        raise ConfigError(
            f"dataset.root: {root} is not a folder; give a folder with one sub-folder of images per class."
        )
    skipped: dict[str, str] = {}
    paths = [PurePosixPath(path) for path in sorted(_files(str(root), "", frozenset(), skipped))]
    if not paths:
        what = f"images; {counted(skipped)}" if set(skipped.values()) - {EMPTY} else "files"
        raise ConfigError(f"dataset.root: {root} holds no {what}.")
    return paths, skipped


def around(root: Path, inside: PurePosixPath) -> dict[str, str]:
    """What is in the folders on the path from `root` to its folder `inside`, but not in that one, with the reasons."""
    skipped: dict[str, str] = {}
    for depth in range(len(inside.parts)):
        way, only = PurePosixPath(*inside.parts[:depth]), inside.parts[depth]
        for path in _files(str(root), "" if depth == 0 else f"{way}/", frozenset(), skipped, only):
            skipped[path] = NO_IMAGE
    return skipped


def counted(reasons: Mapping[str, str]) -> str:
    """How many files are passed over, by reason: ``3 passed over: a video (2), an archive``."""
    kinds = Counter(LINK if reason.startswith(LINKS) else reason for reason in reasons.values()).most_common()
    listed = ", ".join(reason + (f" ({count:,})" if count > 1 else "") for reason, count in kinds)
    return f"{len(reasons):,} passed over: {listed}"


def _files(
    root: str, below: str, above: frozenset[tuple[int, int]], skipped: dict[str, str], but: str | None = None
) -> Iterator[str]:
    """The files of the folder `below` (empty or ending in a slash) and of those in it, except for its entry `but`.

    `above` are the folders around it; what is passed over goes into `skipped` with its reason.
    """
    status = Path(root, below).stat()
    here = status.st_dev, status.st_ino
    if here in above:
        skipped[below] = LOOP
        return
    try:
        items = [(item, _is_folder(item)) for item in os.scandir(Path(root, below))]
    except OSError as error:
        skipped[below] = error.strerror or str(error)
        return
    items = [(item, folder) for item, folder in items if not _names.hidden(item.name, folder)]
    if not items:
        skipped[below] = EMPTY
    for item, folder in items:
        if item.name == but:
            continue
        path = f"{below}{item.name}/" if folder else f"{below}{item.name}"
        reason = _names.passed_over(item.name, folder)
        if reason is not None:
            skipped[path] = reason
        elif folder:
            yield from _files(root, path, above | {here}, skipped)
        else:
            yield path


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself
        return False
