"""Whether row i of a table without names can be image i, judging by its other columns (no libraries)."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from backbench import arrays
from backbench.arrays import lists, matching, titles
from backbench.arrays.bounds import Bounds
from backbench.backbones._names import WAYS, Column
from backbench.schema import ConfigError


def refuse_doubtful(path: Path, columns: Sequence[Column], files: Sequence[str] | None, n: int, bounds: Bounds) -> None:
    """Raise ConfigError if the file itself indicates that row i is not image i.

    Parameters
    ----------
    columns
        The columns of text and whole numbers beside the `n` rows, none of which names the images.
    files
        Names of the images; None if they have none.
    """
    numbers = [column for column in columns if column.kind == arrays.INTEGER and titles.is_number_of_row(column.title)]
    _refuse_shuffled(path, [column for column in numbers if not _matches(column, files)], n)
    if not files:
        return
    _refuse_repeated_numbers(path, [column for column in columns if column.kind == arrays.INTEGER], files)
    sides = arrays.beside(path)
    text = [title for title, side in sides.items() if side.kind == arrays.TEXT and side.shape != (n,)]
    _refuse_names_of_other_rows(path, _read(path, text, bounds), files, n)
    labels = [title for title, side in sides.items() if titles.is_label(title)]
    whole = [title for title in labels if sides[title] == arrays.Side(arrays.INTEGER, (n,))]
    _refuse_contradiction(
        path, [*(column for column in columns if column.kind == arrays.TEXT), *_read(path, whole, bounds)], files
    )


def _read(path: Path, names: Sequence[str], bounds: Bounds) -> list[Column]:
    entries = {name: arrays.column(path, name, bounds, missing=True) for name in names}
    return [Column(name, lists.texts(column, path)) for name, column in entries.items() if column is not None]


def _refuse_shuffled(path: Path, columns: Sequence[Column], n: int) -> None:
    for column in columns:
        numbers = [int(entry) for entry in column.entries or ()]
        if numbers != sorted(numbers) and sorted(numbers) == list(range(min(numbers), min(numbers) + n)):
            raise ConfigError(
                f"{path}: the whole numbers in {column.title!r} number the rows, but are not in order "
                f"({arrays.some(numbers)}): the rows may have been shuffled. Sort them by {column.title!r}, if that is "
                f"the order of the images; or {WAYS}."
            )


def _refuse_repeated_numbers(path: Path, columns: Sequence[Column], files: Sequence[str]) -> None:
    """Raise ConfigError if whole numbers are those in the names of the images, several of which have the same one, but
    in another order."""
    numbers = matching.numbers(files)
    for column in columns if all(numbers) else ():
        entries = list(column.entries or ())
        if entries != numbers and sorted(entries) == sorted(numbers):
            raise ConfigError(
                f"{path}: the whole numbers in {column.title!r} are those in the names of the images, but in another "
                f"order: the rows may have been shuffled. Add a column with the names of the images; or {WAYS}."
            )


def _refuse_names_of_other_rows(path: Path, columns: Sequence[Column], files: Sequence[str], n: int) -> None:
    for column in columns:
        entries = column.entries or ()
        match = matching.match(entries, files)
        if match is not None and match.count:
            raise ConfigError(
                f"{path}: {column.title!r} names images, but has {len(entries)} entries for {n} rows. Give one name "
                f"per row; or {WAYS}."
            )


def _refuse_contradiction(path: Path, columns: Sequence[Column], files: Sequence[str]) -> None:
    folders = [name.replace("\\", "/").split("/")[:-1] for name in files]
    for column in columns if all(folders) else ():
        entries = column.entries or ()
        if any(_contradicts(entries, [parts[place] for parts in folders]) for place in (0, -1)):
            raise ConfigError(
                f"{path} does not name the images. The entries of {column.title!r} are as frequent as the images of "
                "each folder, but in another order: the rows may have been shuffled. Add a column with the names of "
                f"the images; or {WAYS}."
            )


def _matches(column: Column, files: Sequence[str] | None) -> bool:
    """Whether the entries are the names of the images, whose order has been compared already."""
    match = matching.match(column.entries or (), files or ())
    return match is not None and match.fits


def _contradicts(labels: Sequence[str], folders: Sequence[str]) -> bool:
    """Whether labels are as frequent as the folders, but do not correspond to them row by row."""
    counts, sizes = Counter(labels), Counter(folders)
    if len(labels) != len(folders) or len(sizes) < 2 or sorted(counts.values()) != sorted(sizes.values()):
        return False
    return len(set(zip(labels, folders, strict=True))) != len(sizes)
