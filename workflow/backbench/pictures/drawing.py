"""The pictures of runs and sweeps on disk: drawn once, drawn again when what they show has changed (layer 2).

Those of a run lie in ``results/pictures/HASH``. Those of a sweep are kept beside them and stand in the sweep's own
folder as links, together with those of the runs that it was drawn for. Reading them imports no matplotlib.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.pictures import catalogue, choice, index
from backbench.pictures.index import Entry
from backbench.pictures.orders import Desk, Order, drawn_with, run_folder, sweep_folder, sweeps
from backbench.store import Store, make_folder, write_text
from backbench.sweep import ledger
from backbench.sweep.ledger import Row
from backbench.sweep.plan import Plan

Progress = Callable[[int, int], None]

OWN_CODE = "backbench.pictures.choice"


@dataclass(frozen=True)
class Drawn:
    """A picture that is there: `dataset` is the name of the data set of a picture of a sweep, empty for a run."""

    kind: str
    title: str
    category: str
    caption: str
    order: int
    png: Path
    csv: Path
    dataset: str = ""


def of_run(config_hash: str) -> list[Drawn]:
    """The pictures of a run, in the order in which reports show them."""
    return _drawn(run_folder(config_hash))


def of_sweep(plan: Plan) -> list[Drawn]:
    """The pictures of a sweep, those of its runs not among them."""
    return _drawn(published(plan))


def runs_of(plan: Plan) -> list[str]:
    """Config hashes of the runs of a sweep that have pictures, in the order of the plan."""
    try:
        there = {entry.name for entry in os.scandir(index.root())}
    except OSError:
        return []
    return [key for key in plan.runs if hashing.short(key) in there and of_run(key)]


def published(plan: Plan) -> Path:
    """The folder of pictures that a sweep ends with."""
    return plan.folder / "pictures"


def wanted(plan: Plan) -> bool:
    """Whether a sweep ends with pictures."""
    return mode(plan) != choice.NONE


def mode(plan: Plan) -> str:
    """Which pictures a sweep was asked for; plans that do not say so are older."""
    return plan.request.get("plots", choice.BEST)


def receipt(plan: Plan) -> Path:
    """The file that says which pictures were drawn, and of what."""
    return paths.receipts() / "pictures" / f"{hashing.short(plan.sweep)}.json"


def told(plan: Plan) -> dict[str, Any]:
    """What the receipt says: the number of pictures ``drawn`` and the reasons of the ``failed`` ones; empty without."""
    try:
        return json.loads(receipt(plan).read_bytes())
    except (OSError, ValueError):
        return {}


def current(plan: Plan) -> bool:
    """Whether a sweep has all its pictures, drawn by this code from the results as they are. Takes no look at them."""
    said = told(plan)
    if not said or said["digest"] != _digest(plan):
        return False
    return all((paths.results() / name).is_file() for name in said["files"])


def draw_sweep(plan: Plan, cores: int, progress: Progress) -> dict[str, Any]:
    """Draw what a joined sweep is to end with and is not there yet; returns what the receipt says.

    A picture that fails is recorded with its reason and stops nobody.
    """
    digest = _digest(plan)
    orders = _orders(plan, Store(paths.store()))
    _drop_stale(plan, orders)
    make(orders, cores, progress)
    files = publish(plan, orders)
    found = [(order, index.read(order.folder).get(order.name, {})) for order in orders]
    failed = {f"{order.folder.name}/{order.name}": entry["failure"] for order, entry in found if "failure" in entry}
    drawn = sum("png" in entry for _, entry in found)
    said = {"digest": digest, "drawn": drawn, "failed": failed, "files": files}
    write_text(receipt(plan), json.dumps(said, indent=1, sort_keys=True))
    return said


def make(orders: Sequence[Order], cores: int, progress: Progress) -> None:
    """Draw the pictures that are not current and keep the index of each folder; after a kill it goes on."""
    known = {folder: index.read(folder) for folder in {order.folder for order in orders}}
    for folder, entries in known.items():
        own = (order for order in orders if order.folder == folder and not order.drawable)
        changes = {order.name: order.entry for order in own if entries.get(order.name) != order.entry}
        if changes:
            index.update(folder, changes)
    able = [order for order in orders if order.drawable]
    due = [order for order in able if not index.current(order.folder, known[order.folder].get(order.name), order.key)]
    if not due:
        return
    from backbench.pictures import _pool

    for done, (order, made) in enumerate(_pool.draw(due, cores), 1):
        entry = order.drawn(made.caption) if made.failure is None else order.failed(made.failure)
        index.update(order.folder, {order.name: entry})
        progress(done, len(due))


def publish(plan: Plan, orders: Iterable[Order]) -> list[str]:
    """Put the sweep's pictures, and those of the runs that it was drawn for, into its own folder as links.

    Returns their names below the results folder.
    """
    folder = published(plan)
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    own = sweep_folder(plan)
    entries: dict[str, Entry] = {name: entry for name, entry in index.read(own).items() if index.there(own, entry)}
    for entry in entries.values():
        for name in index.FILES:
            _link(own / entry[name], folder / entry[name])
    for order in orders:
        entry = index.read(order.folder).get(order.name, {})
        if order.folder != own and index.there(order.folder, entry):
            for name in index.FILES:
                _link(order.folder / entry[name], folder / f"{order.folder.name}-{entry[name]}")
    write_text(folder / index.FILE, json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False))
    return sorted(str(path.relative_to(paths.results())) for path in folder.iterdir())


def order_run(row: Row, names: list[str], store: Store) -> list[Order]:
    """Orders for pictures of one run that somebody asked for by name; without names, all of them."""
    desk = Desk(store)
    return [desk.run(row, kind, asked=True) for kind in catalogue.asked(names, catalogue.RUN)]


def order_sweep(plan: Plan, rows: Sequence[Row], names: list[str], given: dict[str, str], store: Store) -> list[Order]:
    """Orders for pictures of a sweep, one for each data set; `given` are the options that their kinds take."""
    kinds = catalogue.asked(names, catalogue.SWEEP)
    options, desk = catalogue.options(kinds, given), Desk(store)
    return [
        desk.sweep(sweep, kind, suffix, options[kind.name])
        for sweep, suffix in sweeps(plan, rows, store)
        for kind in kinds
    ]


def _orders(plan: Plan, store: Store) -> list[Order]:
    """What a sweep is to end with: its own pictures first, then those of its runs, and what was asked for before."""
    rows = [row for row in ledger.rows(plan, ledger.joined_records(plan)) if row.heads]
    if not rows:
        return []
    desk = Desk(store)
    found = order_sweep(plan, rows, [], {}, store)
    found += choice.pictures(choice.picks(rows, mode(plan)), catalogue.kinds(catalogue.RUN), desk.run)
    return [*found, *_asked_before(plan, rows, desk, {(order.folder, order.name) for order in found})]


def _asked_before(plan: Plan, rows: Sequence[Row], desk: Desk, known: set[tuple[Path, str]]) -> list[Order]:
    """Pictures that somebody asked for by name: they are kept up to date with the others."""
    overviews = {kind.name: kind for kind in catalogue.kinds(catalogue.SWEEP)}
    kinds = {kind.name: kind for kind in catalogue.kinds(catalogue.RUN)}
    found = []
    for sweep, suffix in sweeps(plan, rows, desk.store):
        for entry in index.read(sweep_folder(plan)).values():
            mine = entry.get("asked") and entry.get("dataset") == sweep.rows[0].params["dataset.name"]
            if mine and entry.get("kind") in overviews:
                found.append(desk.sweep(sweep, overviews[entry["kind"]], suffix, entry.get("options")))
    for row in rows:
        folder = run_folder(row.config_hash)
        entries = index.read(folder) if folder.is_dir() else {}
        asked = (entry["kind"] for entry in entries.values() if entry.get("asked") and entry.get("kind") in kinds)
        found += [desk.run(row, kinds[name], asked=True) for name in asked]
    return [order for order in found if (order.folder, order.name) not in known]


def _drop_stale(plan: Plan, orders: Iterable[Order]) -> None:
    """Forget pictures of the sweep that are wanted no more."""
    folder = sweep_folder(plan)
    wanted_names = {order.name for order in orders if order.folder == folder}
    stale = {name: None for name in index.read(folder) if name not in wanted_names}
    if stale:
        index.update(folder, stale)


def _digest(plan: Plan) -> str:
    """Digest of all that the pictures of a sweep depend on: the joined results, the code that draws, the library."""
    return hashing.digest([mode(plan), ledger.content(plan), catalogue.digest(OWN_CODE), drawn_with()])


def _drawn(folder: Path) -> list[Drawn]:
    """The pictures that an index names and that are there, in the order in which reports show them."""
    found = []
    for entry in index.read(folder).values():
        if index.there(folder, entry):
            png, csv = (folder / entry[name] for name in index.FILES)
            said = (entry[name] for name in ("kind", "title", "category", "caption", "order"))
            found.append(Drawn(*said, png, csv, entry.get("dataset", "")))
    return sorted(found, key=lambda one: (one.order, one.kind, one.png.name))


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system has them, else a copy."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
