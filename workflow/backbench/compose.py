"""From command-line overrides to the cells of a grid (layer 3, the only importer of hydra).

Hydra composes every group option once; the grid is expanded by merging what each option changes. The cells equal what
``hydra.compose`` gives for the same overrides, at a hundredth of its cost per cell; where options touch each other's
keys, Hydra composes every cell itself.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbench import paths
from backbench.schema import ConfigError, refuse

ROOT = "config"
SETTINGS = ("execution", "store", "tracking")
NOT_IN_CELL = (*SETTINGS, "sweep")
REFERENCE = re.compile(r"^\$\{([A-Za-z_][\w.]*)\}$")
DELETED = object()


@dataclass(frozen=True)
class Cell:
    """One resolved configuration of the grid and the overrides that Hydra would need for it."""

    config: Mapping[str, Any]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Composition:
    """All cells that were asked for.

    `explicit` holds the keys named on the command line, `settings` what is never hashed (execution, store, tracking).
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


def expand(overrides: Sequence[str]) -> Composition:
    """Compose the grid that `overrides` (Hydra's grammar, sweeps included) describe over ``conf/``.

    Raises
    ------
    ConfigError
        For what Hydra's grammar does not allow, and for unknown groups, options and keys, naming the nearest.
    """
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return _Expansion(overrides).run()


def groups() -> dict[str, list[str]]:
    """The configuration groups and their options."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return _groups()


def _groups() -> dict[str, list[str]]:
    loader = GlobalHydra.instance().config_loader()
    names = [name for name in loader.list_groups("") if name != "hydra"]
    return {name: loader.get_group_options(name) for name in sorted(names)}


class _Expansion:
    """One request: the overrides in their parts, then the product of the axes."""

    def __init__(self, overrides: Sequence[str]):
        self.groups = _groups()
        self.composed: dict[tuple[str, ...], dict] = {}
        self.given = list({_key(override): override for override in _parse(overrides)}.values())
        for override in self.given:
            self._check(override)
        self.fixed = [o.input_line for o in self.given if self._is_structural(o)]
        self.base = self._compose(self.fixed)
        self.notices: list[str] = []

    def run(self) -> Composition:
        axes = self._axes()
        groups = [axis for axis in axes if axis.group]
        values = [axis for axis in axes if not axis.group]
        cells = list(self._cells(groups, values))
        settings = {key: self.base.get(key, {}) for key in SETTINGS}
        settings = {key: cells[0].config[key] for key in settings} if cells else settings
        stripped = [Cell(_without(cell.config, NOT_IN_CELL), cell.overrides) for cell in cells]
        explicit = frozenset(_key(o) for o in self.given)
        return Composition(stripped, settings, explicit, self._experiment(), self.notices)

    def _experiment(self) -> str:
        chosen = [o.get_value_element_as_str() for o in self.given if _key(o) == "experiment"]
        return chosen[-1] if chosen else _default_choice("experiment")

    def _check(self, override: Override) -> None:
        name, key = override.key_or_group, _key(override)
        root = name.split(".")[0]
        if override.is_sweep_override() and root in ("experiment", *SETTINGS):
            raise ConfigError(f"{override.input_line}: {root} has one value in a sweep; start a sweep for each.")
        if root == "sweep" and not self._is_structural(override):
            raise ConfigError(
                f"{override.input_line}: give an axis by its own key (k=2,5), in place of the experiment's."
            )
        if name in self.groups:
            for text in self._choices(override):
                if text not in self.groups[name]:
                    raise refuse(key, text, self.groups[name])
        elif "." not in name and not override.is_add() and name not in self.groups and not _is_root_key(name):
            raise refuse("override", key, sorted({*self.groups, *_root_keys()} - {"sweep", "transform"}))

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
                    f"{override.input_line}: a sweep over an added key is not possible; put it into conf/."
                )
            return False
        return override.key_or_group in self.groups or override.is_add() or override.is_delete()

    def _axes(self) -> list[_Axis]:
        """Axes of the experiment, each replaced by an override of the same key, then those of the command line."""
        given = {_key(o): o for o in self.given}
        asked = [f"{key}={text}" for key, text in (self.base.get("sweep") or {}).items() if key not in given]
        merged = [*_parse(asked), *(o for o in self.given if not self._is_structural(o))]
        for override in merged:
            self._check(override)
        return [self._axis(override) for override in merged]

    def _axis(self, override: Override) -> _Axis:
        group = override.key_or_group in self.groups
        if not override.is_sweep_override():
            value = override.value()
            return _Axis(_key(override), group, (override.get_value_element_as_str(),), (value,))
        texts = tuple(self._texts(override))
        if not texts:
            raise ConfigError(f"{override.input_line}: this sweep has no values.")
        return _Axis(_key(override), group, texts, texts if group else tuple(_values(override)))

    def _texts(self, override: Override) -> Iterator[str]:
        if isinstance(override._value, IntervalSweep):
            raise ConfigError(f"{override.input_line}: an interval has no list of values; use range() or choice().")
        texts = override.sweep_string_iterator()
        return (text for text in texts if text != "none") if isinstance(override._value, Glob) else texts

    def _cells(self, groups: list[_Axis], values: list[_Axis]) -> Iterator[Cell]:
        fragments = {axis.key: self._fragments(axis, groups) for axis in groups}
        separable = self._separable(fragments, groups)
        applied: dict[str, set[bool]] = {axis.key: set() for axis in values}
        known: set[str] = set()
        for indices in itertools.product(*(range(len(axis.texts)) for axis in groups)):
            picks = list(zip(groups, indices, strict=True))
            chosen = [*self.fixed, *(f"{axis.key}={axis.texts[i]}" for axis, i in picks)]
            config = _merge(self._first(groups), fragments, picks) if separable else self._compose(chosen)
            known.update(_flat_keys(config))
            for axis in values:
                applied[axis.key].add(_has(config, axis.key))
            yield from _spread(config, chosen, [axis for axis in values if _has(config, axis.key)])
        self._report(applied, known)

    def _report(self, applied: Mapping[str, set[bool]], known: set[str]) -> None:
        for key, found in applied.items():
            if True not in found:
                raise refuse("override", key, _beside(key, known))
            if False in found:
                self.notices.append(f"{key} applies only to the options that have it")

    def _first(self, groups: list[_Axis]) -> dict:
        return self._compose([*self.fixed, *(f"{axis.key}={axis.texts[0]}" for axis in groups)])

    def _fragments(self, axis: _Axis, groups: list[_Axis]) -> list[dict[tuple, Any]]:
        """What each option of a group changes against the first options of all groups: path -> value."""
        first = self._first(groups)
        options = ({**{other.key: other.texts[0] for other in groups}, axis.key: text} for text in axis.texts)
        lines = ([f"{key}={text}" for key, text in option.items()] for option in options)
        return [dict(_difference(first, self._compose([*self.fixed, *line]))) for line in lines]

    def _separable(self, fragments: Mapping[str, list[dict]], groups: list[_Axis]) -> bool:
        """Whether no two groups touch one path, no choice hangs on another, and Hydra agrees on the farthest cell."""
        if _defaults_refer():
            return False
        touched = [{path for option in options for path in option} for options in fragments.values()]
        for one, other in itertools.combinations(touched, 2):
            if any(_overlap(a, b) for a in one for b in other):
                return False
        last = [(axis, len(axis.texts) - 1) for axis in groups]
        chosen = [f"{axis.key}={axis.texts[i]}" for axis, i in last]
        return _merge(self._first(groups), fragments, last) == self._compose([*self.fixed, *chosen])

    def _compose(self, overrides: Iterable[str]) -> dict:
        key = tuple(overrides)
        if key not in self.composed:
            self.composed[key] = compose_one(key, resolve=False)
        return self.composed[key]


def compose_one(overrides: Sequence[str], resolve: bool = True) -> dict[str, Any]:
    """One configuration exactly as Hydra composes it (within an initialised Hydra)."""
    try:
        config = hydra_compose(ROOT, overrides=list(overrides))
        return OmegaConf.to_container(config, resolve=resolve)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"{' '.join(overrides)}: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What an exception of Hydra or OmegaConf says, on one line and without its internals."""
    lines = (line.strip() for line in str(error).splitlines())
    return " ".join(line for line in lines if line and not line.startswith(("object_type=", "reference_type=")))


def _parse(overrides: Sequence[str]) -> list[Override]:
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    try:
        return parser.parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(f"{str(error).splitlines()[0]} (an override is written key=value)") from error


def _values(override: Override) -> Iterator[Any]:
    return (Override._convert_value(value) for value in override.sweep_iterator())


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def _root_keys() -> list[str]:
    return [str(key) for key in OmegaConf.load(paths.conf() / f"{ROOT}.yaml") if key != "defaults"]


def _is_root_key(name: str) -> bool:
    return name in _root_keys()


def _default_choice(group: str) -> str:
    defaults = OmegaConf.load(paths.conf() / f"{ROOT}.yaml").defaults
    return next((str(item[group]) for item in defaults if not isinstance(item, str) and group in item), "none")


def _beside(key: str, known: Iterable[str]) -> list[str]:
    """The keys that stand where `key` would, or else beside the nearest of its parents that has any."""
    place = key
    while place:
        place = place.rpartition(".")[0]
        found = sorted(other for other in known if other.rpartition(".")[0] == place and other != "sweep")
        if found:
            return found
    return []


def _difference(old: Any, new: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    if isinstance(old, dict) and isinstance(new, dict) and (path == () or (old and new)):
        for key in old.keys() | new.keys():
            yield from _difference(old.get(key, DELETED), new.get(key, DELETED), (*path, key))
    elif old is DELETED or new is DELETED or old != new or type(old) is not type(new):
        yield path, new


def _overlap(one: tuple, other: tuple) -> bool:
    return one[: len(other)] == other[: len(one)]


def _merge(first: dict, fragments: Mapping[str, list[dict]], picks: Iterable[tuple[_Axis, int]]) -> dict:
    config = first
    for axis, i in picks:
        for path, value in fragments[axis.key][i].items():
            config = _with(config, path, value)
    return config


def _spread(config: dict, chosen: list[str], values: list[_Axis]) -> Iterator[Cell]:
    """The cells of one combination of files: the product of the value axes that apply to it."""
    plain: set[int] = set()
    _plain(config, plain)
    for indices in itertools.product(*(range(len(axis.texts)) for axis in values)):
        cell = config
        for axis, i in zip(values, indices, strict=True):
            cell = _override(cell, tuple(axis.key.split(".")), axis.values[i])
        texts = (f"{axis.key}={axis.texts[i]}" for axis, i in zip(values, indices, strict=True))
        yield Cell(_resolve(cell, plain), (*chosen, *texts))


def _override(config: dict, path: tuple[str, ...], value: Any) -> dict:
    """`config` with a value set; a mapping is merged into the one that is there, as Hydra does."""
    if not isinstance(value, dict) or not isinstance(_at(config, path), dict):
        return _with(config, path, value)
    for key, item in value.items():
        config = _override(config, (*path, key), item)
    return config


def _with(config: dict, path: tuple[str, ...], value: Any) -> dict:
    """A copy of `config` with one path set; what is not on the path is shared."""
    key, *rest = path
    copy = dict(config)
    if rest:
        copy[key] = _with(config.get(key, {}), tuple(rest), value)
    elif value is DELETED:
        copy.pop(key, None)
    else:
        copy[key] = value
    return copy


def _without(config: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


def _defaults_refer() -> bool:
    """Whether the defaults list of a file may hold an interpolation: it then depends on the choice in another group."""
    texts = (path.read_text(encoding="utf-8") for path in paths.conf().rglob("*.yaml"))
    return any("${" in text.partition("defaults:")[2] for text in texts)


def _has(config: Any, dotted: str) -> bool:
    for key in dotted.split("."):
        if not isinstance(config, dict) or key not in config:
            return False
        config = config[key]
    return True


def _at(config: Any, path: Iterable[str]) -> Any:
    """What stands at a path, None where nothing does."""
    for key in path:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def _flat_keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in config.items():
        found.append(prefix + key)
        if isinstance(value, dict):
            found.extend(_flat_keys(value, f"{prefix}{key}."))
    return found


def _plain(node: dict, found: set[int]) -> bool:
    """Collect in `found` the identity of every mapping of `node` that holds no interpolation; says if `node` is one."""
    inner = [_plain(item, found) if isinstance(item, dict) else "${" not in str(item) for item in node.values()]
    if all(inner):
        found.add(id(node))
    return all(inner)


def _resolve(config: dict, plain: Collection[int]) -> dict:
    """`config` with its interpolations resolved; plain references are looked up here, all else by OmegaConf."""
    try:
        return _resolved(config, config, plain)
    except _NeedsOmegaConf:
        pass
    try:
        return OmegaConf.to_container(OmegaConf.create(config), resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"an interpolation cannot be resolved: {_words(error)}") from error


class _NeedsOmegaConf(Exception):
    """An interpolation that is more than a reference to another key."""


def _resolved(node: Any, root: dict, plain: Collection[int], trail: tuple[str, ...] = ()) -> Any:
    if isinstance(node, dict):
        if id(node) in plain:
            return node
        fresh = {key: _resolved(value, root, plain, trail) for key, value in node.items()}
        return node if all(fresh[key] is node[key] for key in node) else fresh
    if isinstance(node, list):
        return [_resolved(item, root, plain, trail) for item in node] if "${" in str(node) else node
    if isinstance(node, str) and "${" in node:
        if node in trail:
            raise ConfigError(f"an interpolation refers to itself: {' -> '.join([*trail, node])}")
        return _resolved(_referenced(node, root), root, plain, (*trail, node))
    return node


def _referenced(text: str, root: dict) -> Any:
    match = REFERENCE.match(text)
    if not match or not _has(root, match[1]):
        raise _NeedsOmegaConf(text)
    return _at(root, match[1].split("."))
