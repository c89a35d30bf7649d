"""``backbench organise``: the photographs of a run in a folder for each cluster or class."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from backbench import first_words, hashing, organising, paths
from backbench.evaluate import chosen
from backbench.organising import Plan, label
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import say
from backbench.wording import brief, counted, listed

DONE = {"link": "linked", "copy": "copied", "move": "moved"}
LINES, SHOWN = 12, 3


def run(args: argparse.Namespace) -> int:
    _check(args)
    if args.undo is not None:
        return _undo(Path(args.undo))
    store = Store(paths.store())
    tasks = ("clustering", "classification") if args.by == "cluster" else ("classification", "clustering")
    source = Source(chosen.finished(args.hash, store, tasks), store)
    names = label.from_file(source, Path(args.names).expanduser()) if args.names else None
    plan = organising.plan(source, Path(args.target), args.how, args.by, names)
    for line in _described(plan):
        say(line)
    if args.dry_run:
        say("nothing was done (--dry-run)")
        return 0
    if plan.how == "move" and plan.steps and not args.yes and not _agreed(args, plan):
        say("nothing was moved")
        return 1
    return _carry_out(plan)


def _check(args: argparse.Namespace) -> None:
    """Refuse arguments that do not belong together."""
    given = [word for word in (args.hash, args.target) if word is not None]
    if args.undo is not None and given:
        raise ConfigError(f"--undo takes a folder alone; type: backbench organise --undo {shlex.quote(args.undo)}")
    if args.undo is None and len(given) < 2:
        raise ConfigError("give a run and a folder: backbench organise HASH TARGET (HASH may be `best`).")
    if args.names and args.by == "class":
        raise ConfigError("--names are names of clusters; leave out --by class, or --names.")


def _described(plan: Plan) -> Iterator[str]:
    """A plan in words: what goes where, and what does not."""
    run = hashing.short(plan.source.row.config_hash)
    what = counted(len(plan.steps), "photograph")
    yield f"{what} of {plan.source.row.collection} (run {run}) to be {DONE[plan.how]} into {plan.target}"
    if plan.there:
        yield f"  {counted(plan.there, 'photograph')} there already"
    examples: dict[str, list[str]] = {}
    for step in plan.steps:
        folder, _, name = step.to.partition("/")
        examples.setdefault(folder, []).append(name)
    for folder, size in list(plan.sizes.items())[:LINES]:
        names = [brief(name) for name in examples.get(folder, [])[:SHOWN]]
        yield f"  {brief(folder)}/  {counted(size, 'photograph')}{', such as ' if names else ''}{', '.join(names)}"
    if len(plan.sizes) > LINES:
        yield f"  and {counted(len(plan.sizes) - LINES, 'more folder')}"
    yield from _reasons(plan.left, "left alone")
    for note in plan.notes:
        yield f"  note: {note}"


def _reasons(problems: Mapping[str, str], what: str) -> Iterator[str]:
    """The photographs by the reason that they share."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in problems.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        some = listed([brief(name) for name in names], SHOWN)
        yield f"  {counted(len(names), 'photograph')} {what}: {reason}: {some}"


def _agreed(args: argparse.Namespace, plan: Plan) -> bool:
    """Whether a person agrees to the move.

    Raises
    ------
    ConfigError
        If nobody can be asked.
    """
    if not sys.stdin.isatty():
        typed = " ".join(map(shlex.quote, _typed(args)))
        raise ConfigError(f"a move asks first, and nobody can answer here. To move without a question, type: {typed}")
    first_words.over()
    try:
        answer = input(f"Move {counted(len(plan.steps), 'photograph')}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _typed(args: argparse.Namespace) -> list[str]:
    options = [*(["--by", args.by] if args.by == "class" else []), *(["--names", args.names] if args.names else [])]
    return ["backbench", "organise", args.hash, args.target, "--move", *options, "--yes"]


def _carry_out(plan: Plan) -> int:
    if not plan.places:
        say("there is nothing to do")
        return 1
    outcome = organising.carry_out(plan, panel.counting(DONE[plan.how]))
    say(f"{counted(outcome.placed, 'photograph')} {DONE[plan.how]}, {plan.there:,} there already")
    for line in _reasons(outcome.failed, f"not {DONE[plan.how]}"):
        say(line)
    if plan.how == "move":
        say(f"to put everything back: backbench organise --undo {shlex.quote(str(plan.target))}")
    print(plan.target)
    print(outcome.table)
    return int(bool(plan.left or outcome.failed))


def _undo(target: Path) -> int:
    undone = organising.undo(target, panel.counting("put back"))
    say(f"{counted(undone.restored, 'photograph')} put back")
    if undone.changed:
        say(f"  changed after the move: {listed([brief(name) for name in undone.changed], SHOWN)}")
    for line in _reasons(undone.failed, "not put back"):
        say(line)
    if undone.failed:
        say("the journal is kept; once these are dealt with, the same command continues")
    return int(bool(undone.failed))
