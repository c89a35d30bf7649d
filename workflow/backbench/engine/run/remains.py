"""What killed processes leave behind when a launch has ended: their records become reasons of failed results."""

from collections.abc import Sequence

from backbench import paths, slurm
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run import jobs, killed, runner
from backbench.engine.run.jobs import Job
from backbench.engine.run.runner import KILLED
from backbench.engine.run.status import CURRENT, state_of
from backbench.stage import SCORES
from backbench.store import Store


def settle(plan: Plan) -> list[str]:
    """Record why results of a plan are missing whose processes were killed; returns a sentence for each process.

    The results count as failed, as any other failure does: the next launch computes them again, each apart.
    """
    store, sentences = plan.own(Store(paths.store())), []
    queue = slurm.queue() if slurm.present() else []
    for job in jobs.everything():
        shard = plan.shards.get(job.shard) or plan.scoring.get(job.shard)
        if shard is None or not _over(job, queue):
            continue
        end = killed.why(job)
        missing = _missing(plan, shard, job, store)
        args = runner.common("").parse_args(["--plan", str(plan.path), "--threads", str(job.threads)])
        for member in missing:
            runner.record_failure(plan, _only(shard, member), store, args, end.reason, {KILLED: end.cause})
        job.path.unlink(missing_ok=True)
        if missing or shard.kind == SCORES:
            sentences.append(f"{shard.kind} {shard.family}: {end.reason}")
    return sentences


def _over(job: Job, queue: Sequence[slurm.Job] | None) -> bool:
    """Whether the process of a record has ended; of one on another machine SLURM has to say it (None: no answer)."""
    alive = jobs.alive(job)
    if alive == jobs.UNKNOWN and job.slurm_job is not None:
        return queue is not None and job.slurm_job not in {each.id for each in queue}
    return alive == jobs.DEAD


def _missing(plan: Plan, shard: Shard, job: Job, store: Store) -> list[str]:
    """The members that the process had in hand; all that are missing where it had not said yet which."""
    if shard.kind == SCORES:
        return []
    members = [key for key in job.members_in_progress if key in shard.members] or shard.members
    return [key for key in members if state_of(plan.stages[key], store.read(shard.kind, key), store) != CURRENT]


def _only(shard: Shard, member: str) -> Shard:
    return Shard(shard.id, shard.kind, shard.family, (member,), shard.mem_mb, shard.each_mb)
