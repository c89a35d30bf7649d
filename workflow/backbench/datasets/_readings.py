"""How a level of folders may be read (standard library only): as a listing, or as a refusal."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from backbench.datasets import PARTS, TRAIN, _listing
from backbench.datasets._folders import Level, some
from backbench.datasets._listing import NO_IMAGE, STRAY, Entry, Listing
from backbench.schema import ConfigError

IMAGE_WORDS = frozenset(
    {"image", "images", "img", "imgs", "jpegimages", "photo", "photos", "picture", "pictures", "rgb", "input", "inputs"}
)
ANNOTATION_WORDS = frozenset(
    {"mask", "masks", "label", "labels", "annotation", "annotations", "groundtruth", "gt", "segmentation", "depth"}
    | {"segmentations", "segmentationclass", "segmentationobject", "target", "targets", "output", "outputs"}
)
AS_CLASSES = ("a class for each folder", "dataset.labels=folders")
WITHOUT_CLASSES = "dataset.labels=none"
PLAIN = re.compile(r"[\w./~=,@%+:-]+")
NAMED = 12


def letters(name: str) -> str:
    """The letters of a name in lower case."""
    return re.sub(r"[^a-z]", "", name.lower())


def annotated_words(names: Iterable[str]) -> list[str]:
    """The names that mean images, if others mean annotations of them.

    A single word of a name counts (``gt_masks``) where every name has one.
    """
    whole = {name: {letters(name)} for name in names}
    words = {name: {word, *re.findall(r"[a-z]+", name.lower())} for name, (word,) in whole.items()}
    for terms in (whole, words):
        annotated = {name for name in terms if terms[name] & ANNOTATION_WORDS}
        pictures = sorted(name for name in terms if terms[name] & IMAGE_WORDS and name not in annotated)
        if annotated and pictures and (terms is whole or len(annotated) + len(pictures) == len(terms)):
            return pictures
    return []


def two_ways(level: Level, *readings: tuple[str, str]) -> ConfigError:
    """A refusal with every reading and what to type for it."""
    lines = [f"  {reading}: {options}" for reading, options in readings]
    names = some(sorted(level.folders))
    return ConfigError("\n".join([f"dataset.root: {level.place} holds {names}, which can mean:", *lines]))


def typed_root(level: Level, place: Path) -> str:
    """What to type for a folder: its path, or its name in the archive."""
    unpacked = level.asked.unpacked
    if unpacked is None:
        return _quoted(f"dataset.root={place}")
    return _quoted(f"dataset.folder={place.relative_to(unpacked)}")


def typed(parts: Mapping[str, int]) -> str:
    """What to type for splits."""
    named = {part: ",".join(name for name, other in parts.items() if other == part) for part in range(len(PARTS))}
    return " ".join(_quoted(f"dataset.parts.{PARTS[part]}=[{names}]") for part, names in named.items() if names)


def typed_classes(names: Sequence[str]) -> str | None:
    """What to type for some of the folders as classes; None if that would be a long list."""
    if len(names) > NAMED:
        return None
    listed_names = ",".join(names)
    return f"dataset.labels=folders {_quoted(f'dataset.classes=[{listed_names}]')}"


def beside(level: Level) -> dict[str, str]:
    """The files beside the folders of a level, with the reason why they are left out.

    Raises
    ------
    ConfigError
        If there are images among them, and the user did not say what to do with them.
    """
    count = len(level.loose)
    if count and level.asked.loose == "fail":
        images, them, their = ("1 image", "it", "its") if count == 1 else (f"{count:,} images", "them", "their")
        folders = "folder" if len(level.folders) == 1 else "folders"
        raise ConfigError(
            f"dataset.root: {level.place} holds {images} beside the {folders} {some(sorted(level.folders))}: "
            f"{some([path.name for path in level.loose])}. To leave {them} out (recorded): dataset.loose=exclude. "
            f"To use all images without classes: dataset.labels=none. Or move {them} into the folder of {their} class."
        )
    reasons = {**dict.fromkeys(level.no_images, NO_IMAGE), **dict.fromkeys(level.loose, STRAY)}
    return {str(path): why for path, why in reasons.items()}


def as_classes(level: Level) -> Listing:
    """A class for each folder."""
    entries = [Entry(str(path), name, TRAIN) for name, paths in level.folders.items() for path in paths]
    return listed(entries, beside(level), (class_words(entries),))


def unlabelled(level: Level, words: str) -> Listing:
    """All images of a level without classes; loose ones too, unless the user leaves them out."""
    left_out = dict.fromkeys(level.no_images, NO_IMAGE)
    if level.asked.loose == "exclude":
        left_out |= dict.fromkeys(level.loose, STRAY)
    entries = [Entry(str(path), None, TRAIN) for path in level.paths if path not in left_out]
    reasons = {str(path): why for path, why in left_out.items()}
    return listed(entries, reasons, (f"{words} (dataset.labels=folders makes each of them a class)",))


def spelled_alike(names: Iterable[str]) -> list[str]:
    """The names that differ from another one only in case or blanks."""
    distinct = set(names)
    folded = Counter(name.casefold().strip() for name in distinct)
    return sorted(name for name in distinct if folded[name.casefold().strip()] > 1)


def class_words(entries: Sequence[Entry]) -> str:
    """The number of classes, in words."""
    names = {entry.label for entry in entries if entry.label is not None}
    if not names:
        return "no classes"
    alike = spelled_alike(names)
    differ = f" (some differ only in case or blanks: {some(alike)})" if alike else ""
    return f"{len(names):,} class{'' if len(names) == 1 else 'es'} from folder names{differ}"


def listed(
    entries: Sequence[Entry],
    left_out: Mapping[str, str],
    understood: tuple[str, ...],
    given: bool = False,
    apart: bool = False,
) -> Listing:
    """A listing in the order of the paths, with what was understood."""
    return replace(_listing.ordered(entries, given, left_out, apart), understood=understood)


def _quoted(word: str) -> str:
    """A word of the command line, quoted for the shell if needed."""
    return word if PLAIN.fullmatch(word) else shlex.quote(word)
