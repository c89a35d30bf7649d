"""Hydra's side: its groups, its grammar, and one configuration as it composes it."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

from hydra import compose as hydra_compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbench import paths
from backbench.compose import checks, concatenation, literal, mistakes, spans
from backbench.compose.mistakes import Mistake
from backbench.compose.names import ROOT
from backbench.schema import ConfigError

NESTED = "values are nested too deeply"
# What the grammars of Hydra and OmegaConf say of a text that they do not read.
LEXER = ("token recognition", "mismatched input", "no viable alternative", "extraneous input", "missing ")


def all_groups() -> dict[str, list[str]]:
    """The configuration groups and their options."""
    loader = GlobalHydra.instance().config_loader()
    names = [name for name in loader.list_groups("") if name != "hydra"]
    return {name: loader.get_group_options(name) for name in sorted(names)}


def compose_one(overrides: Sequence[str], resolve: bool = True) -> dict[str, Any]:
    """One configuration exactly as Hydra composes it (within an initialised Hydra)."""
    try:
        config = hydra_compose(ROOT, overrides=list(overrides))
        return mapping(config, resolve)
    except (HydraException, OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"{mistakes.short(' '.join(overrides))}: {said(error)}") from error


def mapping(config: DictConfig, resolve: bool) -> dict[str, Any]:
    """A configuration as a plain mapping."""
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=resolve))  # of a DictConfig it is one


def said(error: Exception) -> str:
    """What an exception of Hydra or OmegaConf says, on one line and without its internals."""
    if isinstance(error, RecursionError):
        return NESTED
    lines = (line.strip() for line in str(error).splitlines())
    text = " ".join(line for line in lines if line and not line.startswith(("object_type=", "reference_type=")))
    if any(phrase in text for phrase in LEXER):
        return "an interpolation is written ${key} or ${oc.env:NAME}"
    return text


def parse(overrides: Sequence[str]) -> list[Override]:
    """Overrides in Hydra's grammar, and the short forms of :func:`written_out`, parsed."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    return [_parsed(parser, override) for override in overrides]


def _parsed(parser: OverridesParser, override: str) -> Override:
    checks.check(override, literal.is_text(override.partition("=")[0]))
    try:
        (parsed,) = parser.parse_overrides([written_out(override)])
    except (HydraException, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise mistakes.unread(override, str(error)) from error
    if isinstance(parsed._value, RangeSweep):
        _check_size(override, parsed._value)
    return parsed


def _check_size(override: str, sweep: RangeSweep) -> None:
    """Refuse a range that never ends or has more numbers than anybody means."""
    start, stop, step = (float(number or 0) for number in (sweep.start, sweep.stop, sweep.step))
    size = (stop - start) / step if step and math.isfinite(start) and math.isfinite(stop) else math.inf
    if not size <= spans.MOST_NUMBERS:
        text = f"{size:,.0f} numbers" if math.isfinite(size) else "no end"
        raise Mistake(f"{override}: received a range that has {text}; allowed: at most {spans.MOST_NUMBERS:,}.")


def written_out(override: str) -> str:
    """An override as Hydra reads it: paths quoted, and short forms written out (``seeds`` is ``seed``, ``0..3`` is
    ``0,1,2,3``)."""
    key, equals, value = override.partition("=")
    key = "seed" if key == "seeds" else key
    if key == concatenation.GROUP:
        return f"{key}{equals}{concatenation.plain(value)}"
    if literal.is_text(key):
        return f"{key}{equals}{literal.written(key, value, _swept)}"
    pieces = [piece.strip() for piece in value.split(",")]
    if any(spans.RANGE.fullmatch(piece) for piece in pieces):
        value = ",".join(_listed(piece) for piece in pieces)
    return f"{key}{equals}{value}"


def _listed(piece: str) -> str:
    match = spans.RANGE.fullmatch(piece)
    return ",".join(map(str, spans.numbers(*match.groups()) or ())) if match else piece


def _swept(override: str) -> bool:
    """Whether Hydra reads an override as a sweep."""
    try:
        return OverridesParser.create().parse_override(override).is_sweep_override()
    except (HydraException, ValueError, RecursionError):
        return False


def sweep_values(override: Override) -> Iterator[Any]:
    """The values of a sweep, typed."""
    return (Override._convert_value(value) for value in override.sweep_iterator())


def line_of(override: Override) -> str:
    """An override as it was typed."""
    return override.input_line or ""


def key_of(override: Override) -> str:
    """The key of an override, without the signs of additions and removals."""
    return override.get_key_element().lstrip("+~")


def default_choice(group: str) -> str:
    """The option that a group has where none is named."""
    defaults = OmegaConf.load(paths.conf() / f"{ROOT}.yaml").defaults
    return next((str(item[group]) for item in defaults if not isinstance(item, str) and group in item), "none")


def defaults_refer() -> bool:
    """Whether the defaults list of a file may hold an interpolation: it then depends on the choice in another group."""
    texts = (path.read_text(encoding="utf-8") for path in paths.conf().rglob("*.yaml"))
    return any("${" in text.partition("defaults:")[2] for text in texts)
