"""A path among the overrides is the collection."""

import difflib
import re
import shlex
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from backbench.compose import collection, names
from backbench.compose.checks import check_characters, check_colon
from backbench.compose.mistakes import Mistake, short
from backbench.compose.places import absolute, like_a_path, there
from backbench.schema import ConfigError, nearest
from backbench.sweeping.describing import say

MOST_OPTIONS = 12
# Similarity of two names, from 0 to 1, from which on one may be meant for the other.
ALIKE = 0.7
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
DASHES = "-‐‑‒–—―−"
# Options that name a collection; dataset.csv and dataset.root may name a table and its folder together.
WHICH = ("dataset.root", "dataset.archive", "dataset.path", "dataset.url", "dataset.csv")


def resolved(command: str, words: Sequence[str], paper: str | None = None) -> list[str]:
    """The overrides among `words`, after those that stand for the path among them; the latter are printed.

    Parameters
    ----------
    paper
        The paper that the command is for.

    Raises
    ------
    ConfigError
        For a word that is neither an override nor a path, for two paths, and for a path beside another collection.
    """
    _check_encoding(words)
    _check_joined(words)
    overrides = [word for word in words if _is_override(word)]
    given = [word for word in words if not _is_override(word)]
    for word in given:
        _check(word, words)
    if not given:
        return overrides
    if len(given) > 1:
        raise _two(command, given, overrides)
    named = collection.overrides_of(given[0])
    if paper is not None:
        raise _of_a_paper(paper, given[0], named, overrides)
    named = _agreed(command, given[0], named, overrides)
    beside = [word for word in overrides if word.partition("=")[0] in WHICH]
    say(f"collection: {shlex.join([*named, *beside])}")
    return [*named, *overrides]


def _is_override(word: str) -> bool:
    key, sign, _ = word.partition("=")
    if names.is_key(key) and (sign or word.startswith("~")) and not word.startswith("~/"):
        return True
    if not sign or SCHEME.match(word) or there(word):
        return False
    return not key.startswith(("/", "./", "../", "~/"))


def _check_encoding(words: Sequence[str]) -> None:
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"{word!r} contains bytes that are not UTF-8; allowed: UTF-8. Rename the file or folder."
            ) from None


def _check_joined(words: Sequence[str]) -> None:
    """Refuse what the shell split at a space: ``k= 5``, ``k = 5``, ``svm, knn``, a path with spaces."""
    for i, word in enumerate(words):
        _, sign, value = word.partition("=")
        if sign and value and not there(value):
            _check_blanks(value, [value, *words[i + 1 :]], word)
        for size in (3, 2):
            parts = words[i : i + size]
            if len(parts) == size and (meant := _joined(parts)):
                text = f"{' '.join(parts)}: received {size} words; allowed: key=value without spaces."
                raise Mistake(text, parts, meant)


def _joined(parts: Sequence[str]) -> list[str]:
    """The words that the shell split, joined as they were meant; empty where each makes sense by itself."""
    first, *rest = parts
    if any("=" in part.strip("=") for part in rest) or there(rest[-1]):
        return []
    key, sign, value = first.lstrip(DASHES).partition("=")
    if not names.is_key(key):
        return []
    if first[0] in DASHES and not sign and len(parts) == 2:
        return [f"{key}={rest[0].lstrip('=')}"]
    if len(parts) == 3:
        return [f"{key}={rest[1]}"] if not sign and rest[0] == "=" else []
    (second,) = rest
    if not sign:
        return [first + second] if second.startswith("=") and len(second) > 1 and not there(first) else []
    if not value:
        return [first + second] if second != "=" else []
    if value.endswith(",") or second.startswith(","):
        return [f"{key}={value.rstrip(',')},{second.strip(',')}"]
    if re.fullmatch(r"[\d.-]+", value) and re.fullmatch(r"[\d.-]+", second):
        return [f"{key}={value},{second}"]
    return []


def _check(word: str, words: Sequence[str]) -> None:
    """Refuse a word that is neither an override nor a collection."""
    scheme = SCHEME.match(word)
    if scheme and not word.startswith(collection.ADDRESSES) and scheme[0] != "file://":
        raise ConfigError(
            f"{word}: received a {scheme[0]} address; allowed: http, https. Download the file and give its path."
        )
    if scheme or word.startswith("file:/"):
        return
    if there(word):
        if word in names.options()["dataset"] and word not in ("folder", "archive", "embeddings"):
            raise ConfigError(
                f"{word!r} is both a known collection and an existing path. For the collection, type dataset={word}; "
                f"for the path, type ./{word}"
            )
        return
    _check_blanks(word, words[words.index(word) :], word)
    check_colon(word)
    if like_a_path(word):
        raise _missing(word)
    check_characters(word)
    raise _bare(word, words)


def _check_blanks(path: str, words: Sequence[str], typed: str) -> None:
    """Refuse a path that the shell split at its spaces: the first of `words`, which was typed as `typed`."""
    for end in range(len(words), 1, -1):
        whole = " ".join(words[:end])
        if there(whole):
            text = f"{path}: there is no such file or folder, but {whole!r} exists; quote a path that contains spaces."
            raise Mistake(text, [typed, *words[1:end]], [typed.removesuffix(path) + whole])


def _missing(word: str) -> ConfigError:
    """The error for a path that does not exist, with the nearest name that does."""
    place = absolute(word)
    above = next(folder for folder in place.parents if there(str(folder)))
    try:
        beside = sorted(path.name for path in above.iterdir()) if above.is_dir() else []
    except OSError:
        beside = []
    lost = place.relative_to(above).parts[0]
    alike = [name for name in beside if _plain(name) == _plain(lost)]
    near = next(iter(alike or difflib.get_close_matches(lost, beside, n=1, cutoff=ALIKE)), None)
    text = f"{short(word)}: there is no such file or folder (looked for {place})."
    if above != place.parent:
        text = f"{text} There is no {above / lost}."
    if not near:
        return Mistake(text, [word])
    meant = above.joinpath(near, *place.relative_to(above).parts[1:])
    return Mistake(f"{text} Did you mean {str(meant)!r}?", [word], [str(meant)] if there(str(meant)) else [])


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _bare(word: str, words: Sequence[str]) -> ConfigError:
    """The error for a single word: an option, a key, or a misspelled one of them."""
    start = f"{short(word)!r} is neither an override (key=value) nor an existing path"
    typed, lines = _as_options(words[words.index(word) :])
    if lines:
        text = f"{start}; as an option, it is {' or '.join(lines)}."
        return Mistake(text, typed, lines if len(lines) == 1 else [])
    if names.is_key(word):
        options = names.options().get(word.lstrip("+~"))
        allowed = f"{word}=OPTION with {', '.join(options)}" if options else f"{word}=VALUE"
        return Mistake(f"{start}; it is a key. Allowed: {allowed}.", [word])
    near = nearest(word.lower(), [stem for stems in names.options().values() for stem in stems])
    hints = [f"{group}={near}" for group in names.with_option(near)] if near else []
    file = nearest(word, (path.name for path in Path.cwd().iterdir()))
    hints += [file] if file else []
    hint = f" Did you mean {' or '.join(hints)}?" if hints else ""
    text = f"{start}; allowed: a path (looked for {absolute(word)}), or an override such as k=5.{hint}"
    return Mistake(text, [word], hints if len(hints) == 1 and near else [])


def _as_options(words: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """As many of the first words as are options of one group, and each override that they can mean."""
    for end in range(min(len(words), MOST_OPTIONS), 0, -1):
        parts = [part for part in re.split(r"[\s,;]+", " ".join(words[:end]).strip("\"' ,;")) if part]
        groups = [group for group, stems in names.options().items() if parts and set(parts) <= set(stems)]
        if groups:
            return words[:end], [f"{group}={','.join(parts)}" for group in groups]
    return (), []


def _two(command: str, given: Sequence[str], overrides: Sequence[str]) -> ConfigError:
    """The error for several collections, with what two of them may mean together."""
    text = f"received {len(given)} collections: {', '.join(given)}; allowed: one."
    kinds = {_kind(named): (word, named) for word in given for named in [collection.overrides_of(word)]}
    more = []
    if "embeddings" in kinds and len(kinds) == 2:
        _, named = kinds.pop("embeddings")
        images = next(iter(kinds.values()))[1]
        path = named[1].partition("=")[2]
        more = ["To use the images with these embeddings", [*images, "backbone=precomputed", f"backbone.path={path}"]]
    elif {"csv", "root"} == set(kinds) and len(given) == 2:
        more = ["To use the table for the images in the folder", [*kinds["root"][1], kinds["csv"][1][1]]]
    lines = [f"To use one of them, type backbench {command} {shlex.join([word, *overrides])}" for word in given[:2]]
    if more:
        lines.insert(0, f"{more[0]}, type backbench {command} {shlex.join([*more[1], *overrides])}")
    return ConfigError("\n  ".join([text, *lines]))


def _kind(named: Sequence[str]) -> str:
    return "embeddings" if "dataset=embeddings" in named else named[1].partition("=")[0].partition(".")[2]


def _of_a_paper(paper: str, word: str, named: Sequence[str], overrides: Sequence[str]) -> ConfigError:
    start = f"backbench paper {paper}"
    return ConfigError(
        f"{word}: a paper comes with its own collection.\n"
        f"  If this is that collection, type {start} {shlex.join([named[1], *overrides])}\n"
        f"  To use it instead of the paper's, type {start} {shlex.join([*named, *overrides])}"
    )


def _agreed(command: str, word: str, named: list[str], overrides: Sequence[str]) -> list[str]:
    """The overrides of a path that are not given already; those given must not name another collection."""
    given = {override.lstrip("+").partition("=")[0]: override for override in overrides}
    which = named[1].partition("=")[0]
    beside = {"dataset.csv"} if which in ("dataset.root", "dataset.archive") else {"dataset.root"} - {which}
    beside = beside if which in ("dataset.root", "dataset.archive", "dataset.csv") else set()
    other = [given[key] for key in WHICH if key in given and key not in beside]
    if given.get("dataset") not in (None, named[0]):
        other.insert(0, given["dataset"])
    if other:
        rest = [override for override in overrides if override not in other]
        raise ConfigError(
            f"{word}: received this collection and {' '.join(other)}, which names another one.\n"
            f"  For this one, type backbench {command} {shlex.join([word, *rest])}\n"
            f"  For the other, type {_other_line(command, given, named, other, rest)}"
        )
    return [override for override in named if override.partition("=")[0] not in given]


def _other_line(
    command: str, given: dict[str, str], named: Sequence[str], other: Sequence[str], rest: Sequence[str]
) -> str:
    """The command for the collection that the overrides name; a known one is taken from the path that was given."""
    without_path = "dataset" in given and not any(key in given for key in WHICH)
    place = [named[1]] if without_path and named[1].partition("=")[0] in ("dataset.root", "dataset.archive") else []
    return f"backbench {command} {shlex.join([*other, *place, *rest])}"
