"""The errors for overrides that were not meant so, with what to type instead (no hydra)."""

import difflib
import re
from collections.abc import Iterable, Sequence

from backbench.compose import names
from backbench.schema import ConfigError, nearest, refuse

LONGEST = 60
# A list without quotes, and what needs none.
LIST, WORD = re.compile(r"\[[^\[\]{}'\"\\$]+\]"), re.compile(r"[A-Za-z0-9_.-]+")
# Share of the letters of two names from which on one is typed for the other.
ALIKE = 0.6


class Mistake(ConfigError):
    """A mistaken override: the `words` that were typed, and what to type `instead` where that is clear."""

    def __init__(self, text: str, words: Sequence[str] = (), instead: Sequence[str] = ()):
        super().__init__(text)
        self.words, self.instead = tuple(words), tuple(instead)


def short(text: str) -> str:
    """`text`, cut where it is long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 20]}... ({len(text):,} characters)"


def unread(override: str, reason: str = "") -> Mistake:
    """The error for an override that Hydra does not read though nothing above says why."""
    key, _, value = override.partition("=")
    if not names.is_key(key):
        return misplaced(key, override) or unknown("override", key, names.keys(), override)
    stems = names.options().get(key.lstrip("+").partition("@")[0])
    if stems:
        return unknown(key, value, stems, override)
    if LIST.fullmatch(value):
        pieces = [piece.strip() for piece in value.strip("[]").split(",")]
        quoted = ",".join(piece if WORD.fullmatch(piece) else f"'{piece}'" for piece in pieces)
        text = f"{short(override)}: received {short(value)!r}; allowed: a list of words, others in quotes."
        return Mistake(text, [override], [f"{key}=[{quoted}]"])
    function = re.search(r"Unknown function '(\w+)'", reason)
    if function:
        functions = "choice(2,5), range(2,16), glob(*)"
        return Mistake(f"{short(override)}: received the function {function[1]!r}; allowed: {functions}.", [override])
    if re.fullmatch(r"\s*\w+\(.*\)\s*", value, re.DOTALL):
        return Mistake(
            f"{short(override)}: received {short(value)!r}; allowed: choice(2,5) or 2,5 for a list, range(2,16) or "
            "2..15 for a range, glob(*) for every option.",
            [override],
        )
    return Mistake(
        f"{short(override)}: received {short(value)!r}; allowed: a number, a word, a list 2,5,10 or a range 2..15. "
        f"Other text is quoted: {key}='...', and once more for the shell.",
        [override],
    )


def unknown(where: str, received: str, allowed: Iterable[str], override: str = "") -> Mistake:
    """The error for a name that is none of those `allowed`, with the override to type where one is near."""
    allowed = list(map(str, allowed))
    return Mistake(str(refuse(where, received, allowed)), *_corrected(override, received, nearest(received, allowed)))


def _corrected(override: str, received: str, near: str | None) -> tuple[list[str], list[str]]:
    if not near or not override or difflib.SequenceMatcher(None, received.lower(), near.lower()).ratio() < ALIKE:
        return [], []
    pattern = rf"(?<![\w.]){re.escape(received)}(?![\w.])"
    instead = re.sub(pattern, lambda _: near, override, count=1)
    return ([override], [instead]) if instead != override else ([], [])


def misplaced(key: str, override: str) -> Mistake | None:
    """The error for a key that lacks the name of its group, as in ``n_neighbors=5``; None where no key ends so."""
    longer = [
        dotted for dotted in names.ending_in(key) if not dotted.startswith("transform.") and ".steps." not in dotted
    ]
    if not longer:
        return None
    text = f"override: received {key!r}; allowed with its group: {', '.join(longer)}."
    if len(longer) > 1 or not override:
        return Mistake(text)
    return Mistake(text, [override], [override.replace(key, longer[0], 1)])
