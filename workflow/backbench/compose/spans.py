"""Ranges of numbers: ``2..15`` and what is written in its place (no hydra)."""

import re

MOST_NUMBERS = 10_000
WHOLE, REAL = r"[+-]?\d+", r"[+-]?(?:\d+\.\d*|\.?\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"({WHOLE})\.\.({WHOLE})")
MEANT = re.compile(rf"({WHOLE})\s*(?:-|–|:|\.{{2,}}|\bto\b|\bbis\b)\s*({WHOLE})")
STEPPED = re.compile(rf"({WHOLE})\s*(?::|\.{{2,}})\s*({WHOLE})\s*(?::|\.{{2,}})\s*(\d+)")
OPEN = re.compile(rf"{REAL}\s*\.{{2,}}|\.{{2,}}\s*{REAL}")
REALS = re.compile(rf"{REAL}\s*(?:\.\.+|-|:)\s*{REAL}")
BLANKS = re.compile(rf"{REAL}(?:[\s;|]+{REAL})+")
DIGITS = 18


def numbers(first: str, last: str) -> list[int] | None:
    """The whole numbers from `first` to `last`, both included; None where they are none or too many."""
    if max(len(first), len(last)) > DIGITS or not 0 <= int(last) - int(first) < MOST_NUMBERS:
        return None
    return list(range(int(first), int(last) + 1))


def fault(piece: str) -> tuple[str, str] | None:
    """What is wrong with a value that is nearly a range, and what is meant ('' where that is not clear).

    Examples
    --------
    >>> fault("2-15")
    ('is no number', '2..15')
    """
    if match := RANGE.fullmatch(piece):
        return _of_range(match[1], match[2])
    if match := MEANT.fullmatch(piece):
        return "is not a number", "..".join(
            sorted(match.groups(), key=int) if _short(*match.groups()) else match.groups()
        )
    if match := STEPPED.fullmatch(piece):
        if not _short(*match.groups()):
            return "has numbers of too many digits", ""
        first, last, step = map(int, match.groups())
        return "has a step", f"range({first},{last + 1},{step})" if step and first <= last else ""
    if OPEN.fullmatch(piece):
        return "is a range without one of its ends", ""
    if BLANKS.fullmatch(piece):
        return "holds several numbers", ",".join(re.split(r"[\s;|]+", piece))
    if REALS.fullmatch(piece) and not re.fullmatch(REAL, piece):
        return "is a range of numbers with fractions, which are listed one by one", ""
    if re.fullmatch(rf"{WHOLE}", piece) and len(piece) > DIGITS:
        return f"has {len(piece):,} digits", ""
    return None


def _of_range(first: str, last: str) -> tuple[str, str] | None:
    if not _short(first, last):
        return "has numbers of too many digits", ""
    size = int(last) - int(first) + 1
    if size < 1:
        return "has no numbers", f"{last}..{first}"
    return None if size <= MOST_NUMBERS else (f"has {size:,} numbers", "")


def _short(*digits: str) -> bool:
    return all(len(text) <= DIGITS for text in digits)


def allowed() -> str:
    """What is allowed in the place of a faulty range."""
    return f"a number, several (2,5,10) or FIRST..LAST (2..15), both included, at most {MOST_NUMBERS:,}"


def advice(key: str, piece: str, meant: str) -> str:
    """What to write for a range that is clear, else ''."""
    match = RANGE.fullmatch(meant)
    return f"For {match[1]} to {match[2]} write {key}={meant}." if match else f"Write {key}={meant}." if meant else ""
