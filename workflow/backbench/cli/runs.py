"""``backbench runs``: every recorded run."""

import argparse
import sys

from backbench import paths
from backbench.cli import leaderboard
from backbench.engine.results import ledger, tables
from backbench.metrics.catalogue import checked, unknown
from backbench.store import Store
from backbench.sweeping.describing import say
from backbench.wording import counted

SHOWN = (
    *("config_hash", "status", "name"),
    *checked("ami", "clusters", "noise_fraction", "silhouette", "accuracy", "val_accuracy", "precision_at_10"),
)
LIMIT = 40


def run(args: argparse.Namespace) -> int:
    rows = ledger.all_rows(Store(paths.store()))
    records = tables.order(tables.select([tables.flatten(row) for row in rows], args.filter), args.sort)
    chosen = _chosen(args.columns, records)
    limit = args.limit if args.limit is not None else LIMIT if args.format == "table" else None
    shown = records[:limit]
    if args.format == "table":
        _table(shown, chosen or list(SHOWN))
        say(f"{len(shown):,} of {counted(len(records), 'run')}; --format csv or json prints every column")
    else:
        print((tables.to_csv if args.format == "csv" else tables.to_json)(shown, chosen), end="")
    leaderboard.warn(rows)
    return 0


def _chosen(asked: str | None, records: list[tables.Record]) -> list[str] | None:
    names = [name.strip() for name in asked.split(",")] if asked else None
    known = tables.columns(records)
    for name in names or []:
        if name not in known:
            raise unknown("--columns", name, known)
    return names


def _table(records: list[tables.Record], names: list[str]) -> None:
    from rich.table import Table

    table = Table(box=None)
    for name in names:
        table.add_column(name, no_wrap=name in ("config_hash", "status"))
    for record in records:
        cells = {**record, "config_hash": record["config_hash"][:12]}
        table.add_row(*(leaderboard.cell(cells.get(name)) for name in names))
    leaderboard.screen(sys.stdout).print(table)
    for reason in sorted({record["reason"] for record in records if record["reason"]}):
        say(f"failed: {reason}")
