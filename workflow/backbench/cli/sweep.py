"""``backbench sweep``: plan, run Snakemake on what is missing, record, show."""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backbench import hashing, launching, lock, paths, planning, tracking
from backbench.cli import answer, leaderboard, panel
from backbench.cli.plan import cores, describe, say
from backbench.datasets import _files
from backbench.evaluate.answer import SweepAnswer
from backbench.pictures import drawing
from backbench.reports import audit
from backbench.reports import sweep as pages
from backbench.store import DONE, Store
from backbench.sweep.plan.frozen import Plan, save
from backbench.sweep.results import ledger
from backbench.sweep.results.joined_run import Records, Row
from backbench.sweep.run import status
from backbench.sweep.run.status import Status
from backbench.sweep.time import estimate, launches
from backbench.sweep.time.launches import Announced
from backbench.tracking import sweeps
from backbench.wording import counted

PROFILE = paths.CHECKOUT / "profiles" / "default"
TAIL_LINES, SHOWN_REASONS = 3, 5
# Options of Snakemake, as its parser calls them, with which no job is started.
COMPUTES_NOTHING = (
    *("dryrun", "report", "summary", "detailed_summary", "lint", "list_rules", "list_target_rules", "list_changes"),
    *("list_input_changes", "list_params_changes", "list_untracked", "dag", "rulegraph", "filegraph", "d3dag"),
    *("archive", "containerize", "export_cwl", "print_compilation", "unlock", "cleanup_metadata", "cleanup_shadow"),
    *("delete_all_output", "delete_temp_output", "conda_create_envs_only", "conda_cleanup_envs"),
)
ELSEWHERE = ("--workflow-profile", "--executor", "-e", "--resources", "--res")


@dataclass(frozen=True)
class Swept:
    """A sweep whose jobs have ended, joined. `failed` is 1 where Snakemake ended with an error, else 0.

    `computed` counts the results and scores that were missing at the start, and `announced` says how long the launch
    was to take; `started` is on the clock of `time.monotonic`.
    """

    plan: Plan
    store: Store
    records: Records
    answer: SweepAnswer
    failed: int
    computed: int
    announced: Announced
    started: float

    @property
    def rows(self) -> Sequence[Row]:
        return self.answer.rows

    @property
    def taken(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def run(args: argparse.Namespace) -> int:
    started = time.monotonic()
    with lock.sweep_lock(args.wait):
        planned = planned_for(args)
        if dry(args.snakemake):
            return rehearse(planned, args)
        swept = compute(planned, args, started)
        outcome = track(swept)
        leaderboard.show(swept.answer.datasets)
        _tell(swept)
        return max(swept.failed, outcome)


def planned_for(args: argparse.Namespace) -> planning.Planned:
    """The plan of the overrides, its collections read where they are not known yet."""
    return planning.make(args.overrides, progress=panel.counting("reading the images"), tell=say)


def rehearse(planned: planning.Planned, args: argparse.Namespace) -> int:
    """Describe a plan and let Snakemake say what it would do; returns its exit status. Nothing of it stays."""
    with _unrecorded(planned.plan):
        _prepared(planned, args)
        return _snakemake(planned, args).wait()


@contextlib.contextmanager
def _unrecorded(plan: Plan) -> Iterator[None]:
    """Leave the plan files as they were: a sweep that was not started has no pending runs, and is not the newest."""
    before = plan.path.stat() if plan.path.exists() else None
    try:
        yield
    finally:
        if before is None:
            plan.path.unlink(missing_ok=True)
        else:
            os.utime(plan.path, ns=(before.st_atime_ns, before.st_mtime_ns))


def compute(planned: planning.Planned, args: argparse.Namespace, started: float) -> Swept:
    """Describe a plan, compute what is missing, join what there is and write its report."""
    plan, fresh = planned.plan, not planned.plan.path.exists()
    state, announced = _prepared(planned, args)
    due = state.due or launching.undrawn(plan)
    if due:
        launches.keep(plan, announced)
    failed = _compute(planned, state, args) if due else 0
    if failed and fresh and not _begun(plan, started):
        plan.path.unlink(missing_ok=True)
    store = Store(paths.store())
    missing = len(state.needed) + len(state.unscored)
    return Swept(plan, store, *_joined(plan, store), failed, missing, announced, started)


def _prepared(planned: planning.Planned, args: argparse.Namespace) -> tuple[Status, Announced]:
    """Save and describe a plan; returns what is done of it, and how long the rest will take."""
    plan, store, n_cores = planned.plan, Store(paths.store()), cores(args.cores)
    save(plan)
    if args.accept_code:
        results, scores = status.accept_code(plan, store, status.inspect(plan, store))
        more = f" and the scores of {counted(scores, 'fit')}" if scores else ""
        say(f"kept {counted(results, 'result')}{more} of older code, as each of them now says")
    state = planning.with_known(planned, launching.prepare(plan), store)
    return state, describe(planned, state, n_cores)


def _begun(plan: Plan, started: float) -> bool:
    """Whether a job of this launch has begun; `started` is on the clock of `time.monotonic`."""
    since = time.time() - (time.monotonic() - started) - 1
    shards = (*plan.shards.values(), *plan.scoring.values())
    logs = (shard.log for shard in shards if shard.log.exists())
    return any(log.stat().st_mtime >= since for log in logs)


def dry(options: Sequence[str]) -> bool:
    """Whether Snakemake is only asked what it would do or what there is; its own parser reads the options."""
    if not options:
        return False
    from snakemake.cli import get_argument_parser

    asked = get_argument_parser().parse_known_args(options)[0]
    return any(getattr(asked, name, False) for name in COMPUTES_NOTHING)


def _compute(planned: planning.Planned, state: Status, args: argparse.Namespace) -> int:
    """Run Snakemake under the panel; returns its exit status."""
    plan = planned.plan
    log = paths.logs() / f"snakemake-{hashing.short(plan.hash)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    expected = estimate.members(plan, state, cores(args.cores))
    launched = time.time() - 1
    with log.open("w") as output:
        process = _snakemake(planned, args, output)
        try:
            panel.watch(process, plan, state, expected, cores(args.cores))
        except KeyboardInterrupt:
            say("stopping: Snakemake is ending its jobs (press Ctrl-C again to kill them)")
            process.wait()
            raise
    if process.returncode:
        say(f"Snakemake ended with status {process.returncode}; its log: {shown(log)}")
        _explain(plan, launched)
    return 1 if process.returncode else 0


def _snakemake(
    planned: planning.Planned, args: argparse.Namespace, output: IO[str] | None = None
) -> subprocess.Popen[bytes]:
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
    for shard in (*plan.shards.values(), *plan.scoring.values()):
        if not shard.receipt.exists() and shard.log.exists() and shard.log.stat().st_mtime >= launched:
            words = shard.log.read_text(errors="replace").strip().splitlines()[-TAIL_LINES:]
            if words:
                say("\n".join([f"{shard.kind} {shard.family} ({shown(shard.log)}):", *(f"  {w}" for w in words)]))


def _joined(plan: Plan, store: Store) -> tuple[Records, SweepAnswer]:
    """Join what there is and answer from it; Snakemake joined it where all went well, and nothing is written twice."""
    records = ledger.read_records(plan, store)
    states = {key: status.state_of(plan.stages[key], record, store) for key, record in records.items()}
    if not ledger.joined(plan, states, status.scores_of(plan, records, states, store)):
        ledger.join(plan, records)
    results = SweepAnswer(plan, ledger.rows(plan, records), store, panel.counting("resampling images"))
    results.write()
    if not launching.page(plan).exists() and any(row.heads for row in results.rows):
        pages.write(results)
    return records, results


def _tell(swept: Swept) -> None:
    """What came of a sweep, where to look at it, and its answer."""
    plan, rows, records = swept.plan, swept.rows, swept.records
    tell_counts(rows)
    for finding in [*_left_out(records), *_audits(plan, records, swept.store)]:
        say(finding)
    for line in _pages(plan):
        say(line)
    took = launches.took(swept.announced, records, swept.taken)
    say(f"results: {shown(plan.folder)}   runs: backbench runs   elapsed: {took}")
    say("compare in MLflow: backbench ui   (http://127.0.0.1:5000)")
    answer.show(swept.answer.datasets.values())


def tell_counts(rows: Sequence[Row]) -> None:
    """How many runs finished, and why others did not."""
    counts = {name: sum(row.status == name for row in rows) for name in ("finished", "failed", "pending")}
    say(f"\n{counted(len(rows), 'run')}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count))
    reasons = sorted({row.reason for row in rows if row.reason})
    for reason in reasons[:SHOWN_REASONS]:
        say(f"  failed: {reason}")
    if len(reasons) > SHOWN_REASONS:
        say(
            f"  ... and {counted(len(reasons) - SHOWN_REASONS, 'other reason')}; `backbench runs --columns name,reason`"
        )


def _pages(plan: Plan) -> list[str]:
    """Where the pictures and the report are, and which pictures could not be drawn."""
    outcome, page = drawing.outcome(plan), launching.page(plan)
    failed = list(outcome.get("failed", {}).items())[:TAIL_LINES]
    lines = [f"warning: {name} could not be drawn: {reason}" for name, reason in failed]
    drawn = f"pictures: {outcome['drawn']} in {shown(drawing.published(plan))}" if outcome.get("drawn") else ""
    if drawing.wanted(plan) and not outcome:
        drawn = "pictures: not all are drawn yet; run the same command again to continue"
    written = f"report: {shown(page)}" if page.exists() else ""
    return [*lines, "   ".join(filter(None, (written, drawn)))] if drawn or written else lines


def _left_out(records: Records) -> list[str]:
    """Files of the datasets that were left out."""
    excluded = (record["info"].get("excluded") for record in records.values() if record["kind"] == "dataset")
    counts = [len(files) for files in map(_files.lost, excluded) if files]
    words = [f"{counted(n, 'file')} {'was' if n == 1 else 'were'} left out" for n in counts]
    return [f"warning: {sentence}; `backbench show` of a run lists them" for sentence in words]


def _audits(plan: Plan, records: Records, store: Store) -> list[str]:
    """The verdict and the page of each audit; a page that was deleted is written again."""
    lines = []
    for member, stage in plan.stages.items():
        if stage.kind != "audit" or member not in records:
            continue
        if records[member]["status"] != DONE:
            lines.append(f"warning: the images could not be audited: {records[member]['reason']}")
        else:
            page, verdict = audit.write(store, member), audit.verdict(records[member]["info"])
            lines.append(f"images: {verdict}   page: {shown(page)}")
    return lines


def track(swept: Swept) -> int:
    """Record a sweep in MLflow; returns 1 where that does not answer, else 0."""
    try:
        report = sweeps.record(swept.answer, progress=panel.counting("recording in MLflow"))
    except tracking.TrackingUnavailable as error:
        say(str(error))
        return 1
    changed = report.created + report.updated
    say(
        f"MLflow: {counted(changed, 'run')} written, {report.unchanged:,} unchanged"
        if changed
        else "MLflow holds all runs"
    )
    return 0


def shown(path: Path) -> str:
    """A path relative to where the user stands, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
