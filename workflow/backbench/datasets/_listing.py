"""The layout of a folder of images (layer 1, standard library only).

Three layouts are known: images right in the folder (no labels); one sub-folder per class; and ``train``, ``test`` and
perhaps ``validation`` (``val``, ``valid``) that each hold one of the former (the parts of a given split). Below a class
folder, files count at any depth. Links to folders are followed, as torchvision's ImageFolder does, but never back into
a folder above. Hidden files, ``__MACOSX`` and the thumbnail files of file managers are passed over.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from backbench.datasets import TEST, TRAIN, VALIDATION
from backbench.schema import ConfigError

PART_NAMES = {"train": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION, "test": TEST}
PASSED_OVER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
STRAY, EMPTY, LOOP = "lies beside the class folders", "a folder without files", "a link back to a folder above it"


class Entry(NamedTuple):
    """One file: its path below the root with forward slashes, its class (None: unlabelled) and its part."""

    path: str
    label: str | None
    part: int


@dataclass(frozen=True)
class Listing:
    """All files of a collection in the order of their paths.

    `given` says whether it brings its own split; `apart`, whether something else than the paths tells the parts, so
    that they have to go into the content digest. `left_out` gives the reason of each file that is no entry;
    `understood` says in sentences what the files are taken for.
    """

    entries: Sequence[Entry]
    given: bool
    left_out: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    understood: tuple[str, ...] = ()


def read(root: Path) -> Listing:
    """List a folder without opening a file.

    Raises
    ------
    ConfigError
        If it is no folder, holds no file, or has a layout that is none of the three.
    """
    paths, without = walk(root)
    tops = top_folders(paths)
    given = has_parts(tops)
    listing = _with_parts(paths) if given else _classes(paths, 0, TRAIN)
    _refuse_nested(root, tops, listing)
    return ordered(listing.entries, given, {**listing.left_out, **without})


def ordered(entries: Sequence[Entry], given: bool, left_out: Mapping[str, str], apart: bool = False) -> Listing:
    """A listing in the order of the paths."""
    return Listing(sorted(entries, key=lambda entry: entry.path), given, dict(sorted(left_out.items())), apart)


def walk(root: Path) -> tuple[list[PurePosixPath], dict[str, str]]:
    """The relative paths of all files below a folder, sorted, and the folders that give none with the reason of each.

    Raises
    ------
    ConfigError
        If it is no folder or holds no file.
    """
    if not root.is_dir():
        raise ConfigError(f"dataset.root: {root} is no folder; give a folder with one sub-folder of images per class.")
    without: dict[str, str] = {}
    paths = [PurePosixPath(path) for path in sorted(_files(str(root), "", frozenset(), without))]
    if not paths:
        raise ConfigError(f"dataset.root: {root} holds no files.")
    return paths, without


def top_folders(paths: Sequence[PurePosixPath]) -> list[str]:
    """The names of the folders right below the root."""
    return sorted({path.parts[0] for path in paths if len(path.parts) > 1})


def has_parts(tops: Sequence[str]) -> bool:
    """Whether the folders below the root are the parts of a split."""
    names = {top.lower() for top in tops}
    return names <= set(PART_NAMES) and {"train", "test"} <= names


def _files(root: str, below: str, above: frozenset[tuple[int, int]], without: dict[str, str]) -> Iterator[str]:
    """The files of one folder (`below` ends in a slash or is empty) and of those in it; `above` are those around it."""
    about = Path(root, below).stat()
    here = about.st_dev, about.st_ino
    if here in above:
        without[below] = LOOP
        return
    try:
        found = [item for item in os.scandir(Path(root, below)) if _counts(item.name)]
    except OSError as error:
        without[below] = error.strerror
        return
    if not found:
        without[below] = EMPTY
    for item in found:
        if _is_folder(item):
            yield from _files(root, f"{below}{item.name}/", above | {here}, without)
        else:
            yield f"{below}{item.name}"


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in PASSED_OVER


def _is_folder(item: os.DirEntry) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself
        return False


def _classes(paths: Sequence[PurePosixPath], depth: int, part: int) -> Listing:
    """Entries of a folder of class folders (or of images) that lies `depth` folders below the root."""
    labelled = [path for path in paths if len(path.parts) > depth + 1]
    flat = [path for path in paths if len(path.parts) == depth + 1]
    if not labelled:
        return Listing([Entry(str(path), None, part) for path in flat], False)
    return Listing([Entry(str(p), p.parts[depth], part) for p in labelled], False, {str(path): STRAY for path in flat})


def _with_parts(paths: Sequence[PurePosixPath]) -> Listing:
    entries, left_out = [], {str(path): STRAY for path in paths if len(path.parts) == 1}
    for top in top_folders(paths):
        within = [path for path in paths if path.parts[0] == top and len(path.parts) > 1]
        found = _classes(within, 1, PART_NAMES[top.lower()])
        entries += found.entries
        left_out |= found.left_out
    if len({entry.label is None for entry in entries}) > 1:
        raise ConfigError("dataset.root: some of the train/validation/test folders have class folders and some do not.")
    return Listing(entries, True, left_out)


def _refuse_nested(root: Path, tops: Sequence[str], listing: Listing) -> None:
    """A folder that only wraps the folder of classes would make one class of everything."""
    if len(tops) == 1 and not listing.left_out:
        inner = Counter(PurePosixPath(entry.path).parts[1] for entry in listing.entries)
        below = [entry for entry in listing.entries if len(PurePosixPath(entry.path).parts) > 2]
        if len(below) == len(listing.entries) and len(inner) > 1:
            raise ConfigError(f"dataset.root: {root} only wraps {tops[0]}; give dataset.root={root / tops[0]}.")
