"""Distinct results of a task by configuration: those that differ only by the seeds of their fits belong together.

So do those of few-shot classifiers that differ only by the draw of their training images.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench import hashing
from backbench.engine.plan import frozen as plans
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import tables
from backbench.engine.results.joined_run import Row
from backbench.stage import KINDS

SEED, SHOTS, DRAW = "seed", "shots", "draw"
# The parameters of a run that say how many training images of each class its classifier learns from, absent where from
# all, and the number of their draw.
SHOTS_PARAM, DRAW_PARAM = f"classification.{SHOTS}", f"classification.{DRAW}"
ANY_DATA = "any data set"


@dataclass(frozen=True)
class Configuration:
    """The results of one configuration, one for each seed and draw, the first first; of fits without chance there is
    one whatever seeds were asked for."""

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
    """Digest of the configuration of a task's stage and of those before it without the seeds of fits and draws.

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
