"""The names that an override may start with, read from ``conf/`` alone (no hydra)."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from backbench import paths
from backbench.compose import nodes

ROOT = "config"


def options() -> dict[str, list[str]]:
    """The groups and the options of each."""
    folders = sorted(folder for folder in paths.conf().iterdir() if folder.is_dir())
    return {folder.name: sorted(path.stem for path in folder.glob("*.yaml")) for folder in folders}


def root_keys() -> list[str]:
    """The keys of the root configuration."""
    return [str(key) for key in OmegaConf.load(paths.conf() / f"{ROOT}.yaml") if key != "defaults"]


def keys() -> list[str]:
    """What a key may start with, as an error lists it."""
    return sorted({*options(), *root_keys()} - {"sweep", "transform"})


def is_key(text: str) -> bool:
    """Whether an override may start with `text`: a group, a key of the root, or what lies below one of them."""
    root = text.lstrip("+~").partition("@")[0].partition(".")[0]
    return root == "seeds" or root in options() or root in root_keys()


def with_option(word: str) -> list[str]:
    """The groups that have an option of this name."""
    return [group for group, stems in options().items() if word in stems]


def ending_in(key: str) -> list[str]:
    """The dotted keys of all groups that end in `key`: ``dataset.root`` for ``root``."""
    everywhere = (f"{group}.{dotted}" for group, dotted in _dotted(paths.conf()))
    return sorted({dotted for dotted in everywhere if dotted.endswith(f".{key}")})


@functools.cache
def _dotted(conf: Path) -> tuple[tuple[str, str], ...]:
    return tuple(_pairs(conf))


def _pairs(conf: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(conf.glob("*/*.yaml")):
        try:
            tree: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        except (OmegaConfBaseException, YAMLError, OSError):
            continue
        if path.parent.name != "experiment" and isinstance(tree, dict):
            yield from ((path.parent.name, key) for key in nodes.flat_keys(tree) if not key.startswith("defaults"))
