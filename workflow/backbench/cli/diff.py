"""``backbench diff``: two runs side by side."""

import argparse
import sys

from backbench import hashing, paths
from backbench.cli.leaderboard import cell, screen, warn
from backbench.cli.show import find
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.metrics.catalogue import COLUMNS
from backbench.store import Store


def run(args: argparse.Namespace) -> int:
    from rich.table import Table

    rows = ledger.all_rows(Store(paths.store()))
    first, second = find(args.first, rows), find(args.second, rows)
    table = Table(box=None)
    for name in ("", hashing.short(first.config_hash), hashing.short(second.config_hash), "difference"):
        table.add_column(name)
    for line in differing(first, second):
        table.add_row(*line)
    table.add_section()
    for line in metrics(first, second):
        table.add_row(*line)
    screen(sys.stdout).print(table)
    warn([first, second])
    return 0


def differing(first: Row, second: Row) -> list[tuple[str, str, str, str]]:
    """The parameters in which two runs differ."""
    keys = sorted({*first.params, *second.params})
    pairs = ((key, first.params.get(key), second.params.get(key)) for key in keys)
    return [(key, cell(a), cell(b), "") for key, a, b in pairs if a != b or type(a) is not type(b)]


def metrics(first: Row, second: Row) -> list[tuple[str, str, str, str]]:
    """All metrics of two runs, and the second minus the first."""
    known = {**first.metrics, **second.metrics}
    names = [*(name for name in COLUMNS if name in known), *sorted(set(known) - set(COLUMNS))]
    return [_metric(name, first.metrics.get(name), second.metrics.get(name)) for name in names]


def _metric(name: str, a: float | None, b: float | None) -> tuple[str, str, str, str]:
    change = "-" if a is None or b is None else f"{b - a:+.4f}"
    return name, cell(a), cell(b), change
