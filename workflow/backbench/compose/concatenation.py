"""Several backbones side by side as one: ``backbone=[a,b]`` is the option ``concatenated`` with their options as parts.

What is given for the backbone (``backbone.image.size=96``) is for every part that has it, as it is for every backbone
of an axis; ``backbone.parts.a.image.size=96`` is for one part alone (no hydra).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from backbench.compose import nodes
from backbench.compose.mistakes import Mistake, short

GROUP, OPTION, PARTS = "backbone", "concatenated", "parts"
LEAST = 2

Compose = Callable[[Sequence[str]], dict[str, Any]]


def listed(choice: str) -> list[str]:
    """The options that a choice lists, ``[a,b]``; empty for a choice of one option.

    Examples
    --------
    >>> listed("[pixels, 'resnet50']")
    ['pixels', 'resnet50']
    """
    if not (choice.startswith("[") and choice.endswith("]")):
        return []
    return [piece.strip(" '\"") for piece in choice[1:-1].split(",")]


def options(choice: str) -> list[str]:
    """The options that a choice is of: the parts and ``concatenated`` for a list, else the one."""
    parts = listed(choice)
    return [*parts, OPTION] if parts else [choice]


def plain(value: str) -> str:
    """A value of the group as it is compared: lists without blanks and quotes."""
    return value.translate(str.maketrans("", "", " '\"")) if "[" in value else value


def check(group: str, choice: str, allowed: Sequence[str], line: str) -> list[str]:
    """The options that have to be known for a choice of a group.

    Raises
    ------
    Mistake
        For a list of another group, of one option, or one that holds what cannot be a part.
    """
    parts = listed(choice) if group == GROUP else []
    if not parts:
        return [choice]
    others = [option for option in allowed if option not in (OPTION, "none")]
    if len(parts) < LEAST:
        text = (
            f"{short(line)}: received a list of one; allowed: at least {LEAST} side by side, or one without brackets."
        )
        raise Mistake(text, [line], [line.replace(choice, parts[0])] if parts[0] in others else [])
    if OPTION in parts or "none" in parts:
        raise Mistake(f"{short(line)}: received {OPTION!r} as a part; allowed: {', '.join(others)}.")
    return parts


def composed(overrides: Sequence[str], compose: Compose) -> dict[str, Any]:
    """What `compose` gives for `overrides`, those of a list being one configuration with the parts of the list."""
    places = [place for place, text in enumerate(overrides) if text.startswith(f"{GROUP}=")]
    parts = listed(overrides[places[-1]].partition("=")[2]) if places else []
    if not parts:
        return compose(overrides)

    def of(option: str) -> dict[str, Any]:
        return compose([*overrides[: places[-1]], f"{GROUP}={option}", *overrides[places[-1] + 1 :]])

    made = {key: of(option)[GROUP] for key, option in _keys(parts).items()}
    return nodes.put(of(OPTION), (GROUP, PARTS), made)


def _keys(parts: Sequence[str]) -> dict[str, str]:
    """The options by the keys of the parts: their names, with a number where one is there again."""
    keys: dict[str, str] = {}
    for place, option in enumerate(parts):
        again = parts[:place].count(option)
        keys[f"{option}_{again + 1}" if again else option] = option
    return keys


def parts_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configurations of the parts by their keys; empty where the backbone has none."""
    parts = nodes.at(config, (GROUP, PARTS))
    return parts if isinstance(parts, dict) and nodes.at(config, (GROUP, "name")) == OPTION else {}


def places(config: Mapping[str, Any], key: str) -> list[str]:
    """Where a key stands in a configuration: there, or in every part of the backbone that has it."""
    if nodes.has(config, key):
        return [key]
    inner = key.removeprefix(f"{GROUP}.")
    within = [f"{GROUP}.{PARTS}.{part}.{inner}" for part in parts_of(config)] if inner != key else []
    return [place for place in within if nodes.has(config, place)]


def views(config: Mapping[str, Any], overrides: Sequence[str]) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Of each part its key, the configuration as if it was the backbone alone, and the overrides for it."""
    others = [text for text in overrides if not text.startswith(f"{GROUP}=")]
    for part, values in parts_of(config).items():
        yield part, {**config, GROUP: values}, [*others, f"{GROUP}={values.get('name')}"]
