"""``backbench audit --labels``: which labels are doubtful by a classifier that has not seen them."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench import hashing, paths
from backbench.cli.leaderboard import screen
from backbench.engine.results.joined_run import FINISHED, Row
from backbench.evaluate import chosen, configurations, leaderboard_specs
from backbench.inference import out_of_fold
from backbench.metrics import confident
from backbench.metrics.catalogue import CLASSIFICATION
from backbench.pictures.source import Source
from backbench.reports import labels
from backbench.reports.labels import Doubts
from backbench.schema import ConfigError
from backbench.stage import Context
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import cores, say
from backbench.wording import brief, percent

SHOWN = 12


def run(args: argparse.Namespace) -> int:
    """Rank the labels, write the page and show the most doubtful ones.

    Raises
    ------
    ConfigError
        If there is no such run, its classifier has no probabilities, or a collection was given too.
    """
    if args.overrides:
        raise ConfigError(
            f"audit --labels: received {' '.join(args.overrides)} too; leave that out, for it takes the run's images."
        )
    source = _source(args.labels)
    context = Context(threads=cores(args.cores))
    say(f"fitting {source.row.name} without a part of the images, {out_of_fold.FOLDS} times at most")
    probabilities, folds = out_of_fold.probabilities(source, context, panel.counting("fits"))
    doubts = Doubts(source, probabilities, confident.doubt(source.truth, probabilities), folds)
    page = labels.write(doubts)
    if args.json:
        print(json.dumps(doubts.summary(), indent=1))
    else:
        _show(doubts, page)
    return 1 if args.strict and doubts.count else 0


def _source(word: str) -> Source:
    """The run that a word names; ``best`` is the best one whose classifier has probabilities."""
    store = Store(paths.store())
    row = chosen.finished(word, store, (CLASSIFICATION,), panel.counting("resampling images"))
    if word.lower() == chosen.BEST and not _probable(row):
        others = [each for each in chosen.beside(row, store) if _probable(each) and _sound(each)]
        if others:
            other = max(configurations.most_labels(others), key=lambda each: leaderboard_specs.choosing(each.metrics))
            name, short = row.params["classifier.name"], hashing.short(other.config_hash)
            say(f"{name} has no probabilities; taking the best classifier that has them: {other.name} ({short})")
            row = other
    return Source(row, store)


def _probable(row: Row) -> bool:
    """Whether the classifier of a run has probabilities."""
    record = row.records.get(row.run.stages.get(CLASSIFICATION, ""), {})
    return out_of_fold.PROBABILITIES in record.get("arrays", {})


def _sound(row: Row) -> bool:
    return row.status == FINISHED and not math.isnan(leaderboard_specs.choosing(row.metrics))


def _show(doubts: Doubts, page: Path) -> None:
    """Print the verdict, the most doubtful labels, and where the rest is."""
    from rich.table import Table

    console = screen(sys.stdout)
    console.print(doubts.headline, markup=False, style="bold", soft_wrap=True)
    console.print(doubts.made_by, markup=False, soft_wrap=True)
    records = doubts.records(doubts.doubtful[:SHOWN])
    if records:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("image", "label", "suggested", "probabilities"):
            table.add_column(title, overflow="fold")
        for record in records:
            shares = f"{percent(record['label_probability'])} against {percent(record['suggested_probability'])}"
            table.add_row(*map(brief, _cells(record)), shares)
        console.print()
        console.print(table)
    console.print(f"\npage: {_shown(page)}   table: {_shown(page.parent / labels.TABLE)}", markup=False, soft_wrap=True)


def _cells(record: dict[str, object]) -> Sequence[object]:
    return record["image"], record["label"], record["suggested"]


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
