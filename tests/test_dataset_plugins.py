"""Dataset plugins: one contract for all."""

import dataclasses
import inspect
import typing
from pathlib import Path
from types import SimpleNamespace

import pytest

import backbench
from backbench import datasets, plugins
from backbench.datasets import Plugin
from backbench.stage import Context

NAMES = plugins.names("dataset")
METHODS = ("describe", "fingerprint", "load")
ROOT = Path(backbench.__file__).parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_satisfies_the_contract(name):
    plugin = datasets.plugin(name)
    options = {field.name for field in dataclasses.fields(plugin.Params)}
    assert plugin.Params.__dataclass_params__.frozen
    assert options >= {"digest", "sample", "seed", "split"}
    assert options >= set(plugin.UNHASHED) and isinstance(plugin.UNHASHED, tuple)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_its_functions_take_and_give_what_the_contract_says(name, method):
    contract, function = getattr(Plugin, method), getattr(datasets.plugin(name), method)
    assert list(inspect.signature(function).parameters) == list(inspect.signature(contract).parameters)[1:]
    expected = typing.get_type_hints(contract, localns={"Context": Context})
    for parameter, hint in typing.get_type_hints(function).items():
        if parameter != "params":
            assert hint is expected[parameter], parameter


def test_a_module_that_lacks_something_is_refused(monkeypatch):
    lame = SimpleNamespace(__name__="lame", Params=object, UNHASHED=(), describe=print, load=print)
    monkeypatch.setattr(plugins, "load", lambda kind, name: lame)
    with pytest.raises(TypeError, match=r"lame is not a dataset plugin; see backbench\.datasets\.Plugin"):
        datasets.plugin("lame")
