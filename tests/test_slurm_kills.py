"""A job that SLURM ends for memory: the next attempt computes apart what shared its process, and gives the reason."""

import json
import subprocess
import time

import pytest
from clusters import needs_slurm, slurm
from hungry import checkout, command, environment, grid

from backbench import slurm as cluster

__all__ = ["slurm"]

PLANNING = """
import sys
from backbench import paths, planning
from backbench.engine.plan import batches, frozen
from backbench.engine.run import status, supervising
from backbench.engine.time import clusters
from backbench.store import Store

plan = planning.make(sys.argv[1:]).plan
frozen.save(plan)
for kind in ("dataset", "audit", "features"):
    for shard in plan.shards.values():
        if shard.kind == kind:
            supervising.main(kind, ["--plan", str(plan.path), "--shard", shard.id, "--threads", "2"])
todo = clusters.packed(plan, status.inspect(plan, Store(paths.store())), clusters.Cluster("slurm", 4, 8, 2))
(batch,) = batches.save(plan, todo, attempts=2).batches
print(plan.path, batch.id)
"""
ASKED_MB = 1000


@pytest.fixture
def root(tmp_path):
    return checkout(tmp_path / "program")


@needs_slurm
def test_what_takes_too_much_memory_fails_with_the_reason_and_the_others_are_there(slurm, root):
    environ = environment(root)
    words = [*grid(root, "clusterer.how=memory"), "clusterer=hungry"]
    shown = subprocess.run(
        [*command()[:2], PLANNING, *words], env=environ, cwd=root, capture_output=True, text=True, check=True
    )
    plan, batch = shown.stdout.split()[-2:]
    script = f"{command()[0]} {root}/scripts/compute_batch.py --plan {plan} --batch {batch} --threads 2"
    script += f" --mem-mb {ASKED_MB} --minutes 3"
    first = submitted(f"{script} --attempt 1", root, environ)
    (record,) = (root / "results" / "jobs").glob("clustering-*.json")
    assert (read(record)["slurm_job"], read(record)["asked"]) == (first, {"mem_mb": ASKED_MB, "minutes": 3})
    second = submitted(f"{script} --attempt 2", root, environ)
    assert not record.exists()
    assert set(read(root / "results" / "receipts" / "batch" / f"{batch}.json")["shards"].values()) == {"done"}
    reasons = {}
    for path in (root / "results" / "store" / "clustering").rglob("*.json"):
        config = read(path)["config"]
        reasons[config["clusterer"]["name"], config["k"]] = read(path)["reason"]
    reason = reasons.pop(("hungry", 4))
    assert f"SLURM job {second}, which asked for 1,000 MB, 3 minutes" in reason and "out of memory" in reason
    assert len(reasons) == 2 and set(reasons.values()) == {None}


def read(path):
    return json.loads(path.read_text())


def submitted(script, root, environ):
    """Number of a job of SLURM that ran this script and has ended."""
    options = ("--parsable", "--mem", str(ASKED_MB), "--time", "3", "--output", str(root / "%j.log"))
    done = subprocess.run(
        ["sbatch", *options, "--wrap", script], env=environ, cwd=root, capture_output=True, text=True, check=True
    )
    job = done.stdout.strip()
    deadline = time.monotonic() + 300
    try:
        while cluster.job(job).alive:
            assert time.monotonic() < deadline, "the job does not end"
            time.sleep(0.2)
    finally:
        cluster.cancel([job])
    return job
