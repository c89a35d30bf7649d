"""Combinations described by some of their values: what to leave out of a grid, and values for a part of it (no hydra).

``exclude`` is a list of such patterns. ``adjust`` is a list of mappings with a pattern over the options of groups,
``for``, and the values that the combinations of these options get.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from backbench.compose import concatenation, nodes
from backbench.schema import ConfigError, refuse

FOR = "for"
EXCLUDED = "a list of mappings such as [{backbone.name: pixels, k: 10}]"
ADJUSTED = "a list of mappings such as [{for: {dataset: fashion_mnist, backbone: resnet50}, backbone.image.size: 96}]"


@dataclass(frozen=True, slots=True)
class Cell:
    """One resolved configuration of the grid and the overrides that Hydra would need for it."""

    config: Mapping[str, Any]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Patterns:
    """The patterns of one request: `groups` are those of the configuration, `named` the keys of its command line."""

    groups: Collection[str]
    named: Collection[str]

    def kept(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells without those that ``exclude`` describes: all values of one of its entries.

        Raises
        ------
        ConfigError
            If an entry cannot be meant, or nothing is left.
        """
        patterns = (cells[0].config.get("exclude") or []) if cells else []
        self._check_excluded(patterns, cells)
        kept = [cell for cell in cells if not any(self._has(cell, pattern) for pattern in patterns)]
        if cells and not kept:
            raise ConfigError("exclude: nothing is left of the grid; exclude=[] takes all of it.")
        return kept

    def adjusted(
        self, entries: Any, config: Mapping[str, Any], overrides: Sequence[str]
    ) -> Iterator[tuple[nodes.Path, Any, str]]:
        """(path, value, override) of each value that the `entries` of ``adjust`` have for a combination of options;
        none of a key that the command line names.

        Raises
        ------
        ConfigError
            If an entry cannot be meant.
        """
        if not isinstance(entries, list) or not all(map(_is_adjustment, entries)):
            raise refuse("adjust", entries, ADJUSTED)
        for entry in entries:
            for key in entry[FOR]:
                if not self._is_group(key):
                    raise refuse("adjust: for", key, sorted(self.groups))
            parts = list(concatenation.views(config, overrides))
            of_parts = f"{concatenation.GROUP}."
            for key, value in self._meant(entry, config, overrides):
                if not (parts and key.startswith(of_parts)) or nodes.has(config, key):
                    yield self._set(config, key, value)
            for part, view, chosen in parts:
                for key, value in self._meant(entry, view, chosen):
                    place = key.replace(of_parts, f"{of_parts}{concatenation.PARTS}.{part}.", 1)
                    if place != key and place not in self.named:
                        yield self._set(config, place, value)

    def _meant(
        self, entry: Mapping[str, Any], config: Mapping[str, Any], overrides: Sequence[str]
    ) -> Iterator[tuple[str, Any]]:
        """The values of an entry of ``adjust`` that is for a combination of options, but those that were typed."""
        if self._described(config, overrides, entry[FOR]):
            yield from ((key, value) for key, value in entry.items() if key != FOR and key not in self.named)

    def _set(self, config: Mapping[str, Any], key: str, value: Any) -> tuple[nodes.Path, Any, str]:
        if not nodes.has(config, key):
            raise refuse("adjust", key, nodes.beside(key, set(nodes.flat_keys(config))))
        text = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
        return tuple(key.split(".")), value, f"{key}={text}"

    def _has(self, cell: Cell, pattern: Mapping[str, Any]) -> bool:
        return self._described(cell.config, cell.overrides, pattern)

    def _described(self, config: Mapping[str, Any], overrides: Sequence[str], pattern: Mapping[str, Any]) -> bool:
        """Whether a combination has every value of a pattern, or one of its list of values: groups by the names of
        their options (chain: l2), everything else by its dotted key."""
        return all(
            self._value(config, overrides, key) in (want if isinstance(want, list) else [want])
            for key, want in pattern.items()
        )

    def _value(self, config: Mapping[str, Any], overrides: Sequence[str], key: str) -> Any:
        if not self._is_group(key):
            return nodes.at(config, key.split("."))
        chosen = next((text for text in reversed(overrides) if text.startswith(f"{key}=")), None)
        return nodes.at(config, (key, "name")) if chosen is None else chosen.partition("=")[2]

    def _is_group(self, key: str) -> bool:
        """Whether a key is a group, here or at a place of its own (chain@clustering.chain)."""
        return key.partition("@")[0] in self.groups

    def _check_excluded(self, patterns: Any, cells: Sequence[Cell]) -> None:
        """Refuse what no cell can have. An experiment's entries may be of options that the command line replaced."""
        if not isinstance(patterns, list) or not all(isinstance(pattern, dict) for pattern in patterns):
            raise refuse("exclude", patterns, EXCLUDED)
        typed = "exclude" in self.named
        for key in sorted({key for pattern in patterns for key in pattern if not self._is_group(key)}):
            replaced = not typed and key.split(".")[0] in self.named
            if not replaced and not any(nodes.has(cell.config, key) for cell in cells):
                raise refuse("exclude", key, nodes.beside(key, set(nodes.flat_keys(cells[0].config))))
        for pattern in patterns if typed else ():
            if not any(self._has(cell, pattern) for cell in cells):
                values = ", ".join(f"{key}={value}" for key, value in pattern.items())
                raise ConfigError(f"exclude: no combination has {values}; `backbench plan --list` names all.")


def _is_adjustment(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(FOR), dict) and len(entry) > 1
