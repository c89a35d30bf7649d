"""What comes before and after Snakemake: the plan it works on, receipts that agree with the store."""

import atexit
import logging
import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import launch_record, lock, paths, planning, processes, schema, settings, slurm
from backbench.engine.plan import batches, frozen
from backbench.engine.plan.batches import Batches
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.engine.run import leftovers, status
from backbench.engine.run.status import Status
from backbench.engine.time import clusters
from backbench.engine.time.clusters import Cluster
from backbench.files import remove
from backbench.images import cache
from backbench.images.policy import Image as Policy
from backbench.pictures import drawing
from backbench.stage import RECIPE
from backbench.store import Store

log = logging.getLogger(__name__)

# Between two looks at what an earlier launch left running.
LOOK_SECONDS = 5.0
# Is set for the jobs of a cluster: they compute batches.
BATCHES = "BACKBENCH_BATCHES"
# Locks of a plain `snakemake`, held until its process ends.
_HELD: list[Any] = []
# The launch that a plain `snakemake` has begun.
_PLAIN: list[str] = []


def for_snakemake(
    config: Mapping[str, Any], main: bool, cluster: Cluster | None = None, dry: bool = False
) -> tuple[Plan, Batches | None]:
    """The plan that a Snakefile works on, and the batches that its jobs on a cluster compute; None where there is none.

    The launcher names a plan file. Plain ``snakemake`` makes the plan of ``--config experiment=NAME`` here; its jobs
    in other processes find it in the environment.

    Parameters
    ----------
    cluster
        Where the main process sends its jobs.
    dry
        Whether Snakemake is only asked what it would do or what there is: it waits for nothing and leaves no record.
    """
    named = config.get("plan") or (None if main else os.environ.get("BACKBENCH_PLAN"))
    if named:
        sweep_plan = frozen.load(Path(named))
    else:
        sweep_plan = planning.make([f"experiment={config['experiment']}"] if "experiment" in config else []).plan
        frozen.save(sweep_plan)
    os.environ["BACKBENCH_PLAN"] = str(sweep_plan.path)
    if main:
        launch = os.environ.get(lock.HELD)
        if launch is None:
            _HELD.append(lock.acquire())
            launch = None if dry else _begun(sweep_plan, cluster)
        if launch:
            launch_record.change(launch, snakemake=processes.me())
            launch_record.beat_until_the_end(launch)
        state = prepare(sweep_plan)
        os.environ.pop(BATCHES, None)
        if cluster:
            os.environ[BATCHES] = "1"
            busy = launch is None and leftovers.find(launch_record.current())
            return sweep_plan, batches.load(sweep_plan) if busy else _batches(sweep_plan, state, cluster)
    return sweep_plan, batches.load(sweep_plan) if os.environ.get(BATCHES) else None


def _batches(sweep_plan: Plan, state: Status, cluster: Cluster) -> Batches:
    """The batches of a launch, frozen; those of the last launch where nothing is left of them to do."""
    last = batches.load(sweep_plan)
    if not state.due and all(batch.receipt.is_file() for batch in last.batches):
        return last
    return batches.save(sweep_plan, clusters.packed(sweep_plan, state, cluster), cluster.attempts, cluster.limit)


def _begun(sweep_plan: Plan, cluster: Cluster | None) -> str:
    """Begin the launch of a plain Snakemake, once nothing of an earlier launch runs; returns its id."""
    left = leftovers.find(launch_record.current())
    if left:
        log.warning("the launch of %s was killed; still running: %s; waiting for it", left.launch.where, left.text)
    while left:
        time.sleep(LOOK_SECONDS)
        left = leftovers.find(left.launch)
    lock.clear_snakemake_lock(paths.results())
    if paths.results().parent == Path.cwd():
        lock.clear_snakemake_lock(Path.cwd())
    executor = cluster.executor if cluster else "local"
    about = {"executor": executor, "plan": sweep_plan.hash, "sweep": sweep_plan.sweep, "folder": str(Path.cwd())}
    launch = launch_record.begin(
        shlex.join(["snakemake", *sys.argv[1:]]), phase=launch_record.COMPUTING, computing=time.time(), **about
    )
    _PLAIN.append(launch.id)
    atexit.register(_ended, launch.id)
    return launch.id


def _ended(launch: str) -> None:
    """Say that a plain Snakemake has ended in order; it has failed where nothing says otherwise."""
    record = launch_record.current()
    outcome = (record.outcome if record and record.id == launch else None) or launch_record.FAILED
    launch_record.change(launch, ended=time.time(), outcome=outcome)


def prepare(sweep_plan: Plan) -> Status:
    """Bring the receipts into line with the store, before Snakemake looks at them."""
    state = status.inspect(sweep_plan, Store(paths.store()))
    status.sync_receipts(sweep_plan, state)
    if state.due:  # also where all fits are there, and what goes before them is not
        remove(sweep_plan.folder / ledger.RESULTS)
    if not ledger.joined(sweep_plan, state.states, state.scores):
        remove(sweep_plan.folder / ledger.RESULTS)
        remove(sweep_plan.tracked)
        remove(page(sweep_plan))
    if drawing.wanted(sweep_plan) and not drawing.current(sweep_plan):
        remove(drawing.receipt(sweep_plan))
    if state.due or not sweep_plan.tracked.exists() or undrawn(sweep_plan) or not page(sweep_plan).exists():
        # Where the last file is there, Snakemake does not make one that is missing before it.
        remove(last(sweep_plan))
    return state


def suit_cluster(executor_settings: Any) -> None:
    """Before Snakemake's first job: its SLURM plugin would ask ``sacct`` for ever where that has no accounting."""
    if getattr(executor_settings, "status_command", None) == "sacct" and slurm.accounting() is False:
        executor_settings.status_command = "squeue"
        log.warning("sacct has no accounting to ask; squeue is asked instead (slurm-status-command: squeue says so)")


def finish(sweep_plan: Plan) -> None:
    """After a launch that went well: say so, and drop the decoded images of its features, unless they are kept."""
    for launch in _PLAIN:
        launch_record.change(launch, outcome=launch_record.FINISHED)
    if os.environ.get(settings.KEEP_IMAGES) or not all(s.receipt.is_file() for s in sweep_plan.shards.values()):
        return
    recipes = [stage.config for stage in sweep_plan.stages.values() if stage.kind == RECIPE]
    cache.drop(paths.store(), [schema.parse(Policy, config, "image") for config in recipes])


def undrawn(sweep_plan: Plan) -> bool:
    """Whether a sweep is to have pictures that are not drawn yet."""
    return drawing.wanted(sweep_plan) and not drawing.receipt(sweep_plan).exists()


def coming(sweep_plan: Plan) -> list[str]:
    """What of a sweep is not made yet that follows its joined runs, in words."""
    drawn, written = not undrawn(sweep_plan), page(sweep_plan).exists()
    words = [] if sweep_plan.tracked.exists() else ["the record in MLflow"]
    return [*words, *([] if drawn else ["the pictures"]), *([] if written and drawn else ["the report"])]


def page(sweep_plan: Plan) -> Path:
    """The report of a sweep."""
    return sweep_plan.folder / "report.html"


def last(sweep_plan: Plan) -> Path:
    """The file with which a launch ends: if nothing is drawn, MLflow gets the report together with the runs."""
    return attached(sweep_plan) if drawing.wanted(sweep_plan) else sweep_plan.tracked


def attached(sweep_plan: Plan) -> Path:
    """The file that says that MLflow has the pictures and the report of a sweep too."""
    return sweep_plan.tracked.with_name(f"{sweep_plan.tracked.stem}-pages.json")
