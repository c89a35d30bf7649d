"""The command line (layer 4). Each command is a module that is imported when it is called, so that help is fast."""

import argparse
import importlib
import logging
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench import __version__, paths
from backbench.cli import words as typed
from backbench.cli.texts import AUDIT, COMPARE, EXPORT, GRAMMAR, PAPER, PLOT, REPORT, SELECT

COMMANDS = {
    "audit": "check a collection for problems, such as unreadable or duplicate images, and write a page about them",
    "plan": "show what a sweep would run: runs, distinct fits, what is done and pending, estimated time",
    "sweep": "compute what is missing, record the runs in MLflow and print the leaderboard",
    "paper": "rerun a published system and show its figures beside ours, with the differences and their reasons",
    "runs": "list all runs as a table, CSV or JSON; filter and sort by any column",
    "leaderboard": "rank classifiers, clusterings and representations, with intervals and shared ranks",
    "select": "choose k and a clustering: elbow, silhouette and BIC of each family, and one choice with its reason",
    "compare": "test whether results really differ: paired tests, effect sizes, ranks over seeds or data sets",
    "report": "write the results of a sweep as one page: summary, leaderboard, pictures, failures, how to reproduce",
    "plot": "draw pictures of a run or a sweep: confusion, silhouettes, maps, samples, retrieval ...",
    "export": "write the files of one run for use elsewhere: tables, fitted classifier, report, pictures",
    "show": "show everything about one run",
    "diff": "show the configuration and metrics of two runs side by side",
    "reproduce": "compute one run again from scratch and compare every metric",
    "track": "bring MLflow up to date with the results, or fill an empty database",
    "ui": "open MLflow's pages on this machine",
}

SETTINGS = (
    "k, seed, clustering.scope, clustering.silhouette, execution.device, execution.batch_size, execution.memory_mb, "
    "execution.on_device_loss, store.root, "
    "tracking.uri, plots (best|all|none)"
)
KEYS = "Axes and settings, then groups, options and their keys (classifier.C=10, backbone.image.size=128):"
KEY = re.compile(r"^(\w+):", re.MULTILINE)
UNSHOWN = ("name", "defaults", "sweep", "n", "digest")

OK, DIFFERS, REFUSED, INTERRUPTED = 0, 1, 2, 130


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
        return _refused(error.command, error, error.instead and [*error.instead, *argv[len(words) :]])
    args.snakemake = rest
    try:
        return _called(args)
    except KeyboardInterrupt:
        print("\ninterrupted; finished results are kept, and the same command continues from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except OSError as error:
        print(f"backbench {args.command}: {error}; no partial files were left behind", file=sys.stderr)
        return DIFFERS
    except tuple(_refusals()) as error:
        return _refused(args.command, error, _corrected(argv, error))


def _called(args: argparse.Namespace) -> int:
    """Run a command; a path among its overrides is resolved and shown first."""
    if getattr(args, "overrides", None):
        from backbench.cli import collection

        args.overrides = collection.resolved(args.command, args.overrides, getattr(args, "name", None))
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
        _ARGUMENTS[name](commands[name])
    return top, commands


class _GridHelp(argparse.Action):
    """``--help`` of a command that takes overrides: ends with the groups and options found in ``conf/``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: object):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show this help, with all groups and options")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.epilog = f"{GRAMMAR}\n{KEYS}\n\n{_groups()}"
        parser.print_help()
        parser.exit()


def _keys(path: Path) -> str:
    return " ".join(key for key in KEY.findall(path.read_text()) if key not in UNSHOWN)


def _groups() -> str:
    """The folders and files of ``conf/`` and the keys in them; read directly, so that help is fast."""
    folders = sorted(path for path in paths.conf().iterdir() if path.is_dir())
    lines = [f"  {SETTINGS}"]
    for folder in folders:
        files = sorted(folder.glob("*.yaml"))
        lines.append(f"  {folder.name:<11} {', '.join(path.stem for path in files)}")
        lines += [f"    {path.stem}: {keys}" for path in files if (keys := _keys(path))]
    return "\n".join(lines)


def _positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"received {text!r}; allowed: a whole number >= 1")
    return int(text)


def _port(text: str) -> int:
    """A port, for argparse."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"received {text}; allowed: 1 to 65535")
    return int(text)


def _overrides(command: argparse.ArgumentParser) -> None:
    command.add_argument("-h", "--help", action=_GridHelp)
    command.add_argument(
        "overrides",
        nargs="*",
        metavar="PATH | KEY=VALUE",
        help="the collection (a folder, archive, table, embeddings file or URL), and overrides of the grid",
    )


def _plan(command: argparse.ArgumentParser) -> None:
    _overrides(command)
    command.usage = "backbench plan [options] [PATH] [KEY=VALUE ...]"
    command.add_argument("--cores", default="all", help="number of cores to estimate the time for (default: all)")
    command.add_argument("--list", action="store_true", help="list every run with its config hash on stdout")


def _sweep(command: argparse.ArgumentParser) -> None:
    _overrides(command)
    _launch(command)
    command.usage = "backbench sweep [options] [PATH] [KEY=VALUE ...] [-- SNAKEMAKE OPTIONS]"


def _launch(command: argparse.ArgumentParser) -> None:
    """Options of the commands that compute a sweep."""
    command.add_argument("--cores", default="all", help="number of cores to use (default: all)")
    command.add_argument("--wait", action="store_true", help="wait for another sweep to finish instead of refusing")
    command.add_argument(
        "--accept-code", action="store_true", help="keep results computed by older code, and record that"
    )


def _paper(command: argparse.ArgumentParser) -> None:
    command.epilog = PAPER
    command.add_argument("name", nargs="?", metavar="NAME", help="name of the paper; without one, all are listed")
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to its preset, as for sweep")
    _launch(command)
    command.add_argument("--to", metavar="FOLDER", help="also copy the table, its page and its files to this folder")
    command.add_argument(
        "--format", choices=("table", "json", "csv", "markdown"), default="table", help="format of the table on stdout"
    )
    command.add_argument(
        "--joblib",
        action="store_true",
        help="also export the fitted classifier as .joblib, which runs code when it is loaded",
    )
    command.usage = "backbench paper [options] [NAME [KEY=VALUE ...]] [-- SNAKEMAKE OPTIONS]"


def _audit(command: argparse.ArgumentParser) -> None:
    command.epilog = AUDIT
    command.usage = "backbench audit [options] [PATH] [KEY=VALUE ...]"
    command.add_argument(
        "overrides", nargs="*", metavar="PATH | KEY=VALUE", help="the collection and its options, as for sweep"
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help="exit with status 1 if a file is unreadable, or an image is duplicated, in two splits or in two classes",
    )
    command.add_argument("--json", action="store_true", help="print audit.json instead of the summary")
    command.add_argument("--cores", default="all", help="number of cores to use (default: all)")


def _runs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--filter", action="append", default=[], metavar="COND", help="such as k>=5 or backbone.name=pixels; repeatable"
    )
    command.add_argument(
        "--sort", metavar="COLUMN", help="column to sort by; -COLUMN sorts in descending order (--sort -nmi)"
    )
    command.add_argument("--columns", help="columns to show, separated by commas")
    command.add_argument("--limit", type=_positive, help="show at most this many rows (default of a table: 40)")
    command.add_argument("--format", choices=("table", "csv", "json"), default="table")


def _leaderboard(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--filter", action="append", default=[], metavar="COND", help="such as k>=5 or backbone.name=pixels; repeatable"
    )
    command.add_argument("--limit", type=_positive, default=8, help="rows per table (default: 8)")
    command.add_argument("--format", choices=("table", "csv", "json"), default="table")


def _select(command: argparse.ArgumentParser) -> None:
    command.epilog = SELECT
    command.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="COND",
        help="such as backbone.name=pixels or chain=pca50; repeatable",
    )
    command.add_argument("--policy", metavar="NAME", help="a policy in conf/selection (default: that of the sweep)")
    command.add_argument(
        "--metric", action="append", default=[], metavar="NAME", help="rank by this metric; repeatable"
    )
    command.add_argument("--format", choices=("table", "csv", "json"), default="table")


def _compare(command: argparse.ArgumentParser) -> None:
    command.epilog = COMPARE
    command.add_argument(
        "hashes", nargs="*", metavar="HASH", help="config hashes (or unique prefixes) of two or more runs"
    )
    command.add_argument(
        "--by", metavar="COLUMN", help="compare the values of a column instead, such as classifier.name or k"
    )
    command.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="COND",
        help="with --by: such as backbone.name=pixels; repeatable",
    )
    command.add_argument("--metric", action="append", default=[], metavar="NAME", help="metric to compare; repeatable")
    command.add_argument(
        "--over",
        choices=("auto", "images", "seeds", "datasets"),
        default="auto",
        help="what to pair by (default: images where both runs predict them, else seeds and data sets)",
    )
    command.add_argument("--format", choices=("table", "json"), default="table")


def _report(command: argparse.ArgumentParser) -> None:
    command.epilog = REPORT
    command.add_argument(
        "sweep", nargs="?", help="id of a sweep, or a unique prefix of it (default: the newest with results)"
    )
    command.add_argument("--to", metavar="FILE", help="also write the page to this file")


def _plot(command: argparse.ArgumentParser) -> None:
    command.epilog = PLOT
    command.add_argument("hash", help="config hash of a run, id of a sweep, or a unique prefix of either")
    command.add_argument("kinds", nargs="*", metavar="KIND", help="pictures to draw (default: all that can be drawn)")
    command.add_argument(
        "--list", action="store_true", help="list all pictures: which are drawn, and why others cannot be"
    )
    command.add_argument("--to", metavar="FOLDER", help="also copy the pictures to this folder")


def _export(command: argparse.ArgumentParser) -> None:
    command.epilog = EXPORT
    command.add_argument("hash", help="config hash or a unique prefix of it")
    command.add_argument("--to", metavar="FOLDER", help="write to this folder (default: results/exports/HASH)")
    command.add_argument(
        "--joblib",
        action="store_true",
        help="also export the fitted classifier as .joblib, which runs code when it is loaded",
    )


def _show(command: argparse.ArgumentParser) -> None:
    command.add_argument("hash", help="config hash or a unique prefix of it")
    command.add_argument("--format", choices=("table", "json"), default="table")


def _diff(command: argparse.ArgumentParser) -> None:
    command.add_argument("first", help="config hash or a unique prefix of it")
    command.add_argument("second", help="config hash or a unique prefix of it")


def _reproduce(command: argparse.ArgumentParser) -> None:
    command.add_argument("hash", help="config hash or a unique prefix of it")
    command.add_argument(
        "--tolerance", type=float, default=1e-4, help="relative tolerance on other machines or versions (default: 1e-4)"
    )
    command.add_argument("--keep", metavar="FOLDER", help="keep the intermediate results in this folder")
    command.add_argument("--uri", help="MLflow address to take the run from if the results folder does not hold it")


def _track(command: argparse.ArgumentParser) -> None:
    command.add_argument("--uri", help="MLflow address (default: MLFLOW_TRACKING_URI, else results/mlflow.db)")


def _ui(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, default=5000, help="port from 1 to 65535 (default: 5000)")
    command.add_argument("--host", default="127.0.0.1", help="address of this machine (default: 127.0.0.1)")
    command.add_argument("--uri", help="MLflow database (default: MLFLOW_TRACKING_URI, else results/mlflow.db)")


_ARGUMENTS = {
    "audit": _audit,
    "plan": _plan,
    "sweep": _sweep,
    "paper": _paper,
    "runs": _runs,
    "leaderboard": _leaderboard,
    "select": _select,
    "compare": _compare,
    "report": _report,
    "plot": _plot,
    "export": _export,
    "show": _show,
    "diff": _diff,
    "reproduce": _reproduce,
    "track": _track,
    "ui": _ui,
}


def _parsed(words: list[str]) -> argparse.Namespace:
    """The arguments; overrides and paths may come after options too.

    Raises
    ------
    UsageError
        For an unknown command or option, with the nearest known one.
    """
    top, parsers = _parsers()
    command, *rest = typed.with_command(words, COMMANDS)
    if command in parsers:
        rest = typed.arranged(command, rest, typed.Options.of(parsers[command]))
    return top.parse_args([command, *rest])


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
