"""``backbench sweeps``: the sweeps of this results folder, and removing some of them."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from backbench import first_words, lock, paths
from backbench.cli import _columns
from backbench.cli.report import find
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import say
from backbench.sweeping.launch import shown
from backbench.upkeep import collecting, inventory, sweeps
from backbench.upkeep.collecting import Part, Wanted
from backbench.wording import counted, size


def run(args: argparse.Namespace) -> int:
    if args.action == "ls":
        for name in ("sweeps", "results", "yes"):
            if getattr(args, name):
                raise ConfigError("`backbench sweeps ls` lists all sweeps; `backbench sweeps rm SWEEP` removes some.")
        return _ls(args)
    if not args.sweeps:
        raise ConfigError("name the sweeps to remove: backbench sweeps rm SWEEP; `backbench sweeps ls` lists them.")
    return _rm(args)


def _ls(args: argparse.Namespace) -> int:
    store, plans = Store(paths.store()), ledger.saved_plans()
    content = inventory.of(store, panel.counting("reading the records"))
    _columns.show([_record(plan, content) for plan in plans], args.format)
    if args.format == "table":
        say(f"{counted(len(plans), 'sweep')} in {shown(paths.results())}" if plans else "there are no sweeps here yet")
    return 0


def _record(plan: Plan, content: inventory.Inventory) -> dict[str, Any]:
    summary = sweeps.summary(plan, content.store)
    return {
        "sweep": sweeps.short(plan),
        "experiment": summary.experiment,
        "when": round(summary.launched),
        "runs": len(plan.runs),
        "done": summary.finished,
        "failed": summary.failed,
        "bytes": inventory.size_of(content.results[path] for path in content.used_by(plan)),
        "where": shown(plan.folder),
    }


def _rm(args: argparse.Namespace) -> int:
    plans = ledger.saved_plans()
    leaving = list({plan.sweep: plan for plan in (find(prefix, plans) for prefix in args.sweeps)}.values())
    others = [plan for plan in plans if plan.sweep not in {each.sweep for each in leaving}]
    with lock.sweep_lock():
        content = inventory.of(Store(paths.store()), panel.counting("reading the records"))
        parts = collecting.parts(content, plans, Wanted(leaving)) if args.results else []
        chosen = [part for part in parts if part.results]
        _describe(leaving, others, chosen, content)
        if not args.yes and not _agreed(args, leaving):
            say("nothing was removed")
            return 1
        _, refused = collecting.remove(content, chosen)
        for plan in leaving:
            sweeps.remove(sweeps.files_of(plan, others))
    say(f"{counted(len(leaving), 'sweep')} removed")
    for path in refused:
        print(f"{path} may not be removed by this user", file=sys.stderr)
    return 1 if refused else 0


def _describe(leaving: Sequence[Plan], others: Sequence[Plan], chosen: Sequence[Part], content: Any) -> None:
    """Say what goes and what stays."""
    for plan in leaving:
        places = sweeps.files_of(plan, others)
        runs = counted(len(plan.runs), "run")
        say(f"sweep {sweeps.short(plan)} of {runs}: plans, joined results, pictures, report and receipts")
        say(f"  {len(places):,} files and folders, {size(sweeps.size_of(places))}")
    freed = sum(part.bytes for part in chosen)
    if chosen:
        say(f"results in {content.store.root} that no other sweep of this folder uses: {size(freed)}")
        if inventory.elsewhere(content.store):
            say("  other results folders may use this store; what they need of these results is computed there again")
    else:
        say("results in the store stay (--results removes those that no other sweep of this folder uses)")
    say("runs in MLflow stay; remove them there")


def _agreed(args: argparse.Namespace, leaving: Sequence[Plan]) -> bool:
    """Ask on a terminal.

    Raises
    ------
    ConfigError
        Elsewhere, where nobody can answer.
    """
    if not sys.stdin.isatty():
        words = " ".join(map(sweeps.short, leaving))
        raise ConfigError(f"removing asks first, and this is no terminal; type: backbench sweeps rm {words} --yes")
    first_words.over()
    return input(f"Remove {counted(len(leaving), 'sweep')}? [y/N] ").strip().lower() in ("y", "yes")
