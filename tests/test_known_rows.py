"""Rows of features from the store: of what they are taken, of what never, and what damage does."""

import shutil

import networks
import numpy as np
import pytest
from extracting import extracted
from pictures import scene

from backbench import paths
from backbench.images import decoding
from backbench.stage import Inputs
from backbench.stages import _known
from backbench.store import DONE, Store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Ten photographs, and results with their features in the store."""
    place = tmp_path_factory.mktemp("made")
    (place / "in").mkdir()
    for number in range(10):
        scene(number).save(place / "in" / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(place / "results"))
        return place, extracted("dataset=folder", f"dataset.root={place / 'in'}")


@pytest.fixture
def overrides(made):
    return ("dataset=folder", f"dataset.root={made[0] / 'in'}")


@pytest.fixture
def first(made, tmp_path, monkeypatch):
    """The features of the photographs, in a store of the test's own."""
    shutil.copytree(made[0] / "results", tmp_path / "results")
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    return made[1]


# Overrides that make other rows of the same images, and the options of a context that do.
OTHERS = {
    "engine": (("backbone.engine=openvino",), {}),
    "batch": ((), {"batch_size": 2}),
    "precision": (("backbone.precision=bfloat16",), {}),
    "size": (("backbone.image.size=48",), {}),
    "interpolation": (("backbone.image.interpolation=bicubic",), {}),
    "resize": (("backbone.image.resize=squash", "backbone.image.shorter=null"), {}),
    "weights": (("backbone.weights=random",), {}),
    "bits": (("dataset.bits=12",), {}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_rows_that_are_made_otherwise_are_not_taken(overrides, first, name):
    more, options = OTHERS[name]
    if name == "engine":
        networks.needs_engine("openvino")
    other = extracted(*overrides, *more, **options)
    assert (other.known, other.computed) == (0, 10)
    assert other.outcome.info["rows"]["identity"] != first.outcome.info["rows"]["identity"] or name == "bits"


def test_rows_of_other_weights_of_the_seed_are_not_taken(overrides, first):
    random = extracted(*overrides, "backbone.weights=random")
    other = extracted(*overrides, "backbone.weights=random", "backbone.weights_seed=1")
    assert random.known == other.known == 0 and not np.array_equal(random.features, other.features)


def test_rows_of_another_decoder_are_not_taken(overrides, first, monkeypatch):
    monkeypatch.setattr(decoding, "decoder_version", lambda: "pillow 99")
    assert extracted(*overrides).known == 0


def test_threads_and_other_collections_make_no_difference(overrides, first):
    again = extracted(*overrides, "dataset.split.test=0.4", threads=2)
    assert (again.known, again.computed) == (10, 0)
    np.testing.assert_array_equal(again.features, first.features)


def member(store, first) -> list:
    """The files of a member of features in the store."""
    path = store.path("features", first.outcome.hash)
    return sorted(path.parent.glob(f"{first.outcome.hash}*.npy"))


@pytest.mark.parametrize("name", ["features", "keys"])
@pytest.mark.parametrize("damage", ["a byte", "cut", "gone"])
def test_a_damaged_member_has_no_rows(overrides, first, name, damage):
    store = Store(paths.store())
    (path,) = (path for path in member(store, first) if f"{name}" in path.name)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data if damage == "a byte" else data[:-9])
    again = extracted(*overrides, "dataset.split.test=0.4")
    assert (again.known, again.computed) == (0, 10)
    np.testing.assert_array_equal(again.features, first.features)


# Of hand-made members

KEYS = np.random.default_rng(0).integers(0, 256, (12, 32), np.uint8)
KEYS[3, -4:] = 0  # a digest may end in zeros


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def put(store, name, keys, values, identity="i", status=DONE, family="f"):
    info = {"rows": {"identity": identity, "family": family, "known": 0}} if identity else {}
    body = {"status": status, "reason": None, "info": info}
    features = np.repeat(np.asarray(values, np.float32)[:, None], 3, axis=1)
    store.write("features", name * 64, body, {"features": features, "keys": keys} if len(keys) else {})


def test_rows_come_from_several_members_and_the_newest_of_equals(store):
    put(store, "a", KEYS[:4], [0, 1, 2, 3])
    put(store, "b", KEYS[[7, 5, 6]], [7, 5, 6])
    rows = _known.rows(Inputs(store, {}), KEYS[[5, 11, 0, 3, 11, 9, 7]], "i", 3)
    assert rows.count == 4 and rows.missing.tolist() == [1, 5]
    whole = rows.joined(np.array([[11] * 3, [9] * 3], np.float32))
    assert whole[:, 0].tolist() == [5, 11, 0, 3, 11, 9, 7] and whole.shape == (7, 3)


def test_without_an_identity_nothing_is_known(store):
    put(store, "a", KEYS[:4], [0, 1, 2, 3])
    rows = _known.rows(Inputs(store, {}), KEYS[[0, 0, 1]], None, 3)
    assert rows.count == 0 and rows.missing.tolist() == [0, 2]
    assert rows.joined(np.ones((2, 3), np.float32)).shape == (3, 3)


def test_members_that_failed_or_have_no_identity_or_keys_have_no_rows(store):
    put(store, "a", KEYS[:4], [0, 1, 2, 3], status="failed")
    put(store, "b", KEYS[:4], [0, 1, 2, 3], identity=None)
    put(store, "c", KEYS[:0], [])
    assert _known.rows(Inputs(store, {}), KEYS[:4], "i", 3).count == 0
    assert _known.count(store, "f", KEYS[:4]) == 0


def test_the_known_images_of_a_family_are_counted(store):
    put(store, "a", KEYS[:4], [0, 1, 2, 3])
    put(store, "b", KEYS[2:6], [2, 3, 4, 5], identity="other")
    put(store, "c", KEYS[6:], np.arange(6), family="g")
    assert _known.count(store, "f", KEYS) == 6 and _known.count(store, "g", KEYS) == 6


def test_a_damaged_member_is_not_counted(store):
    put(store, "a", KEYS[:4], [0, 1, 2, 3])
    put(store, "b", KEYS[6:8], [6, 7])
    path = store.path("features", "a" * 64)
    (keys,) = path.parent.glob("*keys*.npy")
    keys.write_bytes(keys.read_bytes()[:-1] + b"?")
    assert _known.count(store, "f", KEYS) == 2
