"""What the folders of a collection mean (layer 1, standard library only): classes, parts of a split, or neither.

A folder is read as its owner means it, or refused with every reading and what to type for each. Folders that only wrap
others are entered; then the rules are tried in the order of :data:`RULES`, and the first that applies decides:

- images alone: no classes;
- ``train/cat``, ``val/cat`` (names as in ``_parts``): parts of a split, each with its classes;
- ``images`` and ``masks``: can mean two things, and are refused;
- ``cat/train``, ``cat/test``: classes, each with the parts of a split;
- ``2023/05``, ``100CANON``: dates and camera folders, which are no classes;
- ``a/cat``, ``b/cat``; ``train/cat`` beside ``docs``: can mean two things, and are refused;
- all else: a class for each folder.

The options ``labels``, ``parts`` and ``loose`` say which reading is meant.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from backbench.datasets import PARTS, TRAIN, _listing, _parts
from backbench.datasets._folders import Asked, Level, Paths, first_level, folders, images, relative, some
from backbench.datasets._listing import BESIDE, NO_IMAGE, STRAY, Entry, Listing
from backbench.schema import ConfigError

YEAR, MONTH, DAY = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
DATE = re.compile(rf"(?:photos from )?{YEAR}(?:[-_. ]?{MONTH}(?:[-_. ]?{DAY})?)?(?:[-_. ]+\D.*)?", re.IGNORECASE)
BARE_DATE = re.compile(rf"{YEAR}(?:[-_. ]?{MONTH}(?:[-_. ]?{DAY})?)?|{MONTH}(?:[-_. ]{DAY})?|{DAY}")
# As the standard for the file systems of cameras names them: a number and five letters.
CAMERA = re.compile(
    r"dcim|\d{3}(?:apple|canon|nikon|nd\d{3}|ncd\d\d|msdcf|_pana|olymp|gopro|media|_fuji|casio|photo|sscam|andro|pentx|ricoh|sigma"
    r"|leica|hasbl|g?drive|eos\w\w|_\d{4})",
    re.IGNORECASE,
)
IMAGE_WORDS = frozenset(
    {"image", "images", "img", "imgs", "jpegimages", "photo", "photos", "picture", "pictures", "rgb", "input", "inputs"}
)
ANNOTATION_WORDS = frozenset(
    {"mask", "masks", "label", "labels", "annotation", "annotations", "groundtruth", "gt", "segmentation", "depth"}
    | {"segmentations", "segmentationclass", "segmentationobject", "target", "targets", "output", "outputs"}
)
UNLABELLED_WORDS = frozenset(
    {"unlabeled", "unlabelled", "unsup", "unsupervised", "extra", "pred", "predict", "prediction", "predictions"}
)
AS_CLASSES = ("a class for each folder", "dataset.labels=folders")


def read(root: Path, asked: Asked | None = None) -> Listing:
    """List a folder and tell what it means.

    Raises
    ------
    ConfigError
        If it is no folder, holds no image, or can be read in two ways.
    """
    paths, without = _listing.walk(root)
    listing = understand(paths, root, asked or Asked())
    way = PurePosixPath(listing.below)
    passed_over = {relative(path, way): why for path, why in without.items()}
    return replace(listing, left_out=dict(sorted({**listing.left_out, **passed_over}.items())))


def understand(paths: Paths, root: Path, asked: Asked) -> Listing:
    """What the files at `paths` below `root` mean; see :func:`read`."""
    if asked.labels == "none" and not asked.parts.folders():
        return _listed([Entry(str(path), None, TRAIN) for path in paths], {}, ("no classes, as asked",))
    level = first_level(paths, root, asked)
    listings = (rule(level) for rule in RULES)
    listing = next(listing for listing in listings if listing is not None)
    return _from(level.wrapper, listing)


def _flat(level: Level) -> Listing | None:
    """Images alone."""
    if level.folders:
        return None
    return _listed([Entry(str(path), None, TRAIN) for path in level.paths], {}, ("no classes",))


def _told(level: Level) -> Listing | None:
    """The parts that the user names."""
    named = level.asked.parts.folders()
    if not named:
        return None
    unknown = sorted(set(named) - set(level.folders))
    if unknown:
        there = some(sorted(level.folders))
        raise ConfigError(f"dataset.parts: received {some(unknown)}; the folders of {level.place} are {there}.")
    if TRAIN not in named.values():
        raise ConfigError("dataset.parts: no folder is the training part; give dataset.parts.train=[NAME].")
    return _with_parts(level, named, apart=True)


def _told_classes(level: Level) -> Listing | None:
    return _classes(level) if level.asked.labels == "folders" else None


def _named_parts(level: Level) -> Listing | None:
    """Folders whose names are those of parts; other folders beside them are passed over."""
    parts = _parts.of_names(level.folders)
    if not parts:
        return None
    several = len(parts) > len(set(parts.values()))
    if (several or len(parts) < len(level.folders)) and not any(map(level.inner, parts)):
        raise _two_ways(level, ("parts of a split, without classes", _typed(parts)), AS_CLASSES)
    listing = _with_parts(level, parts)
    if _annotated_words({entry.label or "" for entry in listing.entries}):
        raise _two_ways(
            level,
            ("images, and what belongs to each", "a table of the images and their classes, dataset.csv=PATH"),
            ("a class for each of the inner folders", _typed(parts)),
        )
    return listing


def _annotated(level: Level) -> Listing | None:
    """Images and what belongs to each of them, as segmentation has them."""
    pictures = _annotated_words(level.folders)
    if not pictures:
        return None
    alone = ((f"{name} holds the images, and the rest belongs to them", name) for name in pictures)
    raise _two_ways(level, *((words, f"dataset.root={level.place / name}") for words, name in alone), AS_CLASSES)


def _annotated_words(names: Iterable[str]) -> list[str]:
    """The names that stand for images, where others stand for annotations of them."""
    words = {name: re.sub(r"[^a-z]", "", name.lower()) for name in names}
    pictures = sorted(name for name, word in words.items() if word in IMAGE_WORDS)
    return pictures if any(word in ANNOTATION_WORDS for word in words.values()) else []


def _parts_in_classes(level: Level) -> Listing | None:
    """Classes that each hold the parts of a split."""
    inner = {name: set(level.inner(name)) for name in level.folders}
    parts = _parts.of_names(sorted(set().union(*inner.values())))
    if not parts or not all(names & set(parts) and not level.direct(name) for name, names in inner.items()):
        return None
    used, counts = _parts.reported(parts.values()), Counter()
    entries, left_out = [], _beside(level)
    for name, paths in level.folders.items():
        for path in paths:
            part = parts.get(path.parts[level.depth + 1])
            if part is None:
                left_out[str(path)] = BESIDE
            else:
                counts[part] += 1
                entries.append(Entry(str(path), name, used[part]))
    return _listed(entries, left_out, (_parts.sentence(counts), _class_words(entries)), given=True)


def _dates(level: Level) -> Listing | None:
    """Years, days and camera folders, which say when or with what a picture was taken and not what it shows."""
    names = list(level.folders)
    inner = {name for path in level.paths for name in path.parts[level.depth : -1]}
    if all(map(CAMERA.fullmatch, names)):
        return _unlabelled(level, "no classes: the folders are those of a camera")
    year = bool(level.wrapper.parts) and re.fullmatch(YEAR, level.wrapper.name) is not None
    if not all(map(DATE.fullmatch, names)) and not (year and all(map(BARE_DATE.fullmatch, names))):
        return None
    if (year or len(inner) > len(names)) and all(map(BARE_DATE.fullmatch, inner)):
        return _unlabelled(level, "no classes: the folders are dates")
    raise _two_ways(level, ("dates, so that there are no classes", "dataset.labels=none"), AS_CLASSES)


def _alike(level: Level) -> Listing | None:
    """Folders that hold the same folders, with names that tell no parts."""
    if len(level.folders) < 2 or not all(map(level.deep, level.folders)):
        return None
    shared = sorted(set.intersection(*(set(level.inner(name)) for name in level.folders)))
    if len(shared) < 2:
        return None
    names = sorted(level.folders)
    raise _two_ways(
        level,
        ("parts of a split, for example", _typed({names[0]: TRAIN, **dict.fromkeys(names[1:2], len(PARTS) - 1)})),
        (f"the classes {some(shared)}, in several folders", _typed(dict.fromkeys(names, TRAIN))),
        AS_CLASSES,
    )


def _lone_part(level: Level) -> Listing | None:
    """One part of a split with classes, or one beside unlabelled images."""
    named = [name for name in level.folders if _parts.of_name(name) is not None]
    others = sorted(set(level.folders) - set(named))
    unlabelled = any(re.sub(r"[^a-z]", "", name.lower()) in UNLABELLED_WORDS for name in others)
    if not named or not others or not (unlabelled or any(map(level.deep, named))):
        return None
    alone = ((f"{name} alone counts, and {some(others)} does not", name) for name in named)
    raise _two_ways(level, *((words, f"dataset.root={level.place / name}") for words, name in alone), AS_CLASSES)


def _alone(level: Level) -> Listing | None:
    """One folder that is called after what all images are, which is no class."""
    name, *others = level.folders
    if others or not (_parts.of_name(name) is not None or _annotated_words([name, "masks"])):
        return None
    return _unlabelled(level, f"no classes: {name} is no name of a class")


def _classes(level: Level) -> Listing:
    """A class for each folder."""
    entries = [Entry(str(path), name, TRAIN) for name, paths in level.folders.items() for path in paths]
    return _listed(entries, _beside(level), (_class_words(entries),))


RULES: tuple[Callable[[Level], Listing | None], ...] = (
    *(_flat, _told, _told_classes, _named_parts, _annotated, _parts_in_classes, _dates, _alike, _lone_part, _alone),
    _classes,
)


def _with_parts(level: Level, parts: Mapping[str, int], apart: bool = False) -> Listing:
    """The entries of folders that are parts of a split; other folders are passed over."""
    left_out, used = _beside(level), _parts.reported(parts.values())
    inside = {name: _part(level, name, used[part]) for name, part in parts.items()}
    _check_labelled(level, inside, parts)
    for name in set(level.folders) - set(parts):
        left_out |= dict.fromkeys(map(str, level.folders[name]), BESIDE)
    counts: Counter[int] = Counter()
    for name, listing in inside.items():
        counts[parts[name]] += len(listing.entries)
        left_out |= listing.left_out
    entries = [entry for listing in inside.values() for entry in listing.entries]
    given = len(counts) > 1
    sentences = [_parts.sentence(counts)] if given else []
    return _listed(entries, left_out, (*sentences, _class_words(entries)), given, apart)


def _part(level: Level, name: str, part: int) -> Listing:
    """The entries of one part: classes, or images alone, perhaps wrapped once more."""
    paths, depth, last = level.folders[name], level.depth + 1, name
    while len(inside := folders(paths, depth)) == 1 and not images(paths, depth, level.root):
        only = next(iter(inside))
        same = only == last or _parts.of_name(only) == _parts.of_name(last)
        if not same and len(folders(paths, depth + 1)) < 2:
            break
        depth, last = depth + 1, only
    if not inside:
        return Listing([Entry(str(path), None, part) for path in paths], True)
    entries = [Entry(str(path), path.parts[depth], part) for path in paths if len(path.parts) > depth + 1]
    within = Level(level.root, level.asked, paths, PurePosixPath(*entries[0].path.split("/")[:depth]))
    return Listing(entries, True, _beside(within))


def _check_labelled(level: Level, inside: Mapping[str, Listing], parts: Mapping[str, int]) -> None:
    labelled = [name for name, listing in inside.items() if listing.entries[0].label is not None]
    if len(labelled) in (0, len(inside)):
        return
    without = some(sorted(set(inside) - set(labelled)))
    alone = _typed({name: parts[name] for name in labelled}) if len(labelled) > 1 else ""
    raise _two_ways(
        level,
        (f"{without} has no classes and does not count", alone or f"dataset.root={level.place / labelled[0]}"),
        ("images without classes", "dataset.labels=none"),
    )


def _beside(level: Level) -> dict[str, str]:
    """The files beside the folders of a level, with the reason why they are left out.

    Raises
    ------
    ConfigError
        If there are images among them, and nobody said what becomes of them.
    """
    count = len(level.loose)
    if count and level.asked.loose == "fail":
        lie = "1 image lies" if count == 1 else f"{count:,} images lie"
        raise ConfigError(
            f"dataset.root: {lie} in {level.place} beside the folders {some(sorted(level.folders))}: "
            f"{some([path.name for path in level.loose])}. Leave them out, recorded: dataset.loose=exclude. Take "
            "all images without classes: dataset.labels=none. Or move them into the folder of their class."
        )
    reasons = {**dict.fromkeys(level.no_images, NO_IMAGE), **dict.fromkeys(level.loose, STRAY)}
    return {str(path): why for path, why in reasons.items()}


def _two_ways(level: Level, *readings: tuple[str, str]) -> ConfigError:
    """A refusal with every reading and what to type for it."""
    lines = [f"  {reading}: {typed}" for reading, typed in readings]
    held = some(sorted(level.folders))
    return ConfigError("\n".join([f"dataset.root: {level.place} holds {held}, which can mean:", *lines]))


def _typed(parts: Mapping[str, int]) -> str:
    """What to type for parts."""
    named = {part: ",".join(name for name, of in parts.items() if of == part) for part in range(len(PARTS))}
    return " ".join(f"dataset.parts.{PARTS[part]}=[{names}]" for part, names in named.items() if names)


def _unlabelled(level: Level, words: str) -> Listing:
    no_images = set(level.no_images)
    entries = [Entry(str(path), None, TRAIN) for path in level.paths if path not in no_images]
    left_out = dict.fromkeys(map(str, level.no_images), NO_IMAGE)
    return _listed(entries, left_out, (f"{words} (dataset.labels=folders makes a class of each)",))


def _class_words(entries: Sequence[Entry]) -> str:
    names = {entry.label for entry in entries if entry.label is not None}
    if not names:
        return "no classes"
    folded = Counter(name.casefold().strip() for name in names)
    twins = sorted(name for name in names if folded[name.casefold().strip()] > 1)
    differ = f" (some differ in capitals or blanks alone: {some(twins)})" if twins else ""
    return f"{len(names):,} class{'' if len(names) == 1 else 'es'} from folder names{differ}"


def _listed(
    entries: Sequence[Entry],
    left_out: Mapping[str, str],
    understood: tuple[str, ...],
    given: bool = False,
    apart: bool = False,
) -> Listing:
    return replace(_listing.ordered(entries, given, left_out, apart), understood=understood)


def _from(way: PurePosixPath, listing: Listing) -> Listing:
    """A listing with its paths from the folder that the wrappers lead to."""
    if not way.parts:
        return listing
    entries = [entry._replace(path=entry.path[len(str(way)) + 1 :]) for entry in listing.entries]
    left_out = {relative(path, way): why for path, why in listing.left_out.items()}
    words = (f"read from {way}, the one folder with images", *listing.understood)
    return replace(listing, entries=entries, left_out=left_out, understood=words, below=str(way))
