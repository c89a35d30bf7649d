"""Plugins by convention: one Python file and one YAML of the same stem, no registry.

``clusterers/kmeans.py`` and ``conf/clusterer/kmeans.yaml`` make the clusterer ``kmeans``. A plugin module imports
nothing heavy at its top, so that planning stays quick.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from backbench import schema


@runtime_checkable
class Searching(Protocol):
    """A plugin that searches for the neighbours of rows, which planning can have stored."""

    def neighbours(self, params: Any, n: int, /) -> tuple[str, int] | None:
        """The metric and number of the neighbours that it will ask for among n rows; None for none."""
        ...


@runtime_checkable
class Varied(Protocol):
    """A plugin whose options make it work in another way, the times of which are recorded apart."""

    def way(self, params: Any, /) -> str:
        """Name of the way; empty for the usual one."""
        ...


class Missing(str):
    """A problem of a plugin that goes away once a package is installed."""


def lacking(module: str, package: str, extra: str) -> list[str]:
    """The problem of a plugin where the package that has this module is not installed."""
    if importlib.util.find_spec(module) is not None:
        return []
    return [Missing(f'it needs the package {package}: pip install "backbench[{extra}]"')]


@cache
def offers(module: ModuleType, part: type) -> bool:
    """Whether a plugin has a part that not every one has: a protocol is looked through once for each."""
    return isinstance(module, part)


PACKAGES = {
    "dataset": "datasets",
    "backbone": "backbones",
    "transform": "transforms",
    "clusterer": "clusterers",
    "classifier": "classifiers",
}


def module_name(kind: str, name: str) -> str:
    """Dotted module name of a plugin."""
    return f"backbench.{PACKAGES[kind]}.{name}"


@cache
def names(kind: str) -> tuple[str, ...]:
    """Stems of all plugins of a kind, sorted."""
    folder = Path(__file__).parent / PACKAGES[kind]
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


@cache
def load(kind: str, name: str) -> ModuleType:
    """Module of a plugin.

    Raises
    ------
    ConfigError
        If there is no such plugin; it names those that there are.
    """
    if name not in names(kind):
        raise schema.refuse(kind, name, names(kind))
    return importlib.import_module(module_name(kind, name))


def params(kind: str, values: Mapping[str, Any], where: str | None = None) -> Any:
    """The validated ``Params`` of the plugin that `values` names."""
    name = values.get("name")
    module = load(kind, name)
    options = {key: value for key, value in values.items() if key != "name"}
    return schema.parse(module.Params, options, where or f"{kind}({name})")
