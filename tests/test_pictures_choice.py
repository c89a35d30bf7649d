"""Of which runs a sweep is drawn, by metrics that are made up."""

import functools
import heapq
from pathlib import Path

import pytest
from broken_kinds import Plain

from backbench import paths, planning
from backbench.engine.results import ledger
from backbench.pictures import _pool, choice
from backbench.pictures.orders import Order
from backbench.store import Store

GRID = ("experiment=none", "dataset.sample=100", "k=2,3", "classifier=knn,svm")
BOTH = (*GRID, "backbone=pixels,autoencoder", "clusterer=kmeans,agglomerative", "chain=none,l2")
ONE = (*GRID, "backbone=pixels", "clusterer=kmeans", "chain=none,l2")


@pytest.fixture(autouse=True)
def results(own_results, monkeypatch):
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)


@functools.cache
def planned(*overrides):
    return planning.make(overrides).plan


def scored(stage, labelled):
    """More clusters and rows of one length are better, and so is the svm; silhouettes say the opposite."""
    reduced = stage.parents.get("matrix", ("", ""))[0] == "matrix"
    if stage.kind == "clustering":
        ami = stage.config["k"] / 10 + reduced / 100
        return {"ami": ami if labelled else None, "silhouette": 1 - ami}
    if stage.kind == "classification":
        better = stage.config["classifier"]["name"] == "svm"
        return {"val_accuracy": 0.5 + better / 10 - reduced / 100}
    return {}


def rows_of(*overrides, labelled=True, failed=lambda stage: False):
    plan, store = planned(*overrides), Store(paths.store())
    for key, stage in plan.stages.items():
        broken = failed(stage)
        body = {"status": "failed" if broken else "done", "reason": "no" if broken else None, "notes": {}, "info": {}}
        body |= {"config": dict(stage.config), "code": stage.code, "metrics": {} if broken else scored(stage, labelled)}
        store.write(stage.kind, key, {**body, "provenance": {"seconds": 0.5, "finished": 1e9, "versions": {}}}, {})
    return ledger.rows(plan, ledger.read_records(plan, store))


def named(picks):
    names = ("backbone.name", "clusterer.name", "k", "chain", "classifier.name")
    return [tuple(pick.row.params.get(name) for name in names) for pick in picks]


def of_clusterings(kind="clustering"):
    return type("Of", (Plain,), {"subjects": (kind,)})(kind, "kinds")


def ordered(found, *kinds, lacking=lambda row: None):
    def order(row, kind):
        return Order(Path(row.config_hash), kind.name, kind, None, "", lacks=lacking(row))

    return list(choice.pictures(found, kinds, order))


def test_the_best_of_each_backbone_and_clusterer_by_agreement_with_the_classes():
    found = choice.picks(rows_of(*BOTH), choice.BEST)
    best = [pick for pick in found if "clustering" in pick.subjects]
    of_each = [(b, c, 3, "l2", "svm") for b in ("autoencoder", "pixels") for c in ("agglomerative", "kmeans")]
    assert sorted(named(best)) == of_each


def test_the_best_classifier_is_drawn_where_no_best_clustering_has_it():
    """It works without the chain, the clusterings with it; of its run nothing is drawn that is of a clustering."""
    found = choice.picks(rows_of(*ONE), choice.BEST)
    assert named(found) == [("pixels", "kmeans", 3, "l2", "svm"), ("pixels", "kmeans", 3, "none", "svm")]
    assert "clustering" not in found[1].subjects
    drawn = ordered(found, of_clusterings(), of_clusterings("classification"))
    assert [(order.name, str(order.folder)) for order in drawn] == [
        ("clustering", found[0].row.config_hash),
        ("classification", found[0].row.config_hash),
        ("classification", found[1].row.config_hash),
    ]


def test_without_classes_the_silhouette_decides_within_each_space():
    found = choice.picks(rows_of(*ONE, labelled=False), choice.BEST)
    assert {(k, chain) for _, _, k, chain, _ in named(found)} == {(2, "none"), (2, "l2")}


def test_a_failed_clustering_is_no_space_of_its_own():
    """The best one failed: the next best is shown, and no other run for the failure."""
    broken = rows_of(*ONE, failed=lambda stage: stage.kind == "clustering" and stage.config["k"] == 3)
    best = [pick for pick in choice.picks(broken, choice.BEST) if "clustering" in pick.subjects]
    assert named(best) == [("pixels", "kmeans", 2, "l2", "svm")]


def test_runs_without_some_heads():
    alone = choice.picks(rows_of(*ONE, "clusterer=none"), choice.BEST)
    assert [(chain, name) for _, _, _, chain, name in named(alone)] == [("none", "svm")]
    (only,) = choice.picks(rows_of(*ONE[:3], "classifier=none", "clusterer=none", "retrieval=none"), choice.BEST)
    assert only.row.heads == {}


def test_all_is_every_result_once_and_the_best_first():
    rows = rows_of(*ONE)
    found = choice.picks(rows, choice.ALL)
    assert {pick.row.config_hash for pick in found} == {row.config_hash for row in rows}
    assert named(found)[0] == ("pixels", "kmeans", 3, "l2", "svm")
    drawn = ordered(found, of_clusterings(), of_clusterings("classification"))
    by_kind = {name: [order for order in drawn if order.name == name] for name in ("clustering", "classification")}
    assert {name: len(orders) for name, orders in by_kind.items()} == {"clustering": 4, "classification": 4}


@pytest.mark.parametrize("plots", [choice.BEST, choice.ALL])
def test_what_the_answer_names_comes_first(plots):
    rows = rows_of(*BOTH)
    picked = choice.picks(rows, plots)
    drawn = [pick.row for pick in picked]
    leading = {max(drawn, key=key).config_hash for key in (choice._classifier, choice._rank)}
    assert len(drawn) > len(leading)
    assert {row.config_hash for row in drawn[: len(leading)]} == leading


def test_pictures_are_drawn_in_their_order_and_layouts_before_what_waits_for_them():
    tasks = [_pool.Task(order, 0, None, {}, Path(f"{order}.png")) for order in range(6)]
    layouts = [_pool.Layouts(0, ("tsne",), 1), _pool.Layouts(0, ("umap",), 1)]
    jobs = [(layouts[0], tasks[4:5]), (tasks[0], []), (layouts[1], tasks[5:]), (tasks[1], []), (tasks[2], [])]
    queue = _pool._queued([*jobs, (tasks[3], [])])
    drawn = [heapq.heappop(queue)[-1][0] for _ in range(len(queue))]
    assert [item for item in drawn if isinstance(item, _pool.Task)] == tasks[:4]
    assert drawn.index(layouts[0]) < drawn.index(tasks[0]) < drawn.index(layouts[1]) < drawn.index(tasks[1])


def test_none_is_none():
    assert choice.picks(rows_of(*ONE), choice.NONE) == []


def test_a_result_that_one_run_cannot_show_is_shown_by_the_next():
    found = choice.picks(rows_of(*ONE), choice.ALL)
    first = found[0].row.config_hash
    drawn = ordered(found, of_clusterings(), lacking=lambda row: "no" if row.config_hash == first else None)
    assert [order.lacks for order in drawn].count("no") == 1
    assert len([order for order in drawn if order.drawable]) == 4


def test_pictures_of_the_best_classifier_are_of_one_run():
    found = choice.picks(rows_of(*ONE), choice.BEST)
    leading = type("Leading", (Plain,), {"subjects": ("classification",), "leading": True})("leading", "kinds")
    every = choice.picks([pick.row for pick in found], choice.ALL)
    assert len(found) == len(ordered(every, leading)) == 2
    (of_the_best,) = ordered(found, leading)
    assert str(of_the_best.folder) == found[1].row.config_hash
    (instead,) = ordered(found, leading, lacking=lambda row: "no" if row is found[1].row else None)
    assert instead.drawable and str(instead.folder) == found[0].row.config_hash
    (neither,) = ordered(found, leading, lacking=lambda row: "no")
    assert not neither.drawable and str(neither.folder) == found[1].row.config_hash
