"""What stands in for what: planned sweeps against the presets that they were made from, nothing computed."""

import functools

import pytest
import torch
import torchvision

from backbench import compose, planning
from backbench.engine.results import ledger
from backbench.papers import described, published, stand_ins
from backbench.papers.published import Images
from backbench.papers.stand_ins import StandIn
from backbench.papers.table import matching
from backbench.schema import ConfigError

BASE = ("experiment=none", "dataset.sample=200", "classifier=none", "retrieval=none")
TRIAL = {"title": "T", "system": "S", "measures": "M", "images": {"words": "some"}, "figures": []}
PAPER = published.parse("trial", {**TRIAL, "figures": [{"name": "one", "metric": "purity"}]})


@pytest.fixture(autouse=True)
def results(own_results):
    pass


@functools.cache
def preset(*overrides):
    return [cell.config for cell in compose.expand([*BASE, *overrides]).cells]


@functools.cache
def rows(*overrides):
    found = planning.make([*BASE, *overrides]).plan
    return ledger.rows(found, {})


def of(folder):
    return ("dataset=folder", f"dataset.root={folder}", "dataset.sample=null")


def compared(theirs, ours, images=None, same=False):
    return stand_ins.compare(described.of_cells(theirs), described.of_rows(ours), images, same)


def words(theirs, ours, **options):
    return [one.words for one in compared(preset(*theirs), rows(*ours), **options).stand_ins]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("clusterer=kmeans,agglomerative,dbscan", "k=2,3", "seed=0,1", "chain=none,l2_pca50"),
        ("backbone=autoencoder", "clusterer=none", "classifier=knn,random_forest", "retrieval=cosine"),
        ("backbone=resnet18", "backbone.weights=random", "clustering.scope=per_split", "classifier=svm"),
    ],
)
def test_the_preset_itself_has_no_stand_ins(overrides):
    assert words(overrides, overrides) == []


def test_a_backbone_that_is_replaced_is_one_stand_in():
    found = words(["backbone=resnet50"], ["backbone=autoencoder", "backbone.epochs=1"])
    assert found == ["autoencoder in place of resnet50"]


def test_weights_are_said_by_their_file_and_never_by_their_folder(tmp_path):
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "own.pth")
    asked = ("backbone=resnet18", f"backbone.weights={tmp_path / 'own.pth'}")
    found = words(["backbone=resnet18"], asked)
    assert found == ["backbone.weights own.pth in place of IMAGENET1K_V1"]


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (["backbone=pixels,autoencoder"], ["backbone=pixels"], ["backbone: only pixels of pixels, autoencoder"]),
        (["k=range(2,16)"], ["k=10"], ["k: only 10 of 2..15"]),
        (["seed=0,1,2"], ["seed=2,0"], ["seed: only 0, 2 of 0..2"]),
        (["k=10"], ["k=9,10,11"], []),
        (["k=10"], ["k=5"], ["k 5 in place of 10"]),
        (["backbone=pixels"], ["backbone=pixels,autoencoder"], []),
        (["clusterer=kmeans"], ["clusterer=agglomerative"], ["agglomerative in place of kmeans"]),
        (["clusterer=kmeans"], ["clusterer=kmeans", "clusterer.n_init=9"], ["clusterer.n_init 9 in place of 4"]),
        (["classifier=knn"], ["classifier=none"], ["classifier none in place of knn"]),
        (["dataset.sample=null"], ["dataset.sample=100"], ["dataset.sample 100 in place of all"]),
        (["chain=none"], ["chain=pca50"], ["clustering.chain pca50 in place of none"]),
        (["chain=none", "classifier=knn"], ["chain=l2", "classifier=knn"], ["chain l2 in place of none"]),
        (["clustering.scope=train"], ["clustering.scope=all"], ["clustering.scope all in place of train"]),
        (["chain=umap10"], ["chain=umap10", "chain.steps.s1.min_dist=0.5"], ["umap.min_dist 0.5 in place of 0.0"]),
        (["retrieval=cosine"], ["retrieval=euclidean"], ["retrieval euclidean in place of cosine"]),
        (["retrieval=cosine"], ["retrieval=cosine", "retrieval.at=5"], ["retrieval.at 5 in place of 10"]),
    ],
)
def test_deviations_in_words(theirs, ours, expected):
    found = [text.removeprefix("clustering.chain.") for text in words(theirs, ours)]
    assert found == expected


def test_many_values_are_cut_short():
    assert stand_ins._listed([0.5, 1, 2, 3, 4, 5, 6, 7], "null") == "0.5, 1, 2, 3, 4, and 3 more"


def test_places_are_no_stand_ins(folder):
    found = words(["dataset=folder", "dataset.sample=null"], [*of(folder), "k=3"])
    assert found == ["k 3 in place of 10"]


def test_another_dataset_is_one_stand_in(folder):
    theirs, ours = preset("dataset=caltech101", "dataset.sample=null"), rows(*of(folder))
    other = StandIn("images", "some", "30 images in 3 classes")
    assert [one.words for one in compared(theirs, ours, images=other).stand_ins] == [
        "dataset folder in place of caltech101"
    ]


def test_the_same_images_by_another_plugin_are_no_stand_in_but_their_division_is(folder):
    theirs = preset("dataset=caltech101", "dataset.sample=null")
    ours = rows(*of(folder), "dataset.split.test=0.3")
    found = compared(theirs, ours, same=True).stand_ins
    assert [one.words for one in found] == ["dataset.split.test 0.3 in place of 0.2"]


@pytest.mark.parametrize(
    ("images", "info", "text", "same"),
    [
        ({"digest": "a"}, {"digest": "a", "n": 30, "total": 30, "classes": ["x"]}, "the published", True),
        (
            {"digest": "a"},
            {"digest": "a", "n": 20, "total": 1030, "classes": None},
            "a sample: 20 of 1,030 images",
            True,
        ),
        (
            {"digest": "a"},
            {"digest": "b", "n": 60, "total": 60, "classes": list("abcde")},
            "other photographs: 60 images in 5 classes",
            False,
        ),
        (
            {"n": 1460},
            {"digest": "b", "n": 60, "total": 60, "classes": ["x"]},
            "other photographs: 60 images in 1 class",
            False,
        ),
        (
            {"classes": 5},
            {"n": 9, "total": 9, "classes": list("abcd")},
            "other photographs: 9 images in 4 classes",
            False,
        ),
        (
            {"n": 60, "classes": 5},
            {"n": 60, "total": 60, "classes": list("abcde")},
            "60 images in 5 classes, as many as were published",
            None,
        ),
        ({}, {"n": 60, "total": 600}, "60 of 600 images, the published ones are not known", None),
    ],
)
def test_photographs(images, info, text, same):
    assert stand_ins.photographs(Images("the published", **images), info) == (text, same)


def matched(theirs, ours, where):
    found = matching(PAPER, rows(*ours), preset(*theirs), where)
    return sorted({(row.params["backbone.name"], row.params.get("k")) for row in found})


@pytest.mark.parametrize(
    ("theirs", "ours", "where", "expected"),
    [
        (["k=10,20"], ["k=10,20"], {"k": 20}, [("pixels", 20)]),
        (["k=10,20"], ["k=10,20"], {"k": 20.0}, [("pixels", 20)]),
        (["k=10,20"], ["k=10,20"], {"k": "20"}, []),
        (["k=10,20"], ["k=5,8"], {"k": 20}, [("pixels", 8)]),
        (["k=10"], ["k=5,8"], {"k": 10}, [("pixels", 5), ("pixels", 8)]),
        (["k=10,20"], ["k=10"], {"k": 20}, []),
        (["backbone=resnet50"], ["k=3"], {"backbone.name": "resnet50", "backbone.layer": "avgpool"}, [("pixels", 3)]),
        (["clusterer=kmeans"], ["clusterer=dbscan"], {"clusterer.name": "kmeans", "k": 10}, [("pixels", None)]),
        ([], ["clusterer=none", "classifier=knn"], {"clusterer.name": "none"}, [("pixels", None)]),
        (["chain=pca50"], ["chain=l2", "k=3"], {"chain": "pca50"}, [("pixels", 3)]),
        (["chain=none,l2"], ["chain=none", "k=3"], {"clustering.chain": "l2"}, []),
    ],
)
def test_runs_match_by_typed_values_or_by_what_stands_in(theirs, ours, where, expected):
    assert matched(theirs, ours, where) == expected


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(ConfigError, match=r"received 'clusterer.linkag'.*Did you mean 'clusterer.linkage'"):
        matched(["clusterer=agglomerative"], ["clusterer=kmeans"], {"clusterer.linkag": "ward"})


def test_a_parameter_of_the_preset_that_no_run_has_is_no_error():
    assert matched(["clusterer=kmeans,agglomerative"], ["clusterer=kmeans"], {"clusterer.linkage": "ward"}) == []
