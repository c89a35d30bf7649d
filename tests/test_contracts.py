"""Plugin contracts are types: every plugin module is checked against its own, by the type checker and at run time."""

import os
import subprocess
import sys
from types import ModuleType

import pytest

from backbench import classifiers, clusterers, paths, plugins, transforms

ROOMS = {
    "clusterer": (clusterers, "Clusterer"),
    "classifier": (classifiers, "Classifier"),
    "transform": (transforms, "Transform"),
}
OPTIONAL = {"neighbours": "plugins.Searching", "way": "plugins.Varied", "seconds": "{room}.Timed"}
EVERY = [(kind, name) for kind in ROOMS for name in plugins.names(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_plugin_is_what_its_room_loads(kind, name):
    room, contract = ROOMS[kind]
    assert isinstance(room.load(name), getattr(room, contract))


@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair[0] != "transform"])
def test_every_fit_says_how_long_it_takes(kind, name):
    assert isinstance(ROOMS[kind][0].load(name), ROOMS[kind][0].Timed)


@pytest.mark.parametrize("kind", ROOMS)
def test_a_module_that_lacks_a_part_is_refused(kind, monkeypatch):
    room, _ = ROOMS[kind]
    room.load.cache_clear()
    monkeypatch.setattr(plugins, "load", lambda kind, name: ModuleType("half"))
    with pytest.raises(TypeError, match=f"half is no {kind}"):
        room.load("half")


@pytest.mark.slow
def test_the_type_checker_holds_every_plugin_to_its_contract(tmp_path):
    checked = typed(tmp_path, [line for kind, name in EVERY for line in claims(kind, name)])
    assert checked.returncode == 0, checked.stdout
    wrong = "from backbench.clusterers import kmeans\nplugin: classifiers.Classifier = kmeans"
    assert "Incompatible types" in typed(tmp_path, [wrong]).stdout


def claims(kind: str, name: str) -> list[str]:
    """Lines that assign a plugin module to the types that it claims to have."""
    room, contract = ROOMS[kind]
    folder = room.__name__.rpartition(".")[2]
    module = plugins.load(kind, name)
    types = [f"{folder}.{contract}", *(OPTIONAL[key].format(room=folder) for key in OPTIONAL if hasattr(module, key))]
    called = f"{kind}_{name}"
    lines = [f"{called}_{number}: {each} = {called}" for number, each in enumerate(types)]
    return [f"from {room.__name__} import {name} as {called}", *lines]


def typed(folder, lines: list[str]) -> subprocess.CompletedProcess[str]:
    """What mypy says of the lines, following imports without judging them."""
    source = folder / "claims.py"
    source.write_text("\n".join(["from backbench import classifiers, clusterers, plugins, transforms", *lines]) + "\n")
    options = ["--strict", "--follow-imports=silent", f"--cache-dir={folder / 'cache'}"]
    options += [f"--config-file={paths.CHECKOUT / 'pyproject.toml'}"]
    environment = {**os.environ, "MYPYPATH": str(paths.CHECKOUT / "workflow")}
    command = [sys.executable, "-m", "mypy", *options, str(source)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
