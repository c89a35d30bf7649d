"""``backbench track``: bring MLflow up to date with the results."""

import argparse

from backbench import hashing, lock, paths, tracking
from backbench.engine.results import ledger
from backbench.evaluate.answer import SweepAnswer
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import say
from backbench.tracking import sweeps
from backbench.wording import counted


def run(args: argparse.Namespace) -> int:
    plans = ledger.saved_plans()
    if not plans:
        raise ConfigError("there are no sweeps here yet; run `backbench sweep` first.")
    store = Store(paths.store())
    with lock.sweep_lock():
        for plan in plans:
            rows = ledger.rows(plan, {**ledger.joined_records(plan), **ledger.read_records(plan, store)})
            try:
                report = sweeps.record(SweepAnswer(plan, rows, store), args.uri, panel.counting("recording in MLflow"))
            except tracking.TrackingUnavailable as error:
                say(str(error))
                return 1
            say(
                f"sweep {hashing.short(plan.sweep)}: {counted(report.created, 'run')} created, "
                f"{report.updated} updated, {report.unchanged} unchanged in {report.seconds:.1f} s"
            )
    return 0
