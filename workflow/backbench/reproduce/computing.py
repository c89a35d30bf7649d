"""Compute a recorded run again in an empty store."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.engine.grid import HEADS, Grid, Run, Stage
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.files import write_text
from backbench.reproduce.record import Recorded
from backbench.schema import ConfigError
from backbench.stage import KINDS, RECIPE
from backbench.store import Store
from backbench.wording import duration

# Between two lines on how far a stage is.
LINE_SECONDS = 10.0
SCRIPTS = {
    "dataset": "fetch_dataset",
    "features": "extract_features",
    "matrix": "transform_features",
    "clustering": "fit_clusterers",
    "classification": "fit_classifiers",
    "retrieval": "retrieve_neighbours",
}


def rerun(recorded: Recorded, scratch: Path, say: Callable[[str], None]) -> tuple[Row, float]:
    """Compute every stage of a recorded run in `scratch`, each as a job of its own with the recorded number of threads.

    Raises
    ------
    ConfigError
        If a version recorded it that identified the files of a collection in another way.
    RuntimeError
        If a stage cannot be computed; its log is quoted.
    """
    _refuse_older(recorded)
    started = time.monotonic()
    plan = _plan(recorded)
    path = scratch / "plan.json"
    write_text(path, plans.dumps(plan))
    store = store_of(scratch)
    parts = _parts(recorded.stages)
    order = {shard.id: (KINDS.index(shard.kind), not set(parts) & set(shard.members)) for shard in plan.shards.values()}
    shards = sorted(plan.shards.values(), key=lambda shard: order[shard.id])
    for number, shard in enumerate(shards, 1):
        begun = time.monotonic()
        then = _then(recorded.seconds, shard, _role(shard, parts))
        took = f", which took {duration(then)}" if then is not None else ""
        say(f"  {number} of {len(shards)}: {shard.kind} {shard.family}{took}")
        _compute(shard, path, scratch, recorded, say)
        say(f"  {shard.kind} {shard.family}: {time.monotonic() - begun:.1f} s")
    row = ledger.rows(plan, ledger.read_records(plan, store))[0]
    return row, time.monotonic() - started


def store_of(scratch: Path) -> Store:
    """The store of a run that is computed again."""
    return Store(scratch / "store")


def _parts(stages: Mapping[str, Stage]) -> dict[str, str]:
    """Features that others are made of, with what they are to these: ``part_01``."""
    features = (stage for stage in stages.values() if stage.kind == "features")
    pairs = (pair for stage in features for pair in stage.parents.items())
    return {ref: role for role, (kind, ref) in pairs if kind == "features"}


def _plan(recorded: Recorded) -> Plan:
    kinds, parts = (*HEADS, "features"), _parts(recorded.stages)
    heads = {
        stage.kind: member for member, stage in recorded.stages.items() if stage.kind in kinds and member not in parts
    }
    data = {stage.kind: member for member, stage in recorded.stages.items() if stage.kind == "dataset"}
    run = Run(recorded.config_hash, {**data, **heads})
    stages = {member: replace(_prepared(stage, recorded.stages), aids={}) for member, stage in recorded.stages.items()}
    return plans.freeze(Grid(stages, {run.hash: run}), {"reproduce": recorded.config_hash})


def _refuse_older(recorded: Recorded) -> None:
    for stage in recorded.stages.values():
        if stage.kind == RECIPE and "root" in stage.local:
            raise ConfigError(
                f"{hashing.short(recorded.config_hash)} was recorded when files were identified by the digest of their "
                "decoded pixels and photographs were decoded whole. Since then files are identified by the digest of "
                "their bytes, and large photographs are decoded at a reduced scale, so that its config hash cannot be "
                "made again. Sweep the collection again with the same overrides; `backbench diff` compares both runs."
            )


def _prepared(stage: Stage, stages: Mapping[str, Stage]) -> Stage:
    """Features with the way in which their images are prepared, which older records keep with the images alone."""
    kind, member = stage.parents.get(RECIPE, ("", ""))
    if stage.kind != "features" or kind != RECIPE or "image" in stage.local:
        return stage
    return replace(stage, local={**stage.local, "image": stages[member].config})


def _compute(shard: Shard, plan: Path, scratch: Path, recorded: Recorded, say: Callable[[str], None]) -> None:
    """Compute a shard by its script, and say now and then how far it is."""
    script = paths.CHECKOUT / "scripts" / f"{SCRIPTS[shard.kind]}.py"
    role = _role(shard, _parts(recorded.stages))
    threads = _then(recorded.environment.threads, shard, role) or 1
    command = [sys.executable, str(script), "--plan", str(plan), "--shard", shard.id, "--threads", str(threads)]
    command += ["--device", _then(recorded.environment.devices, shard, role) or "cpu"]
    command += ["--batch-size", str(recorded.batch_size)] if recorded.batch_size else []
    places = {"RESULTS": scratch, "STORE": store_of(scratch).root, "DOWNLOADS": paths.downloads()}
    environment = {**os.environ, **{f"BACKBENCH_{key}": str(value) for key, value in places.items()}}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            errors = _errors(process, scratch / "progress" / f"{shard.kind}-{hashing.short(shard.id)}.json", say)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        words = "\n".join(errors.strip().splitlines()[-5:])
        raise RuntimeError(f"{shard.kind} {shard.family} could not be computed again:\n{words}")


def _errors(process: "subprocess.Popen[str]", progress: Path, say: Callable[[str], None]) -> str:
    """What a job writes to its log until it ends; meanwhile its progress is said."""
    while True:
        try:
            return process.communicate(timeout=LINE_SECONDS)[1]
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError, ValueError, KeyError):  # it reports none, or has ended meanwhile
                state = json.loads(progress.read_text())
                left = f", about {duration(state['left'])} left" if state["left"] else ""
                say(f"    {state['done']:,} of {state['total']:,}{left}")


def _role(shard: Shard, parts: Mapping[str, str]) -> str | None:
    """What a shard is to the features that it is a part of; None where it is none."""
    return next((parts[member] for member in shard.members if member in parts), None)


def _then(recorded: Mapping[str, Any], shard: Shard, role: str | None) -> Any:
    """What was recorded for a stage; a matrix is recorded under the task that works on it, a part under its role."""
    if role is not None:
        return recorded.get(f"{role}.{shard.kind}")
    heads = (f"{head}.{shard.kind}" for head in HEADS)
    return next((recorded[key] for key in (shard.kind, *heads) if key in recorded), None)
