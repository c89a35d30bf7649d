"""``backbench report``: the answer of a sweep as one page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench import hashing, paths
from backbench.cli.plan import say
from backbench.evaluate.answer import SweepAnswer
from backbench.reports import sweep as page
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results import ledger
from backbench.sweep.results.ledger import PENDING, Row
from backbench.wording import counted


def run(args: argparse.Namespace) -> int:
    plans = ledger.saved_plans()
    plan = find(args.sweep, plans if args.sweep else ledger.newest(plans, Store(paths.store())))
    rows = joined(plan, Store(paths.store()))
    to = Path(args.to).expanduser() if args.to else None
    if to and to.is_dir():
        raise ConfigError(f"--to: {to} is a folder; name a file in it, such as {to / page.PAGE}.")
    written = page.write(SweepAnswer(plan, rows, Store(paths.store())), to)
    pending = sum(row.status == PENDING for row in rows)
    if pending:
        say(f"{pending} of {counted(len(rows), 'run')} pending: the page is of the others; `backbench sweep` goes on")
    print(to or written, file=sys.stdout)
    return 0


def find(prefix: str | None, plans: Sequence[Plan]) -> Plan:
    """The newest sweep, or the one whose id begins with `prefix`.

    Raises
    ------
    ConfigError
        If there is none, or several begin so.
    """
    if not plans:
        raise ConfigError(f"no sweep was made in {paths.results()}; `backbench sweep` makes one.")
    if prefix is None:
        return plans[-1]
    found = [plan for plan in plans if plan.sweep.startswith(prefix.lower())]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(hashing.short(plan.sweep) for plan in (found or plans)[-5:])
    if found:
        raise ConfigError(f"{prefix}: {len(found)} sweeps start with it ({listed}); give more digits.")
    raise ConfigError(f"{prefix}: no sweep here has an id that starts so; the newest are {listed}.")


def joined(plan: Plan, store: Store) -> list[Row]:
    """The rows of a sweep from the store, or from what was joined where the store is gone; joins what there is.

    Raises
    ------
    ConfigError
        If nothing of the sweep is done yet.
    """
    kept = ledger.read_records(plan, store)
    records = {**ledger.joined_records(plan), **kept}
    if not ledger.has_results(records):
        known = hashing.short(plan.sweep)
        raise ConfigError(f"nothing of sweep {known} is done yet; the same `backbench sweep` again computes it.")
    if not (plan.folder / ledger.RESULTS).exists():
        ledger.join(plan, records)
    return ledger.rows(plan, records)
