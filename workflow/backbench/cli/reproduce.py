"""``backbench reproduce``: one run again from nothing, compared with what is recorded."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backbench import hashing, paths, tracking
from backbench.cli import leaderboard
from backbench.cli.plan import say
from backbench.reproduce import Comparison, Recorded, compare, from_row, from_tags, rerun
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweep.results import ledger
from backbench.wording import duration

OTHER_FILES = (
    "A run is reproduced from the very files that it was computed from, and the collection holds others now. Put back "
    "what was added, changed or removed since, or give a copy of it as it was."
)


def run(args: argparse.Namespace) -> int:
    recorded = find(args.hash, args.uri)
    say(f"reproducing {recorded.config_hash} ({recorded.source})")
    with _scratch(args.keep) as scratch:
        fresh, seconds = _rerun(recorded, scratch)
        found = compare(recorded, fresh, args.tolerance)
    _print(found)
    verdict = "agrees" if found.agrees else "DIFFERS"
    say(f"{hashing.short(recorded.config_hash)} {verdict}: {found.rule}; {duration(seconds)}")
    for change in found.changes:
        say(f"  note: {change}")
    return 0 if found.agrees else 1


def _rerun(recorded: Recorded, scratch: Path) -> tuple[ledger.Row, float]:
    try:
        return rerun(recorded, scratch, say)
    except RuntimeError as error:
        hint = f"\n{OTHER_FILES}" if "its content is" in str(error) else ""
        raise ConfigError(f"{error}{hint}") from error


def find(prefix: str, uri: str | None) -> Recorded:
    """The recorded run: from the results folder, or from MLflow where that does not hold it."""
    rows = {row.config_hash: row for row in ledger.all_rows(_NoStore())}
    local = [full for full in rows if full.startswith(prefix.lower())]
    if local:
        return from_row(rows[ledger.unique(prefix, local)])
    try:
        found = tracking.find(tracking.address(uri), prefix.lower())
    except (LookupError, ValueError, tracking.TrackingUnavailable) as error:
        known = [*rows]
        if known:
            ledger.unique(prefix, known)
        raise ConfigError(f"{prefix}: not in {paths.results()}, and {error}") from error
    return from_tags(found.config_hash, found.config, found.metrics, found.tags)


class _NoStore(Store):
    """A store that is never opened: what is compared against comes from the joined results alone."""

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
        with tempfile.TemporaryDirectory(prefix="backbench-reproduce-") as folder:
            yield Path(folder)


def _print(found: Comparison) -> None:
    from rich.table import Table

    table = Table(box=None)
    for name in ("", "recorded", "reproduced", "difference", ""):
        table.add_column(name)
    for line in found.lines:
        table.add_row(line.name, line.recorded, line.reproduced, line.difference, "ok" if line.agrees else "DIFFERS")
    leaderboard.screen(sys.stdout).print(table)
