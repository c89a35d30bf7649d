"""The cache of derived results: made once, read again, never in the way."""

import subprocess
import sys

import numpy as np
import pytest

from backbench import code
from backbench.derived import Content, Derived
from backbench.store import Store

ORIGIN = {"of": ["a", 1, None]}
PROGRAM = """
import sys, time
from pathlib import Path
from backbench.derived import Content, Derived
from backbench.store import Store

root, made = map(Path, sys.argv[1:])

def make():
    time.sleep(0.5)
    with made.open("a") as file:
        file.write("made\\n")
    return Content({"answer": 1})

print(Derived(Store(root), "sum", {"of": 1}, ("backbench.hashing",)).ensure(make).info["answer"])
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def derived(store, origin=ORIGIN):
    return Derived(store, "sum", origin, ("backbench.hashing",))


class Maker:
    """Makes a result and counts how often."""

    def __init__(self, **fields):
        self.calls, self.fields = 0, fields

    def __call__(self):
        self.calls += 1
        return Content({"n": 3, "a": (1, 2)}, {"values": np.arange(3)}, **self.fields)


def test_it_is_made_once_and_read_again(store):
    make = Maker(circumstances={"threads": 2})
    assert not derived(store).there and derived(store).read() is None
    first, again = derived(store).ensure(make), derived(store).ensure(make)
    assert make.calls == 1 and derived(store).there
    assert list(first.info.items()) == list(again.info.items()) == [("n", 3), ("a", [1, 2])]
    assert np.array_equal(first.arrays["values"], again.arrays["values"])
    record = store.read("sum", derived(store).hash)
    assert record["origin"] == ORIGIN and record["provenance"]["threads"] == 2


def test_another_origin_or_other_code_is_another_result(store, monkeypatch):
    make = Maker()
    derived(store).ensure(make)
    derived(store, {"of": ["b"]}).ensure(make)
    assert make.calls == 2
    monkeypatch.setattr(code, "digest", lambda modules: "another")
    derived(store).ensure(make)
    assert make.calls == 3


@pytest.mark.parametrize("suffix", ["json", "npy"])
@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"{"), lambda path: path.unlink()])
def test_damaged_or_deleted_is_absent(store, suffix, damage):
    make = Maker()
    derived(store).ensure(make)
    (path,) = (store.root / "sum").glob(f"*/*.{suffix}")
    damage(path)
    assert np.array_equal(derived(store).ensure(make).arrays["values"], np.arange(3))
    assert make.calls == 2 and derived(store).there


def test_what_shall_not_last_is_made_each_time(store):
    make = Maker(lasting=False)
    derived(store).ensure(make)
    derived(store).ensure(make)
    assert make.calls == 2 and not derived(store).there


def test_where_nothing_can_be_written_it_is_made_each_time(tmp_path):
    (tmp_path / "file").write_text("in the way of the store")
    make, store = Maker(), Store(tmp_path / "file" / "store")
    assert derived(store).ensure(make).info == derived(store).ensure(make).info == {"n": 3, "a": [1, 2]}
    assert make.calls == 2


def test_of_several_processes_one_makes_it(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "store"), str(tmp_path / "made")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=120)[0] for process in running] == ["1\n"] * 3
    assert (tmp_path / "made").read_text() == "made\n"
