"""Which split each row of a table belongs to (standard library only).

A column says so in words (``split``: ``train``, ``Training``, ``val``, ``test``; see ``_split_names``) or by yes and no
(``is_test``: 0 or 1). If no column does, the folders in the paths may: ``train/cat/1.png``.
"""

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, _split_names
from backbench.datasets._printable import printable
from backbench.datasets._table_rows import Table
from backbench.datasets._table_titles import Title, asked_for, bare
from backbench.schema import ConfigError, refuse

WORDS = ("train", "validation", "valid", "val", "test")
SPLITS = (
    "split",
    "splits",
    "subset",
    "partition",
    "datasplit",
    "splitset",
    "traintest",
    "traintestsplit",
    "trainortest",
)
# Titles that may mean other things too: they count if their cells name splits.
PERHAPS = ("part", "set", "phase", "usage", "fold", "dataset", "settype")
YES, NO = frozenset({"1", "1.0", "true", "t", "yes", "y"}), frozenset({"0", "0.0", "false", "f", "no", "n"})
# Titles of columns of yes and no.
IS = {
    **dict.fromkeys(("train", "istrain", "istraining", "istrainingimage", "intrain"), TRAIN),
    **dict.fromkeys(("isval", "isvalid", "isvalidation", "validation", "val"), VALIDATION),
    **dict.fromkeys(("test", "istest", "istesting", "istestimage", "intest"), TEST),
}
# Words that such titles have beside the name of a split: ``is_holdout``, ``train_mask``. ``valid`` alone means usable.
BESIDE = frozenset({"is", "in", "for", "the", "mask", "flag", "image", "sample", "row"})
ALIKE = 0.75  # of the letters: a typing error such as tset
FEW = 10


class RowSplits(NamedTuple):
    """The split of each row, None for a row that is passed over.

    `given` says whether there are a training split and another one; `apart`, whether a column tells them and not the
    paths. `counts` are the rows of each split, `source` says what tells them, and `notes` are for the user.
    """

    parts: Sequence[int | None]
    given: bool = False
    apart: bool = False
    source: str = ""
    notes: Sequence[str] = ()

    @property
    def counts(self) -> dict[int, int]:
        return dict(Counter(part for part in self.parts if part is not None))


def of_rows(table: Table, title: Title, taken: Sequence[int | None], paths: Sequence[str]) -> RowSplits:
    """The splits of the rows.

    Parameters
    ----------
    title
        The option ``dataset.columns.split``.
    taken
        The columns of the paths and labels.
    paths
        The file of each row.

    Raises
    ------
    ConfigError
        If only some cells are empty, a cell is ambiguous, or two columns differ.
    """
    nothing = RowSplits([TRAIN] * len(paths))
    if title is not None:
        place = asked_for(table, "split", title)
        return nothing if place is None else _of_words(table, place)
    places = [place for place in range(len(table.titles)) if place not in taken]
    named = [place for place in places if bare(table.titles[place]) == SPLITS[0] and any(table.column(place))]
    readings = {place: splits for place in named or places if (splits := _of_column(table, place)) is not None}
    notes = [note for splits in readings.values() if not splits.apart for note in splits.notes]
    certain = {place: splits for place, splits in readings.items() if splits.apart}
    if len({tuple(splits.parts) for splits in certain.values()}) > 1:
        raise _several(table, list(certain))
    chosen = next(iter(certain.values()), None) or _of_flags(table, places) or _of_folders(table, paths) or nothing
    return chosen._replace(notes=[*chosen.notes, *notes])


def _of_column(table: Table, place: int) -> RowSplits | None:
    """The splits of a column, if it tells them by its title or its cells."""
    title, cells = bare(table.titles[place]), [cell.strip() for cell in table.column(place)]
    if not any(cells):
        return None
    if title in SPLITS:
        return _of_words(table, place)
    words = set(cells)
    if title in PERHAPS:
        if any(_split_names.of_name(word) is not None for word in words):
            return _of_words(table, place)
        few = ", ".join(map(printable, sorted(words)[:3]))
        return RowSplits([], notes=[f"column `{table.titles[place]}` ({few}, ...) names no splits and is ignored"])
    if len(words) <= FEW and not any("/" in word or "." in word for word in words):
        return _of_words(table, place) if len(_split_names.of_names(words)) == len(words) else None
    return None


def _of_words(table: Table, place: int) -> RowSplits:
    """The splits that the words in a column name.

    Raises
    ------
    ConfigError
        If only some cells are empty, or one that names no split may be meant to.
    """
    title, cells = table.titles[place], [cell.strip() for cell in table.column(place)]
    if not any(cells):
        return RowSplits([TRAIN] * len(cells))
    empty = next((row for row, cell in enumerate(cells) if not cell), None)
    if empty is not None:
        raise ConfigError(
            f"{table.where(empty)}: no {title}, while other rows have one. Give it a split ({', '.join(PARTS)}), or "
            "another word, such as unused, to ignore the row."
        )
    known = {word: part for word in set(cells) if (part := _split_names.of_name(word)) is not None}
    split = _split_names.of_names(known)
    other = Counter(cell for cell in cells if cell not in known)
    doubtful = next((row for row, cell in enumerate(cells) if cell in other and (not split or _is_slip(cell))), None)
    if doubtful is not None:
        error = refuse(f"{table.where(doubtful)}, {title}", cells[doubtful], WORDS)
        raise ConfigError(f"{error} If the column does not hold splits, give dataset.columns.split=none")
    parts = split or known
    notes = [f"rows ignored because `{title}` names no split: {_counted(other)}"] if other else []
    if not split:
        alone = " and ".join(sorted(known))
        notes.append(f"column `{title}` holds only {alone}, so it does not divide the rows")
    return RowSplits([parts.get(cell) for cell in cells], bool(split), True, f"`{title}`", notes)


def _is_slip(word: str) -> bool:
    """Whether a word is nearly the name of a split and may be meant as one."""
    return bool(difflib.get_close_matches(word.lower(), WORDS, n=1, cutoff=ALIKE))


def _counted(words: Counter[str]) -> str:
    some = ", ".join(f"{printable(word)} ({count})" for word, count in words.most_common(FEW))
    return some + (", ..." if len(words) > FEW else "")


def _of_flags(table: Table, places: Sequence[int]) -> RowSplits | None:
    """The splits that columns of yes and no tell."""
    flags, answers = {}, {}
    for place in places:
        if (part := of_flag(table.titles[place])) is not None:
            words = [word for cell in table.column(place) if (word := answer(cell)) is not None]
            if len(words) == len(table.rows):
                flags[place], answers[place] = part, words
            elif words:
                _refuse_open(table, place, len(words))
    if not flags:
        return None
    parts = [of_flags({part: answers[place][row] for place, part in flags.items()}) for row in range(len(table.rows))]
    titles = " and ".join(f"`{table.titles[place]}`" for place in flags)
    odd = next((row for row, part in enumerate(parts) if part is None), None)
    if odd is not None or len(set(flags.values())) < len(flags):
        raise ConfigError(
            f"{table.where(odd or 0)}: {titles} do not say which split the row belongs to. Give "
            "dataset.columns.split=TITLE of a column that holds train, validation or test, or "
            "dataset.columns.split=none to ignore them."
        )
    present = set(parts)
    return RowSplits(parts, TRAIN in present and len(present) > 1, True, titles) if len(present) > 1 else None


def _refuse_open(table: Table, place: int, answered: int) -> None:
    """Raise ConfigError if the cells of a column that are not empty all say yes or no, but some are empty."""
    empty = [row for row, cell in enumerate(table.column(place)) if not cell.strip()]
    if answered + len(empty) == len(table.rows):
        title = table.titles[place]
        raise ConfigError(
            f"{table.where(empty[0])}: no {title}, while other rows have one. Give it yes or no, or give "
            f"dataset.columns.split=none to ignore the column."
        )


def of_flag(title: str) -> int | None:
    """The split that a column of yes and no tells by its title, or None."""
    known = bare(title)
    if known in IS:
        return IS[known]
    return _split_names.of_name(title) if known != "valid" and set(_split_names.about(title)) <= BESIDE else None


def answer(cell: str) -> bool | None:
    """Whether a cell says yes or no; None if neither."""
    word = cell.strip().lower()
    return word in YES if word in YES | NO else None


def of_flags(answers: dict[int, bool]) -> int | None:
    """The split of a row from its answers for each split; None if they leave it open or contradict each other."""
    yes = [part for part, answer in answers.items() if answer]
    if len(yes) == 1:
        return yes[0]
    if yes or (len(answers) > 1 and TRAIN in answers):
        return None
    return TEST if TRAIN in answers else TRAIN


def _of_folders(table: Table, paths: Sequence[str]) -> RowSplits | None:
    """The splits that the folders of the paths name, at the first depth where they differ."""
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    depth = 0
    while all(len(parts) > depth for parts in folders) and len({parts[depth] for parts in folders}) == 1:
        depth += 1
    names = [parts[depth] if len(parts) > depth else "" for parts in folders]
    known = _split_names.of_names(set(names))
    if not known:
        return None
    odd = next((row for row, name in enumerate(names) if name not in known), None)
    if odd is None:
        return RowSplits([known[name] for name in names], True, False, "the folders of the paths")
    raise ConfigError(
        f"{table.where(odd)}: {printable(paths[odd])!r} is in no split, while other rows are in "
        f"{' and '.join(sorted(known))}. Remove such rows, add a column split, or give dataset.columns.split=none to "
        "ignore the folders."
    )


def _several(table: Table, places: Sequence[int]) -> ConfigError:
    titles = [table.titles[place] for place in places]
    choices = " or ".join(f"dataset.columns.split={title}" for title in [*titles, "none"])
    return ConfigError(f"dataset.csv: {table.path}: {' and '.join(titles)} give different splits. Give {choices}")
