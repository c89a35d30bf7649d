"""Which part of a split each row of a table belongs to (layer 1, standard library only).

A column says so by words (``split``: ``train``, ``Training``, ``val``, ``test``; see ``_parts``) or by yes and no
(``is_test``: 0 or 1). Where no column does, the folders in the paths may: ``train/cat/1.png``.
"""

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from backbench.datasets import PARTS, TEST, TRAIN, VALIDATION, _parts
from backbench.datasets._gate import shown
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
# Titles of other things too: they count if their cells name parts.
PERHAPS = ("part", "set", "phase", "usage", "fold", "dataset", "settype")
YES, NO = frozenset({"1", "1.0", "true", "t", "yes", "y"}), frozenset({"0", "0.0", "false", "f", "no", "n"})
# Titles of columns of yes and no.
IS = {
    **dict.fromkeys(("train", "istrain", "istraining", "istrainingimage", "intrain"), TRAIN),
    **dict.fromkeys(("isval", "isvalid", "isvalidation", "validation", "val"), VALIDATION),
    **dict.fromkeys(("test", "istest", "istesting", "istestimage", "intest"), TEST),
}
ALIKE = 0.75  # of the letters: a slip of the pen, tset
FEW = 10


class Parting(NamedTuple):
    """The part of each row, None for a row that is passed over.

    `given` says whether they are a split; `apart`, whether a column tells them, not the paths. `counts` are the rows
    of each part as they were found, `source` is where that was, and `notes` are what the user should know.
    """

    parts: Sequence[int | None]
    given: bool = False
    apart: bool = False
    source: str = ""
    notes: Sequence[str] = ()

    @property
    def counts(self) -> dict[int, int]:
        return dict(Counter(part for part in self.parts if part is not None))


def parting(table: Table, title: Title, taken: Sequence[int | None], paths: Sequence[str]) -> Parting:
    """The parts of the rows.

    Parameters
    ----------
    title
        What ``dataset.columns.split`` says.
    taken
        The columns of the paths and labels.
    paths
        The file of each row.

    Raises
    ------
    ConfigError
        If a cell is empty while others are not, or can be read in two ways, or two columns differ.
    """
    nothing = Parting([TRAIN] * len(paths))
    if title is not None:
        place = asked_for(table, "split", title)
        return nothing if place is None else _of_words(table, place)
    places = [place for place in range(len(table.titles)) if place not in taken]
    named = [place for place in places if bare(table.titles[place]) == SPLITS[0] and any(table.column(place))]
    readings = {place: found for place in named or places if (found := _of_column(table, place)) is not None}
    notes = [note for found in readings.values() if not found.apart for note in found.notes]
    chosen = [found for found in readings.values() if found.apart]
    if len({tuple(found.parts) for found in chosen}) > 1:
        raise _two(table, [place for place, found in readings.items() if found.apart])
    found = next(iter(chosen), None) or _of_flags(table, places) or _of_folders(table, paths) or nothing
    return found._replace(notes=[*found.notes, *notes])


def _of_column(table: Table, place: int) -> Parting | None:
    """The parts of a column that may tell them by its title or its cells, else None."""
    title, cells = bare(table.titles[place]), [cell.strip() for cell in table.column(place)]
    if not any(cells):
        return None
    if title in SPLITS:
        return _of_words(table, place)
    words = set(cells)
    if title in PERHAPS:
        if any(_parts.of_name(word) is not None for word in words):
            return _of_words(table, place)
        few = ", ".join(map(shown, sorted(words)[:3]))
        return Parting([], notes=[f"column `{table.titles[place]}` ({few}, ...) names no parts and is passed over"])
    if len(words) <= FEW and not any("/" in word or "." in word for word in words):
        return _of_words(table, place) if len(_parts.of_names(words)) == len(words) else None
    return None


def _of_words(table: Table, place: int) -> Parting:
    title, cells = table.titles[place], [cell.strip() for cell in table.column(place)]
    if not any(cells):
        return Parting([TRAIN] * len(cells))
    empty = next((row for row, cell in enumerate(cells) if not cell), None)
    if empty is not None:
        raise ConfigError(
            f"{table.where(empty)}: no {title}, while other rows have one. Give it a part ({', '.join(PARTS)}), or "
            "another word, such as unused, to pass it over."
        )
    known = {word: part for word in set(cells) if (part := _parts.of_name(word)) is not None}
    split = _parts.of_names(known)
    other = Counter(cell for cell in cells if cell not in known)
    doubtful = next((row for row, cell in enumerate(cells) if cell in other and (not split or _is_slip(cell))), None)
    if doubtful is not None:
        error = refuse(f"{table.where(doubtful)}, {title}", cells[doubtful], WORDS)
        raise ConfigError(f"{error} If the column does not hold parts, give dataset.columns.split=none")
    parts = split or known
    notes = [f"rows passed over because `{title}` names no part of a split: {_counted(other)}"] if other else []
    if not split:
        alone = " and ".join(sorted(known))
        notes.append(f"column `{title}` holds only {alone}, which is not a split")
    return Parting([parts.get(cell) for cell in cells], bool(split), True, f"`{title}`", notes)


def _is_slip(word: str) -> bool:
    """Whether a word is nearly one of a part, so that it may be meant for it."""
    return bool(difflib.get_close_matches(word.lower(), WORDS, n=1, cutoff=ALIKE))


def _counted(words: Counter) -> str:
    some = ", ".join(f"{shown(word)} ({count})" for word, count in words.most_common(FEW))
    return some + (", ..." if len(words) > FEW else "")


def _of_flags(table: Table, places: Sequence[int]) -> Parting | None:
    """The parts of columns of yes and no."""
    flags = {place: IS[bare(table.titles[place])] for place in places if bare(table.titles[place]) in IS}
    answers = {place: [answer(cell) for cell in table.column(place)] for place in flags}
    flags = {place: part for place, part in flags.items() if None not in answers[place]}
    if not flags:
        return None
    parts = [of_flags({part: answers[place][row] for place, part in flags.items()}) for row in range(len(table.rows))]
    titles = " and ".join(f"`{table.titles[place]}`" for place in flags)
    odd = next((row for row, part in enumerate(parts) if part is None), None)
    if odd is not None or len(set(flags.values())) < len(flags):
        raise ConfigError(
            f"{table.where(odd or 0)}: {titles} do not say which part the row belongs to. Give "
            "dataset.columns.split=TITLE of a column that holds train, validation or test; or "
            "dataset.columns.split=none for no parts."
        )
    present = set(parts)
    return Parting(parts, TRAIN in present and len(present) > 1, True, titles) if len(present) > 1 else None


def answer(cell: str) -> bool | None:
    word = cell.strip().lower()
    return word in YES if word in YES | NO else None


def of_flags(answers: dict[int, bool]) -> int | None:
    """The part of a row from its answers by part, None where they say nothing or contradict each other."""
    yes = [part for part, answer in answers.items() if answer]
    if len(yes) == 1:
        return yes[0]
    if yes or (len(answers) > 1 and TRAIN in answers):
        return None
    return TEST if TRAIN in answers else TRAIN


def _of_folders(table: Table, paths: Sequence[str]) -> Parting | None:
    """The parts that the folders of the paths name, at the first depth where they differ."""
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    depth = 0
    while all(len(parts) > depth for parts in folders) and len({parts[depth] for parts in folders}) == 1:
        depth += 1
    names = [parts[depth] if len(parts) > depth else "" for parts in folders]
    known = _parts.of_names(set(names))
    if not known:
        return None
    odd = next((row for row, name in enumerate(names) if name not in known), None)
    if odd is None:
        return Parting([known[name] for name in names], True, False, "the folders of the paths")
    raise ConfigError(
        f"{table.where(odd)}: {shown(paths[odd])!r} is in no part of the split, while other rows are in "
        f"{' and '.join(sorted(known))}. Leave such rows out or add a column split; or give "
        "dataset.columns.split=none, for a collection without parts."
    )


def _two(table: Table, places: Sequence[int]) -> ConfigError:
    titles = [table.titles[place] for place in places]
    choices = " or ".join(f"dataset.columns.split={title}" for title in [*titles, "none"])
    return ConfigError(f"dataset.csv: {table.path}: {' and '.join(titles)} give different parts. Give {choices}")
