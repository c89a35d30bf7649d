"""``backbench leaderboard``: the best of each head with intervals and ranks, every stage result once."""

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from backbench import hashing, paths
from backbench.cli import panel
from backbench.cli.plan import say
from backbench.evaluate import agreement, answer, leaderboard_specs, leaderboards
from backbench.evaluate.agreement import Agreement
from backbench.evaluate.answer import DatasetAnswer
from backbench.evaluate.leaderboard_specs import by_dataset
from backbench.evaluate.leaderboards import Entry, Leaderboard
from backbench.metrics import catalogue
from backbench.reproduce import environment
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweep.results import ledger, tables
from backbench.sweep.results.joined_run import Row
from backbench.wording import counted, listed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid

__all__ = ["by_dataset", "cell", "run", "screen", "show", "warn"]

WIDTH = 130
SHORT = {"eps_quantile": "eps q"}
# Metrics that a table keeps on a narrow terminal before it gives up the interval of the first.
KEPT = 2
# Feature spaces of a data set of which it is said that internal metrics mislead.
WARNINGS = 3

Record = dict[str, object]


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    rows = ledger.all_rows(store)
    kept = {record["config_hash"] for record in tables.select([tables.flatten(row) for row in rows], args.filter)}
    rows = [row for row in rows if row.config_hash in kept]
    if not rows:
        raise ConfigError("no recorded run matches; run `backbench sweep` first.")
    answers = answer.by_dataset(rows, store, panel.counting("resampling images"))
    if args.format == "table":
        show(answers, args.limit, sys.stdout)
        return 0
    records = [
        {"dataset": title, "board": table.spec.head, "title": table.title, **_machine(table, entry)}
        for title, group in answers.items()
        for table in group.leaderboards
        for entry in table.entries[: args.limit]
    ]
    names = list(dict.fromkeys(key for record in records for key in record))
    print((tables.to_csv if args.format == "csv" else tables.to_json)(records, names), end="")
    return 0


def show(answers: Mapping[str, DatasetAnswer], limit: int = 5, target: IO[str] | None = None) -> None:
    """Print the leaderboards of data sets, by their titles, to a terminal."""
    console = screen(target or sys.stderr)
    for title, group in answers.items():
        if len(answers) > 1:
            console.print(f"\n[bold]{title}[/bold]")
        for table in group.leaderboards:
            console.print()
            grid, whole = _grid(table, limit, console.width)
            console.print(grid)
            room = "" if whole else " The intervals do not fit here; --format csv has them."
            console.print(f"  {leaderboards.words(table)}{room}", markup=False, soft_wrap=True)
        if misled := _misled(group.agreements):
            console.print(
                "\nwarning: the internal metrics would choose clusterings that the classes do not support:",
                markup=False,
            )
            for line in misled:
                console.print(f"  {line}", markup=False, soft_wrap=True)
    warn([row for group in answers.values() for row in group.rows])


def _misled(agreements: Sequence[Agreement]) -> list[str]:
    """Where an internal metric would choose a much worse clustering than the classes would: the dearest choice of each
    feature space, the worst spaces first."""
    dearest: dict[tuple[str, str], str] = {}
    for disagreement in agreement.disagreements(agreements):
        dearest.setdefault((disagreement.matrix, disagreement.space), disagreement.text)
    lines = list(dearest.values())
    more = (
        [f"and, by a smaller margin, in {counted(len(lines) - WARNINGS, 'other feature space')}"]
        if len(lines) > WARNINGS
        else []
    )
    return [*lines[:WARNINGS], *more]


def _grid(table: Leaderboard, limit: int, width: int) -> tuple["Grid", bool]:
    """The best of a table, and whether it shows all the intervals of the ranking metric that there are."""
    from rich.markup import escape
    from rich.table import Table as Grid

    entries = table.entries[:limit]
    params = [*table.spec.params, *leaderboard_specs.varying(table.spec, [entry.row for entry in table.entries])]
    records = [{"": _rank(entry), **_record(table, entry, params)} for entry in entries]
    names, interval = _fitting(table, params, records, width)
    for record, entry in zip(records, entries, strict=True):
        record[table.spec.rank] = _value(entry, table.spec.rank, interval)
    title = escape(f"{table.title}: {len(records)} of {len(table.entries)}")
    grid = Grid(title=title, title_justify="left", box=None)
    for name in names:
        kept = _width(name, records) - 2 if name in ("", "k", table.spec.rank) else None
        grid.add_column(_heading(name), justify="left" if name in params else "right", no_wrap=True, min_width=kept)
    for record in records:
        grid.add_row(*(escape(cell(record.get(name))) for name in names))
    return grid, interval or not any(entry.values[table.spec.rank].over for entry in entries)


def _rank(entry: Entry) -> str:
    """``1``; ``1=`` where the rank is shared."""
    return f"{entry.rank}=" if entry.tied > 1 else f"{entry.rank} "


def _record(table: Leaderboard, entry: Entry, params: Iterable[str]) -> Record:
    shown: Record = {name: entry.params.get(name) for name in params}
    shown |= {name: entry.values[name].mean for name in table.spec.metrics if name in entry.values}
    seeds = {"seeds": len(entry.rows), "stability": entry.stability}
    return {**shown, **seeds, "run": hashing.short(entry.config_hash)}


def _value(entry: Entry, metric: str, interval: bool) -> str:
    """``0.8312``, with its interval ``0.8312 [0.812, 0.849]`` where there is one and room for it."""
    estimate = entry.values[metric]
    between = f" [{estimate.low:.3f}, {estimate.high:.3f}]" if interval and estimate.over else ""
    return f"{cell(estimate.mean)}{between}"


def _fitting(
    table: Leaderboard, params: Sequence[str], records: Sequence[Record], width: int
) -> tuple[list[str], bool]:
    """The columns that a terminal has room for, and whether the ranking metric has its interval: the last metrics go
    first, then the interval, then all but that metric."""
    extra = [name for name, least in (("seeds", 2), ("stability", -2)) if _any(records, name, least)]
    metrics, interval = list(table.spec.metrics), True
    between = {
        "": max((len(_value(entry, table.spec.rank, True)) for entry in table.entries[: len(records)]), default=0)
    }

    def columns() -> list[str]:
        return ["", *params, *metrics, *extra, "run"]

    def taken() -> int:
        more = between[""] - _width(table.spec.rank, records) + 2 if interval else 0
        return sum(_width(name, records) for name in columns()) + max(more, 0)

    while taken() > width and (interval or len(metrics) > 1):
        if len(metrics) > KEPT or not interval:
            metrics.pop()
        else:
            interval = False
    return columns(), interval


def _any(records: Sequence[Record], name: str, least: float) -> bool:
    return any(isinstance(value, int | float) and value >= least for value in (record[name] for record in records))


def _width(name: str, records: Sequence[Record]) -> int:
    return 2 + max(len(_heading(name)), *(len(cell(record.get(name))) for record in records))


def screen(file: IO[str]) -> "Console":
    """A console on `file`; wide if that is not a terminal, so that nothing is cut in a log."""
    from rich.console import Console

    return Console(file=file, width=None if file.isatty() else WIDTH, highlight=False)


def _heading(name: str) -> str:
    """A column's short name: ``backbone``, ``chain``, ``DB``."""
    if catalogue.known(name):
        return catalogue.metric(name).short
    last = name.removesuffix(".name").split(".")[-1]
    return SHORT.get(last, last)


def _machine(table: Leaderboard, entry: Entry) -> Record:
    """An entry as programs read it: the interval of the ranking metric, then those of the others by name."""
    ranked, spec = entry.values[table.spec.rank], table.spec
    place = {"rank": entry.rank, "tied": entry.tied, "ranked_by": spec.rank}
    shown = _record(
        table, entry, [*spec.params, *leaderboard_specs.varying(spec, [other.row for other in table.entries])]
    )
    hash_ = {"run": shown.pop("run")}
    between = {"low": ranked.low, "high": ranked.high, "over": ranked.over}
    others = {
        f"{name}_{end}": getattr(value, end)
        for name, value in entry.values.items()
        if name != spec.rank and value.over
        for end in ("low", "high")
    }
    return {**place, **shown, **between, **others, **hash_}


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


def cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
