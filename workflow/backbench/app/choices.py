"""The runs that the page offers: the newest sweep's recommendations first, then all of its finished runs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backbench import hashing, paths
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger, names, prefixes
from backbench.engine.results.joined_run import FINISHED, Row
from backbench.evaluate import answer
from backbench.pictures import layouts
from backbench.schema import ConfigError
from backbench.store import Store

# Metrics that are shown beside a run, and what they are called.
METRICS = {"accuracy": "accuracy", "ami": "AMI", "precision_at_10": "P@10"}
MOST_SWEEPS = 20
# The environment variable by which `backbench app HASH` hands on the run that was asked for.
ASKED = "BACKBENCH_APP_RUN"


@dataclass(frozen=True)
class Choice:
    """A finished run: its config hash, its name, metrics by name, and the tasks that it is recommended for.

    `dataset` is the hash of its collection, `space` that of the features that its map shows.
    """

    run: str
    name: str
    dataset: str
    space: str
    metrics: Mapping[str, float]
    recommended: Sequence[str] = ()

    @property
    def short(self) -> str:
        """The digits of its hash that people see."""
        return hashing.short(self.run)

    @property
    def title(self) -> str:
        """Its name with what it is recommended for."""
        best = f" (best for {' and '.join(self.recommended)})" if self.recommended else ""
        return f"{self.name}{best}"


@dataclass(frozen=True)
class Offer:
    """A sweep with results: its hash and its finished runs, recommended ones first."""

    sweep: str
    choices: Sequence[Choice]


def stamp() -> tuple[tuple[str, int], ...]:
    """What changes when a sweep is planned or finished: files with the times when they were written."""
    files = [*paths.plans().glob("*.json"), *paths.sweeps().glob(f"*/{ledger.RESULTS}")]
    return tuple(sorted((str(path), path.lstat().st_mtime_ns) for path in files if os.path.lexists(path)))


def plans(run: str | None = None) -> list[Plan]:
    """The newest sweeps with results, the newest first; with `run`, the sweep that it belongs to first.

    Raises
    ------
    ConfigError
        If there is none, or no finished run begins with `run`.
    """
    store = Store(paths.store())
    made = ledger.saved_plans()
    ended = [plan for plan in reversed(made) if (plan.folder / ledger.RESULTS).exists()]
    saved = ended or [plan for plan in ledger.newest(made, store) if _rows(plan, store)]
    if not saved:
        raise ConfigError("no sweep has results here yet; run `backbench sweep` first.")
    if run is None:
        return saved[:MOST_SWEEPS]
    owners = {each: plan for plan in made for each in plan.runs}
    full = prefixes.unique(run, owners)
    first = owners[full]
    if all(row.config_hash != full for row in _rows(first, store)):
        raise ConfigError(f"run {hashing.short(full)} is not finished; launch its sweep again.")
    return [first, *(plan for plan in saved if plan.sweep != first.sweep)][:MOST_SWEEPS]


def title(plan: Plan) -> str:
    """What a sweep is called: its collections, its size and its hash."""
    stages = [stage for stage in plan.stages.values() if stage.kind == "dataset"]
    collections = dict.fromkeys(names.collection(stage.family, stage.local) for stage in stages)
    return f"{', '.join(collections)}: {len(plan.runs):,} runs, sweep {hashing.short(plan.sweep)}"


def alike(run: str, offered: Offer) -> list[Choice]:
    """The runs of a sweep on the collection of `run` with other features, the first of each."""
    mine = next((choice for choice in offered.choices if choice.run == run), None)
    if mine is None:
        return []
    spaces = {mine.space: mine}
    for choice in offered.choices:
        if choice.dataset == mine.dataset:
            spaces.setdefault(choice.space, choice)
    return [choice for choice in spaces.values() if choice is not mine]


def offer(plan: Plan) -> Offer:
    """The finished runs of a sweep, those first that its answers recommend; the rest by accuracy, AMI and P@10."""
    store = Store(paths.store())
    rows = _rows(plan, store)
    recommended: dict[str, list[str]] = {}
    for each in answer.by_dataset(rows, store).values() if rows else ():
        for verdict in each.verdicts:
            if verdict.row is not None:
                recommended.setdefault(verdict.row.config_hash, []).append(verdict.task)
    choices = [_choice(row, recommended.get(row.config_hash, ())) for row in rows]
    order = {run: place for place, run in enumerate(recommended)}
    choices.sort(key=lambda choice: (order.get(choice.run, len(order)), *_merit(choice)))
    return Offer(plan.sweep, choices)


def _rows(plan: Plan, store: Store) -> list[Row]:
    records = {**ledger.joined_records(plan), **ledger.read_records(plan, store)}
    return [row for row in ledger.rows(plan, records) if row.status == FINISHED]


def _choice(row: Row, recommended: Sequence[str]) -> Choice:
    metrics = {name: row.metrics[name] for name in METRICS if name in row.metrics}
    head = next((head for head in layouts.SHOWN if head in row.run.stages), "")
    space = row.stages.get(f"{head}.matrix", row.stages["features"])
    return Choice(row.config_hash, row.name, row.stages["dataset"], space, metrics, tuple(recommended))


def _merit(choice: Choice) -> tuple[float | str, ...]:
    """Larger metrics first; what is undefined or missing last."""
    values = [choice.metrics.get(name, float("nan")) for name in METRICS]
    return (*(-value if value == value else 1.0 for value in values), choice.name, choice.run)
