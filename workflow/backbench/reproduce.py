"""Compute a recorded run again in an empty store and compare."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backbench import hashing, paths, provenance
from backbench.files import write_text
from backbench.schema import ConfigError
from backbench.stage import KINDS, RECIPE
from backbench.store import Store
from backbench.sweep.grid import HEADS, Grid, Run, Stage, stage_hash
from backbench.sweep.plan import frozen as plans
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.plan.shards import Shard
from backbench.sweep.results import ledger
from backbench.sweep.results.joined_run import Row

SCRIPTS = {
    "dataset": "fetch_dataset",
    "features": "extract_features",
    "matrix": "transform_features",
    "clustering": "fit_clusterers",
    "classification": "fit_classifiers",
    "retrieval": "retrieve_neighbours",
}
# Metrics in MLflow that are no result of a task.
NOT_COMPARED = ("seconds_", "training_")


@dataclass(frozen=True)
class Recorded:
    """A run as it was recorded: its stages, what came out, and how it was computed, by kind of stage."""

    config_hash: str
    stages: Mapping[str, Stage]
    metrics: Mapping[str, float]
    digests: Mapping[str, str]
    threads: Mapping[str, int]
    devices: Mapping[str, str]
    batch_size: int | None
    versions: Mapping[str, str]
    cpu: str
    source: str


@dataclass(frozen=True)
class Line:
    """One compared value."""

    name: str
    recorded: str
    reproduced: str
    difference: str
    agrees: bool


@dataclass(frozen=True)
class Comparison:
    """All compared values; `rule` says how they were compared, `changes` what was not the same as then."""

    lines: list[Line]
    rule: str
    changes: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return all(line.agrees for line in self.lines)


def from_row(row: Row) -> Recorded:
    """The recorded run of a row of the joined results."""
    digests = {kind: record["info"]["label_digest"] for kind, record in row.heads.items() if _digest(record)}
    batch = row.provenance("batch_size").get("features")
    return Recorded(
        config_hash=row.config_hash,
        stages={member: row.plan.stages[member] for member in row.members},
        metrics=row.metrics,
        digests=digests,
        threads=row.provenance("threads"),
        devices=row.provenance("device"),
        batch_size=batch,
        versions=row.versions,
        cpu=next(iter(row.provenance("cpu").values()), ""),
        source=f"recorded in {paths.sweeps()}",
    )


def from_tags(
    config_hash: str, config: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
) -> Recorded:
    """The recorded run of a tracking server, from its tags and metrics alone."""
    hashes = {kind: tags[f"stage.{kind}"] for kind in config}
    stages = {hashes[kind]: _stage(hashes[kind], entry) for kind, entry in config.items()}
    named = {key.partition(".")[2]: value for key, value in tags.items() if key.startswith("version.")}
    threads = {key.partition(".")[2]: int(value) for key, value in tags.items() if key.startswith("threads.")}
    digests = {kind: tags[f"{kind}.label_digest"] for kind in HEADS if f"{kind}.label_digest" in tags}
    undefined = {name: math.nan for name in tags.get("backbench.undefined", "").split(",") if name}
    kept = {name: value for name, value in metrics.items() if not name.startswith(NOT_COMPARED)}
    batch = tags.get("batch_size")
    return Recorded(
        config_hash=config_hash,
        stages=stages,
        metrics={**kept, **undefined},
        digests=digests,
        threads=threads,
        devices={key.partition(".")[2]: name for key, name in tags.items() if key.startswith("device.")},
        batch_size=int(batch) if batch else None,
        versions=named,
        cpu=tags.get("cpu", ""),
        source="recorded in MLflow",
    )


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
    store = Store(scratch / "store")
    for shard in sorted(plan.shards.values(), key=lambda shard: KINDS.index(shard.kind)):
        begun = time.monotonic()
        _compute(shard, path, scratch, recorded)
        say(f"  {shard.kind} {shard.family}: {time.monotonic() - begun:.1f} s")
    row = ledger.rows(plan, ledger.read_records(plan, store))[0]
    return row, time.monotonic() - started


def compare(recorded: Recorded, fresh: Row, tolerance: float) -> Comparison:
    """Every metric and label digest of a run against what was recorded.

    On the machine and with the versions that were recorded they must be equal to the last bit; elsewhere metrics may
    differ by `tolerance`, relative to the larger of 1 and their size, and digests are shown only.
    """
    changes = _changes(recorded, fresh)
    exact = not changes
    allowed = 0.0 if exact else tolerance
    lines = [_metric(name, value, fresh.metrics, allowed) for name, value in recorded.metrics.items()]
    now = {kind: record["info"]["label_digest"] for kind, record in fresh.heads.items() if _digest(record)}
    for kind, then in recorded.digests.items():
        same = then == now.get(kind)
        shown = (hashing.short(then), hashing.short(now.get(kind, "-")))
        lines.append(Line(f"{kind} labels", *shown, "" if same else "other labels", same or not exact))
    rule = "bit for bit" if exact else f"within {tolerance:g}, as machine or versions differ"
    return Comparison(lines, rule, changes)


def _plan(recorded: Recorded) -> Plan:
    heads = {stage.kind: member for member, stage in recorded.stages.items() if stage.kind in (*HEADS, "features")}
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


def _compute(shard: Shard, plan: Path, scratch: Path, recorded: Recorded) -> None:
    script = paths.CHECKOUT / "scripts" / f"{SCRIPTS[shard.kind]}.py"
    threads = _then(recorded.threads, shard) or 1
    command = [sys.executable, str(script), "--plan", str(plan), "--shard", shard.id, "--threads", str(threads)]
    command += ["--device", _then(recorded.devices, shard) or "cpu"]
    command += ["--batch-size", str(recorded.batch_size)] if recorded.batch_size else []
    places = {"RESULTS": scratch, "STORE": scratch / "store", "DOWNLOADS": paths.downloads()}
    environment = {**os.environ, **{f"BACKBENCH_{key}": str(value) for key, value in places.items()}}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        words = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise RuntimeError(f"{shard.kind} {shard.family} could not be computed again:\n{words}")


def _then(recorded: Mapping[str, Any], shard: Shard) -> Any:
    """What was recorded for a stage; a matrix is recorded under the task that works on it."""
    heads = (f"{head}.{shard.kind}" for head in HEADS)
    return next((recorded[key] for key in (shard.kind, *heads) if key in recorded), None)


def _stage(key: str, entry: Mapping[str, Any]) -> Stage:
    """A stage from its recorded configuration.

    Raises
    ------
    ValueError
        If the configuration does not hash to what it is recorded under.
    """
    stage = plans.parse_stage(key, entry)
    digest = stage_hash(stage.kind, stage.config, stage.parents)
    if digest != key:
        raise ValueError(f"the recorded {stage.kind} configuration hashes to {digest[:12]}, not to {key[:12]}")
    return stage


def _changes(recorded: Recorded, fresh: Row) -> list[str]:
    """What is not as it was when the run was recorded."""
    changes = []
    for name, then in recorded.versions.items():
        now = fresh.versions.get(name, "absent")
        if now != then:
            changes.append(f"{name} was {then}, is {now}")
    cpu = provenance.machine()["cpu"]
    return changes + ([f"the processor was {recorded.cpu}, is {cpu}"] if recorded.cpu != cpu else [])


def _metric(name: str, then: float, metrics: Mapping[str, float], tolerance: float) -> Line:
    now = metrics.get(name)
    if now is None:
        return Line(name, f"{then:.6g}", "absent", "", False)
    if math.isnan(then) or math.isnan(now):
        return Line(name, f"{then:.6g}", f"{now:.6g}", "", math.isnan(then) and math.isnan(now))
    gap = abs(now - then)
    return Line(name, f"{then:.6g}", f"{now:.6g}", f"{gap:.2g}", gap <= tolerance * max(1.0, abs(then)))


def _digest(record: Mapping[str, Any]) -> str | None:
    return record["info"].get("label_digest")
