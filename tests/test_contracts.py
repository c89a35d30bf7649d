"""Plugin contracts are types: every plugin module is held against its own where it is loaded."""

from types import ModuleType

import pytest

from backbench import classifiers, clusterers, plugins, transforms

ROOMS = {
    "clusterer": (clusterers, "Clusterer"),
    "classifier": (classifiers, "Classifier"),
    "transform": (transforms, "Transform"),
}
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
