"""The options and arguments of every command."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from backbench import paths
from backbench.cli.texts import (
    ANSWER,
    APP,
    AUDIT,
    COMPARE,
    DOCTOR,
    EXPORT,
    GRAMMAR,
    LABEL,
    ORGANISE,
    PAPER,
    PLOT,
    PREDICT,
    REPORT,
    SEARCH,
    SELECT,
    SERVER,
    STORE,
    SWEEPS,
)

SETTINGS = (
    "k, seed, clustering.scope, clustering.silhouette, execution.device, execution.batch_size, execution.memory_mb, "
    "execution.on_device_loss, execution.job_minutes, store.root, "
    "tracking.uri, plots (best|all|none)"
)
RUN = "config hash of a run, a unique prefix of it, or best: what the newest sweep recommends"
KEYS = "Axes and settings, then groups, options and their keys (classifier.C=10, backbone.image.size=128):"
KEY = re.compile(r"^(\w+):", re.MULTILINE)
# As in exports.tools.writing, which is slow to import; a test compares them.
TOOLS = ("embedding-atlas", "fiftyone", "spotlight", "tensorboard")
UNSHOWN = ("name", "defaults", "sweep", "n", "digest")


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
    command.usage = "backbench plan [options] [PATH] [KEY=VALUE ...] [-- SNAKEMAKE OPTIONS]"
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
        "--cancel-running",
        action="store_true",
        help="end a sweep that runs here, and what a killed one left running, instead of refusing or waiting for it",
    )
    command.add_argument(
        "--accept-code", action="store_true", help="keep results computed by older code, and record that"
    )


def _status(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "sweep", nargs="?", metavar="SWEEP", help="hash of a sweep or a plan, or a prefix of it (default: what runs)"
    )
    command.add_argument(
        "--watch",
        nargs="?",
        type=_positive,
        const=5,
        metavar="SECONDS",
        help="look again every so many seconds (default: 5) until it ends",
    )
    command.add_argument("--format", choices=("text", "json"), default="text", help="format on stdout (default: text)")


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
    command.usage = (
        "backbench audit [options] [PATH] [KEY=VALUE ...]\n       backbench audit --labels HASH [--json] [--strict]"
    )
    command.add_argument(
        "overrides", nargs="*", metavar="PATH | KEY=VALUE", help="the collection and its options, as for sweep"
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help="exit with status 1 if a file is unreadable, or an image is duplicated, in two splits or in two classes; "
        "with --labels if a label is doubtful",
    )
    command.add_argument(
        "--labels",
        metavar="HASH",
        help="rank the images of a run (hash, a unique prefix of it, or best) by how doubtful their labels are",
    )
    command.add_argument("--json", action="store_true", help="print audit.json (labels.json) instead of the summary")
    command.add_argument("--cores", default="all", help="number of cores to use (default: all)")


def _doctor(command: argparse.ArgumentParser) -> None:
    command.epilog = DOCTOR
    command.usage = "backbench doctor [options] [-- SNAKEMAKE OPTIONS]"
    command.add_argument("--format", choices=("text", "json"), default="text", help="json: a list of findings")


def _filter(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--filter", action="append", default=[], metavar="COND", help=text)


def _runs(command: argparse.ArgumentParser) -> None:
    _filter(command, "such as k>=5 or backbone.name=pixels; repeatable")
    command.add_argument(
        "--sort", metavar="COLUMN", help="column to sort by; -COLUMN sorts in descending order (--sort -ami)"
    )
    command.add_argument("--columns", help="columns to show, separated by commas")
    command.add_argument("--limit", type=_positive, help="show at most this many rows (default of a table: 40)")
    command.add_argument("--format", choices=("table", "csv", "json"), default="table")


def _answer(command: argparse.ArgumentParser) -> None:
    command.epilog = ANSWER
    _filter(command, "such as dataset.name=folder or backbone.name=resnet50; repeatable")
    command.add_argument("--format", choices=("text", "json"), default="text", help="json: every fact (default: text)")


def _leaderboard(command: argparse.ArgumentParser) -> None:
    _filter(command, "such as k>=5 or backbone.name=pixels; repeatable")
    command.add_argument("--metric", metavar="NAME", help="rank by this metric, such as log_loss or map_at_10")
    command.add_argument("--limit", type=_positive, default=8, help="rows per table (default: 8)")
    command.add_argument("--format", choices=("table", "csv", "json"), default="table")


def _select(command: argparse.ArgumentParser) -> None:
    command.epilog = SELECT
    _filter(command, "such as backbone.name=pixels or chain=pca50; repeatable")
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
    _filter(command, "with --by: such as backbone.name=pixels; repeatable")
    command.add_argument("--metric", action="append", default=[], metavar="NAME", help="metric to compare; repeatable")
    command.add_argument(
        "--over",
        choices=("auto", "images", "repeats", "seeds", "datasets"),
        default="auto",
        help="what to pair by (default: repeated splits where both have them, else images that both runs predict; "
        "seeds and data sets)",
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


def _predict(command: argparse.ArgumentParser) -> None:
    command.epilog = PREDICT
    command.add_argument("hash", help=RUN)
    command.add_argument("paths", nargs="+", metavar="PATH", help="images, folders, archives, or a CSV of paths")
    command.add_argument(
        "-n", "--neighbours", type=_positive, default=3, metavar="N", help="nearest known images (default: 3)"
    )
    command.add_argument(
        "--format", choices=("table", "csv", "jsonl"), help="default: by the ending of --to, else a table for people"
    )
    command.add_argument("--scores", action="store_true", help="also the score of every class, as columns of the CSV")
    command.add_argument("--to", metavar="FILE", help="write to this file instead of the terminal")
    command.add_argument("--grid", metavar="FILE", help="also draw a sample with the nearest known images (.png)")
    command.add_argument("--root", metavar="FOLDER", help="where the paths in a CSV begin (default: its own folder)")


def _search(command: argparse.ArgumentParser) -> None:
    command.epilog = SEARCH
    command.add_argument("hash", help=RUN)
    command.add_argument("paths", nargs="*", metavar="PATH", help="images, folders, archives, or a CSV of paths")
    command.add_argument(
        "--text", action="append", default=[], metavar="WORDS", help="search for what a text says; repeatable"
    )
    command.add_argument("-n", "--count", type=_positive, default=10, help="images for each query (default: 10)")
    command.add_argument(
        "--within",
        action="append",
        default=[],
        metavar="COND",
        help="search some of the known images: class=boots, cluster=3 or split=train; repeatable",
    )
    command.add_argument("--format", choices=("table", "csv", "jsonl"), help="default: table, or as FILE is called")
    command.add_argument("--to", metavar="FILE", help="write to this file")
    command.add_argument("--grid", metavar="FILE.png", help="also draw the queries and what is found for them")


def _export(command: argparse.ArgumentParser) -> None:
    command.epilog = EXPORT
    command.add_argument("hash", help=RUN)
    command.add_argument("--to", metavar="FOLDER", help="write to this folder (default: results/exports/HASH)")
    command.add_argument(
        "--for",
        dest="tools",
        action="append",
        default=[],
        choices=TOOLS,
        help="also write files that this tool opens, with absolute paths of the images; repeatable",
    )
    command.add_argument(
        "--onnx",
        action="store_true",
        help='also write the backbone as ONNX and measure how far it agrees (pip install "backbench[onnx]")',
    )
    command.add_argument(
        "--joblib",
        action="store_true",
        help="also export the fitted classifier as .joblib, which runs code when it is loaded",
    )
    command.add_argument(
        "--mlflow",
        action="store_true",
        help="also write the run as an MLflow model: weights, classifier, clusters, features of the known images",
    )
    command.add_argument(
        "--register", metavar="NAME", help="also register that MLflow model under this name (implies --mlflow)"
    )
    command.add_argument(
        "--uri", help="MLflow address to register at (default: MLFLOW_TRACKING_URI, else results/mlflow.db)"
    )
    command.add_argument(
        "--no-neighbours",
        action="store_true",
        help="leave the features and names of the known images out of the MLflow model",
    )


def _organise(command: argparse.ArgumentParser) -> None:
    command.epilog = ORGANISE
    command.add_argument("hash", nargs="?", metavar="HASH", help=RUN)
    command.add_argument("target", nargs="?", metavar="TARGET", help="folder for the photographs; may exist already")
    command.add_argument(
        "--by", choices=("cluster", "class"), default="cluster", help="what a folder stands for (default: cluster)"
    )
    command.add_argument("--names", metavar="FILE", help="a CSV of names of clusters, as `backbench label` writes it")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--copy", dest="how", action="store_const", const="copy", help="copy the photographs")
    how.add_argument("--move", dest="how", action="store_const", const="move", help="move them; this can be undone")
    command.set_defaults(how="link")
    command.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    command.add_argument("--yes", action="store_true", help="move without a question")
    command.add_argument("--undo", metavar="TARGET", help="put everything back that was moved into this folder")
    command.usage = "backbench organise [options] HASH TARGET\n       backbench organise --undo TARGET"


def _label(command: argparse.ArgumentParser) -> None:
    command.epilog = LABEL
    command.add_argument("hash", metavar="HASH", help=RUN)
    command.add_argument("--names", metavar="FILE", help="take the names from a filled-in CSV (columns cluster, name)")
    command.add_argument(
        "--set", action="append", default=[], metavar="CLUSTER=NAME", help="name a cluster; repeatable"
    )
    command.add_argument(
        "--words",
        metavar="WORD,WORD|FILE",
        help="propose names from these words, or the lines of a file; for backbones with a text tower (open_clip)",
    )
    command.add_argument("--fix", metavar="FILE", help="labels of single images, a CSV (columns path, label)")
    command.add_argument(
        "--to",
        metavar="FILE",
        help="where to write the labelled collection (default: results/labels/HASH/collection.csv)",
    )


def _show(command: argparse.ArgumentParser) -> None:
    command.add_argument("hash", help=RUN)
    command.add_argument("--format", choices=("table", "json"), default="table")


def _diff(command: argparse.ArgumentParser) -> None:
    command.add_argument("first", help="config hash or a unique prefix of it")
    command.add_argument("second", help="config hash or a unique prefix of it")


def _reproduce(command: argparse.ArgumentParser) -> None:
    command.add_argument("hash", help=RUN)
    command.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        help="relative tolerance where the processor, the BLAS kernel or a version is another one (default: 1e-4)",
    )
    command.add_argument("--keep", metavar="FOLDER", help="keep the intermediate results in this folder")
    command.add_argument("--uri", help="MLflow address to take the run from if the results folder does not hold it")


def _track(command: argparse.ArgumentParser) -> None:
    command.add_argument("--uri", help="MLflow address (default: MLFLOW_TRACKING_URI, else results/mlflow.db)")


def _app(command: argparse.ArgumentParser) -> None:
    command.epilog = APP
    command.add_argument(
        "hash",
        nargs="?",
        help="config hash of a run, a unique prefix of it, or best (default: best, what the newest sweep recommends)",
    )
    command.add_argument("--port", type=_port, help="port from 1 to 65535 (default: 8501, or the next that is free)")
    command.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")


def _ui(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, default=5000, help="port from 1 to 65535 (default: 5000)")
    command.add_argument("--host", default="127.0.0.1", help="address of this machine (default: 127.0.0.1)")
    command.add_argument("--uri", help="MLflow database (default: MLFLOW_TRACKING_URI, else results/mlflow.db)")


def _server(command: argparse.ArgumentParser) -> None:
    command.epilog = SERVER
    command.add_argument("--port", type=_port, default=5000, help="port from 1 to 65535 (default: 5000)")
    command.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1, this machine alone; 0.0.0.0: the network, without passwords)",
    )


def _store(command: argparse.ArgumentParser) -> None:
    command.epilog = STORE
    command.add_argument("action", choices=("ls", "du", "verify", "gc"), help="see below")
    command.add_argument("--format", choices=("table", "csv", "json"), default="table", help="of ls and du")
    command.add_argument("--remove", action="store_true", help="verify: forget what is damaged")
    command.add_argument("--yes", action="store_true", help="gc: remove; without it gc only shows what would go")
    command.add_argument(
        "--sweep", action="append", default=[], metavar="SWEEP", help="gc: results that no other sweep uses; repeatable"
    )
    command.add_argument(
        "--older-than", metavar="AGE", help="gc: results of sweeps that were not launched for so long: 12h, 30d, 8w"
    )
    command.add_argument("--size-limit", metavar="SIZE", help="gc: as much as leaves at most this: 500M, 50G, 1.5T")
    command.add_argument(
        "--unreferenced", action="store_true", help="gc: also results that no sweep of this results folder names"
    )


def _sweeps(command: argparse.ArgumentParser) -> None:
    command.epilog = SWEEPS
    command.add_argument("action", choices=("ls", "rm"), help="ls lists all sweeps, rm removes some")
    command.add_argument("sweeps", nargs="*", metavar="SWEEP", help="id of a sweep, or a unique prefix of it")
    command.add_argument("--results", action="store_true", help="rm: also results that no other sweep here uses")
    command.add_argument("--yes", action="store_true", help="rm: remove without a question")
    command.add_argument("--format", choices=("table", "csv", "json"), default="table", help="of ls")


# What each command adds to its parser.
ARGUMENTS = {
    "answer": _answer,
    "audit": _audit,
    "doctor": _doctor,
    "plan": _plan,
    "sweep": _sweep,
    "status": _status,
    "paper": _paper,
    "runs": _runs,
    "leaderboard": _leaderboard,
    "select": _select,
    "compare": _compare,
    "report": _report,
    "plot": _plot,
    "predict": _predict,
    "search": _search,
    "export": _export,
    "organise": _organise,
    "label": _label,
    "show": _show,
    "diff": _diff,
    "reproduce": _reproduce,
    "track": _track,
    "store": _store,
    "sweeps": _sweeps,
    "app": _app,
    "ui": _ui,
    "server": _server,
}
