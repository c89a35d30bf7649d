"""``backbench sweep``: plan, run Snakemake on what is missing, record, show."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from backbench import hashing, lock, paths, planning, tracking
from backbench.cli import leaderboard, panel, select
from backbench.cli.plan import cores, counted, describe, duration, say
from backbench.evaluate import record
from backbench.pictures import drawing
from backbench.reports import audit
from backbench.reports import sweep as pages
from backbench.store import DONE, Store
from backbench.sweep import estimate, ledger, status
from backbench.sweep.plan import Plan, save
from backbench.sweep.status import Status
from backbench.tracking import sweeps

PROFILE = paths.CHECKOUT / "profiles" / "default"
TAIL_LINES = 3
ELSEWHERE = ("--workflow-profile", "--executor", "-e", "--resources", "--res")


def run(args: argparse.Namespace) -> int:
    started = time.monotonic()
    with lock.sweep_lock(args.wait):
        planned = planning.make(args.overrides, progress=panel.counting("fingerprinting"))
        plan, store = planned.plan, Store(paths.store())
        save(plan)
        found = status.inspect(plan, store)
        if args.accept_code:
            say(f"kept {status.accept_code(plan, store, found)} results of older code, and recorded that")
        found = planning.prepare(plan)
        describe(planned, found, cores(args.cores))
        if dry(args.snakemake):
            return _snakemake(planned, args).wait()
        failed = _compute(planned, found, args) if found.needed or planning.undrawn(plan) else 0
        return max(failed, _finish(plan, store, started))


def dry(options: list[str]) -> bool:
    """Whether Snakemake is only asked what it would do, or for its own report of what it did."""
    return any(option.split("=")[0] in ("-n", "--dry-run", "--dryrun", "--report") for option in options)


def _compute(planned: planning.Planned, found: Status, args: argparse.Namespace) -> int:
    """Run Snakemake under the panel; returns its exit status."""
    plan = planned.plan
    log = paths.logs() / f"snakemake-{hashing.short(plan.hash)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    expected = estimate.members(plan, found)
    launched = time.time() - 1
    with log.open("w") as output:
        process = _snakemake(planned, args, output)
        try:
            panel.watch(process, plan, found, expected, cores(args.cores))
        except KeyboardInterrupt:
            say("stopping: waiting for Snakemake to end its jobs (Ctrl-C again kills them)")
            process.wait()
            raise
    if process.returncode:
        say(f"Snakemake ended with status {process.returncode}; its log: {_shown(log)}")
        _explain(plan, launched)
    return 1 if process.returncode else 0


def _snakemake(planned: planning.Planned, args: argparse.Namespace, output: object = None) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(paths.CHECKOUT / "Snakefile")]
    command += ["--directory", str(paths.results()), "--workflow-profile", str(PROFILE)]
    command += [] if _own_cores(args.snakemake) else ["--cores", args.cores]
    command += [] if _elsewhere(args.snakemake) else ["--resources", f"mem_mb={planned.memory_mb}"]
    command += ["--config", f"plan={planned.plan.path}", *args.snakemake]
    return subprocess.Popen(command, stdout=output or sys.stderr, stderr=subprocess.STDOUT, env=os.environ)


def _own_cores(options: list[str]) -> bool:
    return any(option.split("=")[0] in ("--cores", "-c", "--jobs", "-j") for option in options)


def _elsewhere(options: list[str]) -> bool:
    """Whether the jobs run on other machines, or the caller says himself what they may have."""
    return any(option.split("=")[0] in ELSEWHERE for option in options)


def _explain(plan: Plan, launched: float) -> None:
    """The last words of the jobs of this launch that left no receipt."""
    for shard in plan.shards.values():
        if not shard.receipt.exists() and shard.log.exists() and shard.log.stat().st_mtime >= launched:
            words = shard.log.read_text(errors="replace").strip().splitlines()[-TAIL_LINES:]
            if words:
                say("\n".join([f"{shard.kind} {shard.family} ({_shown(shard.log)}):", *(f"  {w}" for w in words)]))


def _finish(plan: Plan, store: Store, started: float) -> int:
    """Join and record what there is; Snakemake did both already where all went well, and nothing is written twice."""
    records = ledger.read_records(plan, store)
    states = {key: status.state_of(plan.stages[key], record, store) for key, record in records.items()}
    if not ledger.joined(plan, states):
        ledger.join(plan, records)
    rows = ledger.rows(plan, records)
    chosen = record.record(plan, rows)
    if not planning.page(plan).exists() and any(row.heads for row in rows):
        pages.write(plan, rows, store)
    outcome = _track(plan, rows)
    leaderboard.show(rows)
    counts = {name: sum(row.status == name for row in rows) for name in ("finished", "failed", "pending")}
    say(f"\n{counted(len(rows), 'run')}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count))
    for reason in sorted({row.reason for row in rows if row.reason})[:5]:
        say(f"  failed: {reason}")
    for line in select.told(chosen):
        say(line)
    for finding in [*_left_out(records), *_audits(plan, records, store)]:
        say(finding)
    for line in _pages(plan):
        say(line)
    say(f"results: {_shown(plan.folder)}   runs: backbench runs   time: {duration(time.monotonic() - started)}")
    say("compare in MLflow: backbench ui   (http://127.0.0.1:5000)")
    return outcome


def _pages(plan: Plan) -> list[str]:
    """Where the pictures and the report are, and which pictures could not be drawn."""
    said, page = drawing.told(plan), planning.page(plan)
    failed = list(said.get("failed", {}).items())[:TAIL_LINES]
    lines = [f"warning: {name} could not be drawn: {reason}" for name, reason in failed]
    drawn = f"pictures: {said['drawn']} in {_shown(drawing.published(plan))}" if said.get("drawn") else ""
    if drawing.wanted(plan) and not said:
        drawn = "pictures: not all are drawn yet; the same command goes on"
    shown = f"report: {_shown(page)}" if page.exists() else ""
    return [*lines, "   ".join(filter(None, (shown, drawn)))] if drawn or shown else lines


def _left_out(records: ledger.Records) -> list[str]:
    """Files of the datasets that were left out."""
    found = (record["info"].get("excluded") for record in records.values() if record["kind"] == "dataset")
    says = "files were left out; `backbench show` of a run lists them"
    return [f"warning: {len(files)} {says}" for files in found if files]


def _audits(plan: Plan, records: ledger.Records, store: Store) -> list[str]:
    """The verdict and the page of each audit; a page that was deleted is written again."""
    lines = []
    for member, stage in plan.stages.items():
        if stage.kind == "audit" and records.get(member, {}).get("status") == DONE:
            page, verdict = audit.write(store, member), audit.verdict(records[member]["info"])
            lines.append(f"images: {verdict}   page: {_shown(page)}")
    return lines


def _track(plan: Plan, rows: list[ledger.Row]) -> int:
    try:
        report = sweeps.record(plan, rows, progress=panel.counting("recording in MLflow"))
    except tracking.TrackingUnavailable as error:
        say(str(error))
        return 1
    changed = report.created + report.updated
    say(f"MLflow: {changed} runs written now, {report.unchanged} were there" if changed else "MLflow holds all runs")
    return 0


def _shown(path: Path) -> str:
    """A path relative to where the user stands, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
