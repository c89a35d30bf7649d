"""``backbench paper``: run a published system again, and compare the published figures with ours."""

import argparse
import dataclasses
import json
import re
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import code, compose, exports, hashing, launching, machine, papers, planning, threads
from backbench.cli import _paper_screen as screen
from backbench.cli import sweep
from backbench.engine.results.joined_run import FINISHED, Row
from backbench.engine.time import launches
from backbench.files import write_text
from backbench.papers import table as tables
from backbench.papers.page import paper as pages
from backbench.papers.page.paper import Shown
from backbench.papers.published import Published
from backbench.papers.table import Table
from backbench.pictures import choice, drawing, index, ordering
from backbench.pictures.orders import Order
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import executors, launch, panel, taking
from backbench.sweeping.describing import cores, say
from backbench.sweeping.launch import Swept, shown

# How an error names an input of a paper that is missing.
ASKED = re.compile(r"\b((?:dataset|backbone)\.[\w.]+)=(?:PATH|FOLDER)\b")
# How the reason starts where a figure is missing because of its runs.
BROKEN = ("failed", "not computed yet")
# The folder of the export, and the file that records what it was made from.
EXPORT, EXPORTED = "export", "export.json"
# Stand-ins for the inputs of a paper that need no download: the group of the option -> overrides.
AT_HAND = {"dataset": ("dataset=fashion_mnist", "dataset.sample=2000"), "backbone": ("backbone=efficientnet_lite0",)}


def run(args: argparse.Namespace) -> int:
    if args.name is None:
        screen.listing(args.format)
        return 0
    published, target = papers.load(args.name), _target(args.to)
    given = args.overrides
    args.overrides = [f"experiment={args.name}", *_checked(given)]
    started = time.monotonic()
    dry = executors.dry(args.snakemake)
    with taking.results_folder(taking.typed(), args.wait, args.cancel_running, dry):
        planned = _planned(published, args, given)
        if dry:
            return launch.rehearse(planned, sweep.launch_of(args))
        swept = launch.compute(planned, sweep.launch_of(args), started)
        table, folder = _written(published, swept, args)
        outcome = max(swept.failed, launch.track(swept))
    if target:
        shutil.copytree(folder, target, dirs_exist_ok=True)
    screen.show(table, args.format)
    _tell(swept, target or folder)
    return max(outcome, int(_lacking(table)))


def _checked(overrides: Sequence[str]) -> Sequence[str]:
    for word in overrides:
        if _key(word) == "experiment":
            raise ConfigError(f"{word}: a paper has its own experiment; use `backbench sweep` to run another one.")
    return overrides


def _target(to: str | None) -> Path | None:
    target = Path(to).expanduser() if to else None
    if target and target.exists() and not target.is_dir():
        raise ConfigError(f"--to: {target} is a file; name a folder.")
    return target


def _planned(published: Published, args: argparse.Namespace, given: Sequence[str]) -> planning.Planned:
    """The plan; if an input of the paper is missing, the error says what it is, where to get it and what to type.

    Raises
    ------
    ConfigError
        If the paper cannot be run.
    """
    try:
        return launch.planned_for(args.overrides)
    except ConfigError as error:
        if not ASKED.search(str(error)):
            raise
        raise ConfigError("\n".join([str(error), *_needs(published, str(error), given)])) from error


def _needs(published: Published, error: str, given: Sequence[str]) -> list[str]:
    """What the user has to provide for a paper, and the commands to run it with that or with stand-ins."""
    named = {_key(word) for word in given}
    words = {needed.option: " ".join(needed.words.split()) for needed in published.inputs if needed.option not in named}
    asked = {option.split(".")[0]: option for option in reversed(ASKED.findall(error))}
    roots = {option.split(".")[0] for option in words}
    lacking = [*words, *(option for root, option in asked.items() if root not in roots)]
    lines = ["", *(f"{published.name} needs {option}: {text}." for option, text in words.items())]
    supplied = [*given, *(f"{option}=PATH" for option in lacking)]
    lines += ["To run it with your files:", f"  {_command(published, supplied)}"]
    instead = _instead(published, error, given)
    if instead:
        lines += ["To try it with Fashion-MNIST or the installed network instead:", f"  {_command(published, instead)}"]
    return lines


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _instead(published: Published, error: str, given: Sequence[str]) -> list[str] | None:
    """Overrides that plan a paper with stand-ins for its missing inputs; None if there are no such overrides."""
    words = list(given)
    replaced: set[str] = set()
    while roots := {option.split(".")[0] for option in ASKED.findall(error)} - replaced:
        replaced |= roots
        kept = [word for word in words if _key(word).split(".")[0] not in roots]
        words = [*kept, *(word for root in sorted(roots) for word in AT_HAND[root])]
        try:
            planning.make([f"experiment={published.name}", *words], fingerprint=False)
            return sorted(words, key=lambda word: word not in given)
        except ConfigError as again:
            error = str(again)
    return None


def _command(published: Published, overrides: Sequence[str]) -> str:
    return shlex.join(["backbench", "paper", published.name, *overrides])


def _written(published: Published, swept: Swept, args: argparse.Namespace) -> tuple[Table, Path]:
    """Make the table of a sweep and write it with its pictures and exports; returns it with its folder."""
    preset = [cell.config for cell in compose.expand([f"experiment={published.name}"]).cells]

    def first(where: Mapping[str, Any]) -> Row | None:
        """The first finished run for a picture or an export."""
        matches = tables.matching(published, swept.rows, preset, where)
        return next((row for row in matches if row.status == FINISHED), None)

    made = tables.make(published, swept.plan, swept.rows, swept.store, preset)
    folder = pages.folder(made.name, made.sweep)
    table = dataclasses.replace(made, circumstances={**made.circumstances, **_launch(made, swept, args)})
    pictures = _pictures(published, swept, first, args)
    with threads.beside(min(machine.cores(), cores(args.cores))):
        pages.write(table, folder, pictures)
    row = first(published.export.where) if published.export.where else None
    if row is not None:
        _export(row, swept.store, folder, args.joblib)
    return table, folder


def _export(row: Row, store: Store, folder: Path, joblib: bool) -> None:
    """Export a run, unless its files were already made by this code from the current results."""
    made_of = {
        member: [row.records[member].get(name) for name in ("code", "status", "arrays")]
        for member in row.members
        if member in row.records
    }
    made_by = code.digest(["backbench.exports.writing"])
    key, kept = hashing.digest([row.config_hash, joblib, made_of, made_by]), folder / EXPORTED
    try:
        record = json.loads(kept.read_bytes())
        if record["key"] == key and all((folder / EXPORT / name).is_file() for name in record["files"]):
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass
    files = exports.write(row, store, folder / EXPORT, joblib, lambda text: say(f"exporting: {text}"))
    write_text(kept, json.dumps({"key": key, "files": sorted(path.name for path in files)}, indent=1))


def _launch(made: Table, swept: Swept, args: argparse.Namespace) -> Mapping[str, Any]:
    """Time and counts of the launch that computed the results: this one, or the one in the stored table."""
    if swept.computed:
        text = launches.took(swept.announced, swept.records, swept.taken)
        times = {"announced": round(swept.announced.seconds, 1), "taken": round(swept.taken, 1), "words": text}
        counts = {"computed": swept.computed, "stages": len(swept.plan.stages), "cores": cores(args.cores)}
        return {"launch": {**counts, **times}}
    before = pages.read(made.name, made.sweep)
    launch = before.circumstances.get("launch") if before else None
    return {"launch": launch} if launch else {}


def _pictures(
    published: Published, swept: Swept, first: Callable[[Mapping[str, Any]], Row | None], args: argparse.Namespace
) -> list[Shown]:
    """Draw the pictures that a paper names, unless none are wanted; reports those that cannot be drawn."""
    if drawing.mode(swept.plan) == choice.NONE:
        return []
    wanted = [(row, pictures.kinds) for pictures in published.pictures if (row := first(pictures.where))]
    orders = [(row, order) for row, kinds in wanted for order in ordering.of_run(row, kinds, swept.store)]
    drawing.make([order for _, order in orders], cores(args.cores), panel.counting("drawing"))
    return [Shown(drawn, row.config_hash, row.name) for row, order in orders for drawn in _drawn(row, order)]


def _drawn(row: Row, order: Order) -> list[drawing.Drawn]:
    drawn = [picture for picture in drawing.of_run(row.config_hash) if picture.kind == order.name]
    if not drawn:
        entry = index.read(order.folder).get(order.name, {})
        reason = entry.get("lacks") or entry.get("failure") or "no reason was recorded"
        say(f"{order.name} of {row.name} was not drawn: {reason}")
    return drawn


def _lacking(table: Table) -> bool:
    """Whether a figure of ours is missing because its runs failed or were not computed."""
    reasons = (line.why[0].lower() for line in table.lines if line.ours is None and line.why)
    return any(reason.startswith(BROKEN) for reason in reasons)


def _tell(swept: Swept, folder: Path) -> None:
    """Print the outcome, where to find it, and the time that it took beside the estimate."""
    sweep.tell_counts(swept.rows)
    say(f"page: {shown(folder / pages.PAGE)}   (table, pictures and export are in the same folder)")
    say(f"report of the whole sweep: {shown(launching.page(swept.plan))}   all runs: backbench runs")
    nothing = "" if swept.computed else "; nothing had to be computed"
    say(f"time: {launches.took(swept.announced, swept.records, swept.taken)}{nothing}")
