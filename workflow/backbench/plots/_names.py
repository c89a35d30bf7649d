"""Class names as a picture can show them: legible in one font, short, and still distinguishable.

The font that comes with matplotlib has Latin, Greek and Cyrillic; scripts that it lacks, or that need shaping or run
from right to left, are transliterated by anyascii and marked with a tilde. The data beside a picture has the full
names.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

from backbench.wording import hidden, shorten

# What the font has and draws without shaping: letters with their accents, Greek, Cyrillic, punctuation, mathematics.
DRAWN = (
    *((0x0020, 0x02E9), (0x0300, 0x034F), (0x0370, 0x037E), (0x0384, 0x0525), (0x1E00, 0x1EFB), (0x1F00, 0x20B5)),
    *((0x2100, 0x2109), (0x210B, 0x2149), (0x2150, 0x2185), (0x2190, 0x22FF), (0x2500, 0x25FF)),
)


@cache
def plain(text: str) -> str:
    """A text that the font can show: without control characters, and with other scripts transliterated."""
    kept = unicodedata.normalize("NFC", "".join(" " if hidden(sign) else sign for sign in text))
    if all(map(_drawn, kept)):
        return kept
    from anyascii import anyascii

    return "~" + " ".join("".join(sign if _drawn(sign) else anyascii(sign) for sign in kept).split())


def legible(names: Iterable[str], limit: int = 22) -> list[str]:
    """`names` as a picture shows them: shortened in the middle to `limit` characters, no two alike.

    A name with nothing to show becomes its place in the list; names that would look alike get theirs appended.
    """
    signs = [plain(str(name)).strip() for name in names]
    shown = [shorten(name, limit) or f"({place})" for place, name in enumerate(signs)]
    double = {name for name, count in Counter(shown).items() if count > 1}
    marked = [_marked(signs[at], at, limit) if name in double else name for at, name in enumerate(shown)]
    if len(set(marked)) == len(marked):
        return marked
    return [_marked(name, place, limit) for place, name in enumerate(signs)]


def _marked(name: str, place: int, limit: int) -> str:
    mark = f" ({place})"
    return (shorten(name, limit - len(mark)) + mark).strip()


def _drawn(sign: str) -> bool:
    return any(low <= ord(sign) <= high for low, high in DRAWN)
