"""``backbench leaderboard``: the best of each head, every stage result once."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backbench import hashing, paths
from backbench.cli.plan import say
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweep import ledger, tables
from backbench.sweep.ledger import Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 130
SHORT = {
    "val_accuracy": "validation",
    "accuracy": "test",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "nmi": "NMI",
    "cluster_accuracy": "accuracy",
    "davies_bouldin": "DB",
    "calinski_harabasz": "CH",
    "noise_fraction": "noise",
    "silhouette_sampled": "silhouette (sampled)",
    "silhouette_sampled_se": "se",
    "eps_quantile": "eps q",
}

VARYING = {
    "classification": ("backbone.", "classifier.", "seed"),
    "clustering": ("backbone.", "clusterer.", "clustering.scope", "seed"),
    "retrieval": ("backbone.", "retrieval."),
}


@dataclass(frozen=True)
class Board:
    """One table: a head, the metric it is ranked by, and what is shown beside it."""

    title: str
    head: str
    rank: str
    params: tuple[str, ...]
    metrics: tuple[str, ...]


CLASSIFIERS = Board(
    "Classifiers, ranked by accuracy on validation",
    "classification",
    "val_accuracy",
    ("backbone.name", "classification.chain", "classifier.name"),
    ("val_accuracy", "accuracy", "balanced_accuracy", "macro_f1"),
)
CLUSTERINGS = Board(
    "Clusterings, ranked by agreement with the classes (NMI)",
    "clustering",
    "nmi",
    ("backbone.name", "clustering.chain", "clusterer.name", "k"),
    ("nmi", "cluster_accuracy", "purity", "silhouette", "davies_bouldin", "noise_fraction"),
)
UNLABELLED = Board(
    "Clusterings, ranked by silhouette (comparable within one representation only)",
    "clustering",
    "silhouette",
    ("backbone.name", "clustering.chain", "clusterer.name", "k"),
    ("silhouette", "davies_bouldin", "calinski_harabasz", "noise_fraction"),
)
SAMPLED = replace(
    UNLABELLED,
    rank="silhouette_sampled",
    metrics=("silhouette_sampled", "silhouette_sampled_se", *UNLABELLED.metrics[1:]),
)


def run(args: argparse.Namespace) -> int:
    rows = ledger.all_rows(Store(paths.store()))
    kept = {record["config_hash"] for record in tables.select([tables.flatten(row) for row in rows], args.filter)}
    rows = [row for row in rows if row.config_hash in kept]
    if not rows:
        raise ConfigError("no runs are recorded here that meet this; `backbench sweep` makes some.")
    if args.format == "table":
        show(rows, args.limit, sys.stdout)
        return 0
    records = [
        {"dataset": title, "board": board.head, "rank": place, **_record(board, row)}
        for title, group in by_dataset(rows).items()
        for board in boards(group)
        for place, row in enumerate(ranked(board, group)[: args.limit], 1)
    ]
    names = list(dict.fromkeys(key for record in records for key in record))
    print((tables.to_csv if args.format == "csv" else tables.to_json)(records, names), end="")
    return 0


def boards(rows: Sequence[Row]) -> list[Board]:
    """The tables that these rows can fill."""
    labelled = any("nmi" in row.metrics for row in rows)
    depths = sorted({row.params["retrieval.at"] for row in rows if "retrieval" in row.heads})
    clusterings = (CLUSTERINGS,) if labelled else (UNLABELLED, SAMPLED)
    found = (CLASSIFIERS, *clusterings, *map(_retrieval, depths))
    return [board for board in found if ranked(board, rows)]


def _retrieval(depth: int) -> Board:
    params = ("backbone.name", "retrieval.chain", "retrieval.metric")
    metrics = tuple(f"{name}_at_{depth}" for name in ("precision", "hit_rate", "map", "recall"))
    return Board("Representations, ranked by retrieval", "retrieval", metrics[0], params, metrics)


def ranked(board: Board, rows: Sequence[Row]) -> list[Row]:
    """Distinct results of a board's head, best first; ties stand in the order of their hashes."""
    found = [row for row in tables.distinct(rows, board.head) if not math.isnan(row.metrics.get(board.rank, math.nan))]
    return sorted(found, key=lambda row: (-row.metrics[board.rank], row.run.stages[board.head]))


def show(rows: Sequence[Row], limit: int = 5, target: object = None) -> None:
    """Print the boards to a terminal."""
    console = screen(target or sys.stderr)
    groups = by_dataset(rows)
    for title, group in groups.items():
        if len(groups) > 1:
            console.print(f"\n[bold]{title}[/bold]")
        for board in boards(group):
            console.print()
            console.print(_table(board, group, limit, console.width))
    warn(rows)


def by_dataset(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by dataset, sample and split: results of different images are not ranked against each other."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.stages["dataset"], []).append(row)
    return {f"{_dataset(group[0])} ({hashing.short(member)})": group for member, group in sorted(groups.items())}


def _dataset(row: Row) -> str:
    info = row.records.get(row.stages["dataset"], {}).get("info", {})
    name = str(row.params["dataset.name"])
    return f"{name}, {info['n']:,} images" if "n" in info else name


def _table(board: Board, rows: Sequence[Row], limit: int, width: int) -> "Table":
    from rich.table import Table

    found = ranked(board, rows)
    board = replace(board, params=(*board.params, *_varying(board, found)))
    records = [{"": place, **_record(board, row)} for place, row in enumerate(found[:limit], 1)]
    table = Table(title=f"{board.title}: {len(records)} of {len(found)}", title_justify="left", box=None)
    names = _fitting(board, records, width)
    for name in names:
        table.add_column(_heading(name), justify="left" if name in board.params else "right", no_wrap=True)
    for record in records:
        table.add_row(*(cell(record.get(name)) for name in names))
    return table


def _varying(board: Board, rows: Sequence[Row]) -> list[str]:
    """Options that tell rows of one plugin apart and have no column yet: they were swept."""
    known = {*board.params, "k", "chain"}
    values: dict[tuple, set] = {}
    for row in rows:
        plugins = tuple(row.params.get(name) for name in board.params if name.endswith(".name"))
        for name, value in row.params.items():
            if name not in known and name.startswith(VARYING[board.head]):
                values.setdefault((name, plugins), set()).add(str(value))
    return sorted({name for (name, _), seen in values.items() if len(seen) > 1})


def _fitting(board: Board, records: Sequence[dict], width: int) -> list[str]:
    """The columns of a board that a terminal has room for: the last metrics go first."""
    metrics = list(board.metrics)
    while len(metrics) > 1 and sum(_width(name, records) for name in _columns(board, metrics)) > width:
        metrics.pop()
    return _columns(board, metrics)


def _columns(board: Board, metrics: Sequence[str]) -> list[str]:
    return ["", *board.params, *metrics, "run"]


def _width(name: str, records: Sequence[dict]) -> int:
    return 2 + max(len(_heading(name)), *(len(cell(record.get(name))) for record in records))


def screen(file: object) -> "Console":
    """A console on `file`; wide where it is no terminal, so that nothing is cut in a log."""
    from rich.console import Console

    return Console(file=file, width=None if file.isatty() else WIDTH, highlight=False)


def _heading(name: str) -> str:
    """A column's short name: ``backbone``, ``chain``, ``DB``."""
    last = name.removesuffix(".name").split(".")[-1]
    for long, short in (("precision_at_", "P@"), ("hit_rate_at_", "hit@"), ("map_at_", "mAP@"), ("recall_at_", "R@")):
        last = last.replace(long, short)
    return SHORT.get(name, last)


def warn(rows: Sequence[Row]) -> None:
    """Say so where rows were made by different library versions or code."""
    versions = {tuple(sorted(row.versions.items())) for row in rows if row.versions}
    if len(versions) > 1:
        names = {name for group in versions for name, _ in set(group) - set.intersection(*map(set, versions))}
        say(f"warning: these rows come from different versions of {', '.join(sorted(names))}")
    if any(_older(row) for row in rows):
        say("warning: some rows were made by other code than the plan's; `backbench sweep` brings them up to date")


def _older(row: Row) -> bool:
    return any(row.plan.stages[row.run.stages[head]].code != record["code"] for head, record in row.heads.items())


def _record(board: Board, row: Row) -> dict[str, object]:
    shown = {name: row.params.get(name) for name in board.params}
    return {**shown, **{name: row.metrics.get(name) for name in board.metrics}, "run": hashing.short(row.config_hash)}


def cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
