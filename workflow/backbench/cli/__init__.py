"""The command line. Each command is a module that is imported when it is called, so that help is fast."""

import argparse
import contextlib
import importlib
import io
import logging
import shlex
import sys
from collections.abc import Sequence
from signal import SIGINT

from backbench import __version__
from backbench.cli import _first_words
from backbench.cli import words as typed
from backbench.cli.arguments import ARGUMENTS
from backbench.sweeping import signals

COMMANDS = {
    "audit": "check a collection for problems, such as unreadable or duplicate images, and write a page about them",
    "doctor": "check this machine and its cluster (libraries, folders, GPU, MLflow, weights, SLURM); say what to set",
    "plan": "show what a sweep would run: runs, distinct fits, what is done and pending, estimated time",
    "sweep": "compute what is missing, record the runs in MLflow, and print the leaderboards and the answer",
    "status": "say how a sweep stands, from any terminal: done, running, queued and why, failed and why, what is left",
    "answer": "say what to use for each task, how sure that is, what is as good, and the commands to use it",
    "paper": "rerun a published system and show its figures beside ours, with the differences and their reasons",
    "runs": "list all runs as a table, CSV or JSON; filter and sort by any column",
    "leaderboard": "rank classifiers, clusterings and representations, with intervals and shared ranks",
    "select": "choose k and a clustering: elbow, silhouette and BIC of each family, and one choice with its reason",
    "compare": "test whether results really differ: paired tests, effect sizes, ranks over seeds or data sets",
    "report": "write the results of a sweep as one page: summary, leaderboard, pictures, failures, how to reproduce",
    "plot": "draw pictures of a run or a sweep: confusion, silhouettes, maps, samples, retrieval ...",
    "predict": "say what new images are: class, cluster, the most similar known images, and what is unlike all of them",
    "search": "find the known images that are most similar to an image, or to a text where the backbone knows texts",
    "export": "write the files of one run for use elsewhere: tables, fitted classifier, report, pictures",
    "organise": "put the photographs into one folder per cluster or class: as links, as copies, or moved",
    "label": "name the clusters of a run, and write the labelled collection that follows from it",
    "show": "show everything about one run",
    "diff": "show the configuration and metrics of two runs side by side",
    "reproduce": "compute one run again from scratch and compare every metric",
    "track": "bring MLflow up to date with the results, or fill an empty database",
    "store": "list what the results store holds and how large it is, verify it, free space",
    "sweeps": "list the sweeps made here, or remove some of them",
    "app": "open a page to try images on a run, browse its clusters and mistakes, and see its images as a map",
    "ui": "open MLflow's pages on this machine",
    "server": "run a tracking server for a team on this machine: PostgreSQL and MLflow, data below the results folder",
}

OK, DIFFERS, REFUSED = 0, 1, 2
# Commands that start processes: SIGTERM and SIGHUP end these in order.
LAUNCHING = ("sweep", "paper", "reproduce", "track")
# The exit status is this and the number of the signal.
ENDED_BY_SIGNAL = 128


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``backbench``. Returns the exit status: 0 success, 1 failed or differs, 2 refused."""
    argv = list(sys.argv[1:] if argv is None else argv)
    words, rest = _split(argv)
    if not words:
        parser().print_help(sys.stderr)
        return REFUSED
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        args = _parsed(words)
    except typed.UsageError as error:
        instead = _mended(error.instead)
        return _refused(error.command, error, instead and [*instead, *argv[len(words) :]])
    args.snakemake = rest
    try:
        return _called(args)
    except KeyboardInterrupt as signal:
        return _interrupted(signal)
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except OSError as error:
        print(f"backbench {args.command}: {error}; no partial files were left behind", file=sys.stderr)
        return DIFFERS
    except tuple(_refusals()) as error:
        return _refused(args.command, error, _corrected(argv, error))


def _interrupted(signal: KeyboardInterrupt) -> int:
    """Say that the command was interrupted, by Ctrl-C or another signal, if there still is a terminal to say it on."""
    by = f" by {signal}" if str(signal) else ""
    with contextlib.suppress(OSError):
        print(
            f"\ninterrupted{by}; finished results are kept, and the same command continues from there", file=sys.stderr
        )
    return ENDED_BY_SIGNAL + int(getattr(signal, "number", SIGINT))


def _called(args: argparse.Namespace) -> int:
    """Run a command; a path among its overrides is resolved and shown first."""
    with _first_words.announced(args.command):
        if getattr(args, "overrides", None):
            from backbench.cli import collection

            args.overrides = collection.resolved(args.command, args.overrides, getattr(args, "name", None))
        with signals.raised() if args.command in LAUNCHING else contextlib.nullcontext():
            return importlib.import_module(f"backbench.cli.{args.command}").run(args)


def _refused(command: str, error: Exception, line: Sequence[str]) -> int:
    """Print why a command is refused, and what to type where that is clear."""
    print(f"{' '.join(filter(None, ('backbench', command)))}: {error}", file=sys.stderr)
    if line:
        print(f"  type: {' '.join(map(_quoted, ['backbench', *line]))}", file=sys.stderr)
    return REFUSED


def _quoted(word: str) -> str:
    """A word as one types it in a shell; double quotes around single ones."""
    plain = "'" in word and not any(character in word for character in '"$`\\!')
    return f'"{word}"' if plain else shlex.quote(word)


def _corrected(argv: Sequence[str], error: Exception) -> list[str]:
    """The command line with its mistake corrected; empty where the correction is not clear."""
    wrong, instead = getattr(error, "words", ()), getattr(error, "instead", ())
    for at in range(len(argv)):
        if wrong and instead and tuple(argv[at : at + len(wrong)]) == wrong:
            return [*argv[:at], *instead, *argv[at + len(wrong) :]]
    return []


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    return _parsers()[0]


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of all commands, and that of each by its name."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="backbench",
        formatter_class=raw,
        allow_abbrev=False,
        description="Which frozen representation, clusterer, number of clusters and classifier suit these images?",
        epilog="Start with `backbench plan ~/photos`, then `backbench sweep ~/photos`.\n"
        "`backbench COMMAND --help` explains a command.",
    )
    top.add_argument("--version", action="version", version=f"backbench {__version__}")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands = {}
    for name, text in COMMANDS.items():
        about = text[0].upper() + text[1:] + "."
        grid = name in ("plan", "sweep")
        commands[name] = subparsers.add_parser(
            name, help=text, description=about, formatter_class=raw, add_help=not grid, allow_abbrev=False
        )
        ARGUMENTS[name](commands[name])
    return top, commands


def _parsed(words: list[str]) -> argparse.Namespace:
    """The arguments; overrides and paths may come after options too.

    Raises
    ------
    UsageError
        For an unknown command or option, with the nearest known one, and for words too many.
    """
    top, parsers = _parsers()
    command, *rest = typed.with_command(words, COMMANDS)
    if command in parsers:
        rest = typed.arranged(command, rest, typed.Options.of(parsers[command]))
    args, left = top.parse_known_args([command, *rest])
    if left:
        raise typed.too_many(command, words[1:], left, typed.Options.of(parsers[command]))
    return args


def _mended(words: Sequence[str]) -> list[str]:
    """A command line with all of its mistakes mended, so that it can be typed; empty where that is not clear."""
    while words:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                _parsed(list(words))
        except typed.UsageError as error:
            words = error.instead
        except SystemExit as ending:
            return [] if ending.code else list(words)
        else:
            return list(words)
    return []


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before ``--`` and those after it, which are meant for Snakemake."""
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _refusals() -> list[type[Exception]]:
    from backbench.files import WriteError
    from backbench.lock import Busy
    from backbench.schema import ConfigError
    from backbench.store import StoreError

    return [ConfigError, Busy, StoreError, WriteError]
