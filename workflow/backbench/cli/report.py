"""``backbench report``: the answer of a sweep as one page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench import hashing, machine, paths, threads
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import PENDING, Row
from backbench.evaluate.answer import SweepAnswer
from backbench.reports import sweep as page
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping.describing import say
from backbench.wording import counted


def run(args: argparse.Namespace) -> int:
    plans = ledger.saved_plans()
    plan = find(args.sweep, plans if args.sweep else ledger.newest(plans, Store(paths.store())))
    rows = joined(plan, Store(paths.store()))
    to = Path(args.to).expanduser() if args.to else None
    if to and to.is_dir():
        raise ConfigError(f"--to: {to} is a folder; name a file in it, such as {to / page.PAGE}.")
    with threads.beside(machine.cores()):
        written = page.write(SweepAnswer(plan, rows, Store(paths.store())), to)
    pending = sum(row.status == PENDING for row in rows)
    if pending:
        runs = counted(len(rows), "run")
        say(f"{pending} of {runs} pending; the page covers the others, and `backbench sweep` continues")
    print(to or written, file=sys.stdout)
    return 0


def find(prefix: str | None, plans: Sequence[Plan]) -> Plan:
    """The newest sweep, or the one whose id starts with `prefix`.

    Raises
    ------
    ConfigError
        If there is none, or several start with it.
    """
    if not plans:
        raise ConfigError(f"there are no sweeps in {paths.results()} yet; run `backbench sweep` first.")
    if prefix is None:
        return plans[-1]
    if not prefix:
        raise ConfigError("received an empty text in place of a sweep; `backbench sweeps ls` lists them.")
    matches = [plan for plan in plans if plan.sweep.startswith(prefix.lower())]
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(hashing.short(plan.sweep) for plan in (matches or plans)[-5:])
    if matches:
        raise ConfigError(f"{prefix}: {len(matches)} sweeps start with it ({listed}); give more digits.")
    raise ConfigError(f"{prefix}: no sweep has an id that starts with it; the newest are {listed}.")


def joined(plan: Plan, store: Store) -> list[Row]:
    """The rows of a sweep from the store and from earlier joined results; joins them if that was not done yet.

    Raises
    ------
    ConfigError
        If the sweep has no results yet.
    """
    kept = ledger.read_records(plan, store)
    records = {**ledger.joined_records(plan), **kept}
    if not ledger.has_results(records):
        known = hashing.short(plan.sweep)
        raise ConfigError(f"sweep {known} has no results yet; run the same `backbench sweep` again to compute them.")
    if not (plan.folder / ledger.RESULTS).exists():
        ledger.join(plan, records)
    return ledger.rows(plan, records)
