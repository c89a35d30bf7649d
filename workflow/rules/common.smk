# Reads or makes the plan, and names the files that rules need.
# Needs: conf/, or --config plan=FILE. Makes: results/plans/HASH.json (plain `snakemake` only).
import sys
from pathlib import Path

from backbench import launching, paths
from backbench.pictures import drawing, forecast
from backbench.engine.plan import accelerating
from backbench.engine.plan.batches import Batch
from backbench.engine.plan.shards import Shard, fair_threads
from backbench.sweeping import executors

CLUSTER = executors.of_main_process() if workflow.is_main_process else None
# BATCHES is None where the jobs run on this machine.
PLAN, BATCHES = launching.for_snakemake(
    config, main=workflow.is_main_process, cluster=CLUSTER, dry=executors.dry(sys.argv[1:])
)
PLAN_FILE = PLAN.path
# Of this machine's; on a cluster every job has its own.
CORES = workflow.cores or 1
# Threads that a job with work for all cores asks for where short jobs are to go on beside it.
BESIDE = CORES if CLUSTER else max(1, CORES - 1)
PYTHON = sys.executable
SCRIPTS = paths.CHECKOUT / "scripts"
RECEIPTS = paths.receipts()
LOGS = paths.logs()
BENCHMARKS = paths.results() / "benchmarks"
# What the launcher's own jobs make stays in its folders, also where those of others are sent to a storage.
JOINED = local(str(PLAN.folder / "results.json"))
TRACKED = local(str(PLAN.tracked))
DRAWN = local(str(drawing.receipt(PLAN)))
PICTURES = local(str(drawing.published(PLAN)))
PAGE = local(str(launching.page(PLAN)))
TABLE = local(str(PLAN.folder / "leaderboards.csv"))
ATTACHED = local(str(launching.attached(PLAN)))
LAST = local(str(launching.last(PLAN)))
SHARDS = {shard.receipt: shard for shard in (*PLAN.shards.values(), *PLAN.scoring.values())}


def shard_of(kind: str, wildcards) -> Shard:
    """The shard whose receipt these wildcards name."""
    return SHARDS[RECEIPTS / kind / f"{wildcards.family}-{wildcards.id}.json"]


def parent_receipts(kind: str):
    """Input function: receipts of the shards that a shard reads."""

    def receipts(wildcards) -> list[Path]:
        return sorted(parent.receipt for parent in PLAN.parents(shard_of(kind, wildcards)))

    return receipts


def shard_id(kind: str):
    """Params function: full id of a shard."""

    def full(wildcards) -> str:
        return shard_of(kind, wildcards).id

    return full


def code_of(kind: str):
    """Params function: digest of the code that a shard depends on, so that an edit re-runs it."""

    def digest(wildcards) -> str:
        return PLAN.code(shard_of(kind, wildcards))

    return digest


def threads_of(kind: str):
    """Threads function: a shard's share of the cores, by its share of the work."""
    shards = PLAN.scoring if kind == "scores" else PLAN.shards
    shares = fair_threads(shards.values(), PLAN.stages, CORES)

    def threads(wildcards) -> int:
        return shares[shard_of(kind, wildcards).id]

    return threads


def is_network(shard: Shard) -> bool:
    """Whether a shard extracts features by a network."""
    return shard.kind == "features" and any(accelerating.network(PLAN.stages[member]) for member in shard.members)


NETWORKS = sum(map(is_network, PLAN.shards.values()))


def extraction_threads(wildcards) -> int:
    """Threads function: all cores for each of several networks, one after the other, as they may share a GPU.

    Beside a single one the work on features that take no network goes on.
    """
    return 1 if not is_network(shard_of("features", wildcards)) else CORES if NETWORKS > 1 else BESIDE


def all_cores(wildcards, threads) -> int:
    """Params function: the threads of a job that asks for `BESIDE`; all cores, unless the user has set other threads."""
    limited = workflow.resource_settings.max_threads is not None
    return threads if limited or threads != BESIDE else CORES


def mem_mb_of(kind: str):
    """Resources function: memory that a shard needs with its threads, in MB; more at every retry."""

    def megabytes(wildcards, threads, attempt) -> int:
        return shard_of(kind, wildcards).memory(threads) * attempt

    return megabytes


def batch_of(wildcards) -> Batch:
    """The batch whose receipt these wildcards name."""
    return BATCHES.by_id[wildcards.id]


def batches_before(wildcards) -> list[Path]:
    """Input function: receipts of the batches that a batch waits for."""
    return [BATCHES.by_id[key].receipt for key in batch_of(wildcards).after]


def batch_threads(wildcards) -> int:
    """Threads function: as many as the shards of a batch have a use for."""
    return batch_of(wildcards).threads


def batch_mem_mb(wildcards, attempt) -> int:
    """Resources function: memory of a batch by the plan, in MB; more at every retry."""
    return batch_of(wildcards).mem_mb * attempt


def batch_minutes(wildcards, attempt) -> int:
    """Resources function: time limit of a batch by the plan; more at every retry, up to what the partition allows."""
    return BATCHES.allowed(batch_of(wildcards).minutes * attempt)


def attempt_number(wildcards, attempt) -> int:
    """Resources function: which attempt a job is."""
    return attempt


def drawing_mem_mb(wildcards, threads, attempt) -> int:
    """Resources function: memory for as many pictures as are drawn beside each other, in MB."""
    return forecast.memory_mb(PLAN, all_cores(wildcards, threads)) * attempt


def drawing_minutes(wildcards, threads, attempt) -> int:
    """Resources function: time limit of the pictures."""
    minutes = forecast.minutes(PLAN, all_cores(wildcards, threads)) * attempt
    return BATCHES.allowed(minutes) if BATCHES is not None else minutes


def drawn_if_wanted() -> list[Path]:
    """The receipt of the pictures, where the sweep is to end with any."""
    return [DRAWN] if drawing.wanted(PLAN) else []


def request_of(wildcards) -> Path:
    """Input function: what asks for a shard of stored fits to be scored."""
    return shard_of("scores", wildcards).request


def page_if_last() -> list[Path]:
    """The report, where MLflow gets it together with the runs."""
    return [PAGE] if LAST == TRACKED else []


def head_receipts() -> list[Path]:
    """Receipts of every shard of the plan that ends a chain, and of the scores that were asked for apart from the fits.

    On a cluster: those of the batches, which have the shards among them that were to be computed.
    """
    if BATCHES is not None:
        return [batch.receipt for batch in BATCHES.batches]
    return sorted([*PLAN.ends(), *(shard.receipt for shard in PLAN.scoring.values() if shard.request.exists())])


wildcard_constraints:
    id="[0-9a-f]{12}",
    family="[A-Za-z0-9_-]+",
