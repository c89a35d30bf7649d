"""``backbench audit``: problems with the images of a data set, before anything is computed from them."""

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import paths, planning
from backbench.cli import leaderboard
from backbench.engine.plan.frozen import Plan
from backbench.engine.run import runner
from backbench.reports import audit
from backbench.schema import ConfigError
from backbench.store import Store, StoreError
from backbench.sweeping import panel
from backbench.sweeping.describing import cores, say

if TYPE_CHECKING:
    from rich.text import Text

# Tasks and experiments have nothing to do with the images; what the user sets stays.
NEUTRAL = {"experiment": "none", "clusterer": "none", "classifier": "none", "retrieval": "none"}
STRICT = ("across_parts", "near_across_parts", "two_classes", "unreadable", "duplicates")
COLOURS = {"fault": "bold red", "look": "yellow", "fine": "green", "absent": "dim"}
WORST = 3


def run(args: argparse.Namespace) -> int:
    if args.labels is not None:
        from backbench.cli import _doubtful_labels

        return _doubtful_labels.run(args)
    with _hushed():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    given = {override.partition("=")[0] for override in args.overrides}
    neutral = [f"{key}={value}" for key, value in NEUTRAL.items() if key not in given]
    planned = planning.make(
        [*neutral, *args.overrides], progress=panel.counting("reading the images"), tell=say, prepare=False
    )
    store = planned.plan.own(Store(paths.store()))
    members = [key for key, stage in planned.plan.stages.items() if stage.kind == "audit"]
    if not members:
        raise ConfigError("audit: the data set has no images, so there is nothing to audit.")
    _compute(planned.plan, members, store, cores(args.cores))
    pages = [audit.write(store, member) for member in members]
    reports = [json.loads((page.parent / audit.DATA).read_text(encoding="utf-8")) for page in pages]
    if args.json:
        print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=1))
    else:
        for page, report in zip(pages, reports, strict=True):
            _show(report, page)
    return 1 if args.strict and any(map(unclean, reports)) else 0


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Silence the warnings of the stages, which would repeat what the summary says."""
    logger = logging.getLogger("backbench")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def unclean(report: Mapping[str, Any]) -> bool:
    """Whether a strict audit fails: a file is unreadable, or an image is duplicated, in two splits or two classes."""
    return any(check["key"] in STRICT and check["state"] in ("fault", "look") for check in report["checks"])


def _compute(plan: Plan, members: Sequence[str], store: Store, threads: int) -> None:
    """Compute what is missing of the audits and of the data sets before them, in this process."""
    for kind in ("dataset", "audit"):
        wanted = {plan.stages[member].parents["dataset"][1] if kind == "dataset" else member for member in members}
        for shard in {plan.shard_of(member).id: plan.shard_of(member) for member in wanted}.values():
            options = ["--plan", str(plan.path), "--shard", shard.id, "--threads", str(threads), "--device", "cpu"]
            with _working("reading the data set" if kind == "dataset" else "auditing the images"):
                states = runner.compute(plan, shard, store, runner.parser(kind).parse_args(options))
            for member in [member for member, state in states.items() if state == "failed"]:
                record = store.read(kind, member) or {}
                raise StoreError(f"the audit failed: {record.get('reason', 'no reason was recorded')}")


@contextlib.contextmanager
def _working(what: str) -> Iterator[None]:
    """Show on a terminal that something is under way."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def _show(report: Mapping[str, Any], page: Path) -> None:
    """Print the verdict, a line for each check with its worst cases, and what to type next."""
    from rich.table import Table
    from rich.text import Text

    console = leaderboard.screen(sys.stdout)
    verdict = report["verdict"]
    console.print(Text(verdict["text"], style=COLOURS[verdict["state"]]), end="\n\n")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in report["checks"]:
        style = COLOURS[check["state"]]
        table.add_row(Text(check["shown"], style=style), Text(check["title"], style=style), _worst(check, report))
    console.print(table)
    steps = dict.fromkeys(check["then"] for check in report["checks"] if check["then"])
    if steps:
        console.print(Text(f"\nto fix these, add to the command: {'   '.join(steps)}"))
    console.print(Text(f"\npage: {_shown(page)}"))


def _worst(check: Mapping[str, str], report: Mapping[str, Any]) -> "Text":
    """The worst cases of a check in one line each; without any, what the check means."""
    from rich.text import Text

    if check["key"] in audit.WITHOUT_IMAGES or check["state"] == "absent":
        return Text(check["meaning"], style="dim")
    if check["state"] == "fine":
        return Text("none", style="dim")
    lines = audit.worst(check["key"], report)
    more = [f"and {len(lines) - WORST:,} more"] if len(lines) > WORST else []
    return Text("\n".join([*lines[:WORST], *more]))


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
