"""``backbench answer``: what to use for each task, how sure that is, and the commands to use it."""

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from backbench import paths
from backbench.answers import facts, words
from backbench.answers.words import Answer, Words
from backbench.engine.results import ledger, tables
from backbench.evaluate import answer
from backbench.evaluate.answer import DatasetAnswer
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel

# A line of text for people, in characters.
WIDEST = 110
BESIDE = 12
PURPOSES = {"show": "look at it", "reproduce": "check it"}
USE = "use it"


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    rows = ledger.all_rows(store)
    rows = tables.meeting(rows, args.filter)
    if not rows:
        raise ConfigError("no recorded run matches; run `backbench sweep` first.")
    # That of the newest sweep first: it ended with the same words.
    newest = {row.stages["dataset"]: place for place, row in enumerate(rows)}
    by_title = answer.by_dataset(rows, store, panel.counting("resampling images"))
    answers = sorted(by_title.values(), key=lambda each: -newest[each.rows[0].stages["dataset"]])
    if args.format == "json":
        print(json.dumps([facts.plain(each) for each in answers], indent=1, allow_nan=False))
    else:
        show(answers, sys.stdout)
    return 0


def show(answers: Iterable[DatasetAnswer], target: IO[str] | None = None) -> None:
    """Print the answers on data sets: to people, by default on standard error."""
    file = target or sys.stderr
    width = min(shutil.get_terminal_size().columns, WIDEST) if file.isatty() else None
    for each in answers:
        print("", *lines(words.answer(each), width), sep="\n", file=file)


def headlines(answers: Iterable[DatasetAnswer], tasks: Sequence[str] = ()) -> Iterator[str]:
    """The first sentence of each verdict, of `tasks` alone where there are any."""
    for each in answers:
        for verdict in words.answer(each).verdicts:
            if not tasks or verdict.verdict.task in tasks:
                yield verdict.text.headline


def lines(answer: Answer, width: int | None = None) -> Iterator[str]:
    """An answer as lines of text, broken at `width` characters where one is given."""
    yield from _broken(answer.question, "", "", width)
    for verdict in answer.verdicts:
        yield from _verdict(verdict, width)
    for sentence in answer.notes():
        yield from _broken(sentence, "  ", "  ", width)


def _verdict(verdict: Words, width: int | None) -> Iterator[str]:
    beside = " " * (BESIDE + 2)
    yield from _broken(verdict.text.headline, f"  {verdict.topic:<{BESIDE}}", beside, width)
    for sentence in verdict.text.details:
        yield from _broken(sentence, beside, beside, width)
    commands = [f"{PURPOSES.get(name, USE)}: {command}" for name, command in verdict.commands.items()]
    if commands:
        yield beside + "   ".join(commands)


def _broken(sentence: str, first: str, rest: str, width: int | None) -> list[str]:
    if width is None:
        return [f"{first}{sentence}"]
    return textwrap.wrap(
        sentence, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
