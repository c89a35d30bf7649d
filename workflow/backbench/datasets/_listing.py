"""The files of a folder of images (layer 1, standard library only).

Links to folders are followed, as torchvision's ImageFolder does, but never back into a folder above. What is passed
over by its name (see ``_names``) is recorded with the reason; what the rest means is told by ``_layout``.
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
BESIDE = "outside the parts of the split"
# A link of an archive says where it leads.
LINK, LINKS = "a link that points to no file of the archive", ("is a link", "is a hard link")
NO_IMAGE = "not an image by its name and first bytes"
# Reasons why a file is no part of a collection, though nothing is wrong with it.
PASSED_OVER = frozenset(
    {EMPTY, LOOP, STRAY, BESIDE, NO_IMAGE} | {_names.SYSTEM, _names.VIDEO, _names.AUDIO, _names.DOCUMENT, _names.PACKED}
)


class Entry(NamedTuple):
    """One file: its path below the root with forward slashes, its class (None: unlabelled) and its part."""

    path: str
    label: str | None
    part: int


@dataclass(frozen=True)
class Listing:
    """All files of a collection in the order of their paths.

    `given` says whether it brings its own split; `apart`, whether something else than the paths tells the parts, so
    that they have to go into the content digest. `left_out` gives the reason of each file that is no entry.
    `understood` says in phrases what the collection is taken for. All paths are relative to the folder `below` of the
    root that was listed.
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
    """The relative paths of all files below a folder that may be images, sorted, and the reason of each file and folder
    that is passed over.

    Raises
    ------
    ConfigError
        If it is no folder or holds no file that may be an image.
    """
    if not root.is_dir():
        raise ConfigError(
            f"dataset.root: {root} is not a folder; give a folder with one sub-folder of images per class."
        )
    without: dict[str, str] = {}
    paths = [PurePosixPath(path) for path in sorted(_files(str(root), "", frozenset(), without))]
    if not paths:
        what = f"images; {counted(without)}" if set(without.values()) - {EMPTY} else "files"
        raise ConfigError(f"dataset.root: {root} holds no {what}.")
    return paths, without


def around(root: Path, inside: PurePosixPath) -> dict[str, str]:
    """What lies in the folders on the way from `root` to its folder `inside`, and not in that one, with the reasons."""
    without: dict[str, str] = {}
    for depth in range(len(inside.parts)):
        way, only = PurePosixPath(*inside.parts[:depth]), inside.parts[depth]
        for path in _files(str(root), "" if depth == 0 else f"{way}/", frozenset(), without, only):
            without[path] = NO_IMAGE
    return without


def counted(reasons: Mapping[str, str]) -> str:
    """How many files are passed over for which reason: ``3 passed over: a video (2), an archive``."""
    kinds = Counter(LINK if reason.startswith(LINKS) else reason for reason in reasons.values()).most_common()
    listed = ", ".join(reason + (f" ({count:,})" if count > 1 else "") for reason, count in kinds)
    return f"{len(reasons):,} passed over: {listed}"


def _files(
    root: str, below: str, above: frozenset[tuple[int, int]], without: dict[str, str], but: str | None = None
) -> Iterator[str]:
    """The files of one folder (`below` ends in a slash or is empty) and of those in it, `but` its entry of this name;
    `above` are the folders around it."""
    about = Path(root, below).stat()
    here = about.st_dev, about.st_ino
    if here in above:
        without[below] = LOOP
        return
    try:
        items = [(item, _is_folder(item)) for item in os.scandir(Path(root, below))]
    except OSError as error:
        without[below] = error.strerror
        return
    items = [(item, folder) for item, folder in items if not _names.hidden(item.name, folder)]
    if not items:
        without[below] = EMPTY
    for item, folder in items:
        if item.name == but:
            continue
        path = f"{below}{item.name}/" if folder else f"{below}{item.name}"
        reason = _names.passed_over(item.name, folder)
        if reason is not None:
            without[path] = reason
        elif folder:
            yield from _files(root, path, above | {here}, without)
        else:
            yield path


def _is_folder(item: os.DirEntry) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself
        return False
