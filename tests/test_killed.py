"""Processes that are killed: the results at fault are recorded with the reason, and those beside them are there."""

import json
import re
import signal
import subprocess
from dataclasses import replace

import pytest
from hungry import checkout, command, environment, grid

from backbench.engine.run import jobs, killed
from backbench.engine.run.jobs import Job
from backbench.slurm import Job as SlurmJob

ENDS = {"kill": r"killed by signal 9 \(SIGKILL\), as happens when memory runs out", "crash": r"signal 11 \(SIGSEGV\)"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("program"))


def fitted(root, how):
    """The states of the clusterings after their job, run by hand: by clusterer and k, None where it is done."""
    environ = environment(root)
    planned = (
        "import sys; from backbench import planning; from backbench.engine.plan import frozen\n"
        "from backbench.engine.run import supervising\n"
        "plan = planning.make(sys.argv[1:]).plan\n"
        "frozen.save(plan)\n"
        "for kind in ('dataset', 'audit', 'features', 'clustering'):\n"
        "    for shard in plan.shards.values():\n"
        "        if shard.kind == kind:\n"
        "            words = ['--plan', str(plan.path), '--shard', shard.id, '--threads', '2']\n"
        "            print(kind, supervising.main(kind, words))\n"
    )
    done = subprocess.run(
        [*command()[:2], planned, *grid(root, f"clusterer.how={how}")],
        env=environ,
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["clustering", "0"], done.stderr
    return results(root, how)


def results(root, how):
    records = [json.loads(path.read_text()) for path in (root / "results" / "store" / "clustering").rglob("*.json")]
    return {
        (record["config"]["clusterer"]["name"], record["config"]["k"]): record["reason"]
        for record in records
        if record["config"]["clusterer"].get("how", how) == how
    }


def scored(root):
    """The clusterings that have scores, by clusterer and k."""
    store = root / "results" / "store"
    hashes = {path.name.partition(".")[0] for path in (store / "scores").rglob("*.json")}
    records = (json.loads(path.read_text()) for path in (store / "clustering").rglob("*.json"))
    fits = (record["config"] for record in records if record["hash"] in hashes)
    return {(config["clusterer"]["name"], config["k"]) for config in fits}


@pytest.mark.parametrize("how", ENDS)
def test_what_ends_its_process_fails_with_the_reason_and_takes_nothing_with_it(root, how):
    states = fitted(root, how)
    assert re.search(ENDS[how], states.pop(("hungry", 4)))
    assert states == {(name, k): None for name in ("hungry", "kmeans") for k in (2, 3, 4) if (name, k) != ("hungry", 4)}
    assert scored(root) >= {key for key, reason in results(root, how).items() if reason is None}
    assert not list((root / "results" / "jobs").glob("*.json"))


TROUBLED = """
import errno, os, signal, sys
from backbench import planning
from backbench.engine.plan import frozen
from backbench.engine.run import runner, supervising

kind, trouble, *words = sys.argv[1:]

def work(plan, shard, store, args, record=None):
    if args.alone and trouble == "disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    os.kill(os.getpid(), signal.SIGKILL)

runner.score = runner.compute = work
plan = planning.make(words).plan
frozen.save(plan)
shards = plan.scoring if kind == "scores" else plan.shards
shard = next(shard for shard in shards.values() if shard.kind == kind)
status = supervising.main(kind, ["--plan", str(plan.path), "--shard", shard.id])
print(status, shard.receipt.is_file())
"""


@pytest.mark.parametrize(("kind", "trouble"), [("scores", "kill"), ("clustering", "disk")])
def test_what_may_come_out_otherwise_has_no_receipt_although_it_was_tried_apart(root, tmp_path, kind, trouble):
    environ = environment(root, BACKBENCH_RESULTS=str(tmp_path))
    words = [*command()[:2], TROUBLED, kind, trouble, *grid(root, "clusterer=kmeans")]
    done = subprocess.run(words, env=environ, cwd=root, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False"], done.stderr


JOB = Job("s", "clustering", "kmeans", host=jobs.host(), threads=8, asked={"mem_mb": 2000, "minutes": 6})


def test_a_reason_without_slurm_says_what_to_do():
    reason = killed.why(JOB, signal.SIGKILL).reason
    assert re.search(r"SIGKILL.*this machine has [\d,]+ MB.*fewer --cores.*exclude=", reason)
    assert killed.why(JOB, signal.SIGSEGV).cause == killed.CRASH
    assert "machine went down" in killed.why(JOB).reason


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("OUT_OF_MEMORY", killed.MEMORY),
        ("TIMEOUT", killed.TIME),
        ("NODE_FAIL", killed.NODE),
        ("CANCELLED", killed.CANCELLED),
    ],
)
def test_a_reason_by_slurm_names_the_job_and_what_it_asked_for(monkeypatch, state, cause):
    ended = SlurmJob("71", "uuid", "me", state, place="node3")
    monkeypatch.setattr(killed.slurm, "job", lambda id: ended)
    end = killed.why(replace(JOB, slurm_job="71"))
    assert end.cause == cause
    words = state.lower().replace("_", " ")
    assert f"SLURM job 71 was killed ({words}) on node3, having asked for 2,000 MB, 6 minutes, 8 threads" in end.reason


def test_memory_is_read_from_the_log_of_a_job_where_slurm_only_says_that_it_failed(monkeypatch, tmp_path):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path))
    monkeypatch.setattr(killed.slurm, "job", lambda id: SlurmJob("7", "uuid", "me", "FAILED", code=137))
    log = tmp_path / ".snakemake" / "slurm_logs" / "rule_compute_batch" / "ab" / "7.log"
    log.parent.mkdir(parents=True)
    log.write_text("slurmstepd: error: StepId=7.0 exceeded memory limit (365 > 314), being killed\n")
    end = killed.why(replace(JOB, slurm_job="7"))
    assert end.cause == killed.MEMORY
    assert "compute_batch:mem_mb" in end.reason
