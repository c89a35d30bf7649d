"""``backbench sweep``: plan, run Snakemake on what is missing, record, show."""

import argparse
import time
from collections.abc import Sequence

from backbench import launching
from backbench.cli import answer, leaderboard
from backbench.datasets import _files
from backbench.engine.plan.frozen import Plan
from backbench.engine.results.joined_run import Records, Row
from backbench.engine.time import launches
from backbench.evaluate.answer import SweepAnswer
from backbench.pictures import drawing
from backbench.reports import audit
from backbench.store import DONE, Store
from backbench.sweeping import executors, launch, taking
from backbench.sweeping.describing import say
from backbench.sweeping.launch import Launch, Swept, shown
from backbench.wording import counted

TAIL_LINES, SHOWN_REASONS = 3, 5


def run(args: argparse.Namespace) -> int:
    started = time.monotonic()
    how = launch_of(args)
    dry = executors.dry(args.snakemake)
    with taking.results_folder(taking.typed(), args.wait, args.cancel_running, dry):
        planned = launch.planned_for(args.overrides)
        if dry:
            return launch.rehearse(planned, how)
        swept = launch.compute(planned, how, started, show)
        outcome = launch.track(swept)
        _tell(swept)
        return max(swept.failed, outcome)


def launch_of(args: argparse.Namespace) -> Launch:
    """How the command line asks for a sweep to be computed."""
    return Launch(args.cores, args.accept_code, args.snakemake)


def show(results: SweepAnswer) -> None:
    """Print the leaderboards of a sweep, what became of its runs, and its answer."""
    leaderboard.show(results.datasets)
    tell_counts(results.rows)
    answer.show(results.datasets.values())
    say("")


def _tell(swept: Swept) -> None:
    """What has to be said beyond the answer, and where to look at what."""
    plan, records = swept.plan, swept.records
    for finding in [*_left_out(records), *_audits(plan, records, swept.store)]:
        say(finding)
    for line in _pages(plan):
        say(line)
    took = launches.took(swept.announced, records, swept.taken)
    say(f"results: {shown(plan.folder)}   runs: backbench runs   elapsed: {took}")
    say("compare in MLflow: backbench ui   try an image, browse clusters and a map: backbench app")


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
            page, verdict = audit.write(plan.seen(store), member), audit.verdict(records[member]["info"])
            lines.append(f"images: {verdict}   page: {shown(page)}")
    return lines
