"""Plans: frozen by content, cut into shards, and compared with what the store holds."""

import dataclasses
import json

import pytest

from backbench import planning
from backbench.engine.grid import HEADS
from backbench.engine.plan import frozen as plans
from backbench.engine.run import status
from backbench.engine.run.status import ABSENT, CURRENT, FAILED, STALE
from backbench.schema import ConfigError
from backbench.stage import RECIPE
from backbench.store import Store

SMALL = ["experiment=none", "dataset.sample=100", "k=2,3", "chain@clustering.chain=l2"]


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path))
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)
    return tmp_path


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def make(*overrides) -> plans.Plan:
    return planning.make([*SMALL, *overrides]).plan


def record(plan, store, member, failure=None, **changes) -> None:
    """Write a record of a member as a job would, in place of any other."""
    stage = plan.stages[member]
    store.forget(stage.kind, member)
    body = {
        "status": "done" if failure is None else "failed",
        "reason": failure,
        "config": dict(stage.config),
        "code": stage.code,
        "metrics": {},
        "notes": {},
        "info": {},
        "provenance": {"seconds": 0.1, "finished": 1.0},
        **changes,
    }
    store.write(stage.kind, member, body, {})


def of_kind(plan, kind) -> list[str]:
    return sorted(key for key, stage in plan.stages.items() if stage.kind == kind)


def record_all(plan, store, *kinds) -> None:
    for key, stage in plan.stages.items():
        if not kinds or stage.kind in kinds:
            record(plan, store, key)


# The plan file


def test_a_saved_plan_is_read_back_whole():
    plan = make("clusterer=kmeans,dbscan")
    read = plans.load(plans.save(plan))
    assert (read.hash, read.sweep, read.request) == (plan.hash, plan.sweep, plan.request)
    assert read.stages == plan.stages and read.runs == plan.runs and read.shards == plan.shards
    assert plans.dumps(read) == plans.dumps(plan)


def test_the_file_is_the_json_of_the_plan_with_sorted_keys():
    text = plans.save(make("clusterer=kmeans,dbscan")).read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True)


def test_equal_requests_make_byte_equal_files(results):
    one = plans.save(make()).read_bytes()
    for path in (results / "plans").iterdir():
        path.unlink()
    again = plans.save(make())
    assert again.read_bytes() == one
    assert [path.name for path in (results / "plans").iterdir()] == [f"{make().hash}.json"]


def test_saving_again_leaves_the_file(results):
    path = plans.save(make())
    inode = path.stat().st_ino
    assert plans.save(make()) == path and path.stat().st_ino == inode


def test_the_hash_depends_on_content_alone(monkeypatch, tmp_path):
    plan = make()
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    assert make().hash == plan.hash
    assert make("seed=1").hash != plan.hash
    grid = plans.Grid(dict(reversed(plan.stages.items())), dict(reversed(plan.runs.items())))
    assert plans.freeze(grid, plan.request).hash == plan.hash


def test_the_sweep_is_the_set_of_its_runs():
    plan, asked_otherwise = make(), make("seed=0")
    assert asked_otherwise.sweep == plan.sweep and asked_otherwise.hash != plan.hash
    newer = {key: dataclasses.replace(stage, code="f" * 64) for key, stage in plan.stages.items()}
    edited = plans.freeze(plans.Grid(newer, dict(plan.runs)), plan.request)
    assert edited.sweep == plan.sweep and edited.folder == plan.folder and edited.hash != plan.hash


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 1}', '{"format": 1, "stages": []}', "\x00"])
def test_a_damaged_plan_file_is_refused(tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="no readable plan"):
        plans.load(path)


def test_an_absent_plan_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="backbench plan"):
        plans.load(tmp_path / "none.json")


@pytest.mark.parametrize("number", [0, plans.FORMAT + 1, "1"])
def test_a_plan_of_another_format_is_refused(tmp_path, number):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**json.loads(plans.dumps(make())), "format": number}))
    with pytest.raises(ConfigError, match="format"):
        plans.load(path)


# Shards


def test_shards_hold_every_member_once_and_whole_families():
    plan = make(
        "clusterer=kmeans,dbscan,agglomerative", "chain@clustering.chain=none,l2", "classifier=knn,svm", "seed=0,1"
    )
    members = [member for shard in plan.shards.values() for member in shard.members]
    stages = {key: stage for key, stage in plan.stages.items() if stage.kind != RECIPE}
    assert sorted(members) == sorted(stages), "how images are prepared is no job"
    owners: dict[tuple, set[str]] = {}
    for key, stage in stages.items():
        shard = plan.shard_of(key)
        assert shard.kind == stage.kind and stage.family in shard.family
        assert plan.stages[shard.members[0]].parents == stage.parents
        if stage.kind in HEADS:
            owners.setdefault((stage.kind, stage.family, str(stage.parents)), set()).add(shard.id)
    assert all(len(shards) == 1 for shards in owners.values())
    assert len(of_kind(plan, "matrix")) == 1


def test_a_shard_reads_those_before_it():
    plan = make()
    (clustering,) = (shard for shard in plan.shards.values() if shard.kind == "clustering")
    assert {parent.kind for parent in plan.parents(clustering)} == {"dataset", "matrix"}
    assert {path.parent.name for path in plan.ends()} == {*HEADS, "audit"}


def test_images_wait_for_the_audit_of_their_dataset():
    plan = make("backbone=pixels,efficientnet_lite0", "backbone.weights=random", "dataset.seed=0,1")
    features = [shard for shard in plan.shards.values() if shard.kind == "features"]
    assert len(features) == 4
    for shard in features:
        dataset, audit = plan.parents(shard)
        assert (dataset.kind, audit.kind) == ("dataset", "audit")
        assert plan.stages[audit.members[0]].parents == {"dataset": ("dataset", dataset.members[0])}
    assert not [shard for shard in plan.shards.values() if shard.kind == "matrix" and _audits(plan, shard)]


def _audits(plan, shard):
    return [parent for parent in plan.parents(shard) if parent.kind == "audit"]


def test_an_audit_is_no_part_of_a_run():
    plan = make()
    (audit,) = of_kind(plan, "audit")
    assert all(audit not in run.stages.values() for run in plan.runs.values())
    assert plan.stages[audit].config == {"near_distance": 4}


def test_a_stale_audit_is_done_again_alone(store):
    plan = make()
    record_all(plan, store)
    (audit,) = of_kind(plan, "audit")
    record(plan, store, audit, code="0" * 64)
    assert status.inspect(plan, store).needed == {audit}


def test_receipts_are_named_by_what_is_asked_for_not_by_what_is_pending(store):
    plan = make()
    (shard,) = (shard for shard in plan.shards.values() if shard.kind == "clustering")
    record(plan, store, shard.members[0])
    assert {shard.receipt for shard in make().shards.values()} == {shard.receipt for shard in plan.shards.values()}
    (larger,) = (shard for shard in make("k=2,3,4").shards.values() if shard.kind == "clustering")
    assert larger.receipt != shard.receipt and set(shard.members) < set(larger.members)


# What the store holds


def test_an_empty_store_has_nothing(store):
    plan = make()
    found = status.inspect(plan, store)
    computed = {key for key, stage in plan.stages.items() if stage.kind != RECIPE}
    assert {found.states[key] for key in computed} == {ABSENT} and found.needed == computed
    assert all(found.pending(shard) for shard in plan.shards.values())


def test_the_four_states(store):
    plan = make("k=2,3,4,5")
    current, failed, stale, absent = of_kind(plan, "clustering")
    record(plan, store, current)
    record(plan, store, failed, failure="did not converge")
    record(plan, store, stale, code="0" * 64)
    found = status.inspect(plan, store)
    assert [found.states[m] for m in (current, failed, stale, absent)] == [CURRENT, FAILED, STALE, ABSENT]
    assert current not in found.needed and {failed, stale, absent} <= found.needed
    assert found.count(FAILED, STALE) == 2
    assert status.failures(found, plan.stages) == {failed: "did not converge"}


def test_a_record_whose_arrays_are_gone_is_absent(store):
    import numpy as np

    plan = make()
    member = of_kind(plan, "clustering")[0]
    body = {"status": "done", "reason": None, "code": plan.stages[member].code, "metrics": {}}
    store.write("clustering", member, body, {"labels": np.zeros(3)})
    assert status.inspect(plan, store).states[member] == CURRENT
    for path in store.path("clustering", member).parent.glob("*.npy"):
        path.unlink()
    assert status.inspect(plan, store).states[member] == ABSENT


def test_what_came_before_current_results_is_not_needed_even_if_it_is_gone(store):
    plan = make()
    record_all(plan, store, "audit", *HEADS)
    assert status.inspect(plan, store).needed == frozenset()
    (retrieval,) = of_kind(plan, "retrieval")
    store.path("retrieval", retrieval).unlink()
    needed = status.inspect(plan, store).needed
    # Retrieval works on the features themselves: the matrix of the clusterings is not needed.
    assert {plan.stages[member].kind for member in needed} == {"retrieval", "features", "dataset"}


def test_of_a_chain_only_what_is_missing_is_needed(store):
    plan = make()
    record_all(plan, store, "dataset", "audit", "features", "classification", "retrieval")
    needed = status.inspect(plan, store).needed
    assert needed == {*of_kind(plan, "matrix"), *of_kind(plan, "clustering")}


def test_runs_without_heads_need_their_features(store):
    plan = make("clusterer=none", "classifier=none", "retrieval=none")
    assert set(of_kind(plan, "features")) <= status.inspect(plan, store).needed
    record_all(plan, store)
    assert status.inspect(plan, store).needed == frozenset()


# Receipts


def test_receipts_follow_the_store(store):
    plan = make()
    record_all(plan, store)
    status.sync_receipts(plan, status.inspect(plan, store))
    assert all(shard.receipt.exists() for shard in plan.shards.values())
    before = {shard.receipt: shard.receipt.stat().st_mtime_ns for shard in plan.shards.values()}
    status.sync_receipts(plan, status.inspect(plan, store))
    assert before == {path: path.stat().st_mtime_ns for path in before}
    member = of_kind(plan, "clustering")[0]
    store.path("clustering", member).unlink()
    status.sync_receipts(plan, status.inspect(plan, store))
    gone = [shard for shard in plan.shards.values() if not shard.receipt.exists()]
    assert [shard.kind for shard in gone] == ["clustering"] and member in gone[0].members


def test_accepted_code_is_recorded(store):
    plan = make()
    record_all(plan, store)
    member, other = of_kind(plan, "clustering")
    record(plan, store, member, code="0" * 64)
    found = status.inspect(plan, store)
    assert status.accept_code(plan, store, found) == (1, 0)
    kept = store.read("clustering", member)
    assert kept["code"] == plan.stages[member].code and kept["accepted_code"] == ["0" * 64]
    assert "accepted_code" not in store.read("clustering", other)
    again = status.inspect(plan, store)
    assert again.states[member] == CURRENT and status.accept_code(plan, store, again) == (0, 0)


def test_a_failed_member_whose_code_was_accepted_is_still_failed(store):
    plan = make()
    member = of_kind(plan, "clustering")[0]
    record(plan, store, member, failure="why", code="0" * 64)
    assert status.inspect(plan, store).states[member] == STALE
    status.accept_code(plan, store, status.inspect(plan, store))
    assert status.inspect(plan, store).states[member] == FAILED


def photographs(folder, number=0):
    """Twelve small images of each of two classes."""
    from PIL import Image

    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for i in range(12):
            colour = (20 * i, 100 * number, 200 if label == "cat" else 50)
            Image.new("RGB", (8, 8), colour).save(folder / label / f"{i}.png")


def test_jobs_get_absolute_paths(tmp_path, monkeypatch):
    """They run in another folder than the one that paths were given in; what leads nowhere stays as it is."""
    photographs(tmp_path / "photos")
    (tmp_path / "labels.csv").write_text("path,label\ncat/0.png,tom\ncat/1.png,tim\n")
    monkeypatch.chdir(tmp_path)

    def local(*asked):
        heads = ["classifier=none", "retrieval=none", "k=2"]
        found = planning.make(["experiment=none", "dataset=folder", "backbone=pixels", *heads, *asked]).plan
        return found.stages[of_kind(found, "dataset")[0]].local

    assert local("dataset.root=photos")["root"] == str(tmp_path / "photos")
    table = local("dataset.root=photos", "dataset.csv=labels.csv")
    assert table["csv"] == str(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").rename(tmp_path / "photos" / "labels.csv")
    assert local("dataset.root=photos", "dataset.csv=labels.csv")["csv"] == "labels.csv"


def test_a_folder_keeps_its_hash_once_it_is_known_and_shares_it_with_no_other(tmp_path, monkeypatch):
    """The content of a folder is in every hash, whether it was read at this launch or at an earlier one."""
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    for number, folder in enumerate(("a", "b")):
        photographs(tmp_path / folder, number)

    def runs(folder):
        asked = ["experiment=none", "dataset=folder", "backbone=pixels", "k=2", f"dataset.root={tmp_path / folder}"]
        plan = planning.make(asked).plan
        (dataset,) = (stage for stage in plan.stages.values() if stage.kind == "dataset")
        assert len(dataset.config["digest"]) == 64
        return set(plan.runs)

    first, again, other, other_again = runs("a"), runs("a"), runs("b"), runs("b")
    assert first == again
    assert other == other_again
    assert first.isdisjoint(other)
