"""The words of a command line before argparse reads them: the nearest command and option, values that begin with a
dash."""

import argparse
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backbench.schema import ConfigError, nearest, refuse

HELP = ("-h", "--help")
DASHES = "-‐‑‒–—―−"
FIRST = (*HELP, "--version")


class UsageError(ConfigError):
    """A command line that argparse would not accept; `instead` is what to type where that is clear."""

    def __init__(self, text: str, instead: Sequence[str] = (), command: str = ""):
        super().__init__(text)
        self.instead, self.command = tuple(instead), command


@dataclass(frozen=True)
class Options:
    """The options of a command: those that take a value, and the others; `choices` has the values of some.

    `actions` are the words of which one has to follow the command, as in ``backbench store ls``; none for most.
    """

    valued: frozenset[str]
    bare: frozenset[str]
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    actions: tuple[str, ...] = ()

    @classmethod
    def of(cls, parser: argparse.ArgumentParser) -> "Options":
        """From a parser."""
        actions = [action for action in parser._actions if action.option_strings]
        valued, bare = (
            {text for action in actions if (action.nargs == 0) == without for text in action.option_strings}
            for without in (False, True)
        )
        limited = ((action.option_strings, action.choices) for action in actions)
        choices = {text: tuple(map(str, values)) for texts, values in limited if values for text in texts}
        words = next((action.choices for action in parser._actions if not action.option_strings), None)
        return cls(frozenset(valued), frozenset(bare), choices, tuple(map(str, words or ())))

    @property
    def all(self) -> list[str]:
        """Every option as it is typed."""
        return sorted(self.valued | self.bare)


def with_command(words: Sequence[str], commands: Iterable[str]) -> list[str]:
    """The words with a command first: ``help sweep`` and ``sweep help`` ask for the help of sweep.

    Raises
    ------
    UsageError
        If the first word is not a command.
    """
    commands, (first, *rest) = list(commands), words
    if first in FIRST:
        return list(words)
    if first == "help":
        return [*(word for word in rest[:1] if word in commands), "--help"]
    if first in commands:
        return [first, "--help"] if rest[:1] == ["help"] and first not in ("show", "plot", "export") else list(words)
    raise _no_command(first, rest, commands)


def _no_command(first: str, rest: Sequence[str], commands: Sequence[str]) -> UsageError:
    """The error for a first word that is not a command: a path, an override, or a misspelled command."""
    from backbench.compose import collection, names, places

    known = f"Commands: {', '.join(commands)}."
    if first.startswith("-"):
        command = next((word for word in rest if word in commands), None)
        instead = [command, first, *(word for word in rest if word != command)] if command else []
        return UsageError(f"{first}: options come after the command. {known}", instead)
    path = places.there(first) or first.startswith(collection.ADDRESSES)
    if path or names.is_key(first.partition("=")[0]):
        what = "path" if path else "key"
        return UsageError(
            f"there is no command {first!r}; it is a {what}, so put a command before it. {known}",
            ["sweep", first, *rest],
        )
    near = nearest(first.lower().strip(DASHES), commands)
    hint = f"; did you mean {near}?" if near else "."
    return UsageError(f"there is no command {first!r}{hint} {known}", [near, *rest] if near else [])


def arranged(command: str, words: Sequence[str], options: Options) -> list[str]:
    """The words with the options first, each with its value, so that options may be typed anywhere.

    Raises
    ------
    UsageError
        For an option that the command does not have, or a value that the option cannot have.
    """
    first, rest = [], []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, sign, _ = word.partition("=")
        if not word.startswith("-") or word == "-":
            rest.append(word)
        elif name not in options.valued | options.bare:
            raise _unknown(command, word, words, options)
        elif name in options.bare or sign or not waiting:
            _check_choice(command, words, options, name, word[len(name) + 1 :] if sign else None)
            first.append(word)
        elif waiting[0].startswith("-") and waiting[0].partition("=")[0] not in options.valued | options.bare:
            first.append(f"{word}={waiting.pop(0)}")
        else:
            _check_choice(command, words, options, name, waiting[0])
            first += [word, waiting.pop(0)]
    if options.actions and rest and rest[0] not in options.actions:
        near, at = nearest(rest[0], options.actions), words.index(rest[0])
        instead = [command, *words[:at], near, *words[at + 1 :]] if near else []
        raise UsageError(str(refuse("action", rest[0], options.actions)), instead, command)
    return [*first, *rest]


def _check_choice(command: str, words: Sequence[str], options: Options, name: str, value: str | None) -> None:
    """Refuse a value that is none of those that an option may have."""
    choices = options.choices.get(name)
    if value is None or choices is None or value in choices:
        return
    near = nearest(value, choices)
    at = words.index(name) + 1 if name in words else words.index(f"{name}={value}")
    right = f"{name}={near}" if words[at].startswith(f"{name}=") else near or ""
    instead = [command, *words[:at], right, *words[at + 1 :]] if near else []
    raise UsageError(str(refuse(name, value, choices)), instead, command)


def _unknown(command: str, word: str, words: Sequence[str], options: Options) -> UsageError:
    """The error for an option that a command does not have: it may be a key, or misspelled."""
    from backbench.compose import names

    name, sign, value = word.partition("=")
    key, at = name.lstrip("-"), words.index(word)
    if names.is_key(key) and command in ("plan", "sweep", "audit", "paper"):
        following = words[at + 1] if not sign and at + 1 < len(words) and "=" not in words[at + 1] else None
        override = f"{key}={value or following}" if value or following else ""
        rest = [*words[:at], override, *words[at + (2 if following else 1) :]]
        text = f"{word}: there is no such option; {key} is a key. Allowed: {key}=VALUE."
        return UsageError(text, [command, *rest] if override else [], command)
    asked = f"--{value or ''.join(words[at + 1 : at + 2])}"
    if asked in options.bare:
        text = f"{word}: there is no such option; did you mean {asked}? Allowed: {', '.join(options.all)}."
        return UsageError(text, [command, *words[:at], asked, *words[at + (1 if sign else 2) :]], command)
    near = nearest(name, options.all) if len(key) > 1 else None
    hint = f"; did you mean {near}?" if near else "."
    text = f"{word}: there is no such option{hint} Allowed: {', '.join(options.all)}."
    if command in ("sweep", "paper") and not near:
        text = f"{text} Snakemake's options come after --: {shlex.join(['backbench', command, '--', word])}"
    instead = [*words[:at], f"{near}{sign}{value}", *words[at + 1 :]]
    return UsageError(text, [command, *instead] if near else [], command)


def too_many(command: str, words: Sequence[str], left: Sequence[str], options: Options) -> UsageError:
    """The error for words that a command has no place for: one may be where to write to."""
    free = "--to" in options.valued and not any(word.partition("=")[0] == "--to" for word in words)
    instead = [command, *(word for word in words if word not in left), "--to", *left] if free and len(left) == 1 else []
    text = (
        f"received {shlex.join(left)}, and there is no place for it; `backbench {command} --help` says what there is."
    )
    return UsageError(text, instead, command)
