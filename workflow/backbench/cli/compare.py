"""``backbench compare``: whether results really differ."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from backbench import hashing, paths
from backbench.cli.leaderboard import screen
from backbench.engine.results import ledger, prefixes, tables
from backbench.engine.results.joined_run import FINISHED, Row
from backbench.evaluate import comparison, methods
from backbench.evaluate.comparison import Comparison
from backbench.evaluate.methods import Methods
from backbench.metrics import catalogue
from backbench.schema import ConfigError
from backbench.store import Store

ALPHA = 0.05
COLUMNS = ("metric", "over", "A", "B", "value A", "value B", "A - B", "95 % interval", "p")


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    rows = ledger.all_rows(store)
    if not rows:
        raise ConfigError("no runs are recorded here yet; run `backbench sweep` first.")
    if args.by:
        return _by(args, rows)
    if args.filter:
        raise ConfigError("--filter needs --by; runs given by their hashes are not filtered.")
    chosen = [_row(prefix, rows) for prefix in dict.fromkeys(args.hashes)]
    comparisons, notes = comparison.compare(chosen, rows, store, args.over, args.metric)
    if args.format == "json":
        print(_json(comparisons, notes), end="")
        return 0
    for head in dict.fromkeys(pair.head for pair in comparisons):
        _show(head, [pair for pair in comparisons if pair.head == head])
    for note in notes if comparisons or notes else ["the runs have no task with these metrics in common"]:
        print(f"not compared: {note}")
    return 0


def _row(prefix: str, rows: Sequence[Row]) -> Row:
    full = prefixes.unique(prefix, [row.config_hash for row in rows])
    row = next(row for row in rows if row.config_hash == full)
    if row.status != FINISHED:
        state = f"failed ({row.reason})" if row.reason else f"is {row.status}"
        raise ConfigError(f"{hashing.short(full)} ({row.name}) {state}; only finished runs can be compared.")
    return row


def _show(head: str, comparisons: Sequence[Comparison]) -> None:
    """Print the comparisons of one task as a table, and each as a sentence."""
    from rich.table import Table

    from backbench.statistics import paired

    table = Table(title=head.capitalize(), title_justify="left", title_style="bold", box=None)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("metric", "over", "A", "B") else "right", no_wrap=True)
    for pair in comparisons:
        table.add_row(pair.metric, pair.over, *_names(pair), *_numbers(pair))
    screen(sys.stdout).print(table)
    print()
    for pair in comparisons:
        metric = catalogue.metric(pair.metric)
        lower = metric.direction == catalogue.DOWN
        print(f"{pair.metric}: {paired.words(pair.test, *pair.names, ALPHA, metric.bounded, lower)}.")
    print()


def _names(pair: Comparison) -> tuple[str, str]:
    return hashing.short(pair.a.config_hash), hashing.short(pair.b.config_hash)


def _numbers(pair: Comparison) -> tuple[str, ...]:
    test = pair.test
    span = "-" if math.isnan(test.low) else f"[{test.low:+.4f}, {test.high:+.4f}]"
    p = test.p if test.corrected is None else test.corrected
    return (f"{pair.values[0]:.4f}", f"{pair.values[1]:.4f}", f"{test.difference:+.4f}", span, f"{p:.2g}")


def _json(comparisons: Sequence[Comparison], notes: Sequence[str]) -> str:
    shown = [
        {
            **{"head": pair.head, "metric": pair.metric, "over": pair.over},
            **{"a": pair.a.config_hash, "b": pair.b.config_hash},
            **{"value_a": pair.values[0], "value_b": pair.values[1]},
            **{key: _plain(value) for key, value in vars(pair.test).items()},
        }
        for pair in comparisons
    ]
    return json.dumps({"comparisons": shown, "not_compared": list(notes)}, indent=1) + "\n"


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _by(args: argparse.Namespace, rows: Sequence[Row]) -> int:
    if args.hashes:
        raise ConfigError("--by compares the values of a column over all runs; leave out either the hashes or --by.")
    chosen = tables.meeting(rows, args.filter)
    for at, ranking in enumerate(methods.compare(chosen, args.by, args.over, args.metric)):
        if args.format == "json":
            print(json.dumps(ranking.plain, indent=1))
        else:
            print("\n" * bool(at), end="")
            _ranks(ranking)
    return 0


def _ranks(ranking: Methods) -> None:
    from rich.table import Table

    blocks = f"{len(ranking.table.blocks)} {methods.BLOCKS_OVER[ranking.over]}"
    print(f"{ranking.table.metric} by {ranking.column}, over {blocks}")
    if ranking.lacks:
        print(f"not compared: {ranking.lacks}")
        return
    table = Table(box=None)
    for name in (ranking.column, "mean", "mean rank"):
        table.add_column(name, justify="left" if name == ranking.column else "right", no_wrap=True)
    for name, mean, rank in ranking.ranked:
        table.add_row(name, f"{mean:.4f}", f"{rank:.2f}")
    screen(sys.stdout).print(table)
    for line in ranking.words(ALPHA):
        print(line)
    if ranking.note:
        print(f"note: {ranking.note}")
