"""``backbench plan``: what a sweep would run."""

import argparse
import re
import sys
from collections import Counter

from backbench import hashing, launching, machine, paths, planning
from backbench.pictures import drawing, forecast
from backbench.stage import KINDS, RECIPE
from backbench.store import FAILED, Store
from backbench.sweep.grid import HEADS
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results import ledger
from backbench.sweep.run import status
from backbench.sweep.run.status import CURRENT, STALE, Status
from backbench.sweep.time import launches
from backbench.sweep.time.estimate import Expectation
from backbench.sweep.time.launches import Announced
from backbench.wording import counted


def run(args: argparse.Namespace) -> int:
    planned = planning.make(args.overrides, fingerprint=False, tell=say)
    store = Store(paths.store())
    state = planning.with_known(planned, status.inspect(planned.plan, store), store)
    describe(planned, state, cores(args.cores))
    if args.list:
        for row in ledger.rows(planned.plan, state.records):
            print(hashing.short(row.config_hash), row.status, row.name)
    return 0


def describe(planned: planning.Planned, found: Status, n_cores: int) -> Announced:
    """Print a plan and its state to stderr; returns what is announced of its time."""
    plan = planned.plan
    fits = sum(stage.kind in HEADS for stage in plan.stages.values())
    title = plan.request.get("experiment", "sweep")
    say(f"{title}: {counted(len(plan.runs), 'run')} from {counted(fits, 'distinct fit')}")
    for notice in planned.notices:
        say(f"  note: {notice}")
    if not planned.fingerprinted:
        unread = counted(planned.unread, "file")
        say(f"  {unread} not read yet: `sweep` reads them first; until then, hashes are provisional")
    say(_table(plan, found))
    for member, (known, rows) in found.known.items():
        say(f"  features of {plan.stages[member].family}: {known:,} of {rows:,} images known, the others are computed")
    rescored = launches.rescored(Expectation(plan, found, n_cores))
    if rescored:
        say(f"  {rescored}")
    pending = sum(found.pending(shard) for shard in (*plan.shards.values(), *plan.scoring.values()))
    announced = announce(plan, found, n_cores)
    say(f"shards to compute: {pending} of {len(plan.shards)}; time: {announced.text}")
    for line in announced.longest:
        say(f"  {line}")
    say(f"plan {hashing.short(plan.hash)}, sweep {hashing.short(plan.sweep)}")
    return announced


def announce(plan: Plan, found: Status, n_cores: int) -> Announced:
    """How long a launch will take, its pictures among it."""
    due = drawing.wanted(plan) and (found.due or launching.undrawn(plan))
    drawn = forecast.of_sweep(plan) if due else forecast.Forecast()
    return launches.announce(plan, found, n_cores, drawn.pictures, drawn.seconds)


def _table(plan: Plan, found: Status) -> str:
    lines = [f"  {'stage':<16}{'total':>7}{'done':>7}{'pending':>9}{'failed before':>15}{'older code':>12}"]
    for kind in KINDS:
        if kind == RECIPE:
            continue
        members = [key for key, stage in plan.stages.items() if stage.kind == kind]
        if not members:
            continue
        states = Counter(found.states[member] for member in members)
        pending = sum(member in found.needed for member in members)
        cells = (len(members), states[CURRENT], pending, states[FAILED], states[STALE])
        lines.append(_table_line(kind, *cells))
    if found.scores:
        lines.append(_scores_line(plan, found))
    return "\n".join(lines)


def _scores_line(plan: Plan, found: Status) -> str:
    """The scores of the fits, which are stored apart from them."""
    fits = [key for key, stage in plan.stages.items() if stage.kind in HEADS]
    states = Counter(found.scores[fit] for fit in fits if fit in found.scores)
    pending = sum(fit in found.needed or found.scores.get(fit) != CURRENT for fit in fits)
    return _table_line("scores", len(fits), states[CURRENT], pending, states[FAILED], states[STALE])


def _table_line(kind: str, total: int, done: int, pending: int, failed: int, older: int) -> str:
    return f"  {kind:<16}{total:>7}{done:>7}{pending:>9}{failed:>15}{older:>12}"


def cores(asked: str) -> int:
    """Number of cores that ``--cores`` means."""
    if asked == "all":
        return machine.cores()
    if not re.fullmatch(r"[0-9]{1,6}", asked) or int(asked) < 1:
        raise planning.ConfigError(f"--cores: received {asked!r}; allowed: all, or a whole number >= 1.")
    return int(asked)


def say(text: str) -> None:
    """Everything that is not machine-readable goes to stderr."""
    print(text, file=sys.stderr)
