"""``backbench leaderboard``: the best of each head with intervals and ranks, every stage result once."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING

from backbench import paths
from backbench.answers import words
from backbench.cli._leaderboard_grid import cell, grid
from backbench.cli.answer import headlines
from backbench.engine.results import ledger, tables
from backbench.engine.results.joined_run import Row
from backbench.evaluate import answer, leaderboard_records, leaderboards, unranked
from backbench.evaluate.answer import DatasetAnswer
from backbench.evaluate.leaderboard_specs import by_dataset
from backbench.evaluate.leaderboards import Leaderboard
from backbench.metrics import catalogue
from backbench.reproduce import environment
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import say
from backbench.wording import listed

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["by_dataset", "cell", "run", "screen", "show", "warn"]

WIDTH = 130


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    rows = ledger.all_rows(store)
    rows = tables.meeting(rows, args.filter)
    if not rows:
        raise ConfigError("no recorded run matches; run `backbench sweep` first.")
    progress = panel.counting("resampling images")
    if args.metric:
        return _by_metric(args, rows, store, progress)
    answers = answer.by_dataset(rows, store, progress)
    if args.format == "table":
        show(answers, args.limit, sys.stdout)
        print("", *headlines(answers.values()), "more: backbench answer", sep="\n")
        return 0
    _write({title: group.leaderboards for title, group in answers.items()}, args)
    return 0


def _by_metric(args: argparse.Namespace, rows: Sequence[Row], store: Store, progress: leaderboards.Progress) -> int:
    """The leaderboards that a metric ranks, of each data set."""
    known = sorted({name for row in rows for name in row.metrics})
    if args.metric not in known:
        raise catalogue.unknown("--metric", args.metric, known)
    groups = by_dataset(rows)
    boards = {title: leaderboards.by_metric(args.metric, group, store, progress) for title, group in groups.items()}
    if args.format != "table":
        _write(boards, args)
        return 0
    console = screen(sys.stdout)
    for title, group in boards.items():
        if len(boards) > 1:
            console.print(f"\n[bold]{title}[/bold]")
        for table in group:
            _print(table, args.limit, console)
            console.print()
    warn(rows)
    return 0


def _write(boards: Mapping[str, Sequence[Leaderboard]], args: argparse.Namespace) -> None:
    """Print leaderboards, by the title of their data set, as CSV or JSON."""
    records = [
        line
        for title, group in boards.items()
        for table in group
        for line in leaderboard_records.records(title, table, args.limit)
    ]
    names = list(dict.fromkeys(key for line in records for key in line))
    print((tables.to_csv if args.format == "csv" else tables.to_json)(records, names), end="")


def show(answers: Mapping[str, DatasetAnswer], limit: int = 5, target: IO[str] | None = None) -> None:
    """Print the leaderboards of data sets, by their titles, to a terminal."""
    console = screen(target or sys.stderr)
    for title, group in answers.items():
        if len(answers) > 1:
            console.print(f"\n[bold]{title}[/bold]")
        for table in group.leaderboards:
            console.print()
            _print(table, limit, console)
        if warning := words.warning(group):
            console.print()
            console.print(warning, markup=False, soft_wrap=True)
    warn([row for group in answers.values() for row in group.rows])


def _print(table: Leaderboard, limit: int, console: "Console") -> None:
    """The best of a leaderboard, what its intervals are over, and what is not ranked."""
    room = ""
    if table.entries:
        shown, whole = grid(table, limit, console.width)
        console.print(shown)
        room = "" if whole else " The intervals do not fit here; --format csv has them."
    else:
        console.print(f"{table.title}: none", style="italic", markup=False)
    for line in (f"{leaderboards.words(table)}{room}", unranked.words(table.unranked)):
        if line:
            console.print(f"  {line}", markup=False, soft_wrap=True)


def screen(file: IO[str]) -> "Console":
    """A console on `file`; wide if that is not a terminal, so that nothing is cut in a log."""
    from rich.console import Console

    return Console(file=file, width=None if file.isatty() else WIDTH, highlight=False)


def warn(rows: Sequence[Row]) -> None:
    """Say so where rows were made by different library versions, BLAS kernels or code."""
    versions = {tuple(sorted(row.versions.items())) for row in rows if row.versions}
    if len(versions) > 1:
        same = set.intersection(*map(set, versions))
        names = {name for group in versions for name, _ in set(group) - same}
        say(f"warning: these rows come from different versions of {', '.join(sorted(names))}")
    kernels = {environment.kernels(environment.of_row(row).blas) for row in rows} - {""}
    if len(kernels) > 1:
        different = listed(sorted(kernels))
        say(f"note: these rows were computed with different BLAS kernels, which round differently: {different}")
    if any(fits for fits, _ in (row.older for row in rows)):
        say("warning: some rows were made by other code than today's; `backbench sweep` brings them up to date")
    elif any(scores for _, scores in (row.older for row in rows)):
        say(
            "warning: the metrics of some rows were computed by other code than today's; `backbench sweep` computes "
            "them again, without refitting"
        )
