"""What the titles of columns and arrays say about their content (standard library only).

A title is never that of a feature if one of its words stands for a label, a split, a name, an index, a prediction or
coordinates on a map. Titles that differ in one number alone (``e0`` to ``e511``) are a family.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

FEATURES = ("features", "embeddings", "x", "feats", "vectors", "feature", "embedding", "vector", "feat", "emb")
LABELS = (
    *("labels", "label", "classes", "class", "targets", "target", "y"),
    *("classname", "classnames", "labelname", "labelnames", "category", "categories", "categoryname", "species"),
    *("classid", "labelid", "categoryid", "classidx", "labelidx", "classlabel", "targetname", "truelabel"),
    *("groundtruth", "gt", "ytrue"),
)
NAMES = (
    *("names", "name", "files", "file", "paths", "path", "filenames", "filename"),
    *("filepath", "filepaths", "imagepath", "imagepaths", "imagename", "imagenames", "imagefile", "imagefiles"),
    *("imgpath", "imgname", "image", "images", "img", "imageid", "relpath", "relativepath", "uri"),
)
SURE_PARTS = ("split", "splits", "part", "parts")
PARTS = (*SURE_PARTS, "set", "subset", "partition", "phase", "fold", "folds", "datasetsplit")

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$", re.DOTALL)
NEVER = frozenset(
    (
        *("label", "labels", "class", "classes", "classname", "category", "categories", "species", "gt", "truth"),
        *("target", "targets", "split", "splits", "part", "parts", "partition", "subset", "fold", "folds", "phase"),
        *("name", "names", "file", "files", "filename", "filenames"),
        *("filepath", "path", "paths", "fname", "uri", "url"),
        *("id", "ids", "uid", "uuid", "index", "idx", "indices", "unnamed", "row", "timestamp", "date"),
        *("score", "scores", "confidence", "conf", "prob", "probs", "proba", "probability", "probabilities", "loss"),
        *("pred", "preds", "predicted", "prediction", "predictions", "distance", "distances", "dist"),
        *("umap", "tsne", "sne", "lat", "lon", "lng", "latitude", "longitude", "width", "height", "bbox", "box"),
        *("cluster", "clusters", "weight", "weights"),
    )
)
# These count only as the whole title: x1 to x512 may well be features.
WHOLE = frozenset(("x", "y", "z", "set", "long", "w", "h", "i", "n"))
LISTED = 3
NUMBERS = frozenset(("id", "ids", "index", "idx", "indices", "unnamed", "row", "rows", "number"))
LIKE_LABELS = frozenset(
    (
        *("label", "labels", "class", "classes", "category", "categories", "species", "target", "targets", "gt"),
        *("classname", "subclass", "superclass", "breed", "diagnosis"),
    )
)
ABOUT_LABELS = frozenset(
    (
        *("score", "scores", "confidence", "conf", "prob", "probs", "proba", "probability", "probabilities", "loss"),
        *("pred", "preds", "predicted", "prediction", "predictions", "weight", "weights", "distance"),
        *("count", "counts"),
        *("source", "quality", "text", "description", "url", "path", "file", "time", "date", "by", "noise"),
    )
)


def plain(title: str) -> str:
    """The letters and digits of a title, in lower case."""
    return "".join(character for character in title.lower() if character.isalnum())


def words(title: str) -> list[str]:
    """The words and numbers of a title, in lower case: of ``classId2``, those are ``class``, ``id`` and ``2``."""
    return [word.lower() for word in WORD.findall(title)]


def is_never_feature(title: str) -> bool:
    """Whether a title says that its column is not a feature."""
    return bool(NEVER.intersection(words(title))) or plain(title) in WHOLE or not plain(title)


def is_label(title: str) -> bool:
    """Whether a title is a usual one for labels."""
    return plain(title) in LABELS


def is_number_of_row(title: str) -> bool:
    """Whether a title says that its column numbers the rows or images."""
    return not NUMBERS.isdisjoint(words(title))


def is_like_label(title: str) -> bool:
    """Whether a word of a title stands for labels, and none for predictions or for information about labels."""
    spelled = set(words(title))
    return not spelled.isdisjoint(LIKE_LABELS) and spelled.isdisjoint(ABOUT_LABELS)


def is_split(title: str) -> bool:
    """Whether a title is a usual one for the column that assigns rows to splits."""
    return plain(title) in PARTS


def usual(titles: Iterable[str], known: Sequence[str]) -> list[str]:
    """Those of `titles` that are among the `known` ones, in the order of the latter; exact spellings come first."""
    places = {name: place for place, name in enumerate(known)}
    matches = [title for title in titles if plain(title) in places]
    return sorted(matches, key=lambda title: (title not in places, places[plain(title)]))


@dataclass(frozen=True)
class Family:
    """Titles with the same beginning and end around one number, in the order of the file."""

    before: str
    after: str
    titles: tuple[str, ...]
    numbers: tuple[int, ...]

    @property
    def missing(self) -> list[str]:
        """The first few titles that are missing for the numbers to be consecutive."""
        present = set(self.numbers)
        gaps = (number for number in range(min(present), max(present)) if number not in present)
        return [f"{self.before}{number}{self.after}" for number in itertools.islice(gaps, LISTED + 1)]

    def holds(self, title: str) -> bool:
        """Whether a title is one of the family, whatever its number."""
        match = NUMBER.match(title)
        return match is not None and (match[1], match[3]) == (self.before, self.after)

    def __str__(self) -> str:
        ordered = [title for _, title in sorted(zip(self.numbers, self.titles, strict=True))]
        lacking = self.missing
        without = f" without {', '.join(lacking[:LISTED])}{', ...' if len(lacking) > LISTED else ''}" if lacking else ""
        return f"{ordered[0]}..{ordered[-1]}{without}"


def families(titles: Iterable[str]) -> list[Family]:
    """The families of two or more titles; titles with equal numbers (``e1`` and ``e01``) do not form one."""
    members: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for title in titles:
        match = NUMBER.match(title)
        if match:
            members.setdefault((match[1], match[3]), []).append((title, int(match[2])))
    groups = []
    for (before, after), pairs in members.items():
        numbers = tuple(number for _, number in pairs)
        if len(pairs) > 1 and len(set(numbers)) == len(numbers):
            groups.append(Family(before, after, tuple(title for title, _ in pairs), numbers))
    return groups


def pattern(chosen: Sequence[str], titles: Sequence[str]) -> str:
    """What to type in ``columns=[...]`` to select the `chosen` ones of `titles`."""
    if len(chosen) <= LISTED:
        return ",".join(_quoted(title) for title in chosen)
    rest, typed = list(chosen), []
    for family in families(chosen):
        tries = (f"{family.before}{middle}{family.after}" for middle in ("*", "[0-9]*"))
        fits = next((tried for tried in tries if matching(tried, titles) == list(family.titles)), None)
        if fits:
            typed.append(_quoted(fits))
            rest = [title for title in rest if title not in family.titles]
    return ",".join([*typed, *map(_quoted, rest[:LISTED]), *(["..."] if len(rest) > LISTED else [])])


def matching(wildcard: str, titles: Sequence[str]) -> list[str]:
    """The title that equals `wildcard`, else all that match it as a pattern with ``*``, ``?`` or ``[...]``."""
    return [wildcard] if wildcard in titles else [title for title in titles if fnmatchcase(title, wildcard)]


def _quoted(title: str) -> str:
    return title if re.fullmatch(r"[\w*?.-]+", title) and not title[0].isdigit() else f"'{title}'"
