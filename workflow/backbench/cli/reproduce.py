"""``backbench reproduce``: compute one run again from scratch and compare it with its record."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backbench import hashing, paths, tracking
from backbench.cli import leaderboard
from backbench.engine.results import ledger, prefixes
from backbench.engine.results.joined_run import Row
from backbench.evaluate import chosen
from backbench.reproduce.comparison import Comparison, compare
from backbench.reproduce.computing import rerun, store_of
from backbench.reproduce.record import Recorded, from_row, from_tags
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping.describing import say
from backbench.wording import duration

OTHER_FILES = (
    "A run can only be reproduced from the files that it was computed from, and the collection has changed since. Undo "
    "the changes, or give a copy of the collection as it was."
)


def run(args: argparse.Namespace) -> int:
    recorded = find(args.hash, args.uri)
    say(f"reproducing {recorded.config_hash} ({recorded.source})")
    with _scratch(args.keep) as scratch:
        fresh, seconds = _rerun(recorded, scratch)
        comparison = compare(recorded, fresh, args.tolerance, (Store(paths.store()), store_of(scratch)))
    _print(comparison)
    say(f"{hashing.short(recorded.config_hash)} {comparison.verdict}; {duration(seconds)}")
    for change in comparison.changes:
        say(f"  note: {change}")
    return 0 if comparison.agrees else 1


def _rerun(recorded: Recorded, scratch: Path) -> tuple[Row, float]:
    try:
        return rerun(recorded, scratch, say)
    except RuntimeError as error:
        hint = f"\n{OTHER_FILES}" if "its content is" in str(error) else ""
        raise ConfigError(f"{error}{hint}") from error


def find(prefix: str, uri: str | None) -> Recorded:
    """The recorded run, from the results folder or, if it is not there, from MLflow."""
    if prefix.lower() == chosen.BEST:
        prefix = chosen.row(prefix, Store(paths.store())).config_hash
    rows = {row.config_hash: row for row in ledger.all_rows(_NoStore())}
    local = [full for full in rows if full.startswith(prefix.lower())]
    if local:
        return from_row(rows[prefixes.unique(prefix, local)])
    try:
        tracked = tracking.find(tracking.address(uri), prefix.lower())
    except (LookupError, ValueError, tracking.TrackingUnavailable) as error:
        known = [*rows]
        if known:
            prefixes.unique(prefix, known)
        raise ConfigError(f"{prefix}: there is no such run in {paths.results()}, and {error}") from error
    return from_tags(tracked.config_hash, tracked.config, tracked.metrics, tracked.tags)


class _NoStore(Store):
    """A store without results: the recorded run comes from the joined results alone."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"))

    def read(self, kind: str, member: str) -> None:
        return None


@contextlib.contextmanager
def _scratch(keep: str | None) -> Iterator[Path]:
    if keep:
        folder = Path(keep).absolute()
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"--keep: {folder} is not empty; name a new folder.")
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="backbench-reproduce-") as temporary:
            yield Path(temporary)


def _print(comparison: Comparison) -> None:
    from rich.table import Table

    table = Table(box=None)
    for name in ("", "recorded", "reproduced", "difference", ""):
        table.add_column(name)
    for line in comparison.lines:
        table.add_row(line.name, line.recorded, line.reproduced, line.difference, "ok" if line.agrees else "DIFFERS")
    leaderboard.screen(sys.stdout).print(table)
