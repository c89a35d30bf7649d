"""What the table of a paper says in words: verdicts, the count of them, times and circumstances."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from backbench.papers import reasons, stand_ins
from backbench.papers.table import Line, StandIn, Table
from backbench.wording import counted, duration

INSIDE, OUTSIDE, DIGITS, OTHER = "inside", "outside", "same digits", "differs"
UNPUBLISHED, MISSING = "not published", "no figure"
# Verdict -> how a page colours it.
STATES = {INSIDE: "fine", DIGITS: "fine", OUTSIDE: "look", OTHER: "look", UNPUBLISHED: "absent", MISSING: "fault"}
MEANINGS = {
    INSIDE: "the published figure lies in our 95 % interval",
    DIGITS: "ours, rounded as it is, has the digits of the published figure",
    OUTSIDE: "the published figure lies outside our 95 % interval",
    OTHER: "ours has other digits, and there is no interval to judge by",
    UNPUBLISHED: "the paper gives no such figure; ours stands alone",
    MISSING: "there is no figure of ours",
}
FULL, WITH = "as published", "with stand-ins"


def verdict(line: Line) -> str:
    """One of `MEANINGS` for a line."""
    if line.ours is None:
        return MISSING
    if line.published is None:
        return UNPUBLISHED
    if line.inside is not None:
        return INSIDE if line.inside else OUTSIDE
    return DIGITS if line.same_digits or line.difference_text == "the same" else OTHER


def counts(table: Table) -> dict[str, int]:
    """How many lines have each verdict, in the order of `MEANINGS`."""
    found = Counter(map(verdict, table.lines))
    return {name: found[name] for name in MEANINGS if found[name]}


def name(line: Line) -> str:
    """What a figure is called here and, where that is another word, in the paper."""
    own = line.called and line.called.lower() not in line.name.lower()
    return f"{line.name} ({line.called})" if own else line.name


def short(table: Table) -> str:
    """The verdict of a whole table as a sentence."""
    found = Counter(verdict(line) for line in table.lines if line.published is not None)
    said = {
        INSIDE: "inside our interval",
        OUTSIDE: "outside our interval",
        DIGITS: "with the same digits",
        OTHER: "with other digits and no interval",
        MISSING: "without a figure of ours",
    }
    parts = [f"{found[name]} {words}" for name, words in said.items() if found[name]]
    if not parts:
        return "No figures were published; ours stand alone."
    return f"{counted(found.total(), 'published figure')}: {', '.join(parts)}."


def setting(table: Table) -> str:
    """Whether the table was made with what the paper used."""
    return WITH if table.stand_ins else FULL


def time(table: Table) -> str:
    """What the launch that computed took and what the plan had announced; the sum of the fits where none is known."""
    told = table.circumstances.get("launch")
    fits = table.circumstances.get("seconds")
    together = f"all its fits together took {duration(fits)}" if fits is not None else ""
    if not told:
        return sentence(together) if together else ""
    what = f"{told['computed']:,} of {told['stages']:,} stage results" if told["computed"] < told["stages"] else "all"
    said = f"{what} computed in {told.get('words') or duration(told['taken'])} on {counted(told['cores'], 'core')}"
    return sentence("; ".join(filter(None, (said, together))))


def stand_in(one: StandIn) -> str:
    """A stand-in in words; of images, what the paper used too."""
    return f"{one.words} (the paper: {one.published})" if one.key == stand_ins.PHOTOGRAPHS else one.words


def brief_time(table: Table) -> str:
    """The time of the launch that computed, or of all fits together, in two words."""
    told, fits = table.circumstances.get("launch"), table.circumstances.get("seconds")
    if told:
        return f"{duration(told['taken'])} (announced: about {duration(told['announced'])})"
    return f"{duration(fits)} of fits" if fits is not None else "–"


def circumstances(table: Table) -> list[tuple[str, str]]:
    """Machine and versions as lines of a list."""
    named = {"device": "device", "cpu": "processor", "cores": "cores", "platform": "system", "git": "git commit"}
    found = [(words, text(table.circumstances[key])) for key, words in named.items() if table.circumstances.get(key)]
    versions = table.circumstances.get("versions") or {}
    return [*found, ("versions", ", ".join(f"{name} {version}" for name, version in versions.items()))]


def machine(table: Table) -> str:
    """The machine on one line."""
    held = (text(table.circumstances[key]) for key in ("cpu", "device") if table.circumstances.get(key))
    return "; ".join(dict.fromkeys(held)) or "not recorded"


def text(value: object) -> str:
    """A circumstance as text; several are listed."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@dataclass(frozen=True)
class Marks:
    """The stand-ins of a table with a letter each, the other reasons with a number each, and the marks of each line."""

    stand_ins: Mapping[str, str]
    reasons: Mapping[str, str]
    lines: Sequence[Sequence[str]]


def marks(table: Table) -> Marks:
    """What is said once beside the table and named in its lines."""
    letters = dict(zip(map(reasons.stand_in, table.stand_ins), _letters(), strict=False))
    others = dict.fromkeys(" ".join(text.split()) for line in table.lines for text in line.why if text not in letters)
    numbers = {text: str(number) for number, text in enumerate(others, 1)}
    known = {**letters, **numbers}
    lines = [
        [known.get(text) or known[" ".join(text.split())] for text in dict.fromkeys(line.why)] for line in table.lines
    ]
    said = dict(zip(letters.values(), map(stand_in, table.stand_ins), strict=False))
    return Marks(said, {number: text for text, number in numbers.items()}, [sorted(own, key=_order) for own in lines])


def _letters() -> Iterator[str]:
    """a, b ... z, aa, ab ..."""
    return ("".join(own) for size in itertools.count(1) for own in itertools.product(ascii_lowercase, repeat=size))


def _order(mark: str) -> tuple[bool, int, str]:
    """Numbers, then letters."""
    return not mark.isdigit(), len(mark), mark


def sentence(words: str) -> str:
    """Words with a capital and a full stop."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""
