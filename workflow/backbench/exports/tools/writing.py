"""Writes a run for the tools that were asked for, and says what to type to open it (each tool is a module here)."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from backbench.exports._folder import Folder
from backbench.exports.tools import pictures, table
from backbench.exports.tools.table import Table
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import StoreError

NAMES = ("embedding-atlas", "fiftyone", "spotlight", "tensorboard")


class Tool(Protocol):
    """What the module of a tool has."""

    NAME: str
    # The package on PyPI.
    PACKAGE: str
    # Whether it opens images by their paths, and whether it shows nothing without them.
    FILES: bool
    NEEDS_IMAGES: bool

    def write(self, data: Table, folder: Folder) -> None:
        """Write the files."""

    def opens(self, place: str, data: Table) -> list[str]:
        """Commands that open the files below `place`."""


@dataclass(frozen=True)
class Opened:
    """What was written for a tool: its package, the commands below any folder, and whether absolute paths are in it."""

    package: str
    commands: Callable[[str], list[str]]
    with_paths: bool
    images: int
    of: int


def load(name: str) -> Tool:
    """The module of a tool."""
    module: Tool = importlib.import_module(f"{__package__}.{name.replace('-', '_')}")
    return module


def write(
    source: Source, root: Folder, names: Sequence[str], say: Callable[[str], None]
) -> tuple[dict[str, Opened], dict[str, str]]:
    """Write sub-folders of `root` for the tools `names`; returns what was written, and why others were not."""
    opened: dict[str, Opened] = {}
    left_out: dict[str, str] = {}
    for name in dict.fromkeys(names):
        tool, folder = load(name), root.root / name
        try:
            if tool.NEEDS_IMAGES and (reason := pictures.missing(source)):
                raise ConfigError(reason)
            say(f"files for {name}")
            data = table.of(source, root, say, tool.FILES)
            below = Folder(folder)
            tool.write(data, below)
        except (ConfigError, StoreError) as error:
            left_out[name] = str(error)
            continue
        root.written += [f"{name}/{file}" for file in below.written]
        with_paths = data.paths is not None and (tool.FILES or name == NAMES[0])
        opened[name] = Opened(tool.PACKAGE, _commands(tool, name, data), with_paths, len(data), len(source.split))
    return opened, left_out


def _commands(tool: Tool, name: str, data: Table) -> Callable[[str], list[str]]:
    return lambda place: tool.opens(f"{place}/{name}" if place else name, data)
