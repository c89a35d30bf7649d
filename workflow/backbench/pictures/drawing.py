"""The pictures of runs and sweeps on disk: drawn once, and again when what they show has changed.

Those of a run are in ``results/pictures/HASH``. Those of a sweep are stored beside them and linked in the sweep's own
folder, together with those of the runs that it was drawn for. Reading them imports no matplotlib.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbench import hashing, paths
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.files import make_folder, write_text
from backbench.pictures import catalogue, choice, index, ordering
from backbench.pictures.index import Entry
from backbench.pictures.orders import Order, drawn_with, run_folder, sweep_folder
from backbench.store import Store

Progress = Callable[[int, int], None]

OWN_CODE = "backbench.pictures.choice"


@dataclass(frozen=True)
class Drawn:
    """A picture that exists: `dataset` is the name of the data set for a picture of a sweep, empty for a run."""

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
    """The pictures of a sweep, without those of its runs; where drawing was interrupted, those that are there."""
    return _drawn(published(plan)) or _drawn(sweep_folder(plan))


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
    """Which pictures were requested for a sweep; older plans do not say."""
    return plan.request.get("plots", choice.BEST)


def receipt(plan: Plan) -> Path:
    """The file that says which pictures were drawn, and from what."""
    return paths.receipts() / "pictures" / f"{hashing.short(plan.sweep)}.json"


def outcome(plan: Plan) -> dict[str, Any]:
    """What the receipt says: the number of pictures ``drawn`` and the reasons of the ``failed`` ones; empty without."""
    try:
        return json.loads(receipt(plan).read_bytes())
    except (OSError, ValueError):
        return {}


def current(plan: Plan) -> bool:
    """Whether a sweep has all its pictures, drawn by this code from the results as they are. Does not read them."""
    record = outcome(plan)
    if not record or record["digest"] != _digest(plan):
        return False
    return all((paths.results() / name).is_file() for name in record["files"])


def draw_sweep(plan: Plan, cores: int, progress: Progress) -> dict[str, Any]:
    """Draw the missing pictures that a joined sweep is to end with; returns what the receipt says.

    A picture that fails is recorded with its reason and stops no other.
    """
    digest = _digest(plan)
    orders = ordering.of_plan(plan, mode(plan), Store(paths.store()))
    make(orders, cores, progress)
    files = publish(plan, orders)
    entries = {folder: index.read(folder) for folder in {order.folder for order in orders}}
    listed = [(order, entries[order.folder].get(order.name, {})) for order in orders]
    failed = {f"{order.folder.name}/{order.name}": entry["failure"] for order, entry in listed if "failure" in entry}
    files += [order.folder / entry[name] for order, entry in listed for name in index.FILES if name in entry]
    shown = sorted({str(path.relative_to(paths.results())) for path in files})
    drawn = sum("png" in entry for _, entry in listed)
    record = {"digest": digest, "drawn": drawn, "failed": failed, "files": shown}
    write_text(receipt(plan), json.dumps(record, indent=1, sort_keys=True))
    return record


def make(orders: Sequence[Order], cores: int, progress: Progress) -> None:
    """Draw the pictures that are not current and update the index of each folder; can be resumed after a kill."""
    known = {folder: index.read(folder) for folder in {order.folder for order in orders}}
    for folder, entries in known.items():
        refused = (order for order in orders if order.folder == folder and not order.drawable)
        changes = {order.name: order.entry for order in refused if entries.get(order.name) != order.entry}
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


def publish(plan: Plan, orders: Iterable[Order]) -> list[Path]:
    """Put the sweep's pictures, and those of the runs that it was drawn for, into its own folder as links."""
    folder, stored = published(plan), sweep_folder(plan)
    shutil.rmtree(folder, ignore_errors=True)
    files = publish_own(plan)
    known: dict[Path, dict[str, Entry]] = {}
    for order in orders:
        entry = known.setdefault(order.folder, index.read(order.folder)).get(order.name, {})
        if order.folder != stored and index.there(order.folder, entry):
            names = [entry[name] for name in index.FILES]
            files += [_link(order.folder / name, folder / f"{order.folder.name}-{name}") for name in names]
    return files


def publish_own(plan: Plan) -> list[Path]:
    """Put the pictures of the sweep itself into its folder as links, beside what is in it."""
    folder, stored = published(plan), sweep_folder(plan)
    make_folder(folder)
    entries: dict[str, Entry] = {
        name: entry for name, entry in index.read(stored).items() if index.there(stored, entry)
    }
    names = [entry[name] for entry in entries.values() for name in index.FILES]
    files = [_link(stored / name, folder / name) for name in names]
    write_text(folder / index.FILE, json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False))
    return [*files, folder / index.FILE]


def _digest(plan: Plan) -> str:
    """Digest of all that the pictures of a sweep depend on: the joined results, the code that draws, the library."""
    joined = plan.folder / ledger.RESULTS
    results = hashing.file_digest(joined) if joined.exists() else None
    return hashing.digest([mode(plan), results, catalogue.digest(OWN_CODE), drawn_with()])


def _drawn(folder: Path) -> list[Drawn]:
    """The pictures of an index that exist, in the order in which reports show them."""
    pictures = []
    for entry in index.read(folder).values():
        if index.there(folder, entry):
            png, csv = (folder / entry[name] for name in index.FILES)
            values = {name: entry[name] for name in ("kind", "title", "category", "caption", "order")}
            pictures.append(Drawn(**values, png=png, csv=csv, dataset=entry.get("dataset", "")))
    return sorted(pictures, key=lambda picture: (picture.order, picture.kind, picture.png.name))


def _link(source: Path, target: Path) -> Path:
    """A hard link where the file system has them, else a copy."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target
