"""``backbench store``: what the store holds and how large it is, whether it is whole, and freeing space."""

import argparse
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from backbench import lock, paths
from backbench.cli import _columns
from backbench.cli.report import find
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import say
from backbench.upkeep import collecting, inventory, verifying
from backbench.upkeep.collecting import Part, Wanted
from backbench.upkeep.inventory import Inventory, Result
from backbench.upkeep.sweeps import short
from backbench.wording import counted, size

DAYS, SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdw])"), re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT])i?B?", re.IGNORECASE)
SECONDS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
SHOWN = 10
# Which options belong to which action.
OPTIONS = {
    "ls": {"format"},
    "du": {"format"},
    "verify": {"remove"},
    "gc": {"yes", "sweep", "older_than", "size_limit", "unreferenced"},
}


def run(args: argparse.Namespace) -> int:
    _check(args)
    store = Store(paths.store())
    if not store.root.is_dir():
        raise ConfigError(f"there is no store at {store.root} yet; `backbench sweep` makes it.")
    _check_apart(store)
    return {"ls": _ls, "du": _du, "verify": _verify, "gc": _gc}[args.action](args, store)


def _check(args: argparse.Namespace) -> None:
    """Refuse options of another action."""
    for name in set().union(*OPTIONS.values()) - OPTIONS[args.action]:
        if getattr(args, name) and (name, getattr(args, name)) != ("format", "table"):
            option = f"--{name.replace('_', '-')}"
            actions = " or ".join(f"`backbench store {action}`" for action, names in OPTIONS.items() if name in names)
            raise ConfigError(f"{option} is an option of {actions}, not of `backbench store {args.action}`.")


def _check_apart(store: Store) -> None:
    """Refuse a store in which other things lie."""
    for name, place in (("results", paths.results()), ("downloads", paths.downloads()), ("home", Path.home())):
        if place.absolute().is_relative_to(store.root.absolute()):
            raise ConfigError(
                f"the store {store.root} holds the folder of {name} ({place}), and should be a folder of its own: "
                f"BACKBENCH_STORE={store.root / 'store'}."
            )


def _content(store: Store) -> Inventory:
    return inventory.of(store, panel.counting("reading the records"))


def _ls(args: argparse.Namespace, store: Store) -> int:
    content = _content(store)
    by_kind: dict[str, list[Result]] = {}
    for result in content.results.values():
        by_kind.setdefault(result.kind, []).append(result)
    _columns.show([_kind(kind, results) for kind, results in sorted(by_kind.items())], args.format)
    if args.format == "table":
        say(f"{counted(len(content.results), 'result')}, {size(content.bytes)} in {store.root}")
        say("backbench store du: what takes the space   backbench sweeps ls: the sweeps made here")
    return 0


def _kind(kind: str, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "kind": kind,
        "results": len(results),
        "failed": sum(result.failed for result in results),
        "code": len({result.about.get("code", "") for result in results}),
        "bytes": inventory.size_of(results),
        "newest": round(max(result.record.changed for result in results)),
    }


def _du(args: argparse.Namespace, store: Store) -> int:
    content, plans = _content(store), ledger.saved_plans()
    used = {plan.sweep: content.used_by(plan) for plan in plans}
    every = [path for paths_of in used.values() for path in paths_of]
    shared = {path for path in set(every) if every.count(path) > 1} if len(used) > 1 else set()
    by_kind: dict[str, list[Path]] = {}
    for path, result in content.results.items():
        by_kind.setdefault(result.kind, []).append(path)
    lines = [_line("kind", kind, content, group) for kind, group in sorted(by_kind.items())]
    lines += [_line("sweep", short(plan), content, used[plan.sweep], used[plan.sweep] - shared) for plan in plans]
    lines.append(_line("sweep", "shared between sweeps", content, shared))
    lines.append(_line("sweep", "none of this folder", content, content.results.keys() - set(every)))
    groups = {"decoded images": content.images, "unfinished work": content.partial}
    groups |= {"no record names them": content.leftovers, "damaged records": content.damaged}
    lines += [
        {"what": "files", "name": name, "count": len(group), "bytes": sum(f.bytes for f in group), "alone": None}
        for name, group in groups.items()
    ]
    lines.append({"what": "all", "name": "", "count": len(content.results), "bytes": content.bytes, "alone": None})
    _columns.show(lines, args.format)
    if args.format == "table":
        _say_whose(store)
    return 0


def _line(
    what: str, name: str, content: Inventory, group: Iterable[Path], alone: Iterable[Path] | None = None
) -> dict[str, Any]:
    results = [content.results[path] for path in group]
    only = None if alone is None else inventory.size_of(content.results[path] for path in alone)
    return {"what": what, "name": name, "count": len(results), "bytes": inventory.size_of(results), "alone": only}


def _verify(args: argparse.Namespace, store: Store) -> int:
    content, began = _content(store), time.monotonic()
    damage = verifying.verify(content, panel.counting("verifying bytes"))
    for each in damage:
        print(f"{each.path}: {each.reason}")
    taken = time.monotonic() - began
    say(f"{counted(len(content.results), 'result')}, {size(content.bytes)} verified in {taken:.1f} s")
    if not damage:
        say("nothing is damaged")
        return 0
    if not args.remove:
        say(f"{len(damage):,} damaged; with --remove they are forgotten, and the next sweep computes them again")
        return 1
    with lock.sweep_lock():
        kept = verifying.remove(store, damage)
    certain = sum(each.certain for each in damage)
    say(f"{certain:,} damaged and forgotten; the next sweep computes them again")
    if certain < len(damage):
        say(f"{len(damage) - certain:,} that cannot be read stay: they may be whole, and their owner can look at them")
    _say_refused(kept)
    return 1


def _gc(args: argparse.Namespace, store: Store) -> int:
    wanted = _wanted(args)
    if not args.yes:
        _collect(store, wanted, remove=False)
        return 0
    with lock.sweep_lock():
        return _collect(store, wanted, remove=True)


def _collect(store: Store, wanted: Wanted, remove: bool) -> int:
    content, plans = _content(store), ledger.saved_plans()
    chosen = collecting.parts(content, plans, wanted)
    _columns.show([_part(part) for part in chosen], "table")
    _say_whose(store)
    total = sum(part.bytes for part in chosen)
    if wanted.limit is not None and content.bytes - total > wanted.limit:
        say(f"{size(content.bytes - total)} would stay, more than {size(wanted.limit)}: name what else may go")
    if not remove:
        say(f"{size(total)} of {size(content.bytes)} would be freed; nothing was removed: add --yes")
        return 0
    freed, refused = collecting.remove(content, chosen)
    say(f"{size(freed)} freed; what a sweep needs of it again is computed again")
    _say_refused(refused)
    return 1 if refused else 0


def _part(part: Part) -> dict[str, Any]:
    return {"goes": part.what, "count": len(part.results) or len(part.files), "bytes": part.bytes}


def _wanted(args: argparse.Namespace) -> Wanted:
    plans = ledger.saved_plans()
    sweeps: list[Plan] = [find(prefix, plans) for prefix in args.sweep]
    older = _seconds(args.older_than) if args.older_than else None
    if sweeps and older is not None:
        raise ConfigError("--sweep and --older-than both say which sweeps' results go; give one of them.")
    return Wanted(sweeps, older, _bytes(args.size_limit) if args.size_limit else None, args.unreferenced)


def _seconds(text: str) -> float:
    match = DAYS.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"--older-than: received {text!r}; allowed: hours, days or weeks, such as 12h, 30d or 8w.")
    return float(match[1]) * SECONDS[match[2]]


def _bytes(text: str) -> int:
    match = SIZE.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"--size-limit: received {text!r}; allowed: a size such as 500M, 50G or 1.5T.")
    return int(float(match[1]) * UNITS[match[2].lower()])


def _say_whose(store: Store) -> None:
    """Say which sweeps are known, and that others may use the store."""
    if inventory.elsewhere(store):
        say(f"{store.root} may be used by other results folders. Only the sweeps of {paths.results()} are known here;")
        say("what another folder needs of what is removed is computed there again")


def _say_refused(files: Sequence[Path]) -> None:
    for path in files[:SHOWN]:
        print(f"{path} may not be removed by this user", file=sys.stderr)
    if len(files) > SHOWN:
        print(f"and {len(files) - SHOWN:,} more", file=sys.stderr)
