"""What Hydra's grammar does not read, or reads as something that nobody means, told before it is asked (no hydra)."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from backbench.compose import names, places, spans
from backbench.compose.mistakes import Mistake, short

DEEPEST = 24
KEY = re.compile(r"(\+\+?|~)?[A-Za-z_][\w-]*([./][A-Za-z_]\w*)*(@[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?")
PLAIN = re.compile(r"[^'\"\[\]{}()$\\]*")
BETWEEN = re.compile(r"[,;&\s]+(?=[~+]{0,2}[A-Za-z_][\w.@]*=)")
SEPARATORS = re.compile(r"[\s;|/+&,]+")
# A model of the Hugging Face hub by its owner and name, as it is or as timm writes it.
OF_A_HUB = re.compile(r"(hf[-_]hub:)?([A-Za-z][\w-]*)/[\w.-]+")
EVERY = ("*", "all", "any", "every")
PAIRS = {"(": ")", "[": "]", "{": "}"}
COUNTED = ("k", "seed", "seeds")
EXAMPLE = "an override is key=value, such as k=5 or classifier=svm"
# What word processors and chat programs put in the place of what was typed.
TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys("‘’‚‛", "'"),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
        "…": "...",
        "＝": "=",
        **dict.fromkeys("，、", ","),
    }
)


def check(override: str, text: bool = False) -> None:
    """Refuse what Hydra's grammar does not read, or would read as something that nobody means.

    Parameters
    ----------
    text
        Whether the value is taken as it stands.

    Raises
    ------
    Mistake
        What was received, what is allowed, and where it is clear the override to type.
    """
    key, sign, value = override.partition("=")
    _check_depth(override, key, "" if text else value)
    if not text:
        check_characters(override)
        _check_split(override)
    _check_key(override, key, sign, value)
    if sign and not value.strip():
        raise Mistake(f"{key}= has no value; {_allowed(key)}.", [override])
    if sign and not text:
        _check_value(override, key, value)


def check_characters(override: str) -> None:
    """Refuse typographic characters, with what was typed before a program replaced them."""
    plain = override.translate(TYPOGRAPHIC)
    if plain == override:
        return
    odd = next(character for character in override if character.translate(TYPOGRAPHIC) != character)
    called = unicodedata.name(odd, f"U+{ord(odd):04X}").lower()
    plain = plain.strip("\"' ")
    text = f"{short(override)}: received {odd!r} ({called}), which a program put in place of a plain character."
    raise Mistake(text, [override], _mended(plain))


def check_colon(word: str) -> None:
    """Refuse a colon in the place of the equals sign, as in ``k:5``."""
    name, colon, rest = word.partition(":")
    if colon and rest and names.is_key(name):
        text = f"{short(word)}: received a colon; allowed: key=value."
        raise Mistake(text, [word], _mended(f"{name}={rest.strip()}"))


def _check_depth(override: str, key: str, value: str) -> None:
    parts = key.count(".") + key.count("/") + 1
    if parts > DEEPEST:
        raise Mistake(f"{short(override)}: received a key of {parts:,} parts; allowed: at most {DEEPEST}.")
    depth = deepest = 0
    for character in value:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise Mistake(f"{short(override)}: received brackets {deepest:,} deep; allowed: at most {DEEPEST}.")


def _mended(override: str) -> tuple[str, ...]:
    """What to type for an override that may have a further mistake."""
    try:
        check(override)
    except Mistake as mistake:
        return mistake.instead
    return (override,)


def _check_split(override: str) -> None:
    """Refuse several overrides in one word."""
    words = BETWEEN.split(override)
    if len(words) > 1 and all(names.is_key(word.partition("=")[0]) for word in words):
        text = f"{short(override)}: received {len(words)} overrides in one word; allowed: a word for each."
        raise Mistake(text, [override], words)


def _check_key(override: str, key: str, sign: str, value: str) -> None:
    if not sign:
        if key.startswith("~") and KEY.fullmatch(key):
            return
        check_colon(key)
        raise Mistake(f"{short(override)!r} is not an override; {EXAMPLE}.")
    if not key:
        raise Mistake(f"{short(override)}: received the key ''; {EXAMPLE}.", [override])
    if KEY.fullmatch(key):
        return
    bare = key.strip(" \t\n\"'-:.=")
    mended = f"{bare}={value.strip()}"
    text = f"{short(override)}: received the key {short(key)!r}; {EXAMPLE}."
    raise Mistake(text, [override], _mended(mended) if KEY.fullmatch(bare) and names.is_key(bare) else ())


def _allowed(key: str) -> str:
    group = key.lstrip("+~").partition("@")[0]
    stems = names.options().get(group)
    if stems:
        return f"allowed: {', '.join(stems)}"
    return f"allowed: {key}=VALUE with no blank after =, or {key}=null for none"


def _check_value(override: str, key: str, value: str) -> None:
    value = value.strip()
    if value.startswith("="):
        text = f"{short(override)}: received a second =; allowed: key=value."
        raise Mistake(text, [override], _mended(f"{key}={value.lstrip('= ')}"))
    _check_brackets(override, key, value)
    group = key.lstrip("+~").partition("@")[0]
    if group in names.options():
        _check_options(override, key, value, names.options()[group], group)
    if key in COUNTED and (match := re.fullmatch(r"[\[({]([\d\s,.-]*\d)[\])}]", value)):
        text = (
            f"{short(override)}: received a list in brackets, which is one value; allowed: values separated by commas."
        )
        raise Mistake(text, [override], _mended(f"{key}={match[1].replace(' ', '')}"))
    if PLAIN.fullmatch(value):
        _check_pieces(override, key, value)


def _check_brackets(override: str, key: str, value: str) -> None:
    """Refuse quotes and brackets that nothing closes."""
    missing = _unclosed(value)
    if missing is None:
        return
    inner = value.strip("\"'()[]{} ")
    simple = PLAIN.fullmatch(inner) and not re.match(r"\w+\(", value)
    group = key.lstrip("+~").partition("@")[0]
    listed = group in names.options() and group != "backbone"
    bare = simple and (missing in "'\"" or key in COUNTED or listed)
    instead = f"{key}={inner}" if bare else f"{key}={value}{missing}" if missing not in "'\"" else ""
    text = f"{short(override)}: received {short(value)!r}, with an unmatched bracket or quote."
    clear = missing and instead and "${" not in value and not inner.endswith((",", "("))
    raise Mistake(text, [override], _mended(instead) if clear else ())


def _unclosed(value: str) -> str | None:
    """What is missing at the end of a value: a quote, or brackets; '' for a bracket too many, None for nothing."""
    waiting: list[str] = []
    quote = ""
    for i, character in enumerate(value):
        if quote:
            quote = "" if character == quote and value[i - 1] != "\\" else quote
        elif character in "'\"" and (i == 0 or not value[i - 1].isalnum()):
            quote = character
        elif character in PAIRS:
            waiting.append(PAIRS[character])
        elif character in PAIRS.values() and (not waiting or waiting.pop() != character):
            return ""
    return quote or "".join(reversed(waiting)) or None


def _check_options(override: str, key: str, value: str, stems: Sequence[str], group: str) -> None:
    """Refuse options of a group that are not separated by commas, and words for all of them."""
    if value.lower() in EVERY and value not in stems:
        text = f"{key}: received {value!r}; allowed: {', '.join(stems)}, or glob(*) for every one."
        raise Mistake(text, [override], [f"{key}=glob(*)"])
    if group == "dataset" and value not in stems and (places.like_a_path(value) or places.there(value)):
        text = f"{short(override)}: received a path; allowed: {', '.join(stems)}. A path is named alone."
        raise Mistake(text, [override], [value])
    if group == "backbone" and (match := OF_A_HUB.fullmatch(value)):
        hub, owner = match[1] or "", match[2]
        of_timm = bool(hub) or owner == "timm"
        name = f"{hub or ('hf-hub:' if of_timm else '')}{value.removeprefix(hub)}"
        instead = [f"{key}={'timm' if of_timm else 'huggingface'}", f"{key}.model={name}"]
        text = (
            f"{short(override)}: received a name of the Hugging Face hub; allowed: huggingface or timm with that model."
        )
        raise Mistake(text, [override], instead)
    if not PLAIN.fullmatch(value):
        return
    parts = [part for part in SEPARATORS.split(value) if part]
    if len(parts) > 1 and all(part in stems for part in parts) and re.search(r"[^\w\s,]|\w\s+\w", value):
        text = f"{key}: received {short(value)!r}; allowed: options separated by commas."
        raise Mistake(text, [override], [f"{key}={','.join(parts)}"])


def _check_pieces(override: str, key: str, value: str) -> None:
    """Refuse commas with nothing between them, and ranges that are not written as such."""
    pieces = [piece.strip() for piece in value.split(",")]
    kept = [piece for piece in pieces if piece]
    if not kept:
        raise Mistake(f"{short(override)}: received commas alone; {_allowed(key)}.", [override])
    if len(kept) < len(pieces):
        allowed = "allowed: values separated by commas, no blanks"
        text = f"{short(override)}: received a comma with no value beside it; {allowed}."
        raise Mistake(text, [override], _mended(f"{key}={','.join(kept)}"))
    faults = list(_faults(pieces))
    if faults:
        piece, reason, _ = faults[0]
        fixed = {piece: mended for piece, _, mended in faults}
        clear = all(fixed.values())
        instead = f"{key}={','.join(fixed.get(piece, piece) for piece in pieces)}"
        text = f"{short(override)}: received {short(piece)!r}, which {reason}; allowed: {spans.allowed()}."
        raise Mistake(f"{text} {spans.advice(key, *faults[0][::2])}".rstrip(), [override], [instead] if clear else [])


def _faults(pieces: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(piece, what is wrong with it, what is meant or '') of each that is a range of numbers in other words."""
    for piece in pieces:
        fault = spans.fault(piece)
        if fault:
            yield piece, *fault
