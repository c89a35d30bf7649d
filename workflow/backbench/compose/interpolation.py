"""Interpolations of a cell: plain references are looked up here, all else is left to OmegaConf."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbench.compose import grammar, nodes
from backbench.schema import ConfigError

REFERENCE = re.compile(r"^\$\{([A-Za-z_][\w.]*)\}$")


def literal(node: dict[str, Any], plain: set[int]) -> bool:
    """Add to `plain` the identity of every mapping of `node` without an interpolation; say whether `node` is one."""
    inner = [literal(item, plain) if isinstance(item, dict) else "${" not in str(item) for item in node.values()]
    if all(inner):
        plain.add(id(node))
    return all(inner)


def apart(config: dict[str, Any], paths: Iterable[nodes.Path], values: Iterable[Any]) -> bool:
    """Whether values can be set at `paths` after the interpolations of `config` are resolved, as well as before.

    So it is where no interpolation stands at, above or below one of them or refers to one, and no value has any.
    """
    if any("${" in str(value) for value in values):
        return False
    places = list(_places(config))
    references = [REFERENCE.match(text) for _, text in places]
    if not all(references):
        return False
    touched = [place for place, _ in places] + [tuple(match[1].split(".")) for match in references if match]
    return not any(nodes.overlap(path, other) for path in paths for other in touched)


def _places(node: Any, path: nodes.Path = ()) -> Iterator[tuple[nodes.Path, str]]:
    """Where interpolations stand, and their texts; a list is one place."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _places(value, (*path, key))
    elif "${" in str(node):
        yield path, str(node)


def resolve(config: dict[str, Any], plain: Collection[int]) -> dict[str, Any]:
    """`config` with its interpolations resolved; plain references are looked up here, all else by OmegaConf."""
    try:
        return _resolved(config, config, plain)
    except _NeedsOmegaConf:
        pass
    try:
        return grammar.mapping(OmegaConf.create(config), resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"an interpolation cannot be resolved: {grammar.said(error)}") from error


class _NeedsOmegaConf(Exception):
    """An interpolation that is more than a reference to another key."""


def _resolved(node: Any, root: dict[str, Any], plain: Collection[int], trail: tuple[str, ...] = ()) -> Any:
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


def _referenced(text: str, root: dict[str, Any]) -> Any:
    match = REFERENCE.match(text)
    if not match or not nodes.has(root, match[1]):
        raise _NeedsOmegaConf(text)
    return nodes.at(root, match[1].split("."))
