"""Numbers, lists and names as sentences need them."""

import unicodedata
from collections.abc import Sequence

ELLIPSIS = "…"


def counted(number: int, word: str) -> str:
    """A number with its noun: ``1 run``, ``5,163 images``, ``10 classes``."""
    plural = f"{word}es" if word.endswith("s") else f"{word}s"
    return f"{number:,} {word if number == 1 else plural}"


def size(count: float) -> str:
    """Bytes in words: ``512 B``, ``3.4 MB``, ``120 GB``."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 999.5 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} {units[0]}" if units[0] == "B" or count >= 99.95 else f"{count:.1f} {units[0]}"


def duration(seconds: float) -> str:
    """Seconds in words: ``48 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def listed(words: Sequence[str], most: int | None = None) -> str:
    """``a, b and c``; of more than `most` + 1 the first ones and how many more there are."""
    shown = list(words)
    if most is not None and len(shown) > most + 1:
        shown = [*shown[:most], f"{len(shown) - most:,} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def percent(share: float) -> str:
    """``0.8233`` as ``82.3 %``, never broken into two lines."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def number(value: float | None) -> str:
    """A metric as tables show it: four decimals, fewer of large values; a dash where it is undefined."""
    if value is None or value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.4f}"


def brief(name: object, limit: int = 40) -> str:
    """A name as part of a sentence: in its own script, on one line, in at most `limit` characters."""
    kept = "".join("?" if "\ud800" <= sign <= "\udfff" else " " if hidden(sign) else sign for sign in str(name))
    return shorten(" ".join(kept.split()) or "(empty)", limit)


def shorten(text: str, limit: int) -> str:
    """`text` in at most `limit` characters; an ellipsis replaces what is left out of its middle."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    tail = max(0, limit - 1 - head)
    return text[:head].rstrip() + ELLIPSIS + (text[-tail:].lstrip() if tail else "")


def hidden(sign: str) -> bool:
    """Whether a character shows nothing or changes how others are shown: control and format characters, line ends."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp")
