"""Names as plain text: on one line and short, in any script (layer 0, standard library only)."""

import unicodedata

ELLIPSIS = "…"


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
