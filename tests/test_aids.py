"""Neighbour graphs that save work: in the plan where they pay, no part of any hash, and nothing hangs on them."""

import pytest
from grids import NONE

from backbench import hashing, planning
from backbench.engine.plan import cached_inputs
from backbench.engine.plan import frozen as plans
from backbench.engine.run import status
from backbench.store import Store

GRID = [NONE, "dataset.sample=600", "clusterer=dbscan,kmeans", "classifier=knn,svm"]


@pytest.fixture
def plan_of(own_results, monkeypatch):
    """A function that plans overrides; every graph pays."""
    monkeypatch.setattr(cached_inputs, "WORTH", 0.0)
    return lambda *overrides: planning.make([*GRID, *overrides]).plan


def graphs(plan) -> list:
    return [stage for stage in plan.stages.values() if stage.kind == "neighbours"]


def users(plan, graph) -> set[str]:
    return {stage.family for stage in plan.stages.values() if ("neighbours", graph.hash) in stage.aids.values()}


def test_one_graph_for_all_who_search_a_matrix_by_a_metric(plan_of):
    plan = plan_of("retrieval=euclidean")
    (graph,) = graphs(plan)
    assert graph.config == {"metric": "euclidean", "count": 32}
    assert users(plan, graph) == {"dbscan", "knn", "neighbours"}
    assert {stage.parents["matrix"] for stage in plan.stages.values() if stage.aids} == {graph.parents["matrix"]}


def test_other_metrics_and_matrices_have_graphs_of_their_own(plan_of):
    found = {(graph.config["metric"], graph.parents["matrix"]) for graph in graphs(plan_of("chain=none,pca50"))}
    assert len(found) == len(graphs(plan_of("chain=none,pca50"))) == 5


def test_depths_are_powers_of_two_and_end_with_the_rows(plan_of):
    (graph,) = graphs(plan_of("clusterer=none", "classifier=none", "retrieval.at=100"))
    assert graph.config["count"] == 128
    (graph,) = graphs(plan_of("clusterer=none", "classifier=none", "retrieval.at=520", "dataset.sample=600"))
    assert graph.config["count"] == 599


def test_no_hash_of_a_run_or_a_fit_knows_of_it(plan_of, monkeypatch):
    with_graphs = plan_of()
    monkeypatch.setattr(cached_inputs, "WORTH", float("inf"))
    without = planning.make(GRID).plan
    assert not graphs(without)
    assert set(with_graphs.runs) == set(without.runs)
    assert set(with_graphs.stages) - set(without.stages) == {graph.hash for graph in graphs(with_graphs)}
    assert all(with_graphs.stages[key].code == stage.code for key, stage in without.stages.items())


def test_small_matrices_have_none(own_results):
    assert not graphs(planning.make(GRID).plan)


def test_parts_that_are_clustered_apart_search_for_themselves(plan_of):
    plan = plan_of("clustering.scope=train", "clusterer=dbscan", "classifier=none", "retrieval=none")
    assert not graphs(plan)


def test_an_approximate_search_needs_no_graph(plan_of):
    assert not graphs(plan_of("clusterer=none", "classifier=none", "retrieval.search=approximate"))


def test_it_is_computed_before_those_who_read_it(plan_of):
    plan = plan_of("retrieval=euclidean")
    (graph,) = graphs(plan)
    before = plan.shard_of(graph.hash)
    readers = [stage for stage in plan.stages.values() if stage.aids]
    assert readers
    assert all(before in plan.parents(plan.shard_of(stage.hash)) for stage in readers)
    assert before.receipt not in plan.ends()


def test_a_plan_with_graphs_is_read_back_whole(plan_of):
    plan = plan_of()
    read = plans.load(plans.save(plan))
    assert read.stages == plan.stages
    assert plans.dumps(read) == plans.dumps(plan)


def test_it_is_needed_only_while_a_reader_is(plan_of, tmp_path):
    plan, store = plan_of("retrieval=euclidean"), Store(tmp_path / "store")
    (graph,) = graphs(plan)
    assert graph.hash in status.inspect(plan, store).needed
    for key, stage in plan.stages.items():
        if stage.kind not in ("neighbours", "dataset"):
            body = {"status": "done", "reason": None, "code": stage.code, "provenance": {"seconds": 0.1}}
            store.write(stage.kind, key, body, {})
    assert graph.hash not in status.inspect(plan, store).needed


def test_the_hash_of_a_graph_is_over_its_matrix_metric_and_depth(plan_of):
    graph = graphs(plan_of())[0]
    body = {"kind": "neighbours", "config": graph.config, "parents": {"matrix": graph.parents["matrix"][1]}}
    assert graph.hash == hashing.digest(body)
