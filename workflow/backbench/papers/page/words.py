"""What the table of a paper says in words: verdicts and the count of them, marks, times and circumstances."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from backbench.papers import reasons, stand_ins
from backbench.papers.table import Line, StandIn, Table
from backbench.reports import templates

FOLDER = Path(__file__).parent
INSIDE, OUTSIDE, DIGITS, OTHER = "inside", "outside", "same digits", "differs"
UNPUBLISHED, MISSING = "not published", "no figure"
# Verdict -> how a page colours it, in the order in which they are counted.
STATES = {INSIDE: "fine", DIGITS: "fine", OUTSIDE: "look", OTHER: "look", UNPUBLISHED: "absent", MISSING: "fault"}
COLUMNS = ("figure", "published", "ours", "difference", "verdict")


def text() -> Any:
    """The macros of the text."""
    return templates.words("words.jinja", FOLDER)


def verdict(line: Line) -> str:
    """One of `STATES` for a line."""
    if line.ours is None:
        return MISSING
    if line.published is None:
        return UNPUBLISHED
    if line.inside is not None:
        return INSIDE if line.inside else OUTSIDE
    return DIGITS if line.same_digits or line.difference_text == "the same" else OTHER


def counts(table: Table) -> dict[str, int]:
    """How many lines have each verdict, in the order of `STATES`."""
    verdicts = Counter(map(verdict, table.lines))
    return {name: verdicts[name] for name in STATES if verdicts[name]}


def name(line: Line) -> str:
    """What a figure is called here and, where that is another word, in the paper."""
    renamed = line.called and line.called.lower() not in line.name.lower()
    return f"{line.name} ({line.called})" if renamed else line.name


def short(table: Table) -> str:
    """The verdict of a whole table as a sentence."""
    return str(text().short(Counter(verdict(line) for line in table.lines if line.published is not None)))


def setting(table: Table) -> str:
    """Whether the table was made with what the paper used."""
    return str(text().setting(table.stand_ins))


def time(table: Table) -> str:
    """What the launch that computed took and what the plan had announced; the sum of the fits where none is known."""
    return str(text().time(*_times(table)))


def brief_time(table: Table) -> str:
    """The time of the launch that computed, or of all fits together, in two words."""
    return str(text().brief_time(*_times(table)))


def _times(table: Table) -> tuple[Mapping[str, Any] | None, float | None]:
    launch = table.circumstances.get("launch")
    return {"words": None, **launch} if launch else None, table.circumstances.get("seconds")


def stand_in(instead: StandIn) -> str:
    """A stand-in in words; of images, what the paper used too."""
    paper = f" (the paper: {instead.published})" if instead.key == stand_ins.PHOTOGRAPHS else ""
    return f"{instead.words}{paper}"


def circumstances(table: Table) -> list[tuple[str, str]]:
    """Machine and versions as lines of a list."""
    labels = text().circumstances
    known = [(labels[key], _listed(table.circumstances[key])) for key in labels if table.circumstances.get(key)]
    return [*known, ("versions", versions(table))]


def versions(table: Table) -> str:
    """The versions on one line."""
    return ", ".join(f"{name} {version}" for name, version in (table.circumstances.get("versions") or {}).items())


def machine(table: Table) -> str:
    """The machine on one line."""
    known = (_listed(table.circumstances[key]) for key in ("cpu", "device") if table.circumstances.get(key))
    return "; ".join(dict.fromkeys(known)) or "not recorded"


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def rows(table: Table) -> list[list[str]]:
    """The lines as cells under their headings; the reasons have numbers, the stand-ins letters."""
    return [
        [*COLUMNS, "why"],
        ["---"] * (len(COLUMNS) + 1),
        *([*cells(line), ", ".join(named) or "–"] for line, named in zip(table.lines, marks(table).lines, strict=True)),
    ]


def cells(line: Line) -> list[str]:
    """What the columns of a line say."""
    return [name(line), line.published_text, line.ours_text, line.difference_text or "–", verdict(line)]


@dataclass(frozen=True)
class Marks:
    """The stand-ins of a table with a letter each, the other reasons with a number each, and the marks of each line."""

    stand_ins: Mapping[str, str]
    reasons: Mapping[str, str]
    lines: Sequence[Sequence[str]]


def marks(table: Table) -> Marks:
    """What is said once beside the table and named in its lines."""
    letters = dict(zip(map(reasons.stand_in, table.stand_ins), _letters(), strict=False))
    unique = [dict.fromkeys(line.why) for line in table.lines]
    folded = [[why if why in letters else " ".join(why.split()) for why in line] for line in unique]
    others = dict.fromkeys(why for line in folded for why in line if why not in letters)
    numbers = {why: str(number) for number, why in enumerate(others, 1)}
    known = {**letters, **numbers}
    named = dict(zip(letters.values(), map(stand_in, table.stand_ins), strict=False))
    lines = [sorted((known[why] for why in line), key=_order) for line in folded]
    return Marks(named, {number: why for why, number in numbers.items()}, lines)


def _letters() -> Iterator[str]:
    """a, b ... z, aa, ab ..."""
    return ("".join(mark) for size in itertools.count(1) for mark in itertools.product(ascii_lowercase, repeat=size))


def _order(mark: str) -> tuple[bool, int, str]:
    """Numbers, then letters."""
    return not mark.isdigit(), len(mark), mark


def sentence(words: str) -> str:
    """Words with a capital and a full stop."""
    return str(text().sentence(words))
