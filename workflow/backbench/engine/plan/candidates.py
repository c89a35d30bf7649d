"""What becomes of combinations that a collection is too small or too large for, or that lack a package.

What stands there by default is left out with a notice. What was asked for by name is refused, with what would work.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbench.engine.grid import HEADS, Stage
from backbench.engine.plan.shortage import TooSmall
from backbench.schema import ConfigError
from backbench.wording import listed

# The keys that each head is made from; k and the seed where its plugin uses them.
ROOTS = {
    "clustering": ("clusterer", "k", "seed", "clustering", "chain"),
    "classification": ("classifier", "seed", "classification", "chain"),
    "retrieval": ("retrieval", "chain"),
}
BEFORE = ("dataset", "backbone")
AXES = ("k", "seed")
SHOWN = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A combination with the stages that it can have, and why it cannot have the others."""

    cell: Mapping[str, Any]
    stages: Mapping[str, Stage]
    lost: Mapping[str, TooSmall]

    @property
    def hashes(self) -> dict[str, str]:
        return {kind: stage.hash for kind, stage in self.stages.items()}

    def nearest(self, head: str) -> dict[str, tuple[int, int]]:
        """What was received and the nearest that works, by the key to override."""
        shared = _shares_chain(self.cell, head)
        return {
            key if shared or not key.startswith("chain.") else f"{head}.{key}": values
            for key, values in self.lost[head].nearest.items()
        }

    def asked(self, head: str, explicit: Iterable[str]) -> dict[str, str]:
        """The values of a head's keys among `explicit`, as text."""
        shared, stage = _shares_chain(self.cell, head), self.stages.get(head)
        keys = (
            key for key in explicit if key.split(".")[0] in ROOTS[head] and (shared or key.split(".")[0] != "chain")
        )
        values = {key: _at(self.cell, key) for key in keys if not (stage and key in AXES and key not in stage.config)}
        return {key: value for key, value in values.items() if value != "null"}


def settled(candidates: Sequence[Candidate], explicit: frozenset[str]) -> tuple[list[Candidate], list[str]]:
    """The candidates that become runs, and notices on what is left out.

    Raises
    ------
    ConfigError
        If something of it was asked for, or nothing would be left.
    """
    if not any(candidate.lost for candidate in candidates):
        return list(candidates), []
    kept = _kept(candidates)
    if not kept:
        every = _every(candidates)
        raise ConfigError(_report(f"{_whys(every)}, and nothing is left of the grid", every))
    _refuse_vanished(candidates, kept, explicit)
    return kept, _notices(candidates)


def fewest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """As few of the candidates as it takes to have every stage of all of them in one, in their order.

    Those with the most stages that no earlier one has come first, so that different classifiers stand beside different
    clusterings.
    """
    covered: set[str] = set()
    taken: set[int] = set()
    for least in range(max((len(candidate.stages) for candidate in candidates), default=0), 0, -1):
        for place, candidate in enumerate(candidates):
            if len(set(candidate.hashes.values()) - covered) >= least:
                covered |= set(candidate.hashes.values())
                taken.add(place)
    return [candidate for place, candidate in enumerate(candidates) if place in taken]


def refuse_asked(candidate: Candidate, explicit: frozenset[str]) -> None:
    """Refuse a value that was asked for and is too large for the collection."""
    for head, lack in candidate.lost.items():
        nearest = candidate.nearest(head)
        if explicit & set(nearest):
            raise ConfigError(
                f"{lack.problem}. What works: {_works({key: most for key, (_, most) in nearest.items()})}"
            )


def _works(values: Mapping[str, int]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def _every(candidates: Iterable[Candidate]) -> list[tuple[Candidate, str]]:
    return [(candidate, head) for candidate in candidates for head in candidate.lost]


def _refuse_vanished(candidates: Sequence[Candidate], kept: Sequence[Candidate], explicit: frozenset[str]) -> None:
    """Refuse where a value that was asked for would be in no run."""
    of_heads = {
        (head, *pair)
        for candidate in kept
        for head in candidate.stages
        if head in HEADS
        for pair in candidate.asked(head, explicit).items()
    }
    before = [key for key in explicit if key.split(".")[0] in BEFORE]
    of_inputs = {(key, _at(candidate.cell, key)) for candidate in kept for key in before}
    lost: list[tuple[Candidate, str]] = []
    keys: set[str] = set()
    for candidate, head in _every(candidates):
        pairs = candidate.asked(head, explicit).items()
        vanished = {key for key, value in pairs if (head, key, value) not in of_heads}
        vanished |= {key for key in before if (key, _at(candidate.cell, key)) not in of_inputs}
        if vanished:
            lost.append((candidate, head))
            keys |= vanished
    if lost:
        roots = {key.split(".")[0] for key in keys}
        to_blame = [pair for pair in lost if roots & {key.split(".")[0] for key in pair[0].nearest(pair[1])}]
        title = f"{_whys(to_blame or lost)} for the {', '.join(sorted(keys))} asked for"
        raise ConfigError(_report(title, to_blame or lost))


def _kept(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates without those that have no head left, or nothing that another one has not."""
    whole = [candidate for candidate in candidates if not candidate.lost]
    kept = list(whole)
    projections: dict[tuple[str, ...], set[tuple[str | None, ...]]] = {}
    partial = [candidate for candidate in candidates if candidate.lost and set(candidate.stages) & set(HEADS)]
    for candidate in sorted(partial, key=lambda candidate: -len(candidate.stages)):
        kinds = tuple(candidate.stages)
        if kinds not in projections:
            projections[kinds] = {_projected(other, kinds) for other in kept}
        if _projected(candidate, kinds) not in projections[kinds]:
            kept.append(candidate)
            for known, present in projections.items():
                present.add(_projected(candidate, known))
    order = {id(candidate): place for place, candidate in enumerate(candidates)}
    return sorted(kept, key=lambda candidate: order[id(candidate)])


def _projected(candidate: Candidate, kinds: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(candidate.stages[kind].hash if kind in candidate.stages else None for kind in kinds)


def _report(title: str, lost: Sequence[tuple[Candidate, str]]) -> str:
    """The problems, and for each key to change the largest value that suits all of them."""
    problems = list(dict.fromkeys(candidate.lost[head].problem for candidate, head in lost))
    values: dict[str, int] = {}
    for candidate, head in lost:
        for key, (_, most) in candidate.nearest(head).items():
            values[key] = min(most, values.get(key, most))
    lines = problems if len(problems) <= SHOWN else _grouped(lost)
    ways = dict.fromkeys(candidate.lost[head].way for candidate, head in lost)
    ends = f"What works: {_works(values)}" if values else f"Leave it out, or {' or '.join(ways)}."
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines), ends])


def _whys(lost: Iterable[tuple[Candidate, str]]) -> str:
    """What is wrong with the collection, or else."""
    return " and ".join(dict.fromkeys(candidate.lost[head].why for candidate, head in lost))


def _notices(candidates: Sequence[Candidate]) -> list[str]:
    """What is left out."""
    return [f"left out: {line}" for line in _grouped(_every(candidates))]


def _grouped(lost: Iterable[tuple[Candidate, str]]) -> list[str]:
    """What cannot be, the values of an option that are too large in one line."""
    groups: dict[tuple[Any, ...], dict[str, dict[Any, None]]] = {}
    for candidate, head in lost:
        lack = candidate.lost[head]
        option, (value, most) = next(iter(lack.nearest.items()), (None, (None, None)))
        key = (option.rsplit(".", 1)[-1], most, lack.size) if option else (lack.problem,)
        group = groups.setdefault(key, {"values": {}, "names": {}, "heads": {}})
        group["values"][value], group["names"][lack.name], group["heads"][head] = None, None, None
    return [_line(key, group) for key, group in groups.items()]


def _line(key: tuple[Any, ...], group: Mapping[str, Mapping[Any, None]]) -> str:
    heads = listed(list(group["heads"]))
    if len(key) == 1:
        return f"{key[0]} ({heads})"
    label, most, size = key
    values = ", ".join(map(str, sorted(group["values"])))
    return f"{listed(list(group['names']))} with {label} = {values} ({heads}); at most {most} with {size}"


def _shares_chain(cell: Mapping[str, Any], head: str) -> bool:
    return (cell[head].get("chain") or {}).get("steps") == cell["chain"].get("steps")


def _at(cell: Mapping[str, Any], key: str) -> str:
    node: Any = cell
    for name in key.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return json.dumps(node, sort_keys=True, default=str)
