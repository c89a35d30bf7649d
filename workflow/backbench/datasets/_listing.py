"""The layout of a folder of images (layer 1, standard library only).

Three layouts are known: images right in the folder (no labels); one sub-folder per class; and ``train``, ``test`` and
perhaps ``validation`` (``val``, ``valid``) that each hold one of the former (the parts of a given split). Below a class
folder, files count at any depth. Hidden files, ``__MACOSX`` and the thumbnail files of file managers are passed over.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backbench.datasets import TEST, TRAIN, VALIDATION
from backbench.schema import ConfigError

PART_NAMES = {"train": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION, "test": TEST}
PASSED_OVER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Entry:
    """One file: its path below the root with forward slashes, its class (None: unlabelled) and its part."""

    path: str
    label: str | None
    part: int


@dataclass(frozen=True)
class Listing:
    """All files of a folder in the order of their paths; `given` says whether it brings its own split."""

    entries: Sequence[Entry]
    given: bool
    stray: Sequence[str] = ()


def read(root: Path) -> Listing:
    """List a folder without opening a file.

    Raises
    ------
    ConfigError
        If it is no folder, holds no file, or has a layout that is none of the three.
    """
    if not root.is_dir():
        raise ConfigError(f"dataset.root: {root} is no folder; give a folder with one sub-folder of images per class.")
    paths = sorted(_walk(root))
    tops = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
    if not paths:
        raise ConfigError(f"dataset.root: {root} holds no files.")
    given = (
        bool(tops) and set(map(str.lower, tops)) <= set(PART_NAMES) and {"train", "test"} <= set(map(str.lower, tops))
    )
    listing = _with_parts(paths) if given else _classes(paths, 0, TRAIN)
    _refuse_nested(root, tops, listing)
    entries = sorted(listing.entries, key=lambda entry: entry.path)
    return Listing(entries, given, sorted(listing.stray))


def _walk(root: Path) -> Iterator[PurePosixPath]:
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if _counts(name)]
        yield from (PurePosixPath(Path(folder, name).relative_to(root).as_posix()) for name in files if _counts(name))


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in PASSED_OVER


def _classes(paths: Sequence[PurePosixPath], depth: int, part: int) -> Listing:
    """Entries of a folder of class folders (or of images) that lies `depth` folders below the root."""
    labelled = [path for path in paths if len(path.parts) > depth + 1]
    flat = [path for path in paths if len(path.parts) == depth + 1]
    if not labelled:
        return Listing([Entry(str(path), None, part) for path in flat], False)
    return Listing([Entry(str(p), p.parts[depth], part) for p in labelled], False, [str(path) for path in flat])


def _with_parts(paths: Sequence[PurePosixPath]) -> Listing:
    entries, stray = [], [str(path) for path in paths if len(path.parts) == 1]
    for top in sorted({path.parts[0] for path in paths if len(path.parts) > 1}):
        within = [path for path in paths if path.parts[0] == top and len(path.parts) > 1]
        found = _classes(within, 1, PART_NAMES[top.lower()])
        entries += found.entries
        stray += found.stray
    if len({entry.label is None for entry in entries}) > 1:
        raise ConfigError("dataset.root: some of the train/validation/test folders have class folders and some do not.")
    return Listing(entries, True, stray)


def _refuse_nested(root: Path, tops: Sequence[str], listing: Listing) -> None:
    """A folder that only wraps the folder of classes would make one class of everything."""
    if len(tops) == 1 and not listing.stray:
        inner = Counter(PurePosixPath(entry.path).parts[1] for entry in listing.entries)
        below = [entry for entry in listing.entries if len(PurePosixPath(entry.path).parts) > 2]
        if len(below) == len(listing.entries) and len(inner) > 1:
            raise ConfigError(f"dataset.root: {root} only wraps {tops[0]}; give dataset.root={root / tops[0]}.")
