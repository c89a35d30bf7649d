"""The store: whole or not at all, verified when read, harmless when written twice."""

import json
import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from backbench.files import WriteError
from backbench.store import Store, StoreError

HASH = "ab" * 32
RECORD = {"status": "done", "code": "c", "metrics": {"nmi": 0.5}}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def put(store, value=1.0, n=1000):
    store.write("clustering", HASH, RECORD, {"labels": np.full(n, value)})


def test_what_is_written_is_read(store):
    put(store)
    record = store.read("clustering", HASH)
    assert record["metrics"] == {"nmi": 0.5} and record["hash"] == HASH and record["kind"] == "clustering"
    assert store.complete("clustering", record)
    np.testing.assert_array_equal(store.array("clustering", HASH, "labels"), np.ones(1000))
    assert isinstance(store.array("clustering", HASH, "labels", mmap=True), np.memmap)


def test_absent_members(store):
    assert store.read("clustering", HASH) is None
    with pytest.raises(StoreError, match="holds no 'labels'"):
        store.array("clustering", HASH, "labels")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"checksum": "x"}', b"\xff\xfe"])
def test_a_damaged_record_counts_as_absent(store, content):
    put(store)
    store.path("clustering", HASH).write_bytes(content)
    assert store.read("clustering", HASH) is None


def test_an_edited_record_counts_as_absent(store):
    put(store)
    path = store.path("clustering", HASH)
    record = json.loads(path.read_text())
    record["metrics"]["nmi"] = 0.9
    path.write_text(json.dumps(record))
    assert store.read("clustering", HASH) is None


def test_a_record_under_another_name_counts_as_absent(store):
    put(store)
    other = "cd" * 32
    store.path("clustering", other).parent.mkdir(parents=True)
    store.path("clustering", other).write_bytes(store.path("clustering", HASH).read_bytes())
    assert store.read("clustering", other) is None


def test_changed_bytes_of_an_array_are_found_and_the_member_is_forgotten(store):
    put(store)
    (path,) = store.path("clustering", HASH).parent.glob("*.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="does not match its recorded digest"):
        store.array("clustering", HASH, "labels")
    assert store.read("clustering", HASH) is None


def test_a_truncated_array_makes_the_member_incomplete(store):
    put(store)
    (path,) = store.path("clustering", HASH).parent.glob("*.npy")
    os.truncate(path, path.stat().st_size - 1)
    assert not store.complete("clustering", store.read("clustering", HASH))


def test_a_replaced_member_leaves_no_orphans(store):
    put(store, 1.0)
    put(store, 2.0)
    folder = store.path("clustering", HASH).parent
    assert len(list(folder.iterdir())) == 2
    assert store.array("clustering", HASH, "labels")[0] == 2.0


def test_an_amended_record_keeps_its_arrays(store):
    put(store)
    store.amend("clustering", HASH, {"code": "d"})
    assert store.read("clustering", HASH)["code"] == "d"
    assert len(store.array("clustering", HASH, "labels")) == 1000


def test_objects_are_neither_written_nor_read(store):
    with pytest.raises(ValueError, match="allow_pickle"):
        store.write("clustering", HASH, RECORD, {"labels": np.array([{}], dtype=object)})
    assert store.read("clustering", HASH) is None
    assert not list(store.path("clustering", HASH).parent.glob("*.npy"))


def test_nothing_is_writable_by_everyone(store):
    mask = os.umask(0)
    try:
        put(store)
    finally:
        os.umask(mask)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in [store.root, *store.root.rglob("*")]]
    assert not any(mode & stat.S_IWOTH for mode in modes)


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_whole_member(store):
    put(store, 1.0, 400_000)
    program = (
        "import sys, numpy as np; from backbench.store import Store\n"
        f"store = Store({str(store.root)!r}); value = 2.0\n"
        "while True:\n"
        f"    store.write('clustering', {HASH!r}, {RECORD!r}, {{'labels': np.full(400_000, value)}}); value += 1\n"
    )
    for delay in (0.5, 0.53, 0.57, 0.61, 0.7, 0.83):
        writer = subprocess.Popen([sys.executable, "-c", program])
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        labels = store.array("clustering", HASH, "labels")
        assert len(labels) == 400_000 and (labels == labels[0]).all()


def test_two_writers_of_one_member_do_no_harm(store):
    program = (
        "import numpy as np; from backbench.store import Store\n"
        f"store = Store({str(store.root)!r})\n"
        "for value in range(60):\n"
        f"    store.write('clustering', {HASH!r}, {RECORD!r}, {{'labels': np.full(5000, 7.0)}})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert (store.array("clustering", HASH, "labels") == 7.0).all()


# What lies in the way


def a_folder(path):
    path.unlink()
    path.mkdir()
    (path / "kept.txt").write_text("kept")


def a_loop(path):
    path.unlink()
    path.symlink_to(path.name)


def a_pit(path):
    path.write_text("[" * 100_000)


@pytest.mark.parametrize("spoil", [a_folder, a_loop, a_pit])
def test_what_is_no_record_counts_as_absent_and_is_written_anew(store, spoil):
    put(store)
    spoil(store.path("clustering", HASH))
    assert store.read("clustering", HASH) is None
    put(store, 2.0)
    np.testing.assert_array_equal(store.array("clustering", HASH, "labels"), np.full(1000, 2.0))


def test_a_folder_in_the_place_of_a_record_is_set_aside_and_named(store, caplog):
    put(store)
    path = store.path("clustering", HASH)
    a_folder(path)
    assert store.read("clustering", HASH) is None and str(path) in caplog.text
    put(store)
    assert (path.with_name(f"{path.name}.aside-1") / "kept.txt").read_text() == "kept"


def test_a_folder_in_the_place_of_an_array_is_no_array(store):
    put(store)
    record = store.read("clustering", HASH)
    a_folder(store.path("clustering", HASH).parent / record["arrays"]["labels"]["file"])
    assert not store.complete("clustering", record)
    with pytest.raises(StoreError, match="does not match its recorded digest"):
        store.array("clustering", HASH, "labels")


@pytest.mark.parametrize("place", ["", "clustering", "clustering/ab"])
def test_a_file_in_the_place_of_a_folder_is_named(store, place):
    target = store.root / place
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("not a folder")
    assert store.read("clustering", HASH) is None
    with pytest.raises(WriteError, match="is not a folder, and has to be; move it away") as caught:
        put(store)
    assert str(caught.value).startswith(f"{target} ")


@pytest.mark.parametrize("depth", [10, 300, 900, 990, 1000, 5000, 200_000])
def test_a_deeply_nested_record_counts_as_absent(store, depth):
    path = store.path("clustering", HASH)
    path.parent.mkdir(parents=True)
    path.write_text('{"checksum": "x", "a": ' + "[" * depth + "]" * depth + "}")
    assert store.read("clustering", HASH) is None


def test_a_folder_in_the_place_of_a_record_counts_as_absent(store, caplog):
    store.path("clustering", HASH).mkdir(parents=True)
    assert store.read("clustering", HASH) is None
    assert "Is a directory" in caplog.text


# Results of different code


A, B, C = "a" * 64, "b" * 64, "c" * 64


def made(store, code, value):
    store.write("clustering", HASH, {**RECORD, "code": code}, {"labels": np.full(10, value)})


def view(store, *codes, others=True):
    return store.of({("clustering", HASH): codes}, others)


def labels(store):
    return store.array("clustering", HASH, "labels")[0]


def test_results_of_different_code_lie_side_by_side(store):
    made(store, A, 1.0)
    made(store, B, 2.0)
    assert [labels(view(store, code)) for code in (A, B)] == [1.0, 2.0]
    assert labels(store) == 2.0, "without a plan it is the newest"
    made(store, A, 3.0)
    assert [labels(view(store, code)) for code in (A, B)] == [3.0, 2.0] and labels(store) == 3.0
    assert len(list(store.root.rglob("*.npy"))) == 2, "what was replaced leaves no array"


def test_other_code_is_read_by_readers_and_not_by_jobs(store):
    made(store, A, 1.0)
    assert view(store, B).read("clustering", HASH)["code"] == A
    assert view(store, B, others=False).read("clustering", HASH) is None
    with pytest.raises(StoreError, match="holds no 'labels'"):
        view(store, B, others=False).array("clustering", HASH, "labels")
    assert labels(view(store, B, A, others=False)) == 1.0, "code that is declared to be the same"


def test_records_of_earlier_versions_are_read(store):
    made(store, A, 1.0)
    path = store.path("clustering", HASH)
    path.rename(path.with_name(f"{HASH}.json"))
    assert labels(store) == labels(view(store, A, others=False)) == labels(view(store, C, A, others=False)) == 1.0
    assert view(store, B, others=False).read("clustering", HASH) is None
    made(store, B, 2.0)
    assert [labels(view(store, code, others=False)) for code in (A, B)] == [1.0, 2.0]


def test_an_array_that_another_record_names_stays(store):
    made(store, A, 1.0)
    made(store, B, 1.0)
    assert len(list(store.root.rglob("*.npy"))) == 1
    made(store, A, 2.0)
    assert [labels(view(store, code)) for code in (A, B)] == [2.0, 1.0]
    store.forget("clustering", HASH)
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_damage_of_one_leaves_the_other(store):
    made(store, A, 1.0)
    made(store, B, 2.0)
    store.path("clustering", HASH, A).write_text("{")
    assert labels(view(store, A)) == 2.0 and view(store, A, others=False).read("clustering", HASH) is None
    assert labels(view(store, B)) == 2.0


def test_a_record_that_bears_the_name_of_other_code_counts_as_absent(store):
    made(store, A, 1.0)
    store.path("clustering", HASH, A).rename(store.path("clustering", HASH, B))
    assert store.read("clustering", HASH) is None


def test_amending_the_code_adds_a_record(store):
    made(store, A, 1.0)
    store.amend("clustering", HASH, {"code": B, "accepted_code": [A]})
    assert view(store, A).read("clustering", HASH)["code"] == A
    assert labels(view(store, B, others=False)) == 1.0


def test_all_records_of_a_kind_the_newest_first(store):
    made(store, A, 1.0)
    made(store, B, 2.0)
    store.write("clustering", "cd" * 32, {**RECORD, "code": A}, {})
    assert [(record["hash"], record["code"]) for record in store.records("clustering")] == [
        ("cd" * 32, A),
        (HASH, B),
        (HASH, A),
    ]
