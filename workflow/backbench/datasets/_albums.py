"""Folders that sort photographs without saying what they show (standard library only).

Dates and camera folders are not classes. The folders of a phone, years among other names, and numbered pieces of one
collection may or may not be classes, so they are refused.
"""

import re
from collections.abc import Sequence

from backbench.datasets import TEST, TRAIN, _split_names
from backbench.datasets._folders import Level
from backbench.datasets._listing import Listing
from backbench.datasets._readings import AS_CLASSES, IMAGE_WORDS, WITHOUT_CLASSES, two_ways, typed, unlabelled

YEAR, MONTH, DAY = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
# In English, German, French, Spanish, Italian, Portuguese and Dutch.
MONTH_NAME = (
    r"(?:jan(?:uar[yi]?|vier)?|enero|gennaio|janeiro|feb(?:ruar[yi]?|rero|braio)?|f[ée]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço)?"
    r"|m(?:ä|ae|a)rz|maart|apr(?:ile?)?|avril|abril|may|mai|mayo|maggio|maio|mei|jun[ei]?|juin|junio|giugno|junho"
    r"|jul[yi]?|juillet|julio|luglio|julho|aug(?:ust(?:us)?)?|ao[uû]t|agosto|sept?(?:ember|embre)?|septiembre"
    r"|settembre|setembro|o[ck]t(?:ober|obre|ubre)?|ottobre|outubro|nov(?:ember|embre|iembre|embro)?"
    r"|de[cz](?:ember|embro)?|d[ée]cembre|diciembre|dicembre)"
)
# Parts of a year.
SEASON = r"(?:spring|summer|autumn|fall|winter|christmas|xmas|easter|[qh][1-4])"
NAMED_MONTH = rf"(?:{MONTH}[-_. ]+)?{MONTH_NAME}(?:[-_. ]+{YEAR})?"
YEAR_FIRST = rf"{YEAR}(?:[-_. ]?{MONTH}(?:[-_. ]?{DAY})?|[-_. ]+{NAMED_MONTH})?"
DAY_FIRST = rf"{DAY}[-_. ](?:{MONTH}|{MONTH_NAME})[-_. ]{YEAR}"
MONTH_FIRST = rf"(?:{MONTH}[-_. ]{DAY}[-_. ]{YEAR}|{MONTH_NAME}[-_. ]+{DAY}(?:st|nd|rd|th)?[-_., ]+{YEAR})"
SEASONAL = rf"(?:{SEASON}[-_. ]*{YEAR}|{YEAR}[-_. ]*{SEASON})"
FULL_DATE = rf"{YEAR_FIRST}|{DAY_FIRST}|{MONTH_FIRST}|{SEASONAL}"
DATE = re.compile(rf"(?:photos from )?(?:{FULL_DATE}|{NAMED_MONTH})(?:[-_. ]+\D.*)?", re.IGNORECASE)
BARE_DATE = re.compile(rf"{FULL_DATE}|{NAMED_MONTH}|{MONTH}(?:[-_. ]{DAY})?|{DAY}|{SEASON}", re.IGNORECASE)
# Certainly a date, also among other names; months may be the names of people.
SURE_DATE = re.compile(rf"(?:photos from )?(?:{FULL_DATE})", re.IGNORECASE)
# Named by the file system standard of cameras: a number and five letters.
CAMERA = re.compile(
    r"dcim|\d{3}(?:apple|canon|nikon|nd\d{3}|ncd\d\d|msdcf|_pana|olymp|gopro|media|_fuji|casio|photo|sscam|andro|pentx|ricoh|sigma"
    r"|leica|hasbl|g?drive|eos\w\w|_\d{4})",
    re.IGNORECASE,
)
PHONE = re.compile(
    r"dcim|camera(?: roll)?|screenshots?|screen recordings?|pictures|saved pictures|downloads?|bluetooth|recents"
    r"|selfies|(?:whatsapp|telegram|instagram|snapchat|facebook|messenger|signal|viber|twitter)"
    r"(?: (?:images|photos|pictures))?",
    re.IGNORECASE,
)
SHARD, IDENTIFIER = re.compile(r"[0-9a-fA-F]{1,3}"), re.compile(r"[0-9a-fA-F-]{16,}")
NUMBERED = re.compile(r"(.*?)[-_. (]*\d+\)?")
PIECES = frozenset(
    {"part", "parts", "batch", "chunk", "shard", "fold", "split", "set", "subset", "data", "dataset", "disk", "disc"}
    | {"volume", "vol", "archive", "folder", "dir", "page", "roll", "film", "session", "backup", "cv", *IMAGE_WORDS}
)
DATES = ("dates, not classes", WITHOUT_CLASSES)


def dates(level: Level) -> Listing | None:
    """Years, days and camera folders: they say when or with what a picture was taken, not what it shows."""
    names = list(level.folders)
    inner = {name for path in level.paths for name in path.parts[level.depth : -1]}
    if all(map(CAMERA.fullmatch, names)):
        return unlabelled(level, "no classes: the folders are those of a camera")
    year = bool(level.wrapper.parts) and re.fullmatch(YEAR, level.wrapper.name) is not None
    if not all(map(DATE.fullmatch, names)) and not (year and all(map(BARE_DATE.fullmatch, names))):
        if sum(SURE_DATE.fullmatch(name) is not None for name in names) > 1:
            raise two_ways(level, DATES, AS_CLASSES)
        return None
    if (year or len(inner) > len(names)) and all(map(BARE_DATE.fullmatch, inner)):
        return unlabelled(level, "no classes: the folders are dates")
    raise two_ways(level, DATES, AS_CLASSES)


def phone(level: Level) -> Listing | None:
    """Folders that a phone and its apps create."""
    named = [name for name in level.folders if PHONE.fullmatch(name) or CAMERA.fullmatch(name)]
    if len(named) < 2:
        return None
    raise two_ways(level, ("folders of a phone, not classes", WITHOUT_CLASSES), AS_CLASSES)


def pieces(level: Level) -> Listing | None:
    """Folders that differ only in a number, such as pieces or folds of one collection, and names that are all of one
    split."""
    names = sorted(level.folders)
    if len(names) < 2 or not (_are_numbered(names) or all(_split_names.of_name(name) is not None for name in names)):
        return None
    inner = any(inner for _, inner in level.within.values())
    classes = (
        [("pieces of one collection, each with class folders", typed(dict.fromkeys(names, TRAIN)))] if inner else []
    )
    splits = ("training and test splits, for example", typed({**dict.fromkeys(names[:-1], TRAIN), names[-1]: TEST}))
    raise two_ways(level, ("pieces of one collection, without classes", WITHOUT_CLASSES), *classes, splits, AS_CLASSES)


def shards(level: Level) -> Listing | None:
    """Folders named after the first digits of the identifiers of their files, as photo programs store them."""
    if len(level.folders) < 2 or not all(map(SHARD.fullmatch, level.folders)):
        return None
    for name, paths in level.folders.items():
        if not all(IDENTIFIER.fullmatch(path.stem) and path.stem.lower().startswith(name.lower()) for path in paths):
            return None
    raise two_ways(
        level,
        ("folders named after the first digits of the file names, not classes", WITHOUT_CLASSES),
        AS_CLASSES,
    )


def _are_numbered(names: Sequence[str]) -> bool:
    stems = {match[1] if (match := NUMBERED.fullmatch(name)) else None for name in names}
    stem = stems.pop()
    words = re.findall(r"[a-z]+", (stem or "").lower())
    return not stems and bool(words) and words[-1] in PIECES
