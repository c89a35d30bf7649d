"""Which row of a table belongs to which image, by their names (standard library only).

The same rule applies to all images: equal paths; equal paths below a common folder of the table's names; one path that
ends in the other; equal base names. Each is tried with extensions as they are, then in any case, then without them.
Last, base names that are numbers are compared as numbers. A rule fits if it gives every image one row, and no row to
two images. Where several rules fit, they must give the same rows.
"""

import itertools
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

SEVERAL = -1
Places = list[int | None]


@dataclass(frozen=True)
class Match:
    """The row of each image by one rule: None where there is none, -1 where there are several candidates."""

    rows: Places
    rule: str

    @property
    def count(self) -> int:
        """Number of images with exactly one row."""
        return sum(row is not None and row != SEVERAL for row in self.rows)

    @property
    def several(self) -> int:
        """Number of images with several candidate rows."""
        return sum(row == SEVERAL for row in self.rows)

    @property
    def fits(self) -> bool:
        """Whether every image has exactly one row."""
        return self.count == len(self.rows)


def match(names: Sequence[str], files: Sequence[str], rule: str | None = None) -> Match | None:
    """The match by the first rule that fits, else by the one that matches most images; None if no rule matches any.

    Parameters
    ----------
    names
        The name in each row of the table.
    files
        The relative paths of the images.
    rule
        The only rule to try.
    """
    fitting: Match | None = None
    best: Match | None = None
    for tried in _matches(names, files):
        if rule not in (None, tried.rule):
            continue
        if tried.fits and fitting is None:
            if tried.rule == EQUAL:
                return tried
            fitting = tried
        elif tried.fits and fitting is not None and tried.rows != fitting.rows:
            differing = [SEVERAL if row != other else row for row, other in zip(fitting.rows, tried.rows, strict=True)]
            return Match(differing, f"{fitting.rule}, or {tried.rule}")
        if best is None or tried.count > best.count:
            best = tried
    if fitting is not None:
        return fitting
    touched = best is not None and (best.count or best.several or _touched(names, files))
    return best if touched else None


def agrees(names: Sequence[str], files: Sequence[str], rows: Sequence[int | None]) -> bool:
    """Whether the base names in the given rows, where there are any, are those of the images, ignoring extensions."""
    for name, row in zip(files, rows, strict=True):
        entry = "" if row is None else _base(normal(names[row]))
        if entry and _stem(_base(normal(name))) not in (entry, _stem(entry)):
            return False
    return True


def numbers(names: Iterable[str]) -> list[str]:
    """The number that the base name of each of `names` consists of; empty if it is not a whole number."""
    return [_number(normal(name)) for name in names]


def normal(name: str) -> str:
    """A name with forward slashes, without surrounding blanks or a leading ``./``, in composed Unicode."""
    text = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    return str(PurePosixPath(text)) if "./" in text or "//" in text or text.endswith("/") else text


EQUAL = "relative paths"


def _matches(names: Sequence[str], files: Sequence[str]) -> Iterator[Match]:
    rows, images = [normal(name) for name in names], [normal(name) for name in files]
    folder = _common_folder(rows)
    for of_row, of_image, note in FOLDS:
        left, right = _each(of_row, rows), _each(of_image, images)
        yield Match(_equal(left, right), EQUAL + note)
        if folder:
            below = [name.removeprefix(folder) for name in left]
            yield Match(_equal(below, right), f"paths below {folder}{note}")
        yield Match(_ends(left, right), f"the ends of paths{note}")
        yield Match(_equal(_each(_base, left), _each(_base, right)), f"base names{note}")
    numbers = _each(_number, images)
    if all(numbers):
        yield Match(_equal(_each(_number, rows), numbers), "the numbers in base names")


def _each(fold: Callable[[str], str], names: Iterable[str]) -> list[str]:
    return [fold(name) for name in names]


def _as_it_is(name: str) -> str:
    return name


def _lower_extension(name: str) -> str:
    stem = _stem(name)
    return stem + name[len(stem) :].lower()


def _stem(name: str) -> str:
    """A path without its extension."""
    dot = name.rfind(".")
    return name if dot <= name.rfind("/") + 1 else name[:dot]


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _number(name: str) -> str:
    """The number that a base name consists of, without leading zeros; empty if it is not a whole number."""
    stem = _stem(_base(name))
    return str(int(stem)) if stem.isascii() and stem.isdecimal() and len(stem) < 30 else ""


# What is compared of the names of the table and of the images: a table may omit extensions, or use others.
FOLDS = (
    (_as_it_is, _as_it_is, ""),
    (_lower_extension, _lower_extension, ", extensions in any case"),
    (_as_it_is, _stem, ", without extensions"),
    (_stem, _stem, ", without extensions"),
)


def _common_folder(rows: Sequence[str]) -> str:
    """The folder that contains all names, with a trailing slash; empty if there is none."""
    first, last = (name.split("/")[:-1] for name in (min(rows, default=""), max(rows, default="")))
    shared = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(f"{folder}/" for folder, _ in shared)


def _equal(rows: Sequence[str], images: Sequence[str]) -> Places:
    """The row with the same key; images that share a key count as having several."""
    place: dict[str, int] = {}
    for row, key in enumerate(rows):
        place[key] = SEVERAL if key in place else row
    place.pop("", None)
    shared = {key for key, count in Counter(images).items() if count > 1}
    return [SEVERAL if key in shared and key in place else place.get(key) for key in images]


def _ends(rows: Sequence[str], images: Sequence[str]) -> Places:
    """The only row whose path ends in that of the image, or the other way round."""
    longer = {depth: _by_end(rows, depth) for depth in {name.count("/") for name in images}}
    whole = _by_end(rows, None)
    places = [_only(longer[name.count("/")].get(name), *(whole.get(end) for end in _shorter(name))) for name in images]
    shared = {row for row, count in Counter(places).items() if count > 1 and row is not None}
    return [SEVERAL if row in shared else row for row in places]


def _by_end(rows: Sequence[str], depth: int | None) -> dict[str, int]:
    """Rows by the end of their paths that has `depth` slashes; by the whole path for None."""
    place: dict[str, int] = {}
    for row, name in enumerate(rows):
        if depth is None:
            end = name
        elif name.count("/") < depth:
            continue
        else:
            end = "/".join(name.rsplit("/", depth + 1)[-depth - 1 :])
        place[end] = SEVERAL if end in place else row
    place.pop("", None)
    return place


def _shorter(name: str) -> Iterator[str]:
    """The proper ends of a path."""
    while "/" in name:
        name = name.partition("/")[2]
        yield name


def _only(*rows: int | None) -> int | None:
    """The only row; None for none, -1 for several."""
    candidates = {row for row in rows if row is not None}
    return candidates.pop() if len(candidates) == 1 else SEVERAL if candidates else None


def _touched(names: Sequence[str], files: Sequence[str]) -> bool:
    """Whether the table and the images have any base name in common, ignoring extensions."""
    stems = {_stem(_base(normal(name))) for name in files} - {""}
    return any(_base(normal(name)) in stems or _stem(_base(normal(name))) in stems for name in names)
