"""Plain configuration trees: look up, set a path, compare (no hydra)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

DELETED = object()

Path = tuple[str, ...]


def has(config: Any, dotted: str) -> bool:
    """Whether a dotted key is there."""
    for key in dotted.split("."):
        if not isinstance(config, dict) or key not in config:
            return False
        config = config[key]
    return True


def at(config: Any, path: Iterable[str]) -> Any:
    """What stands at a path, None where nothing does."""
    for key in path:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def put(config: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of `config` with one path set; what is not on the path is shared."""
    key, *rest = path
    copy = dict(config)
    if rest:
        copy[key] = put(config.get(key, {}), tuple(rest), value)
    elif value is DELETED:
        copy.pop(key, None)
    else:
        copy[key] = value
    return copy


def merge_in(config: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """`config` with a value set; a mapping is merged into the one that is there, as Hydra does."""
    if not isinstance(value, dict) or not isinstance(at(config, path), dict):
        return put(config, path, value)
    for key, item in value.items():
        config = merge_in(config, (*path, key), item)
    return config


def without(config: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """A copy without some keys."""
    return {key: value for key, value in config.items() if key not in keys}


def flat_keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """All dotted keys of a tree."""
    keys = []
    for key, value in config.items():
        keys.append(prefix + key)
        if isinstance(value, dict):
            keys.extend(flat_keys(value, f"{prefix}{key}."))
    return keys


def beside(key: str, known: Iterable[str]) -> list[str]:
    """The keys that stand where `key` would, or else beside the nearest of its parents that has any."""
    place = key
    while place:
        place = place.rpartition(".")[0]
        neighbours = sorted(other for other in known if other.rpartition(".")[0] == place and other != "sweep")
        if neighbours:
            return neighbours
    return []


def difference(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The paths at which two trees differ, and what `new` has there (`DELETED` where it has nothing)."""
    if isinstance(old, dict) and isinstance(new, dict) and (path == () or (old and new)):
        for key in old.keys() | new.keys():
            yield from difference(old.get(key, DELETED), new.get(key, DELETED), (*path, key))
    elif old is DELETED or new is DELETED or old != new or type(old) is not type(new):
        yield path, new


def overlap(path: Path, other: Path) -> bool:
    """Whether one of two paths lies within the other."""
    return path[: len(other)] == other[: len(path)]
