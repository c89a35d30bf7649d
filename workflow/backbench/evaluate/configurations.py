"""Distinct results of a task by configuration: those that differ only by the seeds of their fits belong together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import hashing
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.stage import KINDS

SEED = "seed"
ANY_DATA = "any data set"


@dataclass(frozen=True)
class Configuration:
    """The results of one configuration, one for each seed, the first seed first; of fits without chance there is one
    whatever seeds were asked for."""

    key: str
    rows: tuple[Row, ...]


def configurations(rows: Sequence[Row], head: str) -> list[Configuration]:
    """The distinct results of a task by configuration, in the order of `rows`."""
    by_key: dict[str, list[Row]] = {}
    known: dict[str, str] = {}
    for row in tables.distinct(rows, head):
        by_key.setdefault(_key(row.plan, row.run.stages[head], known), []).append(row)
    groups = [
        Configuration(key, tuple(sorted(group, key=lambda row: (seeds(row, head), row.run.stages[head]))))
        for key, group in by_key.items()
    ]
    place = {row.run.stages[head]: at for at, row in reversed(list(enumerate(rows))) if head in row.run.stages}
    return sorted(groups, key=lambda group: min(place[row.run.stages[head]] for row in group.rows))


def key(row: Row, head: str) -> str:
    """Digest of the configuration of a task's stage and of those before it without the seeds of fits.

    The data set counts whole: its seed is that of the split.
    """
    return _key(row.plan, row.run.stages[head], {})


def beyond_data(row: Row, head: str) -> str:
    """As `key`, whatever the data set is."""
    return _key(row.plan, row.run.stages[head], {row.stages["dataset"]: ANY_DATA})


def seeds(row: Row, head: str) -> tuple[Any, ...]:
    """The seeds of a task's stage and of those before it, along the chain; empty where no fit depends on chance."""
    before = plans.ancestors(row.plan.stages, [row.run.stages[head]])
    stages = [row.plan.stages[member] for member in before if row.plan.stages[member].kind != "dataset"]
    stages.sort(key=lambda stage: (KINDS.index(stage.kind), stage.hash))
    return tuple(seed for stage in stages for seed in _seeds(stage.config))


def is_seed(name: str) -> bool:
    """Whether an option is the seed of a fit: ``seed``, ``weights_seed``; a dotted name by its last part."""
    last = name.rpartition(".")[2]
    return last == SEED or last.endswith(f"_{SEED}")


def _key(plan: Plan, member: str, known: dict[str, str]) -> str:
    if member not in known:
        stage = plan.stages[member]
        if stage.kind == "dataset":
            known[member] = member
        else:
            parents = {role: _key(plan, ref, known) for role, (_, ref) in stage.parents.items()}
            known[member] = hashing.digest({"kind": stage.kind, "config": _without(stage.config), "parents": parents})
    return known[member]


def _without(config: Any) -> Any:
    """A configuration without its seeds, however deeply nested."""
    if isinstance(config, Mapping):
        return {name: _without(value) for name, value in config.items() if not is_seed(name)}
    return [_without(value) for value in config] if isinstance(config, (list, tuple)) else config


def _seeds(config: Any) -> Iterator[Any]:
    if isinstance(config, Mapping):
        for name, value in sorted(config.items()):
            yield from ((value,) if is_seed(name) else _seeds(value))
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _seeds(value)
