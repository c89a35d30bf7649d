"""Hydra's side: its groups, its grammar, and one configuration as it composes it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose as hydra_compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbench import paths
from backbench.schema import ConfigError

ROOT = "config"
RANGES = re.compile(r"-?\d+(\.\.-?\d+)?(,-?\d+(\.\.-?\d+)?)*")
MOST_NUMBERS = 10_000
HINT = (
    "(an override is key=value; a value with blanks, commas, =, ~, brackets or letters beyond a-z is quoted twice: "
    """\"key='a value'\")"""
)


def all_groups() -> dict[str, list[str]]:
    """The configuration groups and their options."""
    loader = GlobalHydra.instance().config_loader()
    names = [name for name in loader.list_groups("") if name != "hydra"]
    return {name: loader.get_group_options(name) for name in sorted(names)}


def compose_one(overrides: Sequence[str], resolve: bool = True) -> dict[str, Any]:
    """One configuration exactly as Hydra composes it (within an initialised Hydra)."""
    try:
        config = hydra_compose(ROOT, overrides=list(overrides))
        return OmegaConf.to_container(config, resolve=resolve)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"{' '.join(overrides)}: {said(error)}") from error


def said(error: Exception) -> str:
    """What an exception of Hydra or OmegaConf says, on one line and without its internals."""
    lines = (line.strip() for line in str(error).splitlines())
    return " ".join(line for line in lines if line and not line.startswith(("object_type=", "reference_type=")))


def parse(overrides: Sequence[str]) -> list[Override]:
    """Overrides in Hydra's grammar, and the short forms of :func:`written_out`, parsed."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    try:
        return parser.parse_overrides([written_out(override) for override in overrides])
    except HydraException as error:
        raise ConfigError(f"{str(error).splitlines()[0]} {HINT}") from error


def written_out(override: str) -> str:
    """An override with its short forms written out: ``seeds`` is ``seed``, ``0..3`` is ``0,1,2,3``."""
    key, equals, value = override.partition("=")
    key = "seed" if key == "seeds" else key
    if RANGES.fullmatch(value) and ".." in value:
        value = ",".join(str(number) for part in value.split(",") for number in _numbers(part, override))
    return f"{key}{equals}{value}"


def _numbers(part: str, override: str) -> range:
    first, _, last = part.partition("..")
    found = range(int(first), int(last or first) + 1)
    if not 0 < len(found) <= MOST_NUMBERS:
        raise ConfigError(
            f"{override}: {part} has {len(found):,} numbers; write FIRST..LAST, both included, at most {MOST_NUMBERS}."
        )
    return found


def sweep_values(override: Override) -> Iterator[Any]:
    """The values of a sweep, typed."""
    return (Override._convert_value(value) for value in override.sweep_iterator())


def key_of(override: Override) -> str:
    """The key of an override, without the signs of additions and removals."""
    return override.get_key_element().lstrip("+~")


def root_keys() -> list[str]:
    """The keys of the root configuration."""
    return [str(key) for key in OmegaConf.load(paths.conf() / f"{ROOT}.yaml") if key != "defaults"]


def is_root_key(name: str) -> bool:
    """Whether a name is one of them."""
    return name in root_keys()


def default_choice(group: str) -> str:
    """The option that a group has where none is named."""
    defaults = OmegaConf.load(paths.conf() / f"{ROOT}.yaml").defaults
    return next((str(item[group]) for item in defaults if not isinstance(item, str) and group in item), "none")


def defaults_refer() -> bool:
    """Whether the defaults list of a file may hold an interpolation: it then depends on the choice in another group."""
    texts = (path.read_text(encoding="utf-8") for path in paths.conf().rglob("*.yaml"))
    return any("${" in text.partition("defaults:")[2] for text in texts)
