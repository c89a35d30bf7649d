"""The files that the paths of a table name (standard library only), as this or another machine wrote them.

The ways to read a path are tried in turn, and the first that gives a file for every row is used for all rows: never one
way for one row and another for the next. If none does, the way that gives the most files is used; but once a way gives
more than half of the files, no looser way is tried, so that a row whose file is missing does not get another file of
the same name. A way that gives two rows the same file is rejected.
"""

import os
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from backbench.schema import ConfigError

DEPTH = 32
PROBED = 20
PLAIN, SPELLED, DROPPED, ADDED, NAME = range(5)
# Files that have the same names as images but for the extension.
BESIDE = frozenset({".csv", ".tsv", ".txt", ".json", ".xml", ".yaml", ".yml", ".md", ".html", ".pdf", ".npy", ".mat"})
Spelled = tuple[str, ...]  # the folders and the name of a path


class Located(NamedTuple):
    """For each row the path of its file below the root, or None; and how it was found, if not as written."""

    paths: Sequence[str | None]
    how: str = ""

    @property
    def hits(self) -> int:
        """The number of rows with a file."""
        return sum(path is not None for path in self.paths)


class Way(NamedTuple):
    """A way to read a path, in words and as a function; the higher the rank, the looser it is.

    The folders stay as they are (`PLAIN`, `SPELLED`), the first are dropped (`DROPPED`), some are added before them
    (`ADDED`), or only the file name counts (`NAME`). `PLAIN` ways may give two texts the same file.
    """

    how: str
    find: Callable[[str], str | None]
    rank: int


@dataclass(frozen=True)
class Ground:
    """Where files are sought: among the `files` below the root, and `beside` the table."""

    root: Path
    beside: Path
    files: Sequence[str]

    @cached_property
    def known(self) -> Mapping[str, str | None]:
        return {path: path for path in self.files}

    @cached_property
    def folded(self) -> Mapping[str, str | None]:
        return _unique((fold(path), path) for path in self.files)

    @cached_property
    def stems(self) -> Mapping[str, str | None]:
        return _unique((fold(stem), path) for stem, path in self._stems())

    @cached_property
    def tails(self) -> Mapping[str, str | None]:
        return _unique((tail, path) for path in self.files for tail in _tails(fold(path)))

    @cached_property
    def stem_tails(self) -> Mapping[str, str | None]:
        return _unique((tail, path) for stem, path in self._stems() for tail in _tails(fold(stem)))

    def at(self, base: Path, text: str) -> str | None:
        """The path below the root of the file that `text` names from the folder `base`."""
        full = os.path.normpath(posixpath.join(str(base), text))
        if full.startswith(self._start) and (below := full[len(self._start) :]) in self.known:
            return below
        return self._below(full) if text and is_file(full) else None

    def outside(self, text: str) -> str | None:
        """The file that a path leads to, if that is not below the root."""
        fulls = (os.path.normpath(posixpath.join(str(base), _slashed(text))) for base in (self.root, self.beside))
        full = next((full for full in fulls if is_file(full)), None)
        return full if full is not None and self._below(full) is None else None

    @property
    def _start(self) -> str:
        return str(self.root).rstrip("/") + "/"

    def _below(self, full: str) -> str | None:
        """The path of a file below the root; the root may be a link to the folder that the table names."""
        if full.startswith(self._start):
            return full[len(self._start) :]
        path = Path(os.path.realpath(posixpath.dirname(full)), posixpath.basename(full))
        root = os.path.realpath(self.root)
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else None

    def _stems(self) -> Iterator[tuple[str, str]]:
        for path in self.files:
            suffix = PurePosixPath(path).suffix
            if suffix and suffix.lower() not in BESIDE:
                yield path.removesuffix(suffix), path


def locate(texts: Sequence[str], ground: Ground, encoding: str = "utf-8") -> Located:
    """The files that the paths of a table name.

    Parameters
    ----------
    encoding
        That of the table; file names may have it too.
    """
    best, missing, loosest = Located([None] * len(texts)), list(texts[:0]), NAME
    for way in _ways(texts, ground, encoding):
        if way.rank > loosest or not all(map(way.find, missing)):
            continue
        attempt = Located([way.find(text) for text in texts], way.how)
        if way.rank > PLAIN and _clashes(texts, attempt.paths):
            continue
        if attempt.hits == len(texts):
            return attempt
        if attempt.hits > best.hits:
            best = attempt
        if 2 * best.hits > len(texts) and not missing:
            missing = [text for text, path in zip(texts, best.paths, strict=True) if path is None][:PROBED]
            loosest = max(way.rank, SPELLED)
    return best


def check(text: str, file: str | None, ground: Ground, where: str) -> None:
    """Refuse a text that is not a path, or that leads out of the root, even if `file` below the root has its name.

    Raises
    ------
    ConfigError
        With what was received, and the file that it leads to.
    """
    plain = file is not None and ground.at(ground.root, text) == file
    if not plain and len(text.strip().splitlines()) > 1:
        raise ConfigError(f"{where}: received a path of several lines, {text!r}; close the quotes in each line.")
    outside = None if plain else ground.outside(text)
    if outside or not spelled(text) or (file is None and ".." in spelled(text)):
        hint = f" It is {outside}: give a dataset.root above it, or a table of other files." if outside else ""
        raise ConfigError(
            f"{where}: received the path {text!r}; allowed: files below dataset.root ({ground.root}).{hint}"
        )


def spelled(text: str) -> Spelled:
    """The folders and the name of a path with slashes of either kind, without blanks or quotes around it."""
    return tuple(part for part in _slashed(text).split("/") if part not in ("", "."))


def fold(path: str) -> str:
    """A path without differences in case or in the Unicode form of accents, which some file systems ignore."""
    return unicodedata.normalize("NFC", path).casefold()


def is_file(full: str) -> bool:
    """Whether something exists that is not a folder; a broken link counts, since its reason will be recorded."""
    return os.path.lexists(full) and not os.path.isdir(full)  # noqa: PTH112 (as in _fingerprint, for speed)


def _slashed(text: str) -> str:
    """A path with forward slashes, without blanks, quotes or ``file:`` around it."""
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`":
        bare = bare[1:-1].strip()
    return re.sub(r"^file:/*(?:localhost/+)?", "/", bare, flags=re.IGNORECASE).replace("\\", "/")


def _ways(texts: Sequence[str], ground: Ground, encoding: str) -> Iterator[Way]:
    """The ways to read the paths, the plain ones first."""
    for base in (ground.root, ground.beside):
        yield Way("", partial(ground.at, base), PLAIN)
    if encoding != "utf-8":
        yield Way("", lambda text: ground.at(ground.root, _as_bytes(text, encoding)), PLAIN)
    yield from _respelled(texts, ground, _slashed, "")
    if any("%" in text for text in texts):
        yield from _respelled(texts, ground, lambda text: _slashed(unquote(text)), "with % and two digits decoded")


def _as_bytes(text: str, encoding: str) -> str:
    try:
        return os.fsdecode(text.encode(encoding))
    except UnicodeEncodeError:
        return text


def _at(ground: Ground, base: Path, respell: Callable[[str], str], text: str) -> str | None:
    return ground.at(base, respell(text))


def _respelled(texts: Sequence[str], ground: Ground, respell: Callable[[str], str], how: str) -> Iterator[Way]:
    """The ways to read paths after `respell`: plainly, then with folders, case or extensions that differ."""
    for base in (ground.root, ground.beside):
        yield Way(how, partial(_at, ground, base, respell), PLAIN)
    paths = [spelled(respell(text)) for text in texts]
    shortest = min(map(len, paths), default=0)
    looser = [ADDED if level == 0 or level + 1 < shortest else NAME for level in range(_depth(paths))]
    keys: tuple[tuple[str, Callable[[str], str], str], ...] = (
        ("known", str, ""),
        ("folded", fold, "ignoring case"),
        ("stems", fold, "with the missing extension added"),
        ("tails", fold, "with the missing folders added"),
        ("stem_tails", fold, "with the missing folders and extension added"),
    )
    for index, key, manner in keys:
        find, added = partial(_find, getattr(ground, index), respell, key), "tails" in index
        for level in range(_depth(paths)):
            rank = looser[level] if added else DROPPED if level else SPELLED
            yield Way(_joined(how, _dropped(paths, level), manner), partial(find, slice(level, None)), rank)
        if added:
            yield Way(_joined(how, "by file name only"), partial(find, slice(-1, None)), NAME)
        else:
            levels = [slice(level, None) for level in range(_depth(paths))]
            manners = (how, "without those of their first folders that are not below the root", manner)
            yield Way(_joined(*manners), partial(_first, find, levels), DROPPED)


def _find(
    files: Mapping[str, str | None], respell: Callable[[str], str], key: Callable[[str], str], kept: slice, text: str
) -> str | None:
    """The file with the `kept` part of a path: its name and some of its folders."""
    return files.get(key("/".join(spelled(respell(text))[kept])))


def _first(find: Callable[[slice, str], str | None], levels: Sequence[slice], text: str) -> str | None:
    """The file of a path without its first folders, as few of them as possible."""
    return next((path for level in levels if (path := find(level, text)) is not None), None)


def _clashes(texts: Sequence[str], paths: Sequence[str | None]) -> bool:
    """Whether two different texts have the same file."""
    pairs = {pair for pair in zip(texts, paths, strict=True) if pair[1] is not None}
    return len({path for _, path in pairs}) < len(pairs)


def _joined(*manners: str) -> str:
    return "; ".join(filter(None, manners))


def _dropped(paths: Sequence[Spelled], level: int) -> str:
    """The folders that are dropped, in words."""
    if not level:
        return ""
    example = next("/".join(path[:level]) for path in paths if len(path) > level)
    return f"without their first {'folder' if level == 1 else f'{level} folders'}, {example}"


def _depth(paths: Sequence[Spelled]) -> int:
    return min(max(map(len, paths), default=0), DEPTH)


def _tails(path: str) -> Iterator[str]:
    parts = path.split("/")
    for level in range(len(parts)):
        yield "/".join(parts[level:])


def _unique(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str | None]:
    """Paths by a key that only one of them has; None for a key that several have."""
    paths: dict[str, str | None] = {}
    for key, path in pairs:
        paths[key] = None if key in paths and paths[key] != path else path
    return paths
