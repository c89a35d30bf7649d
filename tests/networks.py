"""Every backbone that opens a network, with random weights and images that keep it quick."""

import importlib.util
from pathlib import Path

import hubs
import pytest
import yaml

from backbench import plugins

CONF = Path(__file__).parents[1] / "conf" / "backbone"
# Small, but large enough for the deepest map of each.
SIZE = {"inception_v3": 96, "vit_b_16": 64}
SMALL = {
    "huggingface": {"model": str(hubs.vision_transformer()), "size": hubs.SIDE},
    "timm": {"model": "test_vit.r160_in1k", "size": 160},
    "open_clip": {"size": 64},
}
# Those whose own processor makes images square without a crop.
SQUASHED = ("huggingface",)
OPTIONAL = {"timm": "timm", "open_clip": "open_clip", "huggingface": "transformers"}


def needs_engine(name):
    """Skip a test without the library of an engine, which only its module imports: the order of libraries counts."""
    if not importlib.util.find_spec(name):
        pytest.skip(f"could not import {name!r}: it is not installed")


def names():
    """The plugins whose networks run on an engine."""
    fields = {name: plugins.load("backbone", name).Params.__dataclass_fields__ for name in plugins.names("backbone")}
    return [name for name, options in fields.items() if "weights_seed" in options and "engine" in options]


def values(name, **changes):
    """The options of a plugin's YAML, for random weights and small images, with `changes`."""
    found = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    size = changes.pop("size", SIZE.get(name, 64))
    if size:
        found["image"] = {**found["image"], "size": size}
        found["image"] |= {"shorter": size} if "shorter" in found["image"] and name not in SQUASHED else {}
    return {**found, "weights": "random", "engine": "torch", **changes}


def small(name, **changes):
    """The plugin, and its options for images as small as it takes."""
    module = plugins.load("backbone", name)
    return module, module.resolve(plugins.params("backbone", values(name, **SMALL.get(name, {}), **changes)), "cpu")
