"""Plugin contracts are types: every plugin module is checked against its own, by the type checker and at run time."""

from types import ModuleType

import pytest
from typechecked import errors

from backbench import classifiers, clusterers, plugins, transforms

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
    imports = "from backbench import classifiers, clusterers, plugins, transforms"
    lines = [imports, *(line for kind, name in EVERY for line in claims(kind, name))]
    # The last line is wrong, which shows that the others are checked.
    wrong = ["from backbench.clusterers import kmeans", "plugin: classifiers.Classifier = kmeans"]
    (error,) = errors(tmp_path, [*lines, *wrong])
    assert error.startswith(f"claims.py:{len(lines) + 2}: ") and "Incompatible types" in error


def claims(kind: str, name: str) -> list[str]:
    """Lines that assign a plugin module to the types that it claims to have."""
    room, contract = ROOMS[kind]
    folder = room.__name__.rpartition(".")[2]
    module = plugins.load(kind, name)
    types = [f"{folder}.{contract}", *(OPTIONAL[key].format(room=folder) for key in OPTIONAL if hasattr(module, key))]
    called = f"{kind}_{name}"
    lines = [f"{called}_{number}: {each} = {called}" for number, each in enumerate(types)]
    return [f"from {room.__name__} import {name} as {called}", *lines]
