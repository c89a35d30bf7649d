"""``backbench compare``: whether results really differ."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from backbench import hashing, paths
from backbench.cli.leaderboard import screen
from backbench.evaluate import comparison, methods
from backbench.evaluate.comparison import Comparison
from backbench.evaluate.methods import Methods
from backbench.metrics import catalogue
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweep.results import ledger, tables
from backbench.sweep.results.ledger import Row

ALPHA = 0.05
COLUMNS = ("metric", "over", "A", "B", "of A", "of B", "A - B", "95 % interval", "p")


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    rows = ledger.all_rows(store)
    if not rows:
        raise ConfigError("no runs are recorded here; `backbench sweep` makes some.")
    if args.by:
        return _by(args, rows)
    if args.filter:
        raise ConfigError("--filter goes with --by; two runs are named by their hashes.")
    chosen = [_row(prefix, rows) for prefix in dict.fromkeys(args.hashes)]
    found, notes = comparison.compare(chosen, rows, store, args.over, args.metric)
    if args.format == "json":
        print(_json(found, notes), end="")
        return 0
    for head in dict.fromkeys(one.head for one in found):
        _show(head, [one for one in found if one.head == head])
    for note in notes if found or notes else ["the runs have no head with these metrics in common"]:
        print(f"not compared: {note}")
    return 0


def _row(prefix: str, rows: Sequence[Row]) -> Row:
    full = ledger.unique(prefix, [row.config_hash for row in rows])
    found = next(row for row in rows if row.config_hash == full)
    if found.status != ledger.FINISHED:
        reason = f": {found.reason}" if found.reason else ""
        raise ConfigError(f"{hashing.short(full)} ({found.name}) is {found.status}{reason}; compare finished runs.")
    return found


def _show(head: str, found: Sequence[Comparison]) -> None:
    """The numbers of the comparisons of one head, and each as a sentence."""
    from rich.table import Table

    from backbench.statistics import paired

    table = Table(title=head.capitalize(), title_justify="left", title_style="bold", box=None)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("metric", "over", "A", "B") else "right", no_wrap=True)
    for one in found:
        table.add_row(one.metric, one.over, *_names(one), *_numbers(one))
    screen(sys.stdout).print(table)
    print()
    for one in found:
        print(f"{one.metric}: {paired.words(one.test, *one.names, ALPHA, catalogue.metric(one.metric).bounded)}.")
    print()


def _names(one: Comparison) -> tuple[str, str]:
    return tuple(hashing.short(row.config_hash) for row in (one.a, one.b))


def _numbers(one: Comparison) -> tuple[str, ...]:
    test = one.test
    span = "-" if math.isnan(test.low) else f"[{test.low:+.4f}, {test.high:+.4f}]"
    p = test.p if test.corrected is None else test.corrected
    return (f"{one.values[0]:.4f}", f"{one.values[1]:.4f}", f"{test.difference:+.4f}", span, f"{p:.2g}")


def _json(found: Sequence[Comparison], notes: Sequence[str]) -> str:
    shown = [
        {
            **{"head": one.head, "metric": one.metric, "over": one.over},
            **{"a": one.a.config_hash, "b": one.b.config_hash, "value_a": one.values[0], "value_b": one.values[1]},
            **{key: _plain(value) for key, value in vars(one.test).items()},
        }
        for one in found
    ]
    return json.dumps({"comparisons": shown, "not_compared": list(notes)}, indent=1) + "\n"


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _by(args: argparse.Namespace, rows: Sequence[Row]) -> int:
    if args.hashes:
        raise ConfigError(
            "--by compares the values of a column over all runs; leave the hashes out, or leave --by out."
        )
    kept = {one["config_hash"] for one in tables.select([tables.flatten(row) for row in rows], args.filter)}
    chosen = [row for row in rows if row.config_hash in kept]
    for at, found in enumerate(methods.compare(chosen, args.by, args.over, args.metric)):
        if args.format == "json":
            print(json.dumps(found.plain, indent=1))
        else:
            print("\n" * bool(at), end="")
            _ranks(found)
    return 0


def _ranks(found: Methods) -> None:
    from rich.table import Table

    print(f"{found.table.metric} by {found.column}, over {len(found.table.blocks)} {methods.BLOCKS_OVER[found.over]}")
    if found.lacks:
        print(f"not compared: {found.lacks}")
        return
    table = Table(box=None)
    for name in (found.column, "mean", "mean rank"):
        table.add_column(name, justify="left" if name == found.column else "right", no_wrap=True)
    for name, mean, rank in found.ranked:
        table.add_row(name, f"{mean:.4f}", f"{rank:.2f}")
    screen(sys.stdout).print(table)
    for line in found.words(ALPHA):
        print(line)
    if found.note:
        print(f"note: {found.note}")
