"""Compute a shard: what every job of the workflow does (layer 2)."""

import argparse
import contextlib
import errno
import importlib
import json
import logging
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import paths, provenance
from backbench.files import WriteError, write_text
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.store import DONE, FAILED, Store, StoreError
from backbench.sweep.plan import frozen as plans
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.plan.grid import HEADS
from backbench.sweep.plan.shards import Shard
from backbench.sweep.run.status import CURRENT, state_of, write_receipt
from backbench.sweep.time import costs

log = logging.getLogger("backbench")

ACCELERATED = ("features", "matrix", "neighbours", "clustering", "retrieval")
ACCELERATED_FROM_SECONDS = 20.0
# Drivers of NVIDIA, AMD and WSL: without one there is no GPU, and PyTorch, which takes seconds to load, is not asked.
DRIVERS = ("/proc/driver/nvidia/version", "/dev/kfd", "/dev/dxg")
STOPS_NOBODY = (*HEADS, "audit", "neighbours")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(kind: str, arguments: Sequence[str] | None = None) -> int:
    """Entry point of the stage scripts. Returns the exit status."""
    args = parser(kind).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(args.threads)
    plan, store = plans.load(args.plan), Store(paths.store())
    shard = plan.shards[args.shard]
    try:
        outcomes = compute(plan, shard, store, args)
    except (StoreError, OSError, ValueError, RuntimeError) as error:
        reason = _reason(error, store)
        log.error("%s %s: %s", shard.kind, shard.family, reason)
        log.debug("", exc_info=True)
        _record_failure(plan, shard, store, args, reason)
        return 1
    write_receipt(shard, outcomes)
    return 0


def compute(plan: Plan, shard: Shard, store: Store, args: argparse.Namespace) -> dict[str, str]:
    """Compute the members of `shard` that are not current and store each; returns the state of all.

    Raises
    ------
    RuntimeError
        If a member that other stages need failed. A failed audit, neighbour graph, clustering, classification or
        retrieval is recorded and stops nobody.
    """
    states = {key: state_of(plan.stages[key], store.read(shard.kind, key), store) for key in shard.members}
    missing = [plan.stages[key] for key in shard.members if states[key] != CURRENT]
    if not missing:
        return states
    inputs = Inputs(store, {role: ref for stage in missing for role, ref in stage.reads.items()})
    context = _context(plan, shard, store, missing[0].hash, args)
    members = [Member(stage.hash, {**stage.config, **stage.local}) for stage in missing]
    module = importlib.import_module(f"backbench.stages.{shard.kind}")
    for outcome in module.compute(members, inputs, context):
        record = _record(plan, shard, outcome, context)
        store.write(shard.kind, outcome.hash, record, outcome.arrays)
        states[outcome.hash] = CURRENT if outcome.failure is None else FAILED
        _say(outcome, plan)
        if outcome.failure and shard.kind not in STOPS_NOBODY:
            raise RuntimeError(outcome.failure)
    return states


def _reason(error: Exception, store: Store) -> str:
    """What went wrong, and what to do where the message itself does not say it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space left below {store.root}: free some, or name another place with BACKBENCH_STORE"
    return str(error) or type(error).__name__


def _record_failure(plan: Plan, shard: Shard, store: Store, args: argparse.Namespace, reason: str) -> None:
    """Note why the members of a job that broke off are missing, so that the runs that need them can say so."""
    context = Context(threads=args.threads, device=args.device, batch_size=args.batch_size)
    for key in shard.members:
        if state_of(plan.stages[key], store.read(shard.kind, key), store) == CURRENT:
            continue
        with contextlib.suppress(OSError, StoreError, WriteError):
            store.write(shard.kind, key, _record(plan, shard, Outcome(key, failure=reason), context), {})


def _record(plan: Plan, shard: Shard, outcome: Outcome, context: Context) -> dict[str, Any]:
    stage = plan.stages[outcome.hash]
    metrics = {name: None if math.isnan(value) else float(value) for name, value in outcome.metrics.items()}
    return {
        "status": DONE if outcome.failure is None else FAILED,
        "reason": outcome.failure,
        "config": dict(stage.config),
        "local": dict(stage.local),
        "parents": {role: list(ref) for role, ref in stage.parents.items()},
        "code": stage.code,
        "metrics": metrics,
        "notes": dict(outcome.notes),
        "info": dict(outcome.info),
        "provenance": {
            "versions": provenance.versions(),
            "git": provenance.git_commit(),
            **provenance.machine(),
            "device": context.device,
            "threads": context.threads,
            "batch_size": context.batch_size,
            **outcome.used,
            "finished": round(time.time(), 3),
            "seconds": round(outcome.seconds, 6),
        },
    }


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
    """Where a shard is computed; with ``auto``, what is quick on a CPU stays there.

    Raises
    ------
    RuntimeError
        If a CUDA device is asked for and not there.
    """
    if asked == "cpu" or shard.kind not in ACCELERATED:
        return "cpu"
    if asked == "auto":
        return "cuda" if _pays(plan, shard) and any(map(os.path.exists, DRIVERS)) and _cuda() else "cpu"
    if not _cuda():
        raise RuntimeError(f"execution.device={asked}: no CUDA device is visible here; use cpu or auto.")
    return asked


def _pays(plan: Plan, shard: Shard) -> bool:
    """Whether a GPU saves more than it takes to load PyTorch and to begin."""
    expected = costs.total([plan.stages[member] for member in shard.members], plan.stages)
    return shard.kind == "features" or expected > ACCELERATED_FROM_SECONDS


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


def _say(outcome: Outcome, plan: Plan) -> None:
    stage = plan.stages[outcome.hash]
    found = _shown(outcome.metrics) if outcome.failure is None else f"FAILED: {outcome.failure}"
    log.info("%s %s %s %.2f s %s", stage.kind, stage.family, outcome.hash[:12], outcome.seconds, found)


def _shown(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:.4g}" for name, value in metrics.items())


def parser(kind: str) -> argparse.ArgumentParser:
    """The arguments of the stage scripts."""
    parser = argparse.ArgumentParser(description=f"Compute one shard of the {kind} stage of a plan.")
    parser.add_argument("--plan", type=Path, required=True, help="plan file (results/plans/HASH.json)")
    parser.add_argument("--shard", required=True, help="id of the shard within the plan")
    parser.add_argument("--threads", type=int, default=1, help="threads of the numeric libraries (default 1)")
    parser.add_argument("--device", default=os.environ.get("BACKBENCH_DEVICE", "auto"), help="auto, cpu or cuda")
    parser.add_argument("--batch-size", type=int, default=_environment_int("BACKBENCH_BATCH_SIZE"))
    lost = os.environ.get("BACKBENCH_ON_DEVICE_LOSS", "fail")
    parser.add_argument("--on-device-loss", choices=("fail", "cpu"), default=lost, help="default: fail")
    return parser


def _environment_int(name: str) -> int | None:
    value = os.environ.get(name)
    return int(value) if value else None
