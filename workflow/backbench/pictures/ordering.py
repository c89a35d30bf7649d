"""Which pictures are wanted: of a plan as requested, and of a run or a sweep by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import FINISHED, Row
from backbench.pictures import catalogue, choice, index
from backbench.pictures.catalogue import Kind
from backbench.pictures.index import Entry
from backbench.pictures.orders import Desk, Order, run_folder, sweep_folder, sweeps
from backbench.store import Store


def of_run(row: Row, names: Sequence[str], store: Store) -> list[Order]:
    """Pictures of one run that somebody asks for; without names, all of them."""
    desk = Desk(store)
    return [desk.run(row, kind, asked=True) for kind in catalogue.asked(names, catalogue.RUN)]


def of_sweep(
    plan: Plan, rows: Sequence[Row], names: Sequence[str], given: Mapping[str, str], store: Store
) -> list[Order]:
    """Pictures of a sweep, one for each data set; `given` are the options that their kinds take."""
    kinds = catalogue.asked(names, catalogue.SWEEP)
    options, desk = catalogue.options(kinds, given), Desk(store)
    named = sweeps(plan, rows, store)
    return [desk.sweep(sweep, kind, suffix, options[kind.name]) for sweep, suffix in named for kind in kinds]


def of_plan(plan: Plan, plots: str, store: Store) -> list[Order]:
    """What a joined sweep is to end with: its own pictures, those of its runs, and what was asked for before.

    Pictures of its runs that nobody asked for, such as those of the best runs of a smaller sweep, are dropped once
    outdated.
    """
    every = ledger.rows(plan, ledger.joined_records(plan))
    rows = [row for row in every if row.heads or row.status == FINISHED]
    if not rows:
        return []
    desk = Desk(store)
    orders = of_sweep(plan, rows, [], {}, store)
    orders += choice.pictures(choice.picks(rows, plots), catalogue.kinds(catalogue.RUN), desk.run)
    known = {(order.folder, order.name) for order in orders}
    return orders + _kept(known, {**_of_runs(rows, desk), **_of_sweep(plan, rows, desk)})


# The entries of folders, each with its order as of now; None where there is no such picture any more.
_Again = Mapping[Path, Mapping[str, tuple[Entry, Order | None]]]


def _kept(known: set[tuple[Path, str]], there: _Again) -> list[Order]:
    """What was asked for before and is not known yet; the outdated rest is dropped."""
    kept: list[Order] = []
    for folder, entries in there.items():
        others = {name: pair for name, pair in entries.items() if (folder, name) not in known}
        asked = {name: order for name, (_, order) in others.items() if order and order.asked}
        stale = [name for name, pair in others.items() if name not in asked and not _current(folder, *pair)]
        if stale:
            index.update(folder, dict.fromkeys(stale))
        kept += asked.values()
    return kept


def _current(folder: Path, entry: Entry, order: Order | None) -> bool:
    return order is not None and index.current(folder, entry, order.key)


def _of_runs(rows: Sequence[Row], desk: Desk) -> _Again:
    kinds = _by_name(catalogue.RUN)
    folders: dict[Path, dict[str, tuple[Entry, Order | None]]] = {}
    for row in rows:
        folder = run_folder(row.config_hash)
        if folder.is_dir():
            entries = index.read(folder).items()
            orders = ((name, entry, kinds.get(entry.get("kind", ""))) for name, entry in entries)
            folders[folder] = {
                name: (entry, desk.run(row, kind, bool(entry.get("asked"))) if kind else None)
                for name, entry, kind in orders
            }
    return folders


def _of_sweep(plan: Plan, rows: Sequence[Row], desk: Desk) -> _Again:
    kinds, named = _by_name(catalogue.SWEEP), list(sweeps(plan, rows, desk.store))

    def again(name: str, entry: Entry) -> Order | None:
        """The order of a picture: data sets may share a name, but no two pictures do."""
        kind, options = kinds.get(entry.get("kind", "")), entry.get("options")
        orders = (desk.sweep(sweep, kind, suffix, options) for sweep, suffix in named) if kind else ()
        return next((order for order in orders if order.name == name), None)

    folder = sweep_folder(plan)
    return {folder: {name: (entry, again(name, entry)) for name, entry in index.read(folder).items()}}


def _by_name(group: str) -> dict[str, Kind]:
    return {kind.name: kind for kind in catalogue.kinds(group)}
