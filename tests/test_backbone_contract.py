"""Backbones: every plugin has what one of the four protocols asks for, with the types that it asks for."""

from pathlib import Path

import pytest

from backbench import plugins
from backbench.backbones import _contract
from backbench.backbones._contract import Frozen, Given, Joining, Learner, OfImages

NAMES = plugins.names("backbone")
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_plugin_is_of_one_kind(name):
    module = _contract.load(name)
    assert [isinstance(module, kind) for kind in (Frozen, Learner, Given, Joining)].count(True) == 1
    assert isinstance(module, OfImages)
    assert ("image" in module.Params.__dataclass_fields__) is not isinstance(module, (Given, Joining))
