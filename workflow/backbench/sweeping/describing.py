"""What a launch would do, in words: its runs and fits, what is done of them, and how long the rest will take."""

import contextlib
import re
import sys
from collections import Counter

from backbench import first_words, hashing, launching, machine, planning
from backbench.engine.grid import HEADS
from backbench.engine.plan.frozen import Plan
from backbench.engine.run.status import CURRENT, STALE, Status
from backbench.engine.time import launches
from backbench.engine.time.clusters import Cluster
from backbench.engine.time.estimate import Expectation
from backbench.engine.time.launches import Announced
from backbench.pictures import drawing, forecast
from backbench.schema import ConfigError
from backbench.stage import KINDS, RECIPE
from backbench.store import FAILED
from backbench.wording import counted


def describe(planned: planning.Planned, state: Status, n_cores: int, cluster: Cluster | None = None) -> Announced:
    """Print a plan and its state to stderr; returns the estimate of its time, here or on a cluster."""
    plan = planned.plan
    fits = sum(stage.kind in HEADS for stage in plan.stages.values())
    experiment = plan.request.get("experiment")
    title = "sweep" if experiment in (None, "none") else experiment
    say(f"{title}: {counted(len(plan.runs), 'run')} from {counted(fits, 'distinct fit')}")
    for notice in planned.notices:
        say(f"  note: {notice}")
    if not planned.fingerprinted:
        unread = counted(planned.unread, "file")
        say(f"  {unread} not read yet; `sweep` reads them first, and hashes are provisional until then")
    say(_table(plan, state))
    for member, (known, rows) in state.known.items():
        say(f"  features of {plan.stages[member].family}: {known:,} of {rows:,} images are cached")
    rescored = launches.rescored(Expectation(plan, state, n_cores))
    if rescored:
        say(f"  {rescored}")
    pending = sum(state.pending(shard) for shard in (*plan.shards.values(), *plan.scoring.values()))
    announced = announce(plan, state, n_cores, cluster)
    packed = f", in {counted(announced.jobs, f'{_named(cluster)} job')}" if cluster else ""
    say(f"jobs to run: {pending} of {len(plan.shards)}{packed}; estimated time: {announced.text}")
    for line in announced.longest:
        say(f"  {line}")
    say(f"plan {hashing.short(plan.hash)}, sweep {hashing.short(plan.sweep)}")
    return announced


def _named(cluster: Cluster) -> str:
    return cluster.executor.upper() if cluster.executor in ("slurm", "lsf") else cluster.executor


def announce(plan: Plan, state: Status, n_cores: int, cluster: Cluster | None = None) -> Announced:
    """The estimated time of a launch, including its pictures."""
    due = drawing.wanted(plan) and (state.due or launching.undrawn(plan))
    drawn = forecast.of_sweep(plan) if due else forecast.Forecast()
    return launches.announce(plan, state, n_cores, drawn.pictures, drawn.seconds, cluster)


def _table(plan: Plan, state: Status) -> str:
    lines = [f"  {'stage':<16}{'total':>7}{'done':>7}{'pending':>9}{'failed before':>15}{'older code':>12}"]
    for kind in KINDS:
        if kind == RECIPE:
            continue
        members = [key for key, stage in plan.stages.items() if stage.kind == kind]
        if not members:
            continue
        states = Counter(state.states[member] for member in members)
        pending = sum(member in state.needed for member in members)
        cells = (len(members), states[CURRENT], pending, states[FAILED], states[STALE])
        lines.append(_table_line(kind, *cells))
    if state.scores:
        lines.append(_scores_line(plan, state))
    return "\n".join(lines)


def _scores_line(plan: Plan, state: Status) -> str:
    """The scores of the fits, which are stored apart from them."""
    fits = [key for key, stage in plan.stages.items() if stage.kind in HEADS]
    states = Counter(state.scores[fit] for fit in fits if fit in state.scores)
    pending = sum(fit in state.needed or state.scores.get(fit) != CURRENT for fit in fits)
    return _table_line("scores", len(fits), states[CURRENT], pending, states[FAILED], states[STALE])


def _table_line(kind: str, total: int, done: int, pending: int, failed: int, older: int) -> str:
    return f"  {kind:<16}{total:>7}{done:>7}{pending:>9}{failed:>15}{older:>12}"


def cores(asked: str) -> int:
    """Number of cores that ``--cores`` means."""
    if asked == "all":
        return machine.cores()
    if not re.fullmatch(r"[0-9]{1,6}", asked) or int(asked) < 1:
        raise ConfigError(f"--cores: received {asked!r}; allowed: all, or a whole number >= 1.")
    return int(asked)


def say(text: str) -> None:
    """Print to stderr, where everything goes that is not machine-readable; a terminal that is closed stops nothing."""
    first_words.over()
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
