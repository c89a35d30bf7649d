"""The folder of each photograph: that of its cluster, or of its class."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from backbench import hashing
from backbench.datasets import PARTS, TRAIN
from backbench.metrics.labels import NOISE, OUTSIDE
from backbench.organising import journal
from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.wording import counted, listed

By = Literal["cluster", "class"]
NOISE_FOLDER, OUTSIDE_FOLDER = "noise", "not clustered"
PER_SPLIT = "per_split"
UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# Names that Windows keeps for devices.
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
LONGEST = 120  # bytes of a folder's name
SHOWN = 3


@dataclass(frozen=True)
class Folders:
    """The name of the folder of each photograph, in the order of the collection, and sentences about them."""

    of_rows: Sequence[str]
    notes: Sequence[str] = ()


def of(source: Source, by: By, names: Mapping[int, str]) -> Folders:
    """One folder for each cluster, called as `names` says, or for each class.

    Raises
    ------
    ConfigError
        If the run has no clusters or classes.
    """
    if by == "class":
        return _merged(_classes(source), _predicted(source))
    reason = _heads.missing(source, "clustering")
    if reason:
        raise ConfigError(f"run {_short(source)}: {reason}; `--by class` makes a folder for each predicted class.")
    return _merged(_clusters(source, names), ())


def apart(source: Source) -> bool:
    """Whether each split was clustered alone, so that cluster 3 of one is not cluster 3 of another."""
    return _heads.scope(source) == PER_SPLIT


def cluster(number: int, largest: int) -> str:
    """The name of a cluster without a name, with zeros so that the folders sort by number."""
    return f"cluster {number:0{max(2, len(str(largest)))}d}"


def safe(name: str) -> str:
    """A name that every file system takes as that of a folder."""
    text = UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip().rstrip(". ")
    while len(text.encode("utf-8", "surrogateescape")) > LONGEST:
        text = text[:-1].rstrip(". ")
    text = f"_{text.lstrip('.')}" if text.startswith(".") else text
    return f"{text}_" if RESERVED.fullmatch(text) or alike(text) == journal.NAME else text or "_"


def alike(name: str) -> str:
    """Equal for names that some file systems take as the same."""
    return unicodedata.normalize("NFC", name).casefold()


def _clusters(source: Source, names: Mapping[int, str]) -> list[str]:
    labels, largest = source.labels.tolist(), int(source.labels.max(initial=0))
    special = {NOISE: NOISE_FOLDER, OUTSIDE: OUTSIDE_FOLDER}
    titles = {number: special.get(number) or names.get(number) or cluster(number, largest) for number in set(labels)}
    if not apart(source):
        return [titles[number] for number in labels]
    pairs = zip(source.split.tolist(), labels, strict=True)
    return [titles[number] if number == OUTSIDE else f"{PARTS[part]} {titles[number]}" for part, number in pairs]


def _classes(source: Source) -> list[str]:
    reason = _heads.NO_CLASSES if not source.names else _heads.missing(source, "classification")
    if reason:
        raise ConfigError(f"run {_short(source)}: {reason}; without `--by class`, there is a folder for each cluster.")
    rows = zip(source.split.tolist(), source.truth.tolist(), source.predictions.tolist(), strict=True)
    return [source.names[given if part == TRAIN else predicted] for part, given, predicted in rows]


def _predicted(source: Source) -> Sequence[str]:
    train = int((source.split == TRAIN).sum())
    others = len(source.split) - train
    return (f"{counted(train, 'training image')} by their given class, the {others:,} others as predicted",)


def _merged(titles: Sequence[str], notes: Sequence[str]) -> Folders:
    """Folders for these titles; those that a file system may take as the same are one."""
    folders: dict[str, str] = {}
    sharing: dict[str, list[str]] = {}
    for title in dict.fromkeys(titles):
        name = safe(title)
        sharing.setdefault(folders.setdefault(alike(name), name), []).append(title)
    merged = [
        f"{listed([repr(title) for title in several], SHOWN)} share the folder {folder!r}"
        for folder, several in sharing.items()
        if len(several) > 1
    ]
    by_title = {title: folder for folder, several in sharing.items() for title in several}
    return Folders([by_title[title] for title in titles], (*notes, *merged))


def _short(source: Source) -> str:
    return hashing.short(source.row.config_hash)
