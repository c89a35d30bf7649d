"""Distinct results of a task by configuration: those that differ only by the seeds of their fits, or by which split of
the same images they are of, belong together.

Options that repeat a configuration are of two kinds. Seeds (`is_seed`) are chance in the fit alone: another one on the
same images. Repeats (``split.repeat``) divide the images again: whatever is said of a mean over them has to allow for
what the splits share (`evaluate.repeats`). Both are left out of the key of a configuration.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import hashing
from backbench.engine.grid import stage_hash
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.stage import KINDS

SEED = "seed"
# The option of stages that read another split than that of the dataset, and the part of it that only repeats.
SPLIT, REPEAT = "split", "repeat"
ANY_DATA = "any data set"


@dataclass(frozen=True)
class Configuration:
    """The results of one configuration, one for each split and seed, the first split and its first seed first; of fits
    without chance there is one whatever seeds were asked for, and of fits to all images one whatever splits were."""

    key: str
    rows: tuple[Row, ...]


def configurations(rows: Sequence[Row], head: str) -> list[Configuration]:
    """The distinct results of a task by configuration, in the order of `rows`."""
    by_key: dict[str, list[Row]] = {}
    known: dict[str, str] = {}
    for row in tables.distinct(rows, head):
        by_key.setdefault(_key(row.plan, row.run.stages[head], known), []).append(row)
    groups = [
        Configuration(
            key, tuple(sorted(group, key=lambda row: (repeat(row, head), seeds(row, head), row.run.stages[head])))
        )
        for key, group in by_key.items()
    ]
    place = {row.run.stages[head]: at for at, row in reversed(list(enumerate(rows))) if head in row.run.stages}
    return sorted(groups, key=lambda group: min(place[row.run.stages[head]] for row in group.rows))


def key(row: Row, head: str) -> str:
    """Digest of the configuration of a task's stage and of those before it without the seeds of fits and the number of
    the split.

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


def division(row: Row, head: str | None = None) -> Mapping[str, Any]:
    """Which split of the images a task of a run, or the run, reads, as it is hashed: empty for the dataset's own."""
    return row.division(head)


def repeat(row: Row, head: str) -> int:
    """The number of the split that a task reads."""
    return int(division(row, head).get(REPEAT, 0))


def by_repeat(rows: Sequence[Row], head: str) -> dict[int, list[Row]]:
    """The results of a configuration by the number of their split."""
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(repeat(row, head), []).append(row)
    return dict(sorted(groups.items()))


def counted(rows: Sequence[Row], head: str) -> tuple[int, int]:
    """How many seeds and how many splits the results of a configuration are of."""
    groups = by_repeat(rows, head)
    return max((len(group) for group in groups.values()), default=0), len(groups)


def space(row: Row, head: str) -> str:
    """Hash of the matrix that a task works on: of that of the first split, where it is fitted on each anew."""
    kind, ref = row.plan.stages[row.run.stages[head]].parents["matrix"]
    stage = row.plan.stages[ref]
    return stage_hash(kind, _undivided(stage.config), stage.parents) if SPLIT in stage.config else ref


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
    """The configuration of a stage without its seeds, however deeply nested, and without the number of its split."""
    return _undivided(_unseeded(config))


def _undivided(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of a stage without the number of its split."""
    if SPLIT not in config:
        return config
    rest = {name: value for name, value in config[SPLIT].items() if name != REPEAT}
    return {**{name: value for name, value in config.items() if name != SPLIT}, **({SPLIT: rest} if rest else {})}


def _unseeded(config: Any) -> Any:
    if isinstance(config, Mapping):
        return {name: _unseeded(value) for name, value in config.items() if not is_seed(name)}
    return [_unseeded(value) for value in config] if isinstance(config, (list, tuple)) else config


def _seeds(config: Any) -> Iterator[Any]:
    if isinstance(config, Mapping):
        for name, value in sorted(config.items()):
            yield from ((value,) if is_seed(name) else _seeds(value))
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _seeds(value)
