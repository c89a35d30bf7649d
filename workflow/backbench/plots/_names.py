"""Class names as a picture can show them: legible in one font, short, and still told apart.

The font that comes with matplotlib has Latin, Greek and Cyrillic; scripts that it lacks, or that need shaping or run
from right to left, are transliterated by anyascii and marked with a tilde. The data beside a picture have the full
names.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

ELLIPSIS = "…"
# Beyond these, glyphs are missing from the font or need shaping.
DRAWN_UP_TO = 0x052F
ALSO_DRAWN = ((0x1E00, 0x22FF), (0x2500, 0x25FF))


@cache
def plain(text: str) -> str:
    """A text that the font can show: without control characters, other scripts transliterated."""
    kept = "".join(" " if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") else sign for sign in text)
    kept = " ".join(unicodedata.normalize("NFC", kept).split(" "))
    if all(map(_drawn, kept)):
        return kept
    from anyascii import anyascii

    return "~" + " ".join("".join(sign if _drawn(sign) else anyascii(sign) for sign in kept).split())


def legible(names: Iterable[str], limit: int = 22) -> list[str]:
    """`names` as a picture shows them: at most `limit` signs each, the middle left out, no two alike.

    A name that has nothing to show becomes its place in the list.
    """
    shown = [shorten(plain(str(name)).strip() or f"({place})", limit) for place, name in enumerate(names)]
    double = {name for name, count in Counter(shown).items() if count > 1}
    return [shorten(name, limit - 4) + f" ({place})" if name in double else name for place, name in enumerate(shown)]


def shorten(text: str, limit: int) -> str:
    """`text` in at most `limit` signs; what is left out of its middle is one sign."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    tail = max(0, limit - 1 - head)
    return text[:head].rstrip() + ELLIPSIS + (text[-tail:].lstrip() if tail else "")


def _drawn(sign: str) -> bool:
    code = ord(sign)
    return code <= DRAWN_UP_TO or any(low <= code <= high for low, high in ALSO_DRAWN)
