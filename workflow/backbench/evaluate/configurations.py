"""Distinct results of a task by configuration: those that differ only by the seeds of their fits, by the draws of few
training images, or by which split of the same images they are of, belong together.

Options that repeat a configuration are of two kinds. Seeds (`is_seed`) are chance in the fit alone: another one on the
same images; so are draws of the few training images of each class that a classifier learns from. Repeats
(``split.repeat``) divide the images again: whatever is said of a mean over them has to allow for what the splits share
(`evaluate.repeats`). All are left out of the key of a configuration.
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

SEED, SHOTS, DRAW = "seed", "shots", "draw"
# The parameters of a run that say how many training images of each class its classifier learns from, absent where from
# all, and the number of their draw.
SHOTS_PARAM, DRAW_PARAM = f"classification.{SHOTS}", f"classification.{DRAW}"
# The option of stages that read another split than that of the dataset, and the part of it that only repeats.
SPLIT, REPEAT = "split", "repeat"
ANY_DATA = "any data set"


@dataclass(frozen=True)
class Configuration:
    """The results of one configuration, one for each split, draw and seed, those of the first split first.

    Fits without chance have one result whatever seeds were asked for, and fits to all images one whatever the
    splits.
    """

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
    """Digest of the configuration of a task's stage and of those before it without the seeds of fits, the number of the
    split and that of the draw.

    The data set counts whole: its seed is that of the split.
    """
    return _key(row.plan, row.run.stages[head], {})


def beyond_data(row: Row, head: str) -> str:
    """As `key`, whatever the data set is."""
    return _key(row.plan, row.run.stages[head], {row.stages["dataset"]: ANY_DATA})


def seeds(row: Row, head: str) -> tuple[Any, ...]:
    """The seeds and draws of a task's stage and of those before it, along the chain; empty where nothing depends on
    chance."""
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
    return max((len(group) for group in groups.values()), default=0) // max(draws(rows, head), 1), len(groups)


def draws(rows: Sequence[Row], head: str) -> int:
    """How many draws of few training images the results of a configuration are of; 0 where nothing is drawn."""
    configs = (row.plan.stages[row.run.stages[head]].config for row in rows)
    return len({config[DRAW] for config in configs if DRAW in config})


def space(row: Row, head: str) -> str:
    """Hash of the matrix that a task works on: of that of the first split, where it is fitted on each anew."""
    kind, ref = row.plan.stages[row.run.stages[head]].parents["matrix"]
    stage = row.plan.stages[ref]
    return stage_hash(kind, _undivided(stage.config), stage.parents) if SPLIT in stage.config else ref


def is_seed(name: str) -> bool:
    """Whether an option is the seed of a fit, ``seed`` or ``weights_seed``, or the number of a draw of training images,
    ``draw``; a dotted name by its last part."""
    last = name.rpartition(".")[2]
    return last in (SEED, DRAW) or last.endswith(f"_{SEED}")


def by_draw(rows: Sequence[Row], head: str) -> list[list[int]] | None:
    """Places of the results of each draw of training images, None where there are not several draws.

    What fits of one draw have in common is their training images: draws, not seeds, are what varies independently.
    """
    places: dict[Any, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.plan.stages[row.run.stages[head]].config.get(DRAW), []).append(place)
    return list(places.values()) if len(places) > 1 else None


def shots(row: Row) -> int | None:
    """How many training images of each class a run's classifier learns from; None for all."""
    number: int | None = row.params.get(SHOTS_PARAM)
    return number


def most_labels(rows: Sequence[Row]) -> list[Row]:
    """Those of classified rows that learn from the most images of each class: from all, or else from as many as any.

    Others are not compared with them: they were given less.
    """
    known = [shots(row) for row in rows]
    most = None if None in known else max((number for number in known if number is not None), default=None)
    return [row for row, number in zip(rows, known, strict=True) if number == most]


def beyond_shots(row: Row, head: str) -> str:
    """As `key`, however many training images of each class are learnt from."""
    return _key(row.plan, row.run.stages[head], {}, SHOTS)


def _key(plan: Plan, member: str, known: dict[str, str], less: str = "") -> str:
    """The digest of a configuration without seeds, and without the option `less` of its last stage."""
    if member not in known:
        stage = plan.stages[member]
        if stage.kind == "dataset":
            known[member] = member
        else:
            parents = {role: _key(plan, ref, known) for role, (_, ref) in stage.parents.items()}
            config = {name: value for name, value in stage.config.items() if name != less}
            known[member] = hashing.digest({"kind": stage.kind, "config": _without(config), "parents": parents})
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
