"""Backbones: every plugin has what one of the three protocols asks for, with the types that it asks for."""

import os
from pathlib import Path

import pytest

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


def problems(tmp_path: Path, *lines: str) -> str:
    """What mypy says of a program."""
    from mypy import api

    program = tmp_path / "program.py"
    imports = ["from backbench.backbones import _contract", *(f"from backbench.backbones import {n}" for n in NAMES)]
    program.write_text("\n".join([*imports, *lines]) + "\n")
    # The modules of the program alone are reported, with those that it imports only read.
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--follow-imports", "silent", "--no-incremental"]
    out, err, _ = api.run([*options, "--cache-dir", os.devnull, str(program)])
    return out + err


@pytest.mark.slow
def test_every_plugin_has_the_types_of_its_protocol(tmp_path, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(ROOT / "workflow"))
    checks = [f"_{name}: _contract.{kind(name)}[{name}.Params] = {name}" for name in NAMES]
    assert "Success" in problems(tmp_path, *checks)


@pytest.mark.slow
def test_a_plugin_of_another_kind_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(ROOT / "workflow"))
    found = problems(tmp_path, "_: _contract.Learner[pixels.Params] = pixels")
    assert '"Learner" is missing following' in found or "Incompatible types in assignment" in found
