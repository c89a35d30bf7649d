"""Backbones: every plugin has what one of the three protocols asks for, with the types that it asks for."""

from pathlib import Path

import pytest
from typechecked import errors

from backbench import plugins
from backbench.backbones import _contract
from backbench.backbones._contract import Frozen, Given, Learner, OfImages

NAMES = plugins.names("backbone")
ROOT = Path(__file__).parents[1]


def kind(name: str) -> str:
    """The protocol that a plugin belongs to."""
    module = _contract.load(name)
    if isinstance(module, Given):
        return "Given"
    return "Learner" if isinstance(module, Learner) else "Frozen"


@pytest.mark.parametrize("name", NAMES)
def test_every_plugin_is_of_one_kind(name):
    module = _contract.load(name)
    assert [isinstance(module, kind) for kind in (Frozen, Learner, Given)].count(True) == 1
    assert isinstance(module, OfImages)
    assert ("image" in module.Params.__dataclass_fields__) is not isinstance(module, Given)


@pytest.mark.slow
def test_every_plugin_has_the_types_of_its_protocol(tmp_path):
    lines = [
        "from backbench.backbones import _contract",
        *(f"from backbench.backbones import {name}" for name in NAMES),
    ]
    lines += [f"_{name}: _contract.{kind(name)}[{name}.Params] = {name}" for name in NAMES]
    # The last line is wrong, which shows that the others are checked.
    (error,) = errors(tmp_path, [*lines, "_: _contract.Learner[pixels.Params] = pixels"])
    assert error.startswith(f"claims.py:{len(lines) + 1}: ")
