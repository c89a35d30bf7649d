"""One request: its overrides in their parts, then the product of its axes."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import Glob, IntervalSweep, Override

from backbench.compose import concatenation, grammar, interpolation, mistakes, names, nodes, splits
from backbench.compose.patterns import Cell, Patterns
from backbench.schema import ConfigError

SETTINGS = ("execution", "store", "tracking", "selection", "plots", "combinations")
# Lists of mappings that describe combinations.
PATTERNS = ("exclude", "adjust")
NOT_IN_CELL = (*SETTINGS, "sweep", *PATTERNS)
# Data sets of one's own, for which the axes of the default experiment are not made, and the experiment that is.
OWN, OF_OWN = ("folder", "archive", "embeddings"), "collection"
# Planning takes about half a millisecond of each.
MOST_CELLS = 200_000


@dataclass(frozen=True)
class Composition:
    """All cells that were asked for.

    `explicit` holds the keys named on the command line but for those given as glob(*), `settings` what is never hashed
    (execution, store, tracking, selection, plots, combinations).
    """

    cells: list[Cell]
    settings: Mapping[str, Any]
    explicit: frozenset[str]
    experiment: str
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Axis:
    """One key and the values that it takes; `group` axes choose configuration files."""

    key: str
    group: bool
    texts: tuple[str, ...]
    values: tuple[Any, ...]


class Expansion:
    """One request: the overrides in their parts, then the product of the axes."""

    def __init__(self, overrides: Sequence[str]):
        self.groups = grammar.all_groups()
        self.composed: dict[tuple[str, ...], dict[str, Any]] = {}
        self.notices: list[str] = []
        self.given = self._last(grammar.parse(splits.written_out(overrides)))
        for override in self.given:
            self._check(override)
        self.named = frozenset(grammar.key_of(override) for override in self.given)
        self.patterns = Patterns(self.groups, self.named)
        self.experiment = self._chosen_experiment()
        chosen = [] if "experiment" in self.named else [f"experiment={self.experiment}"]
        self.fixed = [*chosen, *(grammar.line_of(o) for o in self.given if self._is_structural(o))]
        self.base = self._compose(self.fixed)
        self.meant: dict[str, set[str]] = {}

    def run(self) -> Composition:
        axes = self._axes()
        groups = [axis for axis in axes if axis.group]
        values = [axis for axis in axes if not axis.group]
        cells = self._kept(list(self._cells(groups, values)))
        settings = {key: self.base.get(key, {}) for key in SETTINGS}
        settings = {key: cells[0].config.get(key, {}) for key in settings} if cells else settings
        for place, cell in enumerate(cells):  # in place: of large grids, both would fill the memory
            cells[place] = Cell(nodes.without(cell.config, NOT_IN_CELL), cell.overrides)
        return Composition(cells, settings, self.named - self._patterns(), self.experiment, self.notices)

    def _patterns(self) -> frozenset[str]:
        """The keys of groups that were given as glob(*), which names no choice: what cannot be is left out of it."""
        return frozenset(
            grammar.key_of(each)
            for each in self.given
            if each.is_sweep_override() and isinstance(each._value, Glob) and each.key_or_group in self.groups
        )

    def _last(self, overrides: Sequence[Override]) -> list[Override]:
        """The last override of each key; that an earlier one has another value is said."""
        last: dict[str, Override] = {}
        for override in overrides:
            earlier = last.get(grammar.key_of(override))
            if earlier is not None and grammar.line_of(earlier) != grammar.line_of(override):
                self.notices.append(
                    f"{mistakes.short(grammar.line_of(override))} replaces {mistakes.short(grammar.line_of(earlier))}: "
                    "the last value given for a key is used"
                )
            last[grammar.key_of(override)] = override
        return list(last.values())

    def _chosen_experiment(self) -> str:
        """The experiment that was named, else the one for collections of one's own, else the default."""
        chosen = {
            grammar.key_of(o): self._choices(o) for o in self.given if o.key_or_group in ("experiment", "dataset")
        }
        if "experiment" in chosen:
            return next(iter(chosen["experiment"]), "none")
        return OF_OWN if set(chosen.get("dataset", ())) & set(OWN) else grammar.default_choice("experiment")

    def _check(self, override: Override) -> None:
        name, key = override.key_or_group, grammar.key_of(override)
        root = name.split(".")[0]
        if override.is_sweep_override() and root in ("experiment", *PATTERNS, *SETTINGS):
            raise ConfigError(f"{grammar.line_of(override)}: {root} has one value in a sweep; start a sweep for each.")
        if root == "sweep" and not self._is_structural(override):
            raise ConfigError(
                f"{grammar.line_of(override)}: give an axis by its own key (k=2,5), in place of the experiment's."
            )
        if name in self.groups:
            line = grammar.line_of(override)
            for choice in self._choices(override):
                for text in concatenation.check(name, choice, self.groups[name], line):
                    if text not in self.groups[name]:
                        raise mistakes.unknown(key, text, self.groups[name], line)
        elif "." not in name and not override.is_add() and name not in names.root_keys():
            line = grammar.line_of(override)
            raise mistakes.misplaced(key, line) or mistakes.unknown("override", key, names.keys(), line)

    def _choices(self, override: Override) -> list[str]:
        if override.is_delete() and override._value is None:
            return []
        if override.is_sweep_override():
            return list(self._texts(override))
        return [override.get_value_element_as_str()]

    def _is_structural(self, override: Override) -> bool:
        """Whether Hydra itself applies this override once for all cells: a fixed choice, an addition, a removal."""
        if override.is_sweep_override():
            if override.is_add():
                raise ConfigError(
                    f"{grammar.line_of(override)}: a sweep over an added key is not possible; put it into conf/."
                )
            return False
        return override.key_or_group in self.groups or override.is_add() or override.is_delete()

    def _axes(self) -> list[_Axis]:
        """Axes of the experiment, each replaced by an override of the same key or of the group that a chain of a task
        (chain@clustering.chain) is of, then those of the command line."""
        given = {grammar.key_of(o): o for o in self.given}
        named = [f"{key}={text}" for key, text in (self.base.get("sweep") or {}).items()]
        asked = grammar.parse(splits.written_out(named))
        self.meant = self._meant(asked)
        merged = [o for o in asked if grammar.key_of(o) not in given and o.key_or_group not in given]
        merged += [o for o in self.given if not self._is_structural(o)]
        for override in merged:
            self._check(override)
        return [self._axis(override) for override in merged]

    def _meant(self, asked: Sequence[Override]) -> dict[str, set[str]]:
        """The options of each group that the experiment chose, for which alone its values of their keys are meant."""
        experiment = self._compose([f"experiment={self.experiment}"])
        options = {
            name: {node["name"]} for name, node in experiment.items() if isinstance(node, dict) and "name" in node
        }
        for override in asked:
            if override.key_or_group in options:
                choices = self._choices(override)
                options[override.key_or_group] = {each for text in choices for each in concatenation.options(text)}
        return options

    def _applies(self, key: str, config: Mapping[str, Any]) -> bool:
        """Whether a value belongs to a combination of options."""
        return bool(self._places(key, config))

    def _places(self, key: str, config: Mapping[str, Any]) -> list[str]:
        """The keys of a combination of options that a value is for: what the command line names, wherever there is such
        a key; what the experiment names, not where another option of the group was put in the place of its own. What is
        given for one part of a backbone stands before what is given for all."""
        single = {*self.named, *(self.base.get("sweep") or {})} - {key}
        places = [place for place in concatenation.places(config, key) if place not in single]
        group = key.split(".")[0]
        if key in self.named or group not in self.meant:
            return places
        parts = concatenation.parts_of(config)
        owners = (parts.get(place.split(".")[2], config[group]) if place != key else config[group] for place in places)
        return [place for place, owner in zip(places, owners, strict=True) if owner.get("name") in self.meant[group]]

    def _axis(self, override: Override) -> _Axis:
        group = override.key_or_group in self.groups
        if not override.is_sweep_override():
            value = override.value()
            return _Axis(grammar.key_of(override), group, (override.get_value_element_as_str(),), (value,))
        texts = tuple(self._texts(override))
        if not texts:
            raise ConfigError(f"{grammar.line_of(override)}: this sweep has no values.")
        return _Axis(grammar.key_of(override), group, texts, texts if group else tuple(grammar.sweep_values(override)))

    def _texts(self, override: Override) -> Iterator[str]:
        if isinstance(override._value, IntervalSweep):
            raise ConfigError(
                f"{grammar.line_of(override)}: an interval has no list of values; use range() or choice()."
            )
        texts = override.sweep_string_iterator()
        left_out = ("none", concatenation.OPTION)
        return (text for text in texts if text not in left_out) if isinstance(override._value, Glob) else texts

    def _cells(self, groups: list[_Axis], values: list[_Axis]) -> Iterator[Cell]:
        fragments = {axis.key: self._fragments(axis, groups) for axis in groups}
        separable = self._separable(fragments, groups)
        applied: dict[str, set[bool]] = {axis.key: set() for axis in values}
        known: set[str] = set()
        self._check_size(math.prod(len(axis.texts) for axis in groups), groups + values)
        total, entries, shared = 0, self._adjustments(), dict[str, Any]()
        for indices in itertools.product(*(range(len(axis.texts)) for axis in groups)):
            picks = list(zip(groups, indices, strict=True))
            chosen = [*self.fixed, *(f"{axis.key}={axis.texts[i]}" for axis, i in picks)]
            config = _merge(self._first(groups), fragments, picks) if separable else self._compose(chosen)
            for path, value, text in list(self.patterns.adjusted(entries, config, chosen)):
                config = nodes.put(config, path, value)
                chosen.append(text)
            known.update(nodes.flat_keys(config))
            for axis in values:
                applied[axis.key].add(self._applies(axis.key, config))
            applying = [axis for axis in values if self._applies(axis.key, config)]
            total += math.prod(len(axis.values) for axis in applying)
            self._check_size(total, groups + values)
            places = [self._places(axis.key, config) for axis in applying]
            yield from _spread(config, chosen, list(zip(applying, places, strict=True)), shared)
        self._report(applied, known)

    def _adjustments(self) -> Any:
        """The value of ``adjust``: of the command line, else of the experiment."""
        typed = [override.value() for override in self.given if grammar.key_of(override) == "adjust"]
        return (typed[-1] if typed else self.base.get("adjust")) or []

    def _check_size(self, total: int, axes: list[_Axis]) -> None:
        """Refuse a grid that nobody computes, before it fills the memory."""
        if total > MOST_CELLS:
            longest = sorted(axes, key=lambda axis: len(axis.texts), reverse=True)[:3]
            counts = ", ".join(f"{axis.key} has {len(axis.texts):,} values" for axis in longest)
            raise ConfigError(f"the grid has more than {MOST_CELLS:,} runs, which is the most: {counts}. Name fewer.")

    def _kept(self, cells: list[Cell]) -> list[Cell]:
        """The cells without those that are excluded, which is told of what was asked for."""
        kept = self.patterns.kept(cells)
        if len(kept) < len(cells) and self.named & {"exclude", "experiment"}:
            self.notices.append(f"{len(cells) - len(kept)} of {len(cells)} combinations are left out (exclude)")
        return kept

    def _report(self, applied: Mapping[str, set[bool]], known: set[str]) -> None:
        for key, applies in applied.items():
            if True not in applies:
                if key in self.named or not self._replaced(key):
                    raise self._unknown(key, known)
                self.notices.append(f"{key} of the experiment belongs to none of these options and is left out")
            elif False in applies and key in self.named:
                self.notices.append(f"{key} applies only to the options that have it")

    def _unknown(self, key: str, known: set[str]) -> ConfigError:
        line = next((grammar.line_of(override) for override in self.given if grammar.key_of(override) == key), "")
        misplaced = None if names.is_key(key) else mistakes.misplaced(key, line)
        return misplaced or mistakes.unknown("override", key, nodes.beside(key, known), line)

    def _replaced(self, key: str) -> bool:
        """Whether the command line put other options in the place of those that the experiment names the key for."""
        return key.split(".")[0] in self.named

    def _first(self, groups: list[_Axis]) -> dict[str, Any]:
        return self._compose([*self.fixed, *(f"{axis.key}={axis.texts[0]}" for axis in groups)])

    def _fragments(self, axis: _Axis, groups: list[_Axis]) -> list[dict[nodes.Path, Any]]:
        """What each option of a group changes against the first options of all groups: path -> value."""
        first = self._first(groups)
        options = ({**{other.key: other.texts[0] for other in groups}, axis.key: text} for text in axis.texts)
        lines = ([f"{key}={text}" for key, text in option.items()] for option in options)
        return [dict(nodes.difference(first, self._compose([*self.fixed, *line]))) for line in lines]

    def _separable(self, fragments: Mapping[str, list[dict[nodes.Path, Any]]], groups: list[_Axis]) -> bool:
        """Whether no two groups touch one path, no choice hangs on another, and Hydra agrees on the farthest cell."""
        if grammar.defaults_refer():
            return False
        touched = [{path for option in options for path in option} for options in fragments.values()]
        for paths, others in itertools.combinations(touched, 2):
            if any(nodes.overlap(path, other) for path in paths for other in others):
                return False
        last = [(axis, len(axis.texts) - 1) for axis in groups]
        chosen = [f"{axis.key}={axis.texts[i]}" for axis, i in last]
        return _merge(self._first(groups), fragments, last) == self._compose([*self.fixed, *chosen])

    def _compose(self, overrides: Iterable[str]) -> dict[str, Any]:
        key = tuple(overrides)
        if key not in self.composed:
            self.composed[key] = concatenation.composed(key, lambda lines: grammar.compose_one(lines, resolve=False))
        return self.composed[key]


def _merge(
    first: dict[str, Any], fragments: Mapping[str, list[dict[nodes.Path, Any]]], picks: Iterable[tuple[_Axis, int]]
) -> dict[str, Any]:
    config = first
    for axis, i in picks:
        for path, value in fragments[axis.key][i].items():
            config = nodes.put(config, path, value)
    return config


def _spread(
    config: dict[str, Any], chosen: list[str], values: list[tuple[_Axis, list[str]]], shared: dict[str, Any]
) -> Iterator[Cell]:
    """The cells of one combination of files: the product of the value axes that apply to it, each at its keys.

    Cells share the parts in which they are equal, by way of `shared`: whoever reads thousands of them knows what it
    has seen by its identity.
    """
    plain: set[int] = set()
    interpolation.literal(config, plain)
    paths = [[tuple(key.split(".")) for key in keys] for _, keys in values]
    every = [path for several in paths for path in several]
    texts = [[f"{axis.key}={text}" for text in axis.texts] for axis, _ in values]
    pairs = [list(zip(axis.values, lines, strict=True)) for (axis, _), lines in zip(values, texts, strict=True)]
    once = interpolation.apart(config, every, (value for axis, _ in values for value in axis.values))
    base = _interned(interpolation.resolve(config, plain), shared) if once else config
    inside = {path[0] for path in every if len(path) > 1}
    for picks in itertools.product(*pairs):
        cell = base
        for several, (value, _) in zip(paths, picks, strict=True):
            for path in several:
                cell = nodes.merge_in(cell, path, value)
        cell = _interned(cell, shared, inside) if once else _interned(interpolation.resolve(cell, plain), shared)
        yield Cell(cell, (*chosen, *(text for _, text in picks)))


def _interned(config: dict[str, Any], shared: dict[str, Any], keys: Iterable[str] | None = None) -> dict[str, Any]:
    """`config` with each of its parts (those of `keys`) replaced by the equal one that was seen first."""
    changed = {
        key: shared.setdefault(repr(config[key]), config[key])
        for key in (config if keys is None else keys)
        if isinstance(config[key], dict)
    }
    return {**config, **changed} if changed else config
