"""Typed parameters from plain mappings (standard library only).

A plugin declares a frozen dataclass ``Params``; :func:`parse` turns a configuration mapping into it or raises a
:class:`ConfigError` that says what was received, what is allowed and what is near. :func:`canonical` gives the mapping
that is hashed. A field *without* a dataclass default is always hashed; a field *with* one is an option added later and
is left out of the hash while it stands at that default, so that old hashes stay.
"""

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
LISTED = 24


class ConfigError(ValueError):
    """A configuration that cannot be run. The message says what to do next."""


@dataclass(frozen=True)
class Range:
    """Closed bounds of a number; ``above`` is an open lower bound."""

    low: float | None = None
    high: float | None = None
    above: float | None = None

    def admits(self, value: float) -> bool:
        if self.above is not None and not value > self.above:
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low = f"> {self.above:g}" if self.above is not None else f">= {self.low:g}" if self.low is not None else ""
        high = f"<= {self.high:g}" if self.high is not None else ""
        return " and ".join(part for part in (low, high) if part)


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word nearest in spelling to `word`, whatever its case, or None.

    Where both are keys of one group, as ``backbone.width`` and ``backbone.name``, what follows the group decides.
    """
    words = {each.lower(): each for each in map(str, allowed)}
    group, dot, last = str(word).lower().rpartition(".")
    beside = {each.rpartition(".")[2]: each for each in words if dot and each.rpartition(".")[0] == group}
    others = {each: each for each in words if each not in beside.values()}
    for received, choices in ((last, beside), (str(word).lower(), others)):
        matches = difflib.get_close_matches(received, choices, n=1, cutoff=0.5)
        if matches:
            return words[choices[matches[0]]]
    return None


def refuse(where: str, received: Any, allowed: Iterable[str] | str, meant: str | None = None) -> ConfigError:
    """The error for a value that is not allowed at `where`; `meant` is the allowed one, where it is known."""
    choices = allowed if isinstance(allowed, str) else _listed(meant or received, list(map(str, allowed)))
    near = meant or (None if isinstance(allowed, str) else nearest(received, allowed))
    hint = f" Did you mean {near!r}?" if near else ""
    return ConfigError(f"{where}: received {received!r}; allowed: {choices}.{hint}")


def _listed(received: Any, allowed: list[str]) -> str:
    """The allowed words; of very many, those that are spelled most alike."""
    if len(allowed) <= LISTED:
        return ", ".join(allowed)
    near = difflib.get_close_matches(str(received), allowed, n=LISTED // 2, cutoff=0.0)
    return f"{', '.join(near)} and {len(allowed) - len(near)} more"


def parse(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build the dataclass `cls` from `values`.

    Raises
    ------
    ConfigError
        For an unknown or missing key, a value of another type, or one out of bounds.
    """
    hints, fields = _typed(cls)
    for key in values:
        if key not in fields:
            raise refuse(where, key, sorted(fields) or "nothing (it takes no options)")
    given = {key: _coerce(hints[key], value, f"{where}.{key}") for key, value in values.items()}
    missing = [name for name, field in fields.items() if name not in given and is_required(field)]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}; every result-changing option is spelled out.")
    return cls(**given)


@functools.cache
def _typed(cls: type) -> tuple[dict[str, Any], dict[str, dataclasses.Field[Any]]]:
    """Types and fields of a dataclass by name; a plan parses the same few classes many thousand times."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    return typing.get_type_hints(cls, include_extras=True), fields


def canonical(params: Any) -> Any:
    """Plain mapping of a parameter dataclass, as it is hashed."""
    if dataclasses.is_dataclass(params):
        kept = (field for field in dataclasses.fields(params) if not _at_default(params, field))
        return {field.name: canonical(getattr(params, field.name)) for field in kept}
    if isinstance(params, (list, tuple)):
        return [canonical(item) for item in params]
    return params


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default, so that it is always given and always hashed."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _at_default(params: Any, field: dataclasses.Field[Any]) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(getattr(params, field.name) == field.default)
    if field.default_factory is not dataclasses.MISSING:
        return bool(getattr(params, field.name) == field.default_factory())
    return False


def _coerce(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _bounded(hint, value, where)
    if origin is Literal:
        return _literal(typing.get_args(hint), value, where)
    if origin in (Union, types.UnionType):
        return _first_that_fits(typing.get_args(hint), value, where)
    if origin is tuple:
        return _sequence(typing.get_args(hint)[0], value, where)
    if origin is Mapping:
        nested = typing.get_origin(typing.get_args(hint)[1]) is Mapping
        return _mappings(value, where) if nested else _parameters(value, where)
    if dataclasses.is_dataclass(hint):
        return _nested(hint, value, where)
    return _plain(hint, value, where)


def _bounded(hint: Any, value: Any, where: str) -> Any:
    inner, *bounds = typing.get_args(hint)
    result = _coerce(inner, value, where)
    for bound in bounds:
        if isinstance(bound, Range) and result is not None and not bound.admits(result):
            raise refuse(where, value, f"{_describe(inner)} {bound}")
    return result


def _literal(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    raise refuse(where, value, [str(choice) for choice in choices])


def _first_that_fits(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    for hint in hints:
        try:
            return _coerce(hint, value, where)
        except ConfigError:
            continue
    raise refuse(where, value, " or ".join(_describe(hint) for hint in hints))


def _sequence(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, f"a list of {_describe(hint)}")
    return tuple(_coerce(hint, item, f"{where}[{i}]") for i, item in enumerate(value))


def _parameters(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or any(isinstance(item, Mapping) for item in value.values()):
        raise refuse(where, value, "a mapping of parameters such as {backbone.name: pixels, k: 10}")
    return dict(value)


def _mappings(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(item, Mapping) for item in value.values()):
        raise refuse(where, value, "a mapping of options to each name")
    return dict(value)


def _nested(hint: Any, value: Any, where: str) -> Any:
    if isinstance(value, hint):
        return value
    if not isinstance(value, Mapping):
        raise refuse(where, value, "a mapping of options")
    return parse(hint, value, where)


def _plain(hint: Any, value: Any, where: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int and number and math.isfinite(value) and float(value).is_integer():
        return int(value)
    if hint is float and number and math.isfinite(value):
        return float(value)
    if hint in (str, bool, types.NoneType) and type(value) is hint:
        return value
    if hint is None and value is None:
        return None
    raise refuse(where, value, _describe(hint))


def _describe(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is Annotated:
        inner, *bounds = typing.get_args(hint)
        return " ".join([_describe(inner), *map(str, bounds)])
    if origin is Literal:
        return ", ".join(map(str, typing.get_args(hint)))
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(inner) for inner in typing.get_args(hint))
    if origin is tuple:
        return f"a list of {_describe(typing.get_args(hint)[0])}"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", types.NoneType: "null"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))
