"""A job of a cluster: the shards of one batch, computed one after the other."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from backbench import paths, slurm
from backbench.engine.plan import batches
from backbench.engine.plan.batches import Batch
from backbench.engine.plan.frozen import Plan
from backbench.engine.run import runner, supervising
from backbench.engine.run.runner import INTERRUPTED
from backbench.files import write_text
from backbench.schema import ConfigError
from backbench.store import Store

# SLURM is asked once, and nothing depends on the answer.
SLURM_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the script. Returns the exit status: 1 where another attempt may come further."""
    args = _parser().parse_args(arguments)
    plan = runner.start(args)
    frozen = batches.load(plan)
    batch = frozen.by_id.get(args.batch)
    if batch is None:
        raise ConfigError(f"{batches.file(plan)} has no batch {args.batch}: launch again, which makes it anew.")
    args.asked = {"mem_mb": args.mem_mb, "minutes": args.minutes} if args.mem_mb else None
    args.since, args.last = frozen.made, args.attempt >= frozen.attempts
    waited = _waited()
    shards = [(plan.shards.get(key) or plan.scoring[key]) for key in batch.shards]
    states = supervising.computed(plan, Store(paths.store()), shards, args)
    if INTERRUPTED in states and not args.last:
        runner.log.error("some results are missing; what there is stays, and the rest is tried again")
        return 1
    text = _receipt(plan, batch, dict(zip(batch.shards, states, strict=True)), waited)
    for path in {batch.receipt, (args.receipt or batch.receipt).absolute()}:
        write_text(path, text)
    return 0


def _receipt(plan: Plan, batch: Batch, states: dict[str, str], waited: float | None) -> str:
    """What says that a batch has been dealt with: how each shard came out, and how long the job waited in the queue."""
    body = {"batch": batch.id, "plan": plan.hash, "shards": states, "waited": waited}
    return json.dumps(body, indent=1, sort_keys=True)


def _waited() -> float | None:
    """Seconds that this job waited for its start."""
    job = slurm.job(os.environ["SLURM_JOB_ID"], SLURM_SECONDS) if "SLURM_JOB_ID" in os.environ else None
    return max(0.0, job.began - job.submitted) if job and job.began and job.submitted else None


def _parser() -> argparse.ArgumentParser:
    parser = runner.common("Compute one batch of a plan: the shards of one job of a cluster.")
    parser.add_argument("--batch", required=True, help="id of the batch (results/launches/)")
    parser.add_argument("--attempt", type=int, default=1, help="which attempt this is (default 1)")
    parser.add_argument("--mem-mb", type=int, default=0, help="MB of memory that the job has asked for")
    parser.add_argument(
        "--receipt", type=Path, help="another file for the receipt, where Snakemake sends it to a storage"
    )
    parser.add_argument("--minutes", type=int, default=0, help="minutes that the job has asked for")
    return parser
