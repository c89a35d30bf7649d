"""What goes before finished fits is mended by the next launch where it was damaged, and left alone where it is gone."""

import numpy as np
import pytest
from sweeping import GRID, collection, computed

from backbench import launching, paths
from backbench.cli import main
from backbench.engine.results import ledger
from backbench.engine.run import status
from backbench.store import Store, StoreError

ARRAYS = {"dataset": "labels", "features": "features", "matrix": "matrix"}


@pytest.fixture
def grid(tmp_path):
    chain = ("chain=pca50", "chain.steps.s1.n_components=5")
    heads = ("clusterer=kmeans", "k=2", "classifier=knn", "retrieval=none")
    return (*GRID[:2], *chain, *heads, *collection(tmp_path / "photos", each=8))


@pytest.fixture
def plan(grid, own_results):
    """A small sweep, finished and joined."""
    plan = computed(*grid)
    ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
    return plan


@pytest.fixture
def store(plan) -> Store:
    return Store(paths.store())


def member_of(plan, kind: str) -> str:
    return next(key for key, stage in plan.stages.items() if stage.kind == kind)


def array_of(plan, store: Store, kind: str):
    """The file of an array of the member of a kind."""
    record = store.read(kind, member_of(plan, kind))
    return store.path(kind, record["hash"]).parent / record["arrays"][ARRAYS[kind]]["file"]


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(content)


def read(plan, store: Store, kind: str) -> np.ndarray:
    return plan.seen(store).array(kind, member_of(plan, kind), ARRAYS[kind])


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("finder", ["a reader", "verify"])
def test_found_by_a_reader_or_by_verify(plan, store, grid, kind, finder):
    before = read(plan, store, kind)
    flip(array_of(plan, store, kind))
    if finder == "verify":
        assert main(["store", "verify", "--remove"]) == 1
    else:
        with pytest.raises(StoreError, match="launch the sweep again"):
            read(plan, store, kind)
    with pytest.raises(StoreError, match=r"holds no .*; launch the sweep again"):
        read(plan, store, kind)
    assert main(["store", "gc", "--yes"]) == 0, "what tells a launch is no leftover"
    assert status.inspect(plan, store).needed == {member_of(plan, kind)}
    computed(*grid)
    np.testing.assert_array_equal(read(plan, store, kind), before)
    assert not status.inspect(plan, store).due and not list(store.root.rglob("*.damaged"))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda record, array: array.write_bytes(array.read_bytes()[:-1]), id="array cut"),
        pytest.param(lambda record, array: array.unlink(), id="array lost"),
        pytest.param(lambda record, array: record.write_text(record.read_text()[:-9]), id="record cut"),
    ],
)
@pytest.mark.parametrize("kind", ARRAYS)
def test_what_is_not_whole_needs_no_reader(plan, store, kind, damage):
    damage(store.path(kind, member_of(plan, kind)), array_of(plan, store, kind))
    assert status.inspect(plan, store).needed == {member_of(plan, kind)}


@pytest.mark.parametrize("kind", ARRAYS)
def test_what_was_taken_away_whole_is_not_computed_for_nobody(plan, store, kind):
    store.forget(kind, member_of(plan, kind))
    assert not status.inspect(plan, store).due


def test_a_launch_has_jobs_for_it_and_for_what_follows(plan, store):
    """Snakemake makes a file that is missing only where the last one is missing, too."""
    assert not launching.prepare(plan).due and (plan.folder / ledger.RESULTS).exists()
    array_of(plan, store, "features").unlink()
    launching.prepare(plan)
    kinds = {shard.kind for shard in plan.shards.values() if shard.receipt.exists()}
    assert kinds == {"dataset", "audit"}
    assert not (plan.folder / ledger.RESULTS).exists()
