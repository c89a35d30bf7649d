"""Which column of a table names the images of a data set (standard library only)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backbench import arrays
from backbench.arrays import matching, titles
from backbench.arrays.matching import Match
from backbench.schema import ConfigError

WAYS = (
    "give backbone.names=COLUMN for the column that names the images, or backbone.align=order if row i is image i of "
    "the data set's own order"
)


@dataclass(frozen=True)
class Column:
    """A column: its title and an entry for each row; `entries` is None if it cannot be read."""

    title: str
    entries: Sequence[str] | None
    kind: str = arrays.TEXT


@dataclass(frozen=True)
class Chosen:
    """The title of the column of names, the row of each image, the rule by which they match, and a description."""

    title: str
    rows: Sequence[int | None]
    rule: str
    words: str


@dataclass(frozen=True)
class _Tried:
    column: Column
    match: Match


def choose(columns: Sequence[Column], files: Sequence[str] | None, needed: int, path: Path) -> Chosen | None:
    """The column whose entries name the images; None if no text could.

    Parameters
    ----------
    files
        Names of the images; None if they have none.
    needed
        The number of images that must have a row: fewer than there are if only some are drawn.

    Raises
    ------
    ConfigError
        If several match differently, one matches only in part, or there is text that names no image.
    """
    readable = [column for column in columns if column.entries is not None]
    text = [column for column in columns if column.kind != arrays.INTEGER]
    if files is None:
        maybe = [column for column in text if not _is_no_name(column, ())]
        if maybe:
            raise ConfigError(
                f"{path} has names, or text that may be names, in {_titles(maybe)}, but the images of this data set "
                "have none: give backbone.align=order."
            )
        return None
    matches = [(column, matching.match(column.entries or (), files)) for column in readable]
    tried = [_Tried(column, match) for column, match in matches if match is not None]
    complete = [candidate for candidate in tried if candidate.match.fits]
    folders = {part for name in files for part in name.replace("\\", "/").split("/")[:-1]}
    named = [candidate for candidate in complete if candidate.column.kind == arrays.TEXT]
    partial = [
        candidate
        for candidate in tried
        if candidate.column.kind == arrays.TEXT and not _is_no_name(candidate.column, folders)
    ]
    if named:
        return _only(named, [candidate for candidate in partial if not candidate.match.fits], files, path)
    if complete:
        return _numbered(complete, path)
    drawn = [candidate for candidate in partial if not candidate.match.several and candidate.match.count >= needed]
    if drawn and needed < len(files):
        return _only(drawn, [candidate for candidate in partial if candidate not in drawn], files, path)
    if partial:
        best = max(partial, key=lambda candidate: candidate.match.count)
        raise incomplete(best.column, best.match, files, path)
    other = [column for column in text if not _is_no_name(column, folders)]
    if other:
        raise none_matches(other, path, files)
    return None


def asked(column: Column, files: Sequence[str] | None, needed: int, path: Path, rule: str | None) -> Chosen:
    """The column or list that the user asked for, compared by `rule` if it is known."""
    if files is None:
        raise ConfigError(f"{path} has names, but the images of this data set have none: give backbone.align=order.")
    match = matching.match(column.entries or (), files, rule)
    drawn = match is not None and not match.several and match.count >= needed and needed < len(files)
    if match is None or not (match.fits or drawn):
        raise incomplete(column, match, files, path)
    return _chosen(column, match)


def incomplete(column: Column, match: Match | None, files: Sequence[str], path: Path) -> ConfigError:
    """The error for names by which some images have no row or several."""
    entries = [matching.normal(entry) for entry in column.entries or ()]
    places = [None] * len(files) if match is None else match.rows
    without = [name for name, row in zip(files, places, strict=True) if row is None or row == matching.SEVERAL]
    twice = [name for name, count in Counter(entries).items() if count > 1 and name]
    repeated = f" Some names are in several rows: {arrays.some(twice)}." if twice else ""
    rule = "" if match is None else f" (compared by {match.rule})"
    return ConfigError(
        f"{path}: by the names in {column.title!r}, {len(without)} of {len(files)} images have no row, or more "
        f"than one: {arrays.some(without)}. Its names are {arrays.some(entries)}{rule}.{repeated} Correct "
        f"the names; or {WAYS}."
    )


def none_matches(columns: Sequence[Column], path: Path, files: Sequence[str] = ()) -> ConfigError:
    """The error for text that names no image."""
    unread = [column.title for column in columns if column.entries is None]
    examples = "; ".join(f"{column.title}: {arrays.some(list(column.entries or ())[:3])}" for column in columns[:5])
    images = f" The images are {arrays.some(files)}." if files else ""
    why = (
        "Python objects, which are never unpickled: save names as text (numpy.array(names, dtype=str))"
        if any(column.kind == arrays.OBJECT for column in columns)
        else "lists of text: save one name for each row"
    )
    objects = f" {arrays.some(unread)} holds {why}." if unread else ""
    return ConfigError(
        f"{path} has text, but none of it names an image of this data set ({examples}).{images}{objects} Either it "
        f"names the rows in another way, or it is not a name: {WAYS}."
    )


def _is_no_name(column: Column, folders: set[str] | Sequence[str]) -> bool:
    """Whether text is known to be labels or splits: by its title, or because its entries are folders, or all equal."""
    if titles.is_label(column.title) or titles.is_split(column.title):
        return True
    if column.entries is None:
        return False
    values = {entry.strip() for entry in column.entries} - {""}
    return (len(values) < 2 < len(column.entries)) or (bool(values) and values <= set(folders))


def _only(fitting: Sequence[_Tried], partial: Sequence[_Tried], files: Sequence[str], path: Path) -> Chosen:
    """The column of names, or the first of several that give the same rows.

    Raises
    ------
    ConfigError
        If another column gives other rows, or one that matches in part contradicts it.
    """
    first = fitting[0]
    other = [candidate for candidate in fitting[1:] if candidate.match.rows != first.match.rows]
    other += [
        candidate
        for candidate in partial
        if not matching.agrees(candidate.column.entries or (), files, first.match.rows)
    ]
    if other:
        raise ConfigError(
            f"{path}: {first.column.title!r} and {other[0].column.title!r} both hold names of the images, but "
            f"match them with different rows; give backbone.names={first.column.title} or "
            f"backbone.names={other[0].column.title}."
        )
    return _chosen(first.column, first.match)


def _numbered(complete: Sequence[_Tried], path: Path) -> Chosen | None:
    """None, because whole numbers that match the names repeat the order of the images; ConfigError if not."""
    for candidate in complete:
        title, rows = candidate.column.title, candidate.match.rows
        if rows != list(range(len(rows))):
            raise ConfigError(
                f"{path}: the whole numbers in {title!r} match the names of the images, but in another order; "
                f"give backbone.names={title} to match by them, or backbone.align=order."
            )
    return None


def _titles(columns: Sequence[Column]) -> str:
    return arrays.some([repr(column.title) for column in columns])


def _chosen(column: Column, match: Match) -> Chosen:
    some = "" if match.fits else f"; {match.count:,} of {len(match.rows):,} images have a row"
    words = f"matched to the images by names in `{column.title}` ({match.rule}{some})"
    return Chosen(column.title, match.rows, match.rule, words)
