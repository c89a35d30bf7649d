"""What the folders of a collection mean (standard library only): classes, splits, or neither.

A folder is read as its owner means it, or refused with every reading and what to type for each. Folders that only wrap
others are entered; then the rules are tried in the order of :data:`RULES`, and the first that applies decides:

- only images: no classes;
- ``train/cat``, ``val/cat`` (names as in ``_split_names``): splits, each with classes;
- ``images`` and ``masks``: ambiguous, refused;
- ``cat/train``, ``cat/test``: classes, each with splits;
- ``2023/05``, ``100CANON``: dates and camera folders, which are not classes;
- other ambiguous folders are refused (see ``_albums`` and ``_nested``): ``a/cat``, ``b/cat``; ``train/cat`` beside
  ``docs``; ``part_1``, ``part_2``; ``Camera``, ``Screenshots``; a collection beside a copy of it;
- everything else: a class for each folder.

The options ``labels``, ``parts`` and ``loose`` say which reading is meant.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from backbench.datasets import TRAIN, _albums, _listing, _nested, _split_checks, _split_names
from backbench.datasets._folders import Asked, Level, Paths, first_level, folders, images, relative, some
from backbench.datasets._listing import BESIDE, Entry, Listing
from backbench.datasets._readings import (
    AS_CLASSES,
    IMAGE_WORDS,
    annotated_words,
    as_classes,
    beside,
    class_words,
    letters,
    listed,
    two_ways,
    typed,
    typed_root,
    unlabelled,
)
from backbench.schema import ConfigError


def read(root: Path, asked: Asked | None = None) -> Listing:
    """List a folder and tell what it means.

    Raises
    ------
    ConfigError
        If it is not a folder, holds no image, or is ambiguous.
    """
    paths, without = _listing.walk(root)
    listing = understand(paths, root, asked or Asked())
    way = PurePosixPath(listing.below)
    passed_over = {relative(path, way): why for path, why in without.items()}
    return replace(listing, left_out=dict(sorted({**listing.left_out, **passed_over}.items())))


def understand(paths: Paths, root: Path, asked: Asked) -> Listing:
    """What the files at `paths` below `root` mean; see :func:`read`."""
    if asked.labels == "none" and not asked.parts.folders():
        return listed([Entry(str(path), None, TRAIN) for path in paths], {}, ("no classes (dataset.labels=none)",))
    level = first_level(paths, root, asked)
    listings = (rule(level) for rule in RULES)
    listing = next(listing for listing in listings if listing is not None)
    return _from(level.wrapper, listing)


def _flat(level: Level) -> Listing | None:
    """Only images."""
    if level.folders:
        return None
    return listed([Entry(str(path), None, TRAIN) for path in level.paths], {}, ("no classes",))


def _user_splits(level: Level) -> Listing | None:
    """The splits that the user names."""
    named = level.asked.parts.folders()
    if not named:
        return None
    unknown = sorted(set(named) - set(level.folders))
    if unknown:
        allowed = some(sorted(level.folders))
        raise ConfigError(f"dataset.parts: received {some(unknown)}; allowed: the folders of {level.place}, {allowed}.")
    if TRAIN not in named.values():
        raise ConfigError("dataset.parts: no folder is the training split; give 'dataset.parts.train=[NAME]'.")
    return _with_splits(level, named, apart=True)


def _user_classes(level: Level) -> Listing | None:
    """A class for each folder, if the user says so."""
    return as_classes(level) if level.asked.labels == "folders" else None


def _named_splits(level: Level) -> Listing | None:
    """Folders that are named after splits; other folders beside them are left out."""
    parts = _split_names.of_names(level.folders)
    if not parts:
        return None
    doubtful = len(parts) > len(set(parts.values())) or len(parts) < len(level.folders) or _split_names.differ(parts)
    if doubtful and not any(map(level.inner, parts)):
        raise two_ways(level, ("splits, without classes", typed(parts)), AS_CLASSES)
    _split_checks.refuse_likely_test(level, parts)
    listing = _with_splits(level, parts)
    if annotated_words({entry.label or "" for entry in listing.entries}):
        raise two_ways(
            level,
            ("images and their annotations", "a table of the images and their classes, dataset.csv=PATH"),
            ("a class for each of the inner folders", typed(parts)),
        )
    return listing


def _annotated(level: Level) -> Listing | None:
    """Folders of images and of their annotations, as for segmentation."""
    pictures = annotated_words(level.folders)
    if not pictures:
        return None
    alone = (
        (f"{name} holds the images, and the other folders describe them", typed_root(level, level.place / name))
        for name in pictures
    )
    raise two_ways(level, *alone, AS_CLASSES)


def _splits_in_classes(level: Level) -> Listing | None:
    """Classes that each hold the splits."""
    parts = level.parts_in_classes
    if not parts:
        return None
    used = _split_names.reported(parts.values())
    counts: Counter[int] = Counter()
    entries, left_out = [], beside(level)
    for name, paths in level.folders.items():
        for path in paths:
            part = parts.get(path.parts[level.depth + 1])
            if part is None:
                left_out[str(path)] = BESIDE
            else:
                counts[part] += 1
                entries.append(Entry(str(path), name, used[part]))
    return listed(entries, left_out, (_split_names.sentence(counts), class_words(entries)), given=True)


def _alone(level: Level) -> Listing | None:
    """A single folder with a general name such as ``images``, which is not a class."""
    name, *others = level.folders
    way, inner = level.within[name]
    if others or len(inner) > 1 or not any(map(_is_no_class, (name, way.name))):
        return None
    return unlabelled(level, f"no classes: {way} is not the name of a class")


def _is_no_class(name: str) -> bool:
    return _split_names.of_name(name) is not None or letters(name) in IMAGE_WORDS


RULES: tuple[Callable[[Level], Listing | None], ...] = (
    *(_flat, _user_splits, _user_classes, _named_splits, _annotated, _nested.splits, _splits_in_classes),
    *(_albums.dates, _albums.phone, _nested.again, _nested.alike, _nested.lone_split, _albums.pieces, _albums.shards),
    *(_nested.workplace, _alone, as_classes),
)


def _with_splits(level: Level, parts: Mapping[str, int], apart: bool = False) -> Listing:
    """The entries of folders that are splits; other folders are left out."""
    left_out, used = beside(level), _split_names.reported(parts.values())
    inside = {name: _split(level, name, used[part]) for name, part in parts.items()}
    _split_checks.check(level, inside, parts, sure=apart)
    for name in set(level.folders) - set(parts):
        left_out |= dict.fromkeys(map(str, level.folders[name]), BESIDE)
    counts: Counter[int] = Counter()
    for name, listing in inside.items():
        counts[parts[name]] += len(listing.entries)
        left_out |= listing.left_out
    entries = [entry for listing in inside.values() for entry in listing.entries]
    given = len(counts) > 1
    sentences = [_split_names.sentence(counts)] if given else []
    folders_of = _split_names.several(parts) if given else ()
    words = (*sentences, *folders_of, class_words(entries), *_split_checks.strangers(inside, parts))
    return listed(entries, left_out, words, given, apart)


def _split(level: Level, name: str, part: int) -> Listing:
    """The entries of one split: classes, or only images, perhaps wrapped in another folder."""
    paths, depth, last = level.folders[name], level.depth + 1, name
    if level.asked.labels == "none":
        return Listing([Entry(str(path), None, part) for path in paths], True)
    while len(inside := folders(paths, depth)) == 1 and not images(paths, depth, level.root):
        only = next(iter(inside))
        same_split = _split_names.of_name(only) is not None and _split_names.of_name(only) == _split_names.of_name(last)
        same = only == last or same_split or letters(only) in IMAGE_WORDS
        if not same and len(folders(paths, depth + 1)) < 2:
            break
        depth, last = depth + 1, only
    if not inside:
        return Listing([Entry(str(path), None, part) for path in paths], True)
    entries = [Entry(str(path), path.parts[depth], part) for path in paths if len(path.parts) > depth + 1]
    within = Level(level.root, level.asked, paths, PurePosixPath(*entries[0].path.split("/")[:depth]))
    return Listing(entries, True, beside(within))


def _from(way: PurePosixPath, listing: Listing) -> Listing:
    """A listing with its paths relative to the folder that the wrappers lead to."""
    if not way.parts:
        return listing
    entries = [entry._replace(path=entry.path[len(str(way)) + 1 :]) for entry in listing.entries]
    left_out = {relative(path, way): why for path, why in listing.left_out.items()}
    words = (f"read from {way}, the only folder with images", *listing.understood)
    return replace(listing, entries=entries, left_out=left_out, understood=words, below=str(way))
