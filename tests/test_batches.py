"""Batches: the shards of a launch packed into the jobs of a cluster, by the real planner."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbench import paths, planning
from backbench.engine.plan import batches
from backbench.engine.plan.batches import Work
from backbench.engine.plan.shards import Shard
from backbench.engine.run import status
from backbench.engine.time import clusters
from backbench.engine.time.clusters import Cluster
from backbench.store import Store

PROFILE = Cluster("slurm", jobs=50, cores=64, threads=8, attempts=3, minutes=10.0)
LARGE = (
    *("experiment=full", "combinations=all", "backbone=pixels,efficientnet_lite0", "chain=none,pca50", "k=2..17"),
    *("dataset.sample=60000", "clusterer=kmeans,minibatch_kmeans,gaussian_mixture,birch", "seed=0..2"),
    "selection=published",
)
pytestmark = pytest.mark.usefixtures("own_results")


def packed(plan, cluster=PROFILE):
    return clusters.packed(plan, status.inspect(plan, Store(paths.store())), cluster)


def in_order(todo):
    """Every shard once, no batch before those that it waits for, and no shard before what it reads."""
    seen, shards = set(), []
    for batch in todo:
        assert set(batch.after) <= seen
        seen.add(batch.id)
        shards += batch.shards
    assert len(shards) == len(set(shards))
    return shards


def test_the_default_sweep_is_one_job_and_its_pictures():
    plan = planning.make([]).plan
    (batch,) = packed(plan)
    assert set(batch.shards) == set(plan.shards)
    assert batch.threads == 8
    assert batch.minutes < 30
    assert batch.mem_mb > max(shard.memory(8) for shard in plan.shards.values())


def test_a_sweep_of_ten_thousand_runs_is_at_most_a_hundred_jobs():
    plan = planning.make(LARGE).plan
    assert len(plan.runs) >= 10_000
    todo = packed(plan)
    assert 1 < len(todo) <= 100
    assert all(len(batch.shards) == 1 or batch.seconds <= PROFILE.seconds for batch in todo)
    place = {shard: number for number, shard in enumerate(in_order(todo))}
    for shard in plan.shards.values():
        assert all(place[parent.id] < place[shard.id] for parent in plan.parents(shard))


def test_jobs_become_longer_only_where_there_would_be_too_many():
    works = [work(f"{number}", 500.0) for number in range(300)]
    assert len(batches.pack(works, 600.0, runs=100)) <= 100
    assert len(batches.pack(works, 600.0, runs=30_000)) == 300


def test_a_job_asks_for_a_gpu_where_the_plan_says_that_it_pays(monkeypatch):
    plan = planning.make(["backbone=pixels,efficientnet_lite0", "execution.device=cuda"]).plan
    on_gpu = {shard for batch in packed(plan) if batch.gpu for shard in batch.shards}
    assert {(plan.shards[key].kind, plan.shards[key].family) for key in on_gpu} == {("features", "efficientnet_lite0")}
    monkeypatch.setenv("BACKBENCH_DEVICE", "auto")
    assert not any(batch.gpu for batch in packed(plan))


def test_the_length_of_a_job_is_the_users_then_the_profiles(monkeypatch):
    assert PROFILE.seconds == 600
    assert replace(PROFILE, minutes=None).seconds == 600
    planning.make(["experiment=none", "backbone=pixels", "execution.job_minutes=2.5"])
    assert PROFILE.seconds == 150


@pytest.mark.parametrize("value", ["0", "-1", "soon", "true"])
def test_a_length_that_is_no_time_is_refused(value):
    with pytest.raises(planning.ConfigError, match=r"execution\.job_minutes: received .*; allowed: minutes > 0"):
        planning.make(["experiment=none", "backbone=pixels", f"execution.job_minutes={value}"])


def work(id, seconds, after=(), gpu=False, threads=2):
    shard = Shard(id, "clustering", "kmeans", (id,), 1000, 10)
    return Work(shard, seconds, threads, gpu, frozenset(after))


@st.composite
def graphs(draw):
    """Shards of any length, on either kind of machine, each after some of the earlier ones."""
    count = draw(st.integers(1, 25))
    numbers = random.Random(draw(st.integers(0, 10**6)))
    return [
        work(
            f"{number:02}",
            numbers.choice((0.1, 5.0, 60.0, 700.0)),
            [f"{other:02}" for other in range(number) if numbers.random() < 0.15],
            numbers.random() < 0.2,
        )
        for number in range(count)
    ]


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_batches_never_wait_in_a_circle_and_are_no_longer_than_asked(works):
    todo = batches.pack(works, 600.0, runs=1)
    by_id = {work.shard.id: work for work in works}
    place = {shard: number for number, shard in enumerate(in_order(todo))}
    assert set(place) == set(by_id)
    assert all(place[parent] < place[key] for key, work in by_id.items() for parent in work.after)
    for batch in todo:
        kinds = {by_id[key].gpu for key in batch.shards}
        assert kinds == {batch.gpu}
        assert len(batch.shards) == 1 or batch.seconds <= 600.001


def test_what_should_run_side_by_side_does():
    root = work("root", 20.0)
    works = [root, *(work(f"long{number}", 550.0, ["root"]) for number in range(6))]
    todo = batches.pack(works, 600.0, runs=1)
    waits = [len(batch.after) for batch in todo]
    assert sorted(waits) == [0, 1, 1, 1, 1, 1, 1] or sorted(waits) == [0, 1, 1, 1, 1, 1]


def test_batches_are_frozen_for_the_jobs_of_a_launch():
    plan = planning.make(["experiment=none", "backbone=pixels"]).plan
    frozen = batches.save(plan, packed(plan), attempts=3)
    assert batches.load(plan) == frozen
    assert batches.failed(plan) == [f"{plan.shards[key].kind} {plan.shards[key].family}" for key in _shards(frozen)]


def test_no_job_asks_for_more_time_than_its_partition_allows():
    plan = planning.make(["experiment=none", "backbone=pixels"]).plan
    batches.save(plan, packed(plan), attempts=3, limit=30.0)
    frozen = batches.load(plan)
    assert frozen.limit == 30
    assert [frozen.allowed(minutes * attempt) for minutes in (12, 35) for attempt in (1, 3)] == [12, 30, 30, 30]
    assert replace(frozen, limit=None).allowed(105) == 105


def _shards(frozen):
    return [shard for batch in frozen.batches for shard in batch.shards]


def test_the_time_on_a_cluster_counts_starts_queue_and_jobs_at_once():
    plan = planning.make([]).plan
    (batch,) = packed(plan)
    assert clusters.lasting([batch], PROFILE, 0.0) == pytest.approx(batch.seconds + clusters.START_SECONDS)
    assert clusters.lasting([batch], PROFILE, 100.0) == pytest.approx(batch.seconds + clusters.START_SECONDS + 100)
    beside = [replace(batch, id=f"{number}") for number in range(4)]
    at_once = clusters.lasting(beside, PROFILE, 0.0)
    assert clusters.lasting(beside, replace(PROFILE, jobs=1), 0.0) == pytest.approx(4 * at_once)
    assert clusters.lasting(beside, replace(PROFILE, cores=16), 0.0) == pytest.approx(2 * at_once)
    assert clusters.waiting() == (clusters.QUEUE_SECONDS, False)
