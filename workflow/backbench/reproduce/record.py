"""A run as it was recorded: in the results folder, or in MLflow alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backbench import paths
from backbench.engine.grid import HEADS, Stage, stage_hash
from backbench.engine.plan import frozen as plans
from backbench.engine.results.joined_run import Row
from backbench.reproduce import environment
from backbench.reproduce.environment import Environment

# Metrics in MLflow that are no result of a task.
SECONDS = "seconds_"
NOT_COMPARED = (SECONDS, "training_")


@dataclass(frozen=True)
class Recorded:
    """A run as it was recorded: its stages, what came out, and how it was computed; digests are those of labels.

    `seconds` says how long stages took, by kind, where that is recorded.
    """

    config_hash: str
    stages: Mapping[str, Stage]
    metrics: Mapping[str, float]
    digests: Mapping[str, str]
    batch_size: int | None
    environment: Environment
    source: str
    seconds: Mapping[str, float] = field(default_factory=dict)


def from_row(row: Row) -> Recorded:
    """The recorded run of a row of the joined results."""
    sizes = row.provenance("batch_size")
    batch = sizes.get("features") or next((sizes[key] for key in sizes if key.endswith(".features")), None)
    return Recorded(
        config_hash=row.config_hash,
        stages={member: row.plan.stages[member] for member in row.members},
        metrics=row.metrics,
        digests=label_digests(row),
        batch_size=batch,
        environment=environment.of_row(row),
        source=f"recorded in {paths.sweeps()}",
        seconds=row.provenance("seconds"),
    )


def from_tags(
    config_hash: str, config: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
) -> Recorded:
    """The recorded run of a tracking server, from its tags and metrics alone."""
    hashes = {kind: tags[f"stage.{kind}"] for kind in config}
    stages = {hashes[kind]: _stage(hashes[kind], entry) for kind, entry in config.items()}
    digests = {kind: tags[f"{kind}.label_digest"] for kind in HEADS if f"{kind}.label_digest" in tags}
    undefined = {name: math.nan for name in tags.get("backbench.undefined", "").split(",") if name}
    kept = {name: value for name, value in metrics.items() if not name.startswith(NOT_COMPARED)}
    batch = tags.get("batch_size")
    return Recorded(
        config_hash=config_hash,
        stages=stages,
        metrics={**kept, **undefined},
        digests=digests,
        batch_size=int(batch) if batch else None,
        environment=environment.of_tags(tags),
        source="recorded in MLflow",
        seconds={name.removeprefix(SECONDS): value for name, value in metrics.items() if name.startswith(SECONDS)},
    )


def label_digests(row: Row) -> dict[str, str]:
    """Digests of the labels and predictions of a run, by task."""
    digests = {kind: record["info"].get("label_digest") for kind, record in row.heads.items()}
    return {kind: digest for kind, digest in digests.items() if digest}


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
