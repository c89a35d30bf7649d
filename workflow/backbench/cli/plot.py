"""``backbench plot``: pictures of a run or a sweep by its hash."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench import hashing, paths
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger, prefixes
from backbench.engine.results.joined_run import Row
from backbench.pictures import drawing, index, ordering
from backbench.pictures.orders import Order
from backbench.pictures.source import Sweep
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import cores, say


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    orders = _orders(args.hash, args.kinds, store)
    if args.list:
        return _listed(orders)
    drawing.make(orders, cores("all"), panel.counting("drawing"))
    _refuse(orders)
    if isinstance(orders[0].source, Sweep):
        drawing.publish_own(orders[0].source.plan)
    done = [_say(order, args.to) for order in orders]
    if not any(done) and args.kinds:
        return 1
    return int(any("failure" in _entry(order) for order in orders))


def _refuse(orders: Sequence[Order]) -> None:
    """Refuse options that cannot be met, and forget the failed picture, so that it is not listed again."""
    for order in orders:
        reason = _entry(order).get("failure")
        if order.options and reason:
            index.update(order.folder, {order.name: None})
            raise ConfigError(reason)


def _orders(asked: str, words: Sequence[str], store: Store) -> list[Order]:
    """The pictures that were asked for, of the run with this hash or the sweep with this id."""
    names = [word for word in words if "=" not in word]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    rows, plans = ledger.all_rows(store), ledger.saved_plans()
    runs = {row.config_hash for row in rows if row.config_hash.startswith(asked.lower())}
    sweeps = [plan for plan in plans if plan.sweep.startswith(asked.lower())]
    if len(runs) + len(sweeps) > 1:
        matches = ", ".join(hashing.short(match) for match in [*sorted(runs), *(plan.sweep for plan in sweeps)][:5])
        raise ConfigError(f"{asked}: several runs or sweeps start with it ({matches}); give more digits.")
    if sweeps:
        return ordering.of_sweep(sweeps[0], _rows(sweeps[0], rows, store), names, options, store)
    row = next(row for row in rows if row.config_hash == prefixes.unique(asked, [row.config_hash for row in rows]))
    if options:
        option = "=".join(next(iter(options.items())))
        raise ConfigError(f"{option}: only pictures of a sweep take options; give the id of a sweep.")
    return ordering.of_run(row, names, store)


def _rows(plan: Plan, rows: Sequence[Row], store: Store) -> list[Row]:
    """The rows of a sweep that have results."""
    records = {**ledger.joined_records(plan), **ledger.read_records(plan, store)}
    with_results = [row for row in ledger.rows(plan, records) if row.heads]
    if not with_results:
        raise ConfigError(f"sweep {hashing.short(plan.sweep)} has no results yet; `backbench sweep` computes them.")
    return with_results


def _entry(order: Order) -> index.Entry:
    return index.read(order.folder).get(order.name, {})


def _say(order: Order, to: str | None) -> bool:
    """Print the path of a picture and its caption, or why there is none."""
    entry = _entry(order)
    if not index.there(order.folder, entry):
        say(f"{order.name}: {entry.get('failure') or entry.get('lacks') or 'not drawn'}")
        return False
    png = order.folder / entry["png"]
    print(_copied(order, png, to) if to else png)
    print(f"  {entry['caption']}", file=sys.stderr)
    return True


def _copied(order: Order, png: Path, to: str) -> Path:
    """Copy a picture and its numbers to a folder, under names that contain the hash of the run or sweep."""
    folder = Path(to).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".csv"):
        shutil.copyfile(png.with_suffix(suffix), folder / f"{order.folder.name}-{png.stem}{suffix}")
    return folder / f"{order.folder.name}-{png.name}"


def _listed(orders: Sequence[Order]) -> int:
    """Print the state of every picture, and the options that it takes."""
    for order in orders:
        options = " ".join(f"{name}=..." for name in order.kind.options)
        print(f"{order.name:<22} {order.kind.title}{options and f' ({options})'}: {_state(order)}")
    return 0


def _state(order: Order) -> str:
    entry = _entry(order)
    if not order.drawable:
        return f"not available ({order.lacks or order.failure})"
    if not index.there(order.folder, entry):
        return f"failed ({entry['failure']})" if "failure" in entry else "not drawn yet"
    path = order.folder / entry["png"]
    return str(path) if index.current(order.folder, entry, order.key) else f"{path} (outdated)"
