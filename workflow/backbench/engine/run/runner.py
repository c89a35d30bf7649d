"""Compute a shard: what every job of the workflow does."""

import argparse
import contextlib
import errno
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from backbench import paths
from backbench.engine.grid import HEADS, Stage
from backbench.engine.plan import accelerating
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.shards import Shard
from backbench.engine.run import jobs, recording, scored
from backbench.engine.run.scored import CURRENT
from backbench.engine.run.scoring import Scoring
from backbench.engine.run.status import state_of, write_receipt
from backbench.files import WriteError, write_text
from backbench.stage import SCORES, Context, Held, Inputs, Member, Outcome
from backbench.stages.scores import Fit
from backbench.store import DONE, FAILED, Store, StoreError

log = logging.getLogger("backbench")

# Drivers of NVIDIA, AMD and WSL: without one there is no GPU, and PyTorch, which takes seconds to load, is not asked.
DRIVERS = ("/proc/driver/nvidia/version", "/dev/kfd", "/dev/dxg")
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
# How a shard came out that might come out otherwise if it were tried again, and marks of the records of such failures.
INTERRUPTED, KILLED = "interrupted", "killed"
STOPS_NOBODY = (*HEADS, "audit", "neighbours", "judge")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class MemberFailed(RuntimeError):
    """A result that others need could not be computed, and would not be if it were tried again."""


def start(args: argparse.Namespace) -> Plan:
    """Begin as every job does: with a log on stderr and with its threads; returns the plan."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(args.threads)
    return plans.load(args.plan)


def tried(plan: Plan, shard: Shard, store: Store, args: argparse.Namespace) -> str:
    """Compute a shard in this process under a job record, and write its receipt; returns how it came out."""
    more = {"asked": args.asked, "batch": args.batch, "attempt": args.attempt, "alone": args.alone}
    try:
        with jobs.kept(jobs.here(shard, threads=args.threads, device=args.device, **more)) as record:
            outcomes = (score if shard.kind == SCORES else compute)(plan, shard, store, args, record)
    except (StoreError, OSError, ValueError, RuntimeError, MemoryError) as error:
        reason = _reason(error, store)
        log.error("%s %s: %s", shard.kind, shard.family, reason)
        log.debug("", exc_info=True)
        settled = isinstance(error, MemberFailed)
        record_failure(plan, shard, store, args, reason, {} if settled else {INTERRUPTED: True})
        return FAILED if settled else INTERRUPTED
    if not args.alone:
        write_receipt(shard, outcomes)
    return DONE


def compute(
    plan: Plan, shard: Shard, store: Store, args: argparse.Namespace, record: jobs.Kept | None = None
) -> dict[str, str]:
    """Compute the members of `shard` that are not current and store each; returns the state of all.

    Fits are scored as they come, and those that are stored without scores as well: a fit is written first, and its
    scores follow. `record` is told what is in progress.

    Raises
    ------
    MemberFailed
        If a member that other stages need failed. A failed audit, neighbour graph, judge, clustering, classification or
        retrieval is recorded and stops nobody.
    """
    store = plan.own(store)
    states, unscored = _states(plan, shard, store)
    missing = [plan.stages[key] for key in missing_of(plan, shard, store, args.since)]
    if shard.kind not in STOPS_NOBODY and not missing and FAILED in states.values():
        raise MemberFailed(next(iter(reasons(shard, store))))
    if not missing and not unscored:
        return states
    context = _context(plan, shard, store, (missing or unscored)[0].hash, args)
    if record:
        record.computing([stage.hash for stage in missing], device=context.device)
    inputs = _inputs(store, shard.kind, [*missing, *unscored])
    scores = Scoring(shard.kind, inputs, context, partial(recording.write_scores, plan, store, context, states))
    for fit in _stored(store, unscored):
        scores.add(fit)
    members = [Member(stage.hash, {**stage.config, **stage.local}) for stage in missing]
    for outcome in _computed(shard.kind, members, inputs, context):
        recording.write(plan, store, context, outcome)
        if record:
            record.ended(outcome.hash)
        states[outcome.hash] = CURRENT if outcome.failure is None else FAILED
        if outcome.failure and shard.kind not in STOPS_NOBODY:
            raise MemberFailed(outcome.failure)
        if shard.kind in HEADS and outcome.failure is None:
            config = plan.stages[outcome.hash].config
            scores.add(scored.fit(shard.kind, outcome.hash, config, outcome.arrays))
    scores.finish()
    return states


def score(
    plan: Plan, shard: Shard, store: Store, args: argparse.Namespace, record: jobs.Kept | None = None
) -> dict[str, str]:
    """Score the fits of `shard` that are current and whose scores are not; returns the state of all.

    The clusterings among them share one pass over the distances. `record` is told what is in progress.
    """
    store = plan.own(store)
    states, unscored = _states(plan, shard, store)
    for kind in HEADS:
        stages = [stage for stage in unscored if stage.kind == kind]
        if not stages:
            continue
        context = _context(plan, shard, store, stages[0].hash, args)
        if record:
            record.computing([stage.hash for stage in stages], device=context.device)
        write = partial(recording.write_scores, plan, store, context, states)
        scores = Scoring(kind, _inputs(store, kind, stages), context, write, soon=False)
        for fit in _stored(store, stages):
            scores.add(fit)
        scores.finish()
    return states


def missing_of(plan: Plan, shard: Shard, store: Store, since: float | None) -> list[str]:
    """Members of a shard that are to be computed: those that are not current.

    Those that have failed by themselves `since` then, in seconds since 1970, are not tried again.
    """
    members = []
    for key in shard.members:
        record = store.read(shard.kind, key)
        if state_of(plan.stages[key], record, store) != CURRENT and not _settled(record, since):
            members.append(key)
    return members


def _settled(record: Mapping[str, Any] | None, since: float | None) -> bool:
    if since is None or record is None or record["status"] != FAILED:
        return False
    info = record["info"]
    return record["provenance"]["finished"] >= since and not (info.get(INTERRUPTED) or info.get(KILLED))


def reasons(shard: Shard, store: Store) -> list[str]:
    """Why members of a shard failed."""
    records = (store.read(shard.kind, key) for key in shard.members)
    return [record["reason"] for record in records if record and record["status"] == FAILED]


def _states(plan: Plan, shard: Shard, store: Store) -> tuple[dict[str, str], list[Stage]]:
    """State of each member of a shard, and the fits among them that are current and whose scores are not."""
    stages = [plan.stages[key] for key in shard.members]
    records = {stage.hash: scored.read(stage.kind, stage.hash, store) for stage in stages}
    states = {stage.hash: state_of(stage, records[stage.hash], store) for stage in stages}
    done = [stage for stage in stages if stage.kind in HEADS and states[stage.hash] == CURRENT]
    return states, [stage for stage in done if scored.state(stage, records[stage.hash] or {}, store) != CURRENT]


def _inputs(store: Store, kind: str, stages: Sequence[Stage]) -> Inputs:
    refs = {role: ref for stage in stages for role, ref in stage.reads.items()}
    return (Held if kind in HEADS else Inputs)(store, refs)


def _computed(kind: str, members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    if members:
        yield from importlib.import_module(f"backbench.stages.{kind}").compute(members, inputs, context)


def _stored(store: Store, stages: Iterable[Stage]) -> Iterator[Fit]:
    """Fits of the store; one that is damaged is forgotten there, and is fitted again by the next launch."""
    for stage in stages:
        try:
            known = (store.read(stage.kind, stage.hash) or {}).get("arrays", {})
            names = (scored.SCORED[stage.kind], *scored.beside(stage.kind, known))
            arrays = {name: store.array(stage.kind, stage.hash, name) for name in names}
            yield scored.fit(stage.kind, stage.hash, stage.config, arrays)
        except StoreError as error:
            log.warning("%s %s %s is not scored: %s", stage.kind, stage.family, stage.hash[:12], error)


def _reason(error: Exception, store: Store) -> str:
    """What went wrong, and what to do where the message itself does not say it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space left below {store.root}: free some, or name another place with BACKBENCH_STORE"
    return str(error) or type(error).__name__


def record_failure(
    plan: Plan, shard: Shard, store: Store, args: argparse.Namespace, reason: str, info: Mapping[str, Any]
) -> None:
    """Note why the members of a shard are missing, so that the runs that need them can say so.

    Fits whose scores are missing are there; they are scored by the next launch.
    """
    if shard.kind == SCORES:
        return
    store = plan.own(store)
    context = Context(threads=args.threads, device=args.device, batch_size=args.batch_size)
    for key in shard.members:
        if state_of(plan.stages[key], store.read(shard.kind, key), store) == CURRENT:
            continue
        with contextlib.suppress(OSError, StoreError, WriteError):
            outcome = Outcome(key, failure=reason, info=info)
            store.write(shard.kind, key, recording.record(plan, outcome, context), {})


def _context(plan: Plan, shard: Shard, store: Store, member: str, args: argparse.Namespace) -> Context:
    return Context(
        threads=args.threads,
        device=_device(args.device, plan, shard),
        batch_size=args.batch_size,
        on_device_loss=args.on_device_loss,
        scratch=store.scratch(shard.kind, member),
        downloads=paths.downloads(),
        progress=Progress(paths.results() / "progress" / f"{shard.kind}-{shard.id[:12]}.json"),
    )


def _device(asked: str, plan: Plan, shard: Shard) -> str:
    """Where a shard is computed: on a GPU where that pays and one is there, else on the CPU.

    Raises
    ------
    RuntimeError
        If an extraction was to have a GPU, and there is none.
    """
    if asked == "cpu" or not accelerating.pays(shard, plan.stages):
        return "cpu"
    if asked == "auto":
        return "cuda" if any(map(os.path.exists, DRIVERS)) and _cuda() else "cpu"
    if _cuda():
        return asked
    if shard.kind != "features":
        return "cpu"
    raise RuntimeError(
        f"execution.device={asked}: this extraction was to have a GPU, and {jobs.host()} shows none to PyTorch. On a "
        "cluster, let the jobs of compute_on_gpu go to nodes with GPUs (docs/cluster.md); to extract on the CPU, give "
        "execution.device=cpu, or auto."
    )


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


class Progress:
    """Writes how far a stage is and how long it has to go, at most twice a second, for the panel of the launcher."""

    def __init__(self, path: Path):
        self.path = path
        self.last = 0.0
        self.first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total:
            self.path.unlink(missing_ok=True)
        elif now - self.last > 0.5:
            self.last = now
            write_text(self.path, json.dumps({"done": done, "total": total, "left": self._left(now, done, total)}))

    def _left(self, now: float, done: int, total: int) -> float | None:
        """Seconds left at the pace since the first call, which may find much done before."""
        since, before = self.first = self.first or (now, done)
        return (now - since) / (done - before) * (total - done) if done > before else None


def parser(kind: str) -> argparse.ArgumentParser:
    """The arguments of the stage scripts."""
    parser = common(f"Compute one shard of the {kind} stage of a plan.")
    parser.add_argument("--shard", required=True, help="id of the shard within the plan")
    return parser


def common(description: str) -> argparse.ArgumentParser:
    """The arguments of every script that computes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the numeric libraries (default 1)")
    parser.add_argument("--device", default=os.environ.get("BACKBENCH_DEVICE", "auto"), help="auto, cpu or cuda")
    parser.add_argument("--batch-size", type=int, default=_environment_int("BACKBENCH_BATCH_SIZE"))
    lost = os.environ.get("BACKBENCH_ON_DEVICE_LOSS", "fail")
    parser.add_argument("--on-device-loss", choices=("fail", "cpu"), default=lost, help="default: fail")
    parser.set_defaults(asked=None, attempt=1, batch=None, since=None, alone=False, last=True)
    return parser


def _environment_int(name: str) -> int | None:
    value = os.environ.get(name)
    return int(value) if value else None
