"""``backbench plot``: pictures of a run or a sweep by its hash."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench import hashing, paths
from backbench.cli import panel
from backbench.cli.plan import cores, say
from backbench.pictures import drawing, index, ordering
from backbench.pictures.orders import Order
from backbench.pictures.source import Sweep
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweep.plan.frozen import Plan
from backbench.sweep.results import ledger
from backbench.sweep.results.ledger import Row


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
    """What options ask for may not be there; nobody will want to be told of it again."""
    for order in orders:
        reason = _entry(order).get("failure")
        if order.options and reason:
            index.update(order.folder, {order.name: None})
            raise ConfigError(reason)


def _orders(asked: str, words: Sequence[str], store: Store) -> list[Order]:
    """What was asked for: of the run with this hash, or of the sweep with this id."""
    names = [word for word in words if "=" not in word]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    rows, plans = ledger.all_rows(store), ledger.saved_plans()
    runs = {row.config_hash for row in rows if row.config_hash.startswith(asked.lower())}
    sweeps = [plan for plan in plans if plan.sweep.startswith(asked.lower())]
    if len(runs) + len(sweeps) > 1:
        found = ", ".join(hashing.short(one) for one in [*sorted(runs), *(plan.sweep for plan in sweeps)][:5])
        raise ConfigError(f"{asked}: several runs or sweeps start with it ({found}); give more digits.")
    if sweeps:
        return ordering.of_sweep(sweeps[0], _rows(sweeps[0], rows, store), names, options, store)
    row = next(row for row in rows if row.config_hash == ledger.unique(asked, [row.config_hash for row in rows]))
    if options:
        raise ConfigError(f"{'='.join(next(iter(options.items())))}: options are for pictures of a sweep; give its id.")
    return ordering.of_run(row, names, store)


def _rows(plan: Plan, rows: Sequence[Row], store: Store) -> list[Row]:
    """The rows of a sweep that have results."""
    records = {**ledger.joined_records(plan), **ledger.read_records(plan, store)}
    found = [row for row in ledger.rows(plan, records) if row.heads]
    if not found:
        raise ConfigError(f"nothing of sweep {hashing.short(plan.sweep)} is done yet; `backbench sweep` computes it.")
    return found


def _entry(order: Order) -> index.Entry:
    return index.read(order.folder).get(order.name, {})


def _say(order: Order, to: str | None) -> bool:
    """Print where a picture lies and what to look for, or why there is none."""
    entry = _entry(order)
    if not index.there(order.folder, entry):
        say(f"{order.name}: {entry.get('failure') or entry.get('lacks') or 'not drawn'}")
        return False
    png = order.folder / entry["png"]
    print(_copied(order, png, to) if to else png)
    print(f"  {entry['caption']}", file=sys.stderr)
    return True


def _copied(order: Order, png: Path, to: str) -> Path:
    """A copy of a picture and its numbers in a folder, its name with the hash that it belongs to."""
    folder = Path(to).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".csv"):
        shutil.copyfile(png.with_suffix(suffix), folder / f"{order.folder.name}-{png.stem}{suffix}")
    return folder / f"{order.folder.name}-{png.name}"


def _listed(orders: Sequence[Order]) -> int:
    """Every kind: where it lies, that it can be drawn, or why not; and the options that some take."""
    for order in orders:
        options = " ".join(f"{name}=..." for name in order.kind.options)
        print(f"{order.name:<22} {order.kind.title}{options and f' ({options})'}: {_state(order)}")
    return 0


def _state(order: Order) -> str:
    entry = _entry(order)
    if not order.drawable:
        return f"none, {order.lacks or order.failure}"
    if not index.there(order.folder, entry):
        return f"failed, {entry['failure']}" if "failure" in entry else "not drawn yet"
    path = order.folder / entry["png"]
    return str(path) if index.current(order.folder, entry, order.key) else f"{path}, to be drawn again"
